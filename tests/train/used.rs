//! Folders that hold something already.

use super::reference::reference;
use super::tiny::{fails, ijepa, place, runs_until, snapshot, tiny};

#[test]
fn a_used_folder_is_refused_and_left_alone() {
    let (folder, _) = reference();
    let before = snapshot(&folder);
    let place = place();
    let out = folder.to_str().unwrap();
    let message = fails(place.path(), 2, &tiny(out, "5", &[]));
    assert!(
        message.ends_with(&format!(
            "{out} holds a run already: go on with it by --resume {out}, or choose another --out"
        )),
        "{message}"
    );
    let message = fails(place.path(), 2, &["demo", "--out", out]);
    assert!(
        message.contains("holds a run with other settings than the demo's"),
        "{message}"
    );
    assert!(snapshot(&folder) == before);
}

#[test]
fn a_folder_with_files_of_a_runs_names_is_refused() {
    let place = place();
    for name in [
        "train.log",
        "jepa_r0.csv",
        "monitor.csv",
        "step-7.safetensors",
        "latest.safetensors",
        "events.out.tfevents.1.x",
    ] {
        let folder = place.path().join("mine");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(name), "mine").unwrap();
        let cases = [
            (tiny("mine", "5", &[]), format!("mine holds a file {name} already")),
            // The demo clears its folder, so that it takes none with files of others.
            (
                vec!["demo", "--out", "mine"],
                format!("mine holds files that are no run's, {name} for one"),
            ),
        ];
        for (arguments, wanted) in cases {
            let message = fails(place.path(), 2, &arguments);
            assert!(message.contains(&wanted), "{message}");
        }
        assert_eq!(snapshot(&folder).into_values().collect::<Vec<_>>(), [b"mine"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn other_files_are_no_hindrance_and_stay() {
    let place = place();
    std::fs::create_dir(place.path().join("mine")).unwrap();
    let notes = place.path().join("mine/step-by-step.md");
    std::fs::write(&notes, "mine").unwrap();
    super::tiny::succeeds(place.path(), &tiny("mine", "2", &["--quiet"]));
    assert_eq!(super::tiny::text(&notes), "mine");
}

#[test]
fn a_folder_in_use_is_refused() {
    let place = place();
    // Long enough to be there while the other one asks; with all of its checkpoints kept it would ask for gigabytes.
    let mut command = ijepa(
        place.path(),
        &tiny("run", "100000", &["--set", "logging.keep_checkpoints=1"]),
    );
    let latest = place.path().join("run/latest.json");
    let mut child = runs_until(&mut command, || latest.exists()).expect("a run that goes on for long");
    let message = fails(place.path(), 2, &["train", "--resume", "run"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(message.contains("run is in use by another ijepa"), "{message}");
}
