//! Runs that are killed at any moment and go on as if they never had been.

use super::reference::{STEPS, equal, reference};
use super::tiny::{ijepa, lines, place, runs_until, succeeds, text, tiny};
use ijepa::data::draw::Draw;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

/// Kills the process (SIGKILL: nothing can be tidied up) once it has recorded so many steps; false where it was quicker.
fn kill_at(place: &Path, arguments: &[&str], rows: usize) -> bool {
    let csv = place.join("run/jepa_r0.csv");
    let Some(mut child) = runs_until(&mut ijepa(place, arguments), || lines(&csv) > rows) else {
        return false;
    };
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

#[test]
fn a_run_killed_again_and_again_ends_as_one_that_was_not() {
    let place = place();
    // Which steps: chance; a failure names them.
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut draw = Draw::keyed("kill", clock.subsec_nanos().into(), 0, 0);
    let mut tried = vec![];
    let mut killed = 0;
    for (first, last) in [(1, 4), (9, 13), (14, 26), (28, 50)] {
        let rows = first + draw.below(last - first);
        tried.push(rows);
        let begun = place.path().join("run/params-ijepa.yaml").exists();
        let arguments = if begun {
            vec!["train", "--resume", "run"]
        } else {
            tiny("run", STEPS, &[])
        };
        killed += usize::from(kill_at(place.path(), &arguments, rows));
    }
    println!("killed at rows {tried:?}");
    assert!(killed > 0, "the runs were over before they could be killed");
    succeeds(place.path(), &["train", "--resume", "run", "--quiet"]);
    equal(&reference().0, &place.path().join("run"));
}

#[test]
fn a_run_killed_by_the_clock_leaves_something_to_go_on_with() {
    let place = place();
    for milliseconds in [20, 150, 300, 450, 600] {
        let begun = place.path().join("run/params-ijepa.yaml").exists();
        let arguments = if begun {
            vec!["train", "--resume", "run"]
        } else {
            tiny("run", STEPS, &[])
        };
        let mut child = ijepa(place.path(), &arguments).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let run = place.path().join("run");
        let others = std::fs::read_dir(&run)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        let others = others.filter(|name| name != "params-ijepa.yaml.tmp").count();
        assert!(
            others == 0 || run.join("params-ijepa.yaml").exists(),
            "the configuration is there first"
        );
    }
    if !place.path().join("run/params-ijepa.yaml").exists() {
        succeeds(place.path(), &tiny("run", STEPS, &["--quiet"]));
    }
    succeeds(place.path(), &["train", "--resume", "run", "--quiet"]);
    equal(&reference().0, &place.path().join("run"));
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_again() {
    let place = place();
    let more = ["--set", "logging.checkpoint_every=0"];
    let arguments = tiny("run", STEPS, &more);
    assert!(kill_at(place.path(), &arguments, 3));
    let folder = place.path().join("run");
    assert!(!folder.join("latest.safetensors").exists());
    let said = succeeds(place.path(), &["train", "--resume", "run"]);
    assert!(
        said.contains("no checkpoint yet: starting again from step 0, to step 60"),
        "{said}"
    );
    let weights = |folder: &Path| std::fs::read(folder.join("latest.safetensors")).unwrap();
    assert!(weights(&folder) == weights(&reference().0));
    assert_eq!(
        super::reference::timeless(&folder),
        super::reference::timeless(&reference().0)
    );
    let log = text(&folder.join("train.log"));
    assert!(
        log.starts_with("no checkpoint yet: starting again"),
        "what was before is gone: {log}"
    );
}

#[test]
fn what_was_written_after_the_last_checkpoint_is_cut() {
    let place = place();
    // Killed in the second half of an epoch, between two checkpoints.
    if !kill_at(place.path(), &tiny("run", STEPS, &[]), 19) {
        panic!("the run was over before it could be killed");
    }
    let folder = place.path().join("run");
    for (name, more) in [
        ("jepa_r0.csv", "9,9,9.99999,1.00000,1.00000,1,0.00000\n9,9,9.9"),
        ("monitor.csv", "59,0.1,1.0,,collapsing\n"),
        ("train.log", "half a li"),
    ] {
        let before = text(&folder.join(name));
        std::fs::write(folder.join(name), before + more).unwrap();
    }
    std::fs::write(folder.join("step-20.safetensors.tmp"), "half a checkpoint").unwrap();
    let said = succeeds(place.path(), &["train", "--resume", "run"]);
    assert!(
        said.contains("going on from step ") && said.contains(", to step 60"),
        "{said}"
    );
    equal(&reference().0, &folder);
    assert!(!text(&folder.join("train.log")).contains("half a li"));
}
