//! Steps that are not finite stop a run.

use super::tiny::{fails, names, place, text, tiny};
use ijepa::model::weights;
use std::path::Path;

const BLOW_UP: [&str; 6] = [
    "--set",
    "optimization.lr=1e30",
    "--set",
    "optimization.start_lr=1e30",
    "--set",
    "logging.checkpoint_every=1",
];

#[track_caller]
fn is_finite(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    let tensors = weights::read(&bytes, "a checkpoint").unwrap();
    assert!(!tensors.is_empty());
    for (name, tensor) in tensors {
        assert!(
            tensor.values.iter().all(|v| v.is_finite()),
            "{name} in {}",
            file.display()
        );
    }
}

#[test]
fn the_step_the_last_good_checkpoint_and_what_to_try_are_named() {
    let place = place();
    let more = [&BLOW_UP[..], &["--set", "logging.monitor_every=0"]].concat();
    let message = fails(place.path(), 1, &tiny("run", "20", &more));
    assert!(
        message.starts_with("ijepa train: step 2 is not finite (loss NaN"),
        "{message}"
    );
    assert!(
        message.contains("no weight was changed by it; the last good checkpoint is run/step-1.safetensors"),
        "{message}"
    );
    assert!(
        message.contains("Try a lower optimization.lr, a longer warm-up or optimization.clip_grad"),
        "{message}"
    );
    let folder = place.path().join("run");
    let saved: Vec<String> = names(&folder)
        .into_iter()
        .filter(|name| name.ends_with(".safetensors"))
        .collect();
    assert_eq!(saved, ["latest.safetensors", "step-1.safetensors"]);
    for name in saved {
        is_finite(&folder.join(name));
    }
    let table = text(&folder.join("jepa_r0.csv"));
    assert!(table.lines().last().unwrap().starts_with("1,1,nan,"), "{table}");

    // Going on meets the same step again, and names the checkpoint of the earlier session.
    let message = fails(place.path(), 1, &["train", "--resume", "run"]);
    assert!(
        message.contains("step 2 is not finite") && message.contains("run/latest.safetensors"),
        "{message}"
    );
}

#[test]
fn the_monitor_sees_what_no_step_has_seen_yet() {
    let place = place();
    let more = [&BLOW_UP[..], &["--set", "logging.monitor_every=1"]].concat();
    let message = fails(place.path(), 1, &tiny("run", "20", &more));
    assert!(
        message.contains("after step 1 the target encoder's features are not finite; there is no checkpoint yet"),
        "{message}"
    );
    assert!(!place.path().join("run/latest.safetensors").exists());
}

#[test]
fn weights_that_overflow_in_the_update_are_not_saved() {
    let place = place();
    let more = [
        &BLOW_UP[..],
        &[
            "--set",
            "optimization.start_lr=1e300",
            "--set",
            "optimization.lr=1e300",
            "--set",
            "logging.monitor_every=0",
        ],
    ]
    .concat();
    let message = fails(place.path(), 1, &tiny("run", "20", &more));
    assert!(
        message.contains("after step 1 \"") && message.contains("\" is not finite and was not saved"),
        "{message}"
    );
    assert!(!place.path().join("run/latest.safetensors").exists());
}

/// The advice of the message works.
#[test]
fn a_run_goes_on_with_a_lower_rate_in_its_configuration() {
    let place = place();
    let more = [
        &BLOW_UP[..2],
        &[
            "--set",
            "optimization.warmup_share=0.5",
            "--set",
            "logging.monitor_every=0",
        ],
    ]
    .concat();
    let steady = [
        "--set",
        "logging.checkpoint_every=1",
        "--set",
        "optimization.start_lr=1e-4",
    ];
    let message = fails(place.path(), 1, &tiny("run", "20", &[&more[..], &steady].concat()));
    assert!(
        message.contains("begin again by --resume run") || message.contains("go on by --resume run"),
        "{message}"
    );
    let file = place.path().join("run/params-ijepa.yaml");
    let yaml = text(&file);
    let lower = yaml.replace("  lr: 1.0e+30\n", "  lr: 0.001\n");
    assert_ne!(yaml, lower);
    std::fs::write(&file, lower).unwrap();
    for name in ["latest.safetensors", "latest.json", "step-1.safetensors", "step-1.json"] {
        let _ = std::fs::remove_file(place.path().join("run").join(name));
    }
    super::tiny::succeeds(place.path(), &["train", "--resume", "run"]);
    assert_eq!(text(&place.path().join("run/jepa_r0.csv")).lines().count(), 21);
}
