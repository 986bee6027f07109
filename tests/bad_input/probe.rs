//! Probes of what is no run, on what has no labels.

use super::tiny::{fails, place, run, succeeds, tiny};

#[test]
fn what_cannot_be_scored_is_refused() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "2", &["--quiet"]));
    super::tiny::photos(&at.join("more"));
    super::tiny::photos(&at.join("both/train"));
    super::tiny::photos(&at.join("both/val"));
    super::tiny::photos(&at.join("late/test"));
    std::fs::create_dir_all(at.join("flat")).unwrap();
    std::fs::create_dir_all(at.join("other/test/zebra")).unwrap();
    for i in 0..3 {
        super::tiny::save(&at.join(format!("flat/{i}.png")), i);
        super::tiny::save(&at.join(format!("other/test/zebra/{i}.png")), i);
    }
    for (weights, data, test, wanted) in [
        (
            "run",
            "photos",
            None,
            "photos has no test/ or val/ to score on: name images of their own by --test PATH",
        ),
        (
            "run",
            "late",
            None,
            "late has no train/ to fit on, only images to score: give the training images as --data and these as --test late",
        ),
        ("run", "photos", Some("photos"), "those to score are the same, "),
        (
            "run",
            "photos",
            Some("both/../photos"),
            "/photos/class 0/0.png for one: name others by --test PATH",
        ),
        ("run", "both", Some("both/train"), "those to score are the same, "),
        (
            "run",
            "flat",
            Some("photos"),
            "flat has no labels: its images have to lie in a folder for each class",
        ),
        ("run", "photos", Some("flat"), "flat has no labels"),
        (
            "run",
            "photos",
            Some("other"),
            "other has a class \"zebra\" that the training images don't have",
        ),
        ("run", "photos", Some("missing"), "missing cannot be opened: "),
        (
            "run",
            "",
            Some("photos"),
            "no images are named: give a folder, a tar, a packed set or generated:glyphs",
        ),
        (
            "photos",
            "photos",
            Some("photos"),
            "photos holds no run: photos/params-ijepa.yaml: ",
        ),
        ("missing", "photos", Some("photos"), "no weights at missing: "),
        (
            "run/train.log",
            "photos",
            Some("photos"),
            "run/train.log is no safetensors file that can be read",
        ),
        (
            "flat/1.png",
            "photos",
            Some("photos"),
            "flat/1.png is no safetensors file that can be read",
        ),
    ] {
        let mut arguments = vec!["probe", "--weights", weights, "--data", data];
        arguments.extend(test.iter().flat_map(|test| ["--test", test]));
        let message = fails(at, 2, &arguments);
        assert!(message.contains(wanted), "{wanted:?}: {message}");
    }
    std::fs::remove_file(at.join("run/latest.safetensors")).unwrap();
    // A checkpoint beside it will do; without one there is nothing to score.
    let one = [
        "probe",
        "--weights",
        "run",
        "--data",
        "photos",
        "--test",
        "more",
        "--json",
    ];
    let output = run(at, &one);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", super::tiny::said(&run(at, &one)));
    assert!(text.lines().last().unwrap().starts_with("{\"raw\":{\"knn\":"), "{text}");
    let named = [
        "probe",
        "--weights",
        "run/step-2.safetensors",
        "--data",
        "photos",
        "--test",
        "more",
        "--json",
    ];
    assert_eq!(String::from_utf8(run(at, &named).stdout).unwrap(), text);
    std::fs::remove_file(at.join("run/step-2.safetensors")).unwrap();
    let message = fails(at, 2, &one);
    assert!(message.contains("no weights at run/latest.safetensors: "), "{message}");
}

#[test]
fn what_no_protocol_can_do_is_refused() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "2", &["--quiet"]));
    for i in 0..8 {
        for folder in ["set/train/round", "set/test/round", "one/train/only", "one/test/only"] {
            let folder = at.join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            super::tiny::save(&folder.join(format!("{i}.png")), i);
        }
    }
    for part in ["train", "test"] {
        let folder = at.join("set").join(part).join("rare");
        std::fs::create_dir_all(&folder).unwrap();
        super::tiny::save(&folder.join("0.png"), 9);
        super::tiny::save(&folder.join("1.png"), 10);
    }
    std::fs::create_dir_all(at.join("there")).unwrap();
    for (data, more, wanted) in [
        (
            "one",
            &["--method", "knn"][..],
            "the images have one class alone, \"only\": a probe needs two or more",
        ),
        (
            "set",
            &["--method", "knn", "--k", "11"],
            "11 neighbours can't be found among 10 training images",
        ),
        (
            "set",
            &["--method", "knn", "--out", "there"],
            "there exists already: choose another --out",
        ),
        (
            "set",
            &["--label-fraction", "0.1"],
            "leaves none of the 2 images of class \"rare\"",
        ),
        (
            "set",
            &["--label-fraction", "0"],
            "--label-fraction 0 is not above 0 and at most 1",
        ),
        (
            "set",
            &["--label-fraction", "NaN"],
            "--label-fraction NaN is not above 0 and at most 1",
        ),
        (
            "set",
            &["--method", "attentive", "--cache", "0.000001"],
            "are not enough for ten: give more memory by --cache",
        ),
    ] {
        let arguments = [&["probe", "--weights", "run", "--data", data][..], more].concat();
        let message = fails(at, 2, &arguments);
        assert!(message.contains(wanted), "{wanted:?}: {message}");
    }
}
