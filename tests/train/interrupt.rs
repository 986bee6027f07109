//! Ctrl-C.

use super::reference::{STEPS, equal, reference};
use super::tiny::{ijepa, lines, names, place, runs_until, said, succeeds, tiny};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What Ctrl-C sends.
#[cfg(unix)]
fn interrupt(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Where there is no adapter, or anything else is amiss, these tests must fail and not wait for ever.
#[test]
fn a_run_that_fails_is_not_waited_for() {
    let place = place();
    std::fs::remove_dir_all(place.path().join("photos")).unwrap();
    let wait = || runs_until(&mut ijepa(place.path(), &tiny("run", STEPS, &[])), || false);
    let failed = std::panic::catch_unwind(wait).unwrap_err();
    let message = failed.downcast::<String>().unwrap();
    assert!(
        message.starts_with("exit status: ") && message.contains("ijepa train: "),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let place = place();
    let folder = place.path().join("run");
    let more = ["--set", "logging.checkpoint_every=0"];
    let csv = folder.join("jepa_r0.csv");
    let mut command = ijepa(place.path(), &tiny("run", STEPS, &more));
    let child = runs_until(&mut command, || lines(&csv) >= 8).expect("a run that can still be stopped");
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let last = text.lines().last().unwrap();
    let (step, rest) = last
        .strip_prefix("stopped at step ")
        .expect(&text)
        .split_once(' ')
        .unwrap();
    assert_eq!(rest, "of 60 and saved; go on by: ijepa train --resume run");
    let step: usize = step.parse().unwrap();
    assert!((7..60).contains(&step), "{text}");
    let rows = super::tiny::text(&folder.join("jepa_r0.csv")).lines().count() - 1;
    assert_eq!(rows, step, "every step that is saved is recorded, and no other");
    assert!(names(&folder).contains(&format!("step-{step}.safetensors")) && folder.join("loss.svg").exists());

    succeeds(place.path(), &["train", "--resume", "run"]);
    let last = |folder: &std::path::Path| std::fs::read(folder.join("latest.safetensors")).unwrap();
    assert!(last(&folder) == last(&reference().0));
    assert_eq!(
        super::reference::timeless(&folder),
        super::reference::timeless(&reference().0)
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_at_any_time_leaves_a_run_that_goes_on() {
    let place = place();
    for milliseconds in [100, 400, 500] {
        let begun = place.path().join("run/params-ijepa.yaml").exists();
        let arguments = if begun {
            vec!["train", "--resume", "run"]
        } else {
            tiny("run", STEPS, &[])
        };
        let child = ijepa(place.path(), &arguments).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        let by_signal = output.status.code().is_none();
        assert!(output.status.success() || by_signal, "{}", said(&output));
    }
    if !place.path().join("run/params-ijepa.yaml").exists() {
        succeeds(place.path(), &tiny("run", STEPS, &[]));
    }
    succeeds(place.path(), &["train", "--resume", "run"]);
    let folder = place.path().join("run");
    // Ctrl-C saves at steps of its own.
    for name in names(&folder) {
        let step = name
            .strip_prefix("step-")
            .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
        if step.is_some_and(|step| step % 4 != 0) {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
    }
    equal(&reference().0, &folder);
}
