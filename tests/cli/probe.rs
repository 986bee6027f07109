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

/// `count` images of three classes in `set/train`, a third of that in `set/test`.
fn set(place: &std::path::Path, count: usize) {
    for i in 0..count + count / 3 {
        let (part, class) = (
            if i < count { "train" } else { "test" },
            ["round", "edgy", "bare"][i % 3],
        );
        let folder = place.join("set").join(part).join(class);
        std::fs::create_dir_all(&folder).unwrap();
        save(&folder.join(format!("{i}.png")), i);
    }
}

#[test]
fn methods_say_what_they_chose_and_how_sure_they_are() {
    let place = place();
    set(place.path(), 45);
    let mut arguments = tiny("run", "4", &["--quiet"]);
    arguments[4] = "set";
    succeeds(place.path(), &arguments);
    let probe = ["probe", "--weights", "run", "--data", "set", "--json", "--quiet"];
    let asked = [
        "--method",
        "all",
        "--features",
        "last4",
        "--encoder",
        "context",
        "--per-class",
        "--out",
        "probed",
    ];
    let output = run(place.path(), &[&probe[..], &asked].concat());
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // A table of three kinds of features by three methods, one of three classes, JSON.
    assert_eq!(lines.len(), 1 + 9 + 1 + 1 + 3 + 1, "{text}");
    assert!(
        lines[0].contains("95 % interval") && lines[11].starts_with("class "),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(lines[15]).unwrap();
    assert_eq!(json["encoder"], "context");
    assert_eq!(json["features"], "last4");
    assert_eq!(json["classes"], serde_json::json!(["bare", "edgy", "round"]));
    let probes = json["probes"].as_array().unwrap();
    for (probe, line) in probes.iter().zip(&lines[1..10]) {
        let (features, method) = (probe["features"].as_str().unwrap(), probe["method"].as_str().unwrap());
        assert!(line.starts_with(features), "{line}");
        let accuracy = probe["accuracy"].as_f64().unwrap();
        assert_eq!(
            json[features][method].as_f64(),
            Some(accuracy),
            "as the short table has it"
        );
        let interval = &probe["interval"];
        let [low, high] = ["low", "high"].map(|end| interval[end].as_f64().unwrap());
        assert!(
            low <= accuracy && accuracy <= high && high - low > 10.0,
            "15 images say little: {probe}"
        );
        let rows = probe["confusion"].as_array().unwrap();
        let cell = |row: usize, column: usize| rows[row][column].as_u64().unwrap();
        let right: u64 = (0..3).map(|class| cell(class, class)).sum();
        let all: u64 = (0..9).map(|at| cell(at / 3, at % 3)).sum();
        assert_eq!(
            (probe["right"].as_u64(), probe["images"].as_u64()),
            (Some(right), Some(15))
        );
        assert!(
            all == 15 && (accuracy - 100.0 * right as f64 / 15.0).abs() < 0.01,
            "{probe}"
        );
        assert_eq!(probe["fitted"], 45);
        assert!(
            probe["held_out"].as_f64().is_some() && probe["chosen"].is_object(),
            "{probe}"
        );
    }
    let folder = place.path().join("probed");
    let written = std::fs::read_to_string(folder.join("probe.json")).unwrap();
    assert_eq!(written.trim_end(), lines[15]);
    for method in ["knn", "linear", "attentive"] {
        let picture = image::open(folder.join(format!("confusion-{method}.png"))).unwrap();
        assert!(picture.width() > 300 && picture.height() > 200);
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4, "and nothing else");
    let mut names = std::fs::read_dir(place.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name());
    assert!(
        !names.any(|name| name.to_string_lossy().ends_with(".tmp")),
        "no half-made folder stays"
    );
}

#[test]
fn a_part_of_the_labels_is_fitted_on_the_same_for_a_seed() {
    let place = place();
    set(place.path(), 60);
    let mut arguments = tiny("run", "2", &["--quiet"]);
    arguments[4] = "set";
    succeeds(place.path(), &arguments);
    let probe = |more: &[&str]| {
        let base = ["probe", "--weights", "run", "--data", "set", "--json", "--quiet"];
        let output = run(place.path(), &[&base[..], more].concat());
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let knn = ["--method", "knn", "--k", "3", "--label-fraction", "0.2"];
    let text = probe(&knn);
    let json: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(json["label_fraction"], 0.2);
    for probe in json["probes"].as_array().unwrap() {
        assert_eq!(
            (&probe["fitted"], &probe["chosen"]["k"]),
            (&serde_json::json!(12), &serde_json::json!(3))
        );
    }
    assert_eq!(probe(&knn), text);
    // The short table takes it, too.
    assert_eq!(probe(&["--label-fraction", "0.5"]).lines().count(), 5);
}
