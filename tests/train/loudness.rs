//! What a run says, and where.

use super::reference::reference;
use super::tiny::{place, run, said, save, tiny};

#[test]
fn quiet_is_silent() {
    let place = place();
    let output = run(place.path(), &tiny("run", "6", &["--quiet"]));
    assert!(output.status.success() && output.stdout.is_empty());
    assert_eq!(said(&output), "");
    // Nor do others say what they wrote; what is asked for is printed, and nothing else is.
    for i in 100..110 {
        let class = place.path().join(format!("held/class {}", i % 2));
        std::fs::create_dir_all(&class).unwrap();
        save(&class.join(format!("{i}.png")), i);
    }
    let photos = ["--weights", "run", "--data", "photos"];
    let cases: [(&[&str], &[&str], &str); 6] = [
        (&["embed", "--out", "f.npy"], &photos, ""),
        (&["pack", "photos", "photos.ijepa-pack"], &[], ""),
        (&["search", "index", "photos", "--weights", "run"], &[], ""),
        (
            &["search", "index", "photos", "--weights", "run", "--json"],
            &[],
            "{\"index\":",
        ),
        (
            &["probe", "--test", "held", "--method", "knn", "--out", "probed"],
            &photos,
            "features ",
        ),
        (
            &["finetune", "--test", "held", "--out", "tuned", "--steps", "2"],
            &photos,
            "test accuracy ",
        ),
    ];
    for (arguments, more, wanted) in cases {
        let output = run(place.path(), &[arguments, more, &["--quiet"]].concat());
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        assert_eq!(said(&output), "", "{arguments:?}");
        assert!(
            printed.starts_with(wanted) && printed.is_empty() == wanted.is_empty(),
            "{arguments:?}: {printed}"
        );
    }
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let (folder, said) = reference();
    assert!(!said.contains('\u{1b}') && !said.contains('\r'), "{said:?}");
    let line = |start: &str| said.lines().filter(|line| line.trim_start().starts_with(start)).count();
    assert_eq!(
        (
            line("44 images of "),
            line("memory of a step: "),
            line("step 1/60 "),
            line("step 60/60 ")
        ),
        (1, 1, 1, 1)
    );
    assert!(said.contains("AdamW's moments") && said.contains("KiB"), "{said}");
    // Eleven looks, none of them told twice.
    assert_eq!(line("monitor: "), 11, "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with("weights: run/step-60.safetensors") && last.ends_with("loss: run/loss.svg"),
        "{last}"
    );
    assert!(folder.join("step-60.safetensors").exists());
}

#[test]
fn verbose_adds_the_log() {
    let place = place();
    let output = run(place.path(), &tiny("run", "6", &["--verbose"]));
    let text = said(&output);
    assert!(output.status.success() && output.stdout.is_empty(), "{text}");
    for part in [
        "[1,     0] loss: ",
        "[1,     0] grad_stats: [",
        "avg. loss ",
        "saved run/step-4.safetensors",
    ] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
}
