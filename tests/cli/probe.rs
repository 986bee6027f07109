//! `probe` from outside, on a folder with `train/` and `test/` in it.

use super::tiny::{place, run, said, save, succeeds, tiny};

#[test]
fn a_folder_with_both_parts_is_fitted_and_scored() {
    let place = place();
    let data = place.path().join("set");
    for i in 0..60 {
        let (part, class) = (if i < 45 { "train" } else { "test" }, ["round", "edgy", "bare"][i % 3]);
        let folder = data.join(part).join(class);
        std::fs::create_dir_all(&folder).unwrap();
        save(&folder.join(format!("{i}.png")), i);
    }
    let mut arguments = tiny("run", "4", &["--quiet"]);
    arguments[4] = "set";
    succeeds(place.path(), &arguments);
    // Files that are no images are left out, and named once though images are read more than once.
    std::fs::write(data.join("train/round/broken.png"), "").unwrap();

    let probe = ["probe", "--weights", "run", "--data", "set"];
    let json = [&probe[..], &["--json"]].concat();
    let output = run(place.path(), &json);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).matches("broken.png").count(), 1, "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    let scores: serde_json::Value = serde_json::from_str(lines[4]).unwrap();
    for (line, name) in lines[1..4].iter().zip(["raw", "untrained", "learned"]) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((words[0], words.len()), (name, 3), "{text}");
        for (word, kind) in words[1..].iter().zip(["knn", "linear"]) {
            let score = scores[name][kind].as_f64().unwrap();
            assert_eq!(format!("{score:.1}"), **word, "{text}");
            // 15 images are scored.
            assert!((score * 0.15 - (score * 0.15).round()).abs() < 0.01, "{text}");
        }
    }
    // Its two parts, named one by one, are the same.
    let named = ["probe", "--weights", "run", "--data", "set/train", "--test", "set/test"];
    let output = run(place.path(), &named);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), lines[..4].join("\n") + "\n");
    // So are the run's weights alone, which carry its configuration.
    std::fs::copy(
        place.path().join("run/latest.safetensors"),
        place.path().join("alone.safetensors"),
    )
    .unwrap();
    let output = run(
        place.path(),
        &["probe", "--weights", "alone.safetensors", "--data", "set"],
    );
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), lines[..4].join("\n") + "\n");
}
