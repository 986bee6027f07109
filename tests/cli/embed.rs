//! `ijepa embed`: every kind of file is read back, and what was stopped goes on.

use super::tiny::{BATCH, fails, ijepa, names, place, run, save, succeeds, tiny};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, RowAccessor};
use std::path::Path;

/// A place with a run of the tiny model in `run`.
fn trained() -> tempfile::TempDir {
    let place = place();
    succeeds(place.path(), &tiny("run", "2", &[]));
    place
}

fn embed<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["embed", "--weights", "run", "--data", "photos", "--out", out, "--quiet"];
    [&words[..], more].concat()
}

/// Lengths, names and values of a safetensors file.
fn tensors(path: &Path) -> (Vec<usize>, Vec<String>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let tensors = ijepa::model::weights::read(&bytes, "features").unwrap();
    let texts = ijepa::model::weights::metadata(&bytes, "features").unwrap();
    let features = &tensors["features"];
    let names = serde_json::from_str(&texts["names"]).unwrap();
    (features.shape.clone(), names, features.values.clone())
}

#[test]
fn every_kind_of_file_holds_the_same_numbers() {
    let place = trained();
    let at = place.path();
    for (more, lengths) in [(&[][..], vec![44, 16]), (&["--patches"], vec![44, 16, 16])] {
        for out in ["f.safetensors", "f.npy", "f.parquet", "f.csv"] {
            succeeds(at, &embed(out, more));
            assert!(fails(at, 2, &embed(out, more)).contains(" exists already: choose another --out"));
        }
        let (shape, known, values) = tensors(&at.join("f.safetensors"));
        assert_eq!(
            (&shape, known.len(), known[0].as_str()),
            (&lengths, 44, "class 0/0.png")
        );
        assert!(values.iter().all(|value| value.is_finite()) && values.iter().any(|value| *value != values[0]));
        let rows = values.len() / 16;
        let patches = (rows > 44).then_some(16);
        let row = |row: usize| {
            (
                &known[row / patches.unwrap_or(1)],
                row / patches.unwrap_or(1),
                row % patches.unwrap_or(1),
            )
        };

        let npy = std::fs::read(at.join("f.npy")).unwrap();
        let head = format!(
            "{{'descr': '<f4', 'fortran_order': False, 'shape': {}, }}",
            tuple(&lengths)
        );
        assert!(npy.starts_with(b"\x93NUMPY\x01\x00"));
        let begin = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
        assert_eq!(begin % 64, 0);
        assert_eq!(std::str::from_utf8(&npy[10..begin]).unwrap().trim_end(), head);
        assert!(npy[begin - 1] == b'\n' && npy[begin..] == *bytemuck::cast_slice::<f32, u8>(&values));
        let listed = std::fs::read(at.join("f.names.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<String>>(&listed).unwrap(), known);

        let file = SerializedFileReader::new(std::fs::File::open(at.join("f.parquet")).unwrap()).unwrap();
        let texts = file.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(
            texts
                .iter()
                .any(|text| text.key == "encoder" && text.value.as_deref() == Some("target"))
        );
        let mut count = 0;
        for (i, record) in file.get_row_iter(None).unwrap().enumerate() {
            let (record, (name, image, patch)) = (record.unwrap(), row(i));
            assert_eq!(record.get_string(0).unwrap(), name);
            if patches.is_some() {
                assert_eq!(record.get_long(1).unwrap(), image as i64);
                assert_eq!(record.get_int(2).unwrap(), patch as i32);
            }
            let list = record.get_list(if patches.is_some() { 3 } else { 1 }).unwrap();
            let list: Vec<f32> = { list.elements().iter() }
                .map(|field| match field {
                    Field::Float(value) => *value,
                    other => panic!("{other}"),
                })
                .collect();
            assert_eq!(list, values[16 * i..][..16]);
            count += 1;
        }
        assert_eq!(count, rows);

        let mut table = csv::Reader::from_path(at.join("f.csv")).unwrap();
        let places: &[&str] = if patches.is_some() { &["image", "patch"] } else { &[] };
        let head: Vec<String> = table.headers().unwrap().iter().map(str::to_string).collect();
        assert_eq!(
            head[..1 + places.len()].concat(),
            ["name"].iter().chain(places).copied().collect::<String>()
        );
        assert_eq!(
            (head[1 + places.len()].as_str(), head[head.len() - 1].as_str()),
            ("f0", "f15")
        );
        let records: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), rows);
        for (i, record) in records.iter().enumerate() {
            let (name, image, patch) = row(i);
            assert_eq!(record[0], *name);
            if patches.is_some() {
                assert_eq!(
                    (&record[1], &record[2]),
                    (image.to_string().as_str(), patch.to_string().as_str())
                );
            }
            let list: Vec<f32> = record
                .iter()
                .skip(1 + places.len())
                .map(|value| value.parse().unwrap())
                .collect();
            assert_eq!(list, values[16 * i..][..16]);
        }
        for name in ["f.safetensors", "f.npy", "f.names.json", "f.parquet", "f.csv"] {
            std::fs::remove_file(at.join(name)).unwrap();
        }
    }
    assert_eq!(names(at), ["photos", "run"]);
}

fn tuple(lengths: &[usize]) -> String {
    let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
    format!("({})", lengths.join(", "))
}

/// The average of an image's patches is its vector, and all splits come one after the other.
#[test]
fn patches_average_to_images_and_all_splits_are_both() {
    let place = trained();
    let at = place.path();
    let words = |split, out, more: &[&'static str]| {
        let words = [
            "embed",
            "--weights",
            "run",
            "--data",
            "generated:glyphs",
            "--quiet",
            "--batch",
            "500",
        ];
        let all = [&words[..], &["--split", split, "--out", out], more].concat();
        succeeds(at, &all);
        tensors(&at.join(out))
    };
    let (shape, known, values) = words("all", "all.safetensors", &[]);
    assert_eq!(
        (shape, known[3999].as_str(), known[4000].as_str()),
        (vec![5000, 16], "train/3999", "test/0")
    );
    let (shape, known, patches) = words("test", "test.safetensors", &["--patches"]);
    assert_eq!((shape, known[999].as_str()), (vec![1000, 16, 16], "test/999"));
    for (image, patches) in patches.chunks_exact(16 * 16).enumerate() {
        for channel in 0..16 {
            let mean = patches.iter().skip(channel).step_by(16).sum::<f32>() / 16.0;
            let value = values[(4000 + image) * 16 + channel];
            assert!(
                (mean - value).abs() <= 1e-5 * (1.0 + mean.abs()),
                "{image}, {channel}: {mean} {value}"
            );
        }
    }
    let photos = [
        "embed",
        "--weights",
        "run",
        "--data",
        "photos",
        "--split",
        "test",
        "--out",
        "p.csv",
    ];
    assert!(succeeds(at, &photos).contains("photos has no test/ or val/: these are all its images"));
}

/// What a run that was stopped leaves behind, without the time it takes to stop one: the first batches of the part, and half of
/// the next one, as a crash would leave it.
#[test]
fn what_was_stopped_goes_on_and_writes_the_same_bytes() {
    let place = trained();
    let at = place.path();
    std::fs::write(at.join("photos/class 0/4.png"), b"\x89PNG\r\n\x1a\n").unwrap(); // named, though skipped before the stop
    succeeds(at, &embed("whole.safetensors", &[]));
    let whole = std::fs::read(at.join("whole.safetensors")).unwrap();
    // An output that can't be put in place leaves the part: a folder of its name came in between.
    let mut child = ijepa(at, &embed("f.safetensors", &[]));
    std::fs::create_dir(at.join(".f.safetensors.ijepa-tmp")).unwrap();
    let output = child.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    std::fs::remove_dir(at.join(".f.safetensors.ijepa-tmp")).unwrap();
    let part = std::fs::read(at.join("f.safetensors.part")).unwrap();
    assert_eq!(names(at), ["f.safetensors.part", "photos", "run", "whole.safetensors"]);
    for (cut, batches) in [(part.len() - 5, 5), (part.len() * 2 / 3, 3), (part.len() / 3, 1)] {
        std::fs::write(at.join("f.safetensors.part"), &part[..cut]).unwrap();
        let words = embed("f.safetensors", &[]);
        let words: Vec<&str> = words.into_iter().filter(|word| *word != "--quiet").collect();
        let said = succeeds(at, &words);
        assert!(
            said.contains(&format!(
                "going on after {} images in f.safetensors.part",
                batches * BATCH
            )),
            "{said}"
        );
        assert!(
            said.contains("skipped 1 of 44 files in photos: class 0/4.png cannot be decoded"),
            "{said}"
        );
        assert!(
            std::fs::read(at.join("f.safetensors")).unwrap() == whole,
            "cut at {cut}"
        );
        std::fs::remove_file(at.join("f.safetensors")).unwrap();
        assert_eq!(names(at), ["photos", "run", "whole.safetensors"]);
    }
    // A bit that fell over: what comes after it is made again.
    let mut flipped = part.clone();
    flipped[part.len() / 2] ^= 1;
    std::fs::write(at.join("f.safetensors.part"), &flipped).unwrap();
    succeeds(at, &embed("f.safetensors", &[]));
    assert!(std::fs::read(at.join("f.safetensors")).unwrap() == whole);

    // Other settings are named.
    std::fs::remove_file(at.join("f.safetensors")).unwrap();
    let left = &part[..part.len() * 2 / 3];
    std::fs::write(at.join("f.safetensors.part"), left).unwrap();
    succeeds(at, &tiny("other", "3", &[]));
    let refused = |words: &[&str], wanted: &str| {
        let message = fails(at, 2, words);
        let begun = "f.safetensors.part was begun with other settings: ";
        assert!(
            message.contains(begun) && message.contains(wanted),
            "{wanted}: {message}"
        );
        assert!(std::fs::read(at.join("f.safetensors.part")).unwrap() == left);
    };
    refused(
        &embed("f.safetensors", &["--patches"]),
        "features (then images, now patches)",
    );
    refused(&embed("f.safetensors", &["--encoder", "context"]), "weights (then ");
    refused(&embed("f.safetensors", &["--batch", "3"]), "batch (then 8, now 3)");
    let other: Vec<&str> = { embed("f.safetensors", &[]).into_iter() }
        .map(|word| if word == "run" { "other" } else { word })
        .collect();
    refused(&other, "weights (then ");
    save(&at.join("photos/class 0/new.png"), 5);
    refused(&embed("f.safetensors", &[]), "images (then ");
}

/// Embeds into a part that is whole, and comes no further.
fn waits(at: &Path, words: &[&str], own: &str) {
    std::fs::create_dir(at.join(own)).unwrap();
    fails(at, 1, words);
    std::fs::remove_dir(at.join(own)).unwrap();
}

/// A crash between the two files of `.npy`, and names of somebody else.
#[test]
fn names_that_came_before_their_array_are_known_again() {
    let place = trained();
    let at = place.path();
    succeeds(at, &embed("f.npy", &[]));
    std::fs::write(at.join("g.npy.part.tmp"), "precious").unwrap();
    waits(at, &embed("g.npy", &[]), ".g.npy.ijepa-tmp");
    std::fs::write(at.join("g.names.json"), "[]").unwrap();
    let message = fails(at, 1, &embed("g.npy", &[]));
    assert!(
        message.contains("g.names.json has other names: move it away"),
        "{message}"
    );
    assert_eq!(std::fs::read(at.join("g.names.json")).unwrap(), b"[]");
    std::fs::copy(at.join("f.names.json"), at.join("g.names.json")).unwrap();
    succeeds(at, &embed("g.npy", &[]));
    for end in ["npy", "names.json"] {
        let [f, g] = ["f", "g"].map(|name| std::fs::read(at.join(format!("{name}.{end}"))).unwrap());
        assert!(f == g);
    }
    let all = [
        "f.names.json",
        "f.npy",
        "g.names.json",
        "g.npy",
        "g.npy.part.tmp",
        "photos",
        "run",
    ];
    assert_eq!(names(at), all);
    assert_eq!(std::fs::read(at.join("g.npy.part.tmp")).unwrap(), b"precious");
}

/// Glyphs are drawn from the seed; a larger limit takes images that were skipped.
#[test]
fn a_part_of_other_glyphs_is_refused() {
    let place = trained();
    let at = place.path();
    let words = [
        &[
            "embed",
            "--weights",
            "run",
            "--data",
            "generated:glyphs",
            "--split",
            "test",
            "--out",
            "f.npy",
        ][..],
        &["--batch", "500", "--quiet"],
    ]
    .concat();
    waits(at, &words, ".f.npy.ijepa-tmp");
    let yaml = super::tiny::text(&at.join("run/params-ijepa.yaml"));
    for key in ["seed", "max_pixels"] {
        let value = { yaml.lines() }
            .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "))
            .unwrap_or_else(|| panic!("{key}: {yaml}"));
        let other = yaml.replace(&format!("{key}: {value}"), &format!("{key}: 123456"));
        std::fs::write(at.join("other.yaml"), other).unwrap();
        let message = fails(at, 2, &[&words[..], &["--config", "other.yaml"]].concat());
        let wanted = format!("{key} (then {value}, now 123456)");
        assert!(message.contains(&wanted), "{wanted}: {message}");
    }
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let place = trained();
    let at = place.path();
    std::fs::write(at.join("f.npy.part"), "precious").unwrap();
    let message = fails(at, 2, &embed("f.npy", &[]));
    assert!(message.contains("f.npy.part is no file of `ijepa embed`"), "{message}");
    assert_eq!(std::fs::read(at.join("f.npy.part")).unwrap(), b"precious");
    std::fs::write(at.join("g.names.json"), "precious").unwrap();
    assert!(fails(at, 2, &embed("g.npy", &[])).contains("g.names.json exists already"));
    assert!(fails(at, 2, &embed("g.json", &[])).contains("let it end in .safetensors, .npy, .parquet or .csv"));
    let other = std::fs::File::create(at.join("h.csv.part")).unwrap();
    other.lock().unwrap();
    assert!(fails(at, 2, &embed("h.csv", &[])).contains("h.csv is being made by another ijepa"));
    drop(other);
    assert!(run(at, &embed("h.csv", &[])).status.success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_done() {
    let place = trained();
    let at = place.path();
    let words = [
        "embed",
        "--weights",
        "run",
        "--data",
        "generated:glyphs",
        "--out",
        "f.csv",
        "--batch",
        "4",
    ];
    let mut child = ijepa(at, &words).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let begun = std::time::Instant::now();
    let length = || std::fs::metadata(at.join("f.csv.part")).map_or(0, |file| file.len());
    while length() < 2_000 {
        assert!(begun.elapsed().as_secs() < 120 && child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(" of 4000 images, which f.csv.part keeps: the same command goes on"),
        "{said}"
    );
    assert!(!at.join("f.csv").exists() && length() >= 2_000);
}

#[cfg(unix)]
#[test]
fn a_link_to_where_the_file_is_to_be_stays() {
    let place = trained();
    let at = place.path();
    std::fs::create_dir(at.join("far")).unwrap();
    std::os::unix::fs::symlink("far/f.npy", at.join("f.npy")).unwrap();
    succeeds(at, &embed("f.npy", &[]));
    assert!(at.join("f.npy").is_symlink() && !at.join("far/f.npy").is_symlink());
    assert!(std::fs::read(at.join("f.npy")).unwrap().starts_with(b"\x93NUMPY"));
    assert_eq!(names(&at.join("far")), ["f.npy"]);
    // What can't be written is refused before anything is computed.
    let message = fails(at, 2, &embed("nowhere/f.npy", &[]));
    assert!(
        message.contains("nowhere/f.npy cannot be written: there is no folder nowhere; choose another --out"),
        "{message}"
    );
    succeeds(at, &embed(&format!("{}.npy", "n".repeat(240)), &[]));
}

/// Where a side of 512 pixels, with 16384 patches of 4, is too much for a binding, the message knows what is not.
#[test]
fn a_size_that_is_too_large_says_which_is_not() {
    let place = trained();
    let at = place.path();
    std::fs::create_dir(at.join("one")).unwrap();
    save(&at.join("one/0.png"), 0);
    let sized = |out: &str, size: &str| {
        let words = [
            "embed",
            "--weights",
            "run",
            "--data",
            "one",
            "--quiet",
            "--out",
            out,
            "--size",
            size,
        ];
        run(at, &words)
    };
    let output = sized("large.npy", "512");
    let message = super::tiny::said(&output);
    if output.status.success() {
        return; // a large adapter
    }
    let side = message
        .split_once("images of 512 x 512 pixels are too large for this model here: squares of ")
        .and_then(|(_, rest)| rest.split(' ').next())
        .expect(&message);
    let next = (side.parse::<usize>().unwrap() + 4).to_string();
    assert!(super::tiny::said(&sized("next.npy", &next)).contains(&format!("squares of {side} pixels fit")));
    assert!(sized("fits.npy", side).status.success());
}
