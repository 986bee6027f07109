//! Where a run's files cannot go.

use super::refused;
use super::tiny::{fails, place, snapshot, succeeds, tiny};

#[test]
fn a_file_is_no_folder() {
    let place = place();
    std::fs::write(place.path().join("file"), "mine").unwrap();
    for out in ["file", "file/run"] {
        let message = fails(place.path(), 2, &tiny(out, "5", &[]));
        assert!(
            message.contains(&format!("the output folder {out} can't be used: ")),
            "{message}"
        );
        assert!(message.ends_with("choose another --out"), "{message}");
    }
    assert_eq!(super::tiny::text(&place.path().join("file")), "mine");
    let message = fails(place.path(), 2, &["train", "--resume", "file"]);
    assert!(message.contains("file holds no run: "), "{message}");
    let message = fails(place.path(), 2, &["report", "file", "--records-only"]);
    assert!(
        message.ends_with("file holds no run: it is a file, and a run is a folder"),
        "{message}"
    );
    std::fs::create_dir(place.path().join("run")).unwrap();
    std::fs::write(place.path().join("run/params-ijepa.yaml"), "").unwrap();
    std::fs::write(place.path().join("run/latest.safetensors"), "").unwrap();
    let message = fails(place.path(), 2, &["report", "run/latest.safetensors", "--records-only"]);
    assert!(message.ends_with("and a run is a folder: name run"), "{message}");
    let message = fails(place.path(), 2, &["train", "--resume", "nowhere"]);
    assert!(
        message.contains("nowhere holds no run: nowhere/params-ijepa.yaml: "),
        "{message}"
    );
}

#[test]
fn a_name_is_asked_for() {
    let place = place();
    refused(
        place.path(),
        2,
        &tiny("", "5", &[]),
        "logging.folder is not given: add --out DIR",
    );
    refused(
        place.path(),
        2,
        &tiny("$HOME/run", "5", &[]),
        "logging.folder is the placeholder \"$HOME/run\": add --out DIR",
    );
}

/// Whoever may write anywhere cannot be kept out by permissions, but nobody makes folders among the processes.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let place = place();
    let message = fails(place.path(), 2, &tiny("/proc/run", "5", &[]));
    assert!(
        message.contains("/proc/run ") && message.ends_with("choose another --out"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_read_only_is_refused_and_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let folder = place.path().join("run");
    succeeds(place.path(), &tiny("run", "2", &[]));
    let before = snapshot(&folder);
    let allow = |mode: u32| {
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).unwrap();
    };
    allow(0o555);
    if std::fs::write(folder.join("probe"), "").is_ok() {
        // The administrator's permissions know no bounds: there is nothing to see here.
        std::fs::remove_file(folder.join("probe")).unwrap();
        return;
    }
    let message = fails(place.path(), 2, &["train", "--resume", "run", "--steps", "4"]);
    allow(0o755);
    assert!(message.contains("the output folder is not writable: "), "{message}");
    assert!(snapshot(&folder) == before);
}

#[test]
fn unicode_and_odd_names_are_folders_like_any_other() {
    let place = place();
    for out in [
        "größe ©/läuft gut",
        "a'b\"c: [d] #e",
        "日本",
        "-dash",
        "null",
        "12",
        "~",
        "trailing ",
    ] {
        let given = format!("--out={out}");
        let mut arguments = tiny("unused", "1", &["--quiet"]);
        let at = arguments.iter().position(|a| *a == "--out").unwrap();
        arguments.splice(at..at + 2, [given.as_str()]);
        succeeds(place.path(), &arguments);
        assert!(place.path().join(out).join("latest.safetensors").exists(), "{out}");
        let resume = format!("--resume={out}");
        succeeds(place.path(), &["train", &resume, "--steps", "2", "--quiet"]);
    }
}
