//! `ijepa tune`: what it keeps, who uses it, and when not.

use super::{computes, ijepa, refused};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

/// The last line, parsed.
fn last(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap()).unwrap_or_else(|e| panic!("{e}:\n{text}"))
}

/// A command that computes, with this file of findings; it succeeds.
fn with(cache: &Path, arguments: &[&str]) -> (String, String) {
    let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into());
    let (mut command, _folder) = ijepa(arguments);
    let Output { status, stdout, stderr } = command
        .env("IJEPA_TUNE", cache)
        .args(["--adapter", &adapter])
        .output()
        .unwrap();
    let [out, err] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(status.success(), "{arguments:?}: {err}");
    (out, err)
}

/// One product, small, and how it was computed.
fn product(cache: &Path) -> (String, String) {
    let (out, err) = with(cache, &["bench", "--matmul", "40x12x20"]);
    (last(&out)["way"].as_str().unwrap().to_string(), err)
}

#[test]
fn findings_are_kept_used_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("new folder").join("tune.json");
    let name = cache.to_str().unwrap();
    let small = [
        "tune",
        "--preset",
        "demo",
        "--batch",
        "1",
        "--seconds",
        "2",
        "--cache",
        name,
    ];
    let printed = computes(&small);
    let value = last(&printed);
    let count = |key: &str| value[key].as_u64().unwrap();
    let rows = value["products"].as_array().unwrap();
    assert_eq!(count("measured"), rows.len() as u64, "{value}");
    assert!(count("measured") + count("left") > 10, "{value}");
    for row in rows {
        let of = |key: &str| row[key].as_f64().unwrap();
        assert!(of("tried") >= 1.0 && of("default_ms") > 0.0 && of("ms") > 0.0, "{row}");
        assert_eq!(row["wrong"], json!([]), "{row}");
        let other = row["way"] != row["default"];
        assert_eq!(
            other,
            of("ms_slowest") < of("default_ms"),
            "only what beats the default's fastest round: {row}"
        );
        assert!(
            printed.contains(row["product"].as_str().unwrap()),
            "{row} is not in the table"
        );
    }
    let won = rows.iter().filter(|row| row["way"] != row["default"]).count() as u64;
    assert_eq!(count("tuned"), won, "{value}");

    let file = std::fs::read_to_string(&cache).unwrap();
    let kept: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(kept["program"], env!("CARGO_PKG_VERSION"));
    assert_eq!(kept["adapters"][0]["adapter"], value["adapter"]);
    assert_eq!(kept["adapters"][0]["products"].as_array().unwrap().len() as u64, won);
    let names = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!(names(cache.parent().unwrap()), 1, "nothing but the file is left");

    // What can be known in advance: a finding of ours, since which way wins is chance.
    let (default, said) = product(Path::new(""));
    assert_eq!(said, "");
    let found = if default == "any" { "tile 32x32x16 4x4" } else { "any" };
    let mut own = kept.clone();
    own["adapters"][0]["products"] = json!([{"form": "nn", "m": 64, "n": 20, "k": 12, "way": found}]);
    std::fs::write(&cache, own.to_string()).unwrap();
    let (way, said) = product(&cache);
    assert_eq!(way, found);
    assert_eq!(said, format!("matrix products in f32 as tuned: 1 of {name}\n"));
    let (out, said) = with(&cache, &["bench", "--matmul", "40x12x20", "--variant", "any"]);
    assert_eq!(
        (&last(&out)["way"], said.as_str()),
        (&"any".into(), ""),
        "--variant is stronger"
    );

    // Findings for another model come beside it.
    computes(&small);
    let both: Value = serde_json::from_str(&std::fs::read_to_string(&cache).unwrap()).unwrap();
    let products = both["adapters"][0]["products"].as_array().unwrap();
    let mut first = own["adapters"][0]["products"][0].clone();
    first["operands"] = "f32".into();
    assert!(products.contains(&first), "{both}");
    assert_eq!(both["adapters"].as_array().unwrap().len(), 1, "{both}");

    // Those of other operands, too; each is used for its own alone.
    let (mut one, mut units) = (first.clone(), first.clone());
    one["operands"] = "bf16".into();
    [units["operands"], units["way"]] = ["f16", "fragments 16x16 4x4"].map(Value::from); // units that are not here
    own["adapters"][0]["products"] = json!([one, units]);
    std::fs::write(&cache, own.to_string()).unwrap();
    assert_eq!(product(&cache).0, default);
    let halves = with(&cache, &["bench", "--matmul", "40x12x20", "--operands", "bf16"]);
    assert_eq!(last(&halves.0)["way"], found);
    assert_eq!(halves.1, format!("matrix products in bf16 as tuned: 1 of {name}\n"));
    let narrow = computes(&[&small[..], &["--set", "meta.use_bfloat16=true"]].concat());
    let value = last(&narrow);
    assert_eq!(value["operands"], "bf16", "{value}");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&cache).unwrap()).unwrap();
    let products = kept["adapters"][0]["products"].as_array().unwrap();
    assert!(products.contains(&one) && products.contains(&units), "{kept}");
    let bf16 = products.iter().filter(|entry| entry["operands"] == "bf16").count() as u64;
    assert_eq!(bf16, value["tuned"].as_u64().unwrap() + 1, "{kept}");
    assert_eq!(products.len() as u64, bf16 + 1, "{kept}");

    let forget = || {
        let (mut command, _folder) = ijepa(&["tune", "--forget", "--cache", name]);
        last(&String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap())
    };
    assert_eq!(forget(), json!({"cache": name, "removed": true}));
    assert!(!cache.exists());
    assert_eq!(forget(), json!({"cache": name, "removed": false}));
    assert_eq!(
        product(&cache),
        (default, String::new()),
        "no file is nothing to speak of"
    );
}

/// That there was no time is no progress: it is said even so.
#[test]
fn quiet_tells_what_was_not_measured() {
    let short = "tune --preset demo --batch 1 --seconds 0.1 --quiet --cache tune.json";
    let (out, err) = with(Path::new(""), &short.split(' ').collect::<Vec<_>>());
    let value = last(&out);
    let (measured, left) = (value["measured"].as_u64().unwrap(), value["left"].as_u64().unwrap());
    assert!(left > 0, "{value}");
    let all = measured + left;
    let wanted = format!("the time was too short for {left} of {all} products: give more --seconds\n");
    assert_eq!(err, wanted);
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(refused(&["tune", "--seconds", "0"]).contains("a number of seconds from 0.1"));
    assert!(refused(&["tune", "--cache", "x.json", "--variant", "any"]).contains("leave it out"));
    let (mut command, _folder) = ijepa(&["tune"]);
    let output = command.env("IJEPA_TUNE", "").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("name a file by --cache"));
}
