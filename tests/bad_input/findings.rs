//! Files of `ijepa tune` that are broken, or of another adapter or program: one line, and the default kernels.

use super::refused;
use super::tiny::{place, run, said, succeeds, text, tiny};
use serde_json::{Value, json};
use std::path::Path;

/// What `ijepa tune` would have written on the adapter of the tests.
fn right(place: &Path) -> Value {
    let output = run(
        place,
        &[
            "tune",
            "--preset",
            "demo",
            "--batch",
            "1",
            "--seconds",
            "0.1",
            "--cache",
            "right.json",
        ],
    );
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_str(&text(&place.join("right.json"))).unwrap()
}

#[test]
fn findings_that_do_not_hold_are_left_alone_with_a_line() {
    let place = place();
    let folder = place.path();
    let right = right(folder);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value = right.clone();
        change(&mut value);
        value.to_string().into_bytes()
    };
    let entry = json!({"form": "nt", "m": 64, "n": 8, "k": 8, "way": "any"});
    let wrong = |key: &'static str, what: Value| {
        let entry = &entry;
        with(&move |value| {
            let mut one = entry.clone();
            one[key] = what.clone();
            value["adapters"][0]["products"] = json!([one]);
        })
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "is no file of `ijepa tune`"),
        (b"{\"format\": \"ijepa tune\"".to_vec(), "is no file of `ijepa tune`"),
        (b"{}".to_vec(), "is no file of `ijepa tune`"),
        (b"[1, 2]".to_vec(), "is no file of `ijepa tune`"),
        (vec![0xff; 100], "can't be read"),
        (vec![b' '; (1 << 20) + 1], "is larger than 1 MiB"),
        (
            with(&|value| value["version"] = json!(2)),
            "is of version 2, and this ijepa reads version 1",
        ),
        (
            with(&|value| value["program"] = json!("0.0.1")),
            "was written by ijepa 0.0.1, and this is",
        ),
        (with(&|value| value["program"] = json!(7)), "was written by ijepa ?"),
        (with(&|value| value["adapters"] = json!([])), "has nothing on "),
        (with(&|value| value["adapters"] = json!(3)), "is damaged"),
        (
            with(&|value| value["adapters"][0]["adapter"] = json!("Other GPU")),
            "has nothing on ",
        ),
        (
            with(&|value| value["adapters"][0]["driver"] = json!("older")),
            "has nothing on ",
        ),
        (
            with(&|value| value["adapters"][0]["backend"] = json!("metal")),
            "has nothing on ",
        ),
        (
            wrong("way", json!("tile 9x9x9 9x9")),
            "names operands, forms or kernels that there are not",
        ),
        (
            wrong("operands", json!("f8")),
            "names operands, forms or kernels that there are not",
        ),
        (
            wrong("form", json!("tt")),
            "names operands, forms or kernels that there are not",
        ),
        (wrong("m", json!(-1)), "is damaged"),
        (wrong("m", json!("64")), "is damaged"),
        (wrong("k", json!(1e30)), "is damaged"),
    ];
    let cache = folder.join("bad.json");
    for (bytes, wanted) in cases {
        std::fs::write(&cache, &bytes).unwrap();
        let output = super::tiny::ijepa(folder, &["bench", "--matmul", "3x4x5"])
            .env("IJEPA_TUNE", "bad.json")
            .output()
            .unwrap();
        let line = said(&output);
        assert!(output.status.success(), "{wanted}: {line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(
            line.starts_with("bad.json ") && line.contains(wanted),
            "{wanted:?} is not in: {line}"
        );
        assert_eq!(std::fs::read(&cache).unwrap(), bytes, "it is left as it is");
        // The advice can be followed.
        let forgotten = super::tiny::run(folder, &["tune", "--forget", "--cache", "bad.json"]);
        let advice = match forgotten.status.success() {
            true => "`ijepa tune --forget` removes it",
            false => "name another file by IJEPA_TUNE, or move this one away",
        };
        assert!(line.trim_end().ends_with(advice), "{line}");
        assert!(!line.contains("expected") && !line.contains("invalid"), "{line}");
    }
    // Sizes that no product has are no harm, and a folder is no file.
    std::fs::write(&cache, wrong("m", json!(u64::MAX))).unwrap();
    for name in ["bad.json", "photos"] {
        let mut command = super::tiny::ijepa(folder, &tiny("out", "1", &[]));
        let output = command.env("IJEPA_TUNE", name).output().unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
        let expected = if name == "photos" {
            "can't be read"
        } else {
            "as tuned: 1"
        };
        assert!(said(&output).contains(expected), "{name}: {}", said(&output));
        std::fs::remove_dir_all(folder.join("out")).unwrap();
    }
}

/// As the line about it promises; what is good in it stays.
#[test]
fn what_is_damaged_in_a_file_is_left_out_when_it_is_measured_anew() {
    let place = place();
    let folder = place.path();
    let mut file = right(folder);
    let entry = |operands: &str, form: &str, way: &str| json!({"operands": operands, "form": form, "m": 4, "n": 5, "k": 4, "way": way});
    let good = [entry("f32", "nn", "any"), entry("f16", "nn", "fragments 16x16 4x4")];
    let damaged = [
        entry("f32", "nt", "tile 9999x9999x9999 8x8"),
        entry("bf16", "nt", "none"),
        entry("f8", "nt", "any"),
        entry("f32", "tt", "any"),
    ];
    file["adapters"][0]["products"] = json!([&good[..], &damaged].concat());
    std::fs::write(folder.join("right.json"), file.to_string()).unwrap();
    let bench = || {
        let mut command = super::tiny::ijepa(folder, &["bench", "--matmul", "3x4x5"]);
        said(&command.env("IJEPA_TUNE", "right.json").output().unwrap())
    };
    assert!(bench().contains("is damaged"), "{file}");
    let file = right(folder);
    let kept = file["adapters"][0]["products"].as_array().unwrap();
    assert!(damaged.iter().all(|one| !kept.contains(one)), "{file}");
    assert!(good.iter().all(|one| kept.contains(one)), "{file}");
    assert!(bench().contains("matrix products in f32 as tuned: "), "{}", bench());
}

#[test]
fn files_that_are_not_its_own_are_not_touched() {
    let place = place();
    let folder = place.path();
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    for name in ["notes.txt", "photos"] {
        refused(
            folder,
            2,
            &["tune", "--forget", "--cache", name],
            "is no file of `ijepa tune`",
        );
    }
    assert_eq!(text(&folder.join("notes.txt")), "mine");
    // Nor is what only speaks of it, or is JSON of another kind: neither removed nor written over.
    std::fs::write(folder.join("history"), "ijepa tune --preset nano\n").unwrap();
    std::fs::write(
        folder.join("other.json"),
        "{\"format\": \"mine\", \"of\": \"ijepa tune\"}",
    )
    .unwrap();
    for name in ["history", "other.json"] {
        let before = text(&folder.join(name));
        for more in [
            &["--forget"][..],
            &["--preset", "demo", "--batch", "1", "--seconds", "0.1"],
        ] {
            let arguments = [&["tune", "--cache", name], more].concat();
            refused(folder, 2, &arguments, "is no file of `ijepa tune`");
        }
        assert_eq!(text(&folder.join(name)), before);
    }
    // What can't be looked into is not said to be anything.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("round", folder.join("round")).unwrap();
        refused(
            folder,
            2,
            &["tune", "--forget", "--cache", "round"],
            "round can't be read (",
        );
    }
    refused(folder, 2, &["tune", "--cache", "photos"], "photos can't be written");
    refused(
        folder,
        2,
        &["tune", "--cache", "notes.txt/tune.json"],
        "name another file by --cache",
    );
    // One that is broken is replaced.
    std::fs::write(folder.join("old.json"), "{\"format\": \"ijepa tune\", \"version\": 0}").unwrap();
    succeeds(
        folder,
        &[
            "tune",
            "--preset",
            "demo",
            "--batch",
            "1",
            "--seconds",
            "0.1",
            "--cache",
            "old.json",
        ],
    );
    assert!(text(&folder.join("old.json")).contains("\"version\": 1"));
    succeeds(folder, &["tune", "--forget", "--cache", "old.json"]);
    assert!(!folder.join("old.json").exists());
}
