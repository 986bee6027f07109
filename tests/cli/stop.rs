//! Ctrl-C, the end of a session, and terminals that can draw nothing.
#![cfg(unix)]

use super::tiny::{ijepa, names, place, said, save, succeeds, tiny};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

/// Waits until `there` is true; panics where the process ends before.
fn wait(child: &mut Child, what: &str, there: impl Fn() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the process ended and {what} did not come"
        );
        assert!(began.elapsed() < Duration::from_secs(240), "{what} did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn rows(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("jepa_r0.csv"))
        .unwrap_or_default()
        .lines()
        .count()
}

/// A command that is started with SIGHUP ignored, as `nohup` does.
fn nohup(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap());
    shell
}

/// A command that hears SIGHUP, also where whoever started the tests has it ignored.
fn hearing(mut command: Command) -> Command {
    use std::os::unix::process::CommandExt;
    let default = || {
        // Sound: a call that may be made between fork and exec.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
        Ok(())
    };
    unsafe { command.pre_exec(default) };
    command
}

#[test]
fn a_run_under_nohup_outlives_its_session_and_is_saved_by_sigterm() {
    let place = place();
    let folder = place.path().join("run");
    let command = ijepa(
        place.path(),
        &tiny("run", "1000000", &["--set", "logging.checkpoint_every=0"]),
    );
    let mut child = nohup(&command)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait(&mut child, "the first step", || rows(&folder) > 3);
    send("-HUP", &child);
    let before = rows(&folder);
    wait(&mut child, "a step after SIGHUP", || rows(&folder) > before + 5);
    send("-TERM", &child);
    is_saved(child, &folder);
}

/// What ends is a run that was saved, and it says so.
fn is_saved(child: Child, folder: &Path) {
    let output = child.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.lines().last().unwrap().starts_with("stopped at step "), "{text}");
    assert!(folder.join("latest.safetensors").exists());
}

/// As of a terminal that is closed: the shell tells, and the system, too.
#[test]
fn sighup_saves_a_run_however_often_it_comes() {
    let place = place();
    let folder = place.path().join("run");
    let more = ["--set", "logging.checkpoint_every=0"];
    let mut child = hearing(ijepa(place.path(), &tiny("run", "1000000", &more)))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait(&mut child, "the first step", || rows(&folder) > 3);
    send("-HUP", &child);
    send("-HUP", &child);
    is_saved(child, &folder);
}

#[test]
fn no_draft_stays_of_what_is_stopped_as_soon_as_it_is_there() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "1", &["--quiet"]));
    let demo = [
        "tune",
        "--preset",
        "demo",
        "--batch",
        "1",
        "--seconds",
        "5",
        "--cache",
        "t.json",
    ];
    let record = [
        "bench", "--step", "--preset", "demo", "--batch", "64", "--record", "rec",
    ];
    // Twice, and who was asked already ends at once; by another signal, since two of one may come as one.
    for (signals, draft, arguments) in [
        (&["-INT"][..], ".rec.ijepa-tmp", &record[..]),
        (&["-INT", "-TERM"], ".t.json.ijepa-tmp", &demo),
        (
            &["-INT"],
            ".photos.ijepa-index.ijepa-tmp",
            &["search", "index", "photos", "--weights", "run"],
        ),
        (&["-HUP"], ".t.json.ijepa-tmp", &demo),
        (
            &["-TERM"],
            ".out.ijepa-tmp",
            &["export", "--weights", "run", "--to", "onnx", "--out", "out"],
        ),
    ] {
        let mut child = hearing(ijepa(at, arguments)).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while !at.join(draft).exists() && child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(240), "{draft} did not come");
        }
        for signal in signals {
            let _ = Command::new("kill").args([*signal, &child.id().to_string()]).status();
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.code().is_some(), "{arguments:?}: {:?}", output.status);
        assert!(!at.join(draft).exists(), "{arguments:?}: {}", said(&output));
    }
}

/// The reader of what `export` prints waits, so that its last moment lasts.
#[cfg(target_os = "linux")]
#[test]
fn what_is_done_is_done_when_ctrl_c_comes() {
    use std::io::{Read, Write};
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "1", &["--quiet"]));
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b' '; 1 << 16]).unwrap(); // as much as a pipe holds
    let export = ["export", "--weights", "run", "--to", "safetensors", "--out", "out"];
    let mut child = ijepa(at, &export)
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait(&mut child, "the folder", || at.join("out").exists());
    send("-INT", &child);
    std::thread::sleep(Duration::from_millis(200));
    let mut shown = String::new();
    reader.read_to_string(&mut shown).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        shown.trim() == "wrote out" && at.join("out/README.md").exists(),
        "{shown}"
    );
}

#[test]
fn ctrl_c_ends_the_demo_while_it_makes_its_table() {
    let place = place();
    let mut child = ijepa(place.path(), &["demo", "--short", "--out", "made"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let last = place.path().join("made/latest.json");
    wait(&mut child, "the last checkpoint", || last.exists());
    send("-INT", &child);
    let output = child.wait_with_output().unwrap();
    let code = output.status.code();
    assert!(code == Some(130) || code == Some(1), "{code:?}: {}", said(&output));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "",
        "the table was made all the same"
    );
}

#[test]
fn an_index_keeps_what_was_done_before_ctrl_c_and_goes_on() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "1", &["--quiet"]));
    for i in 44..400 {
        save(&at.join(format!("photos/class 0/{i}.png")), i);
    }
    let index = ["search", "index", "photos", "--weights", "run", "--batch", "1"];
    let mut child = ijepa(at, &index).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.starts_with("image "));
    assert!(first.is_some_and(|line| line.starts_with("image 1/400 ")));
    send("-INT", &child);
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said:?}");
    let last = said.last().unwrap();
    let done = last.strip_prefix("ijepa search: stopped after ").unwrap();
    let done: u64 = done.split(' ').next().unwrap().parse().unwrap();
    assert!(
        (1..400).contains(&done) && last.ends_with("the same command goes on"),
        "{last}"
    );
    assert!(
        !names(at).iter().any(|name| name.ends_with(".ijepa-tmp")),
        "{:?}",
        names(at)
    );
    let rest = ijepa(at, &[&index[..], &["--json"]].concat()).output().unwrap();
    let rest: serde_json::Value = serde_json::from_slice(&rest.stdout).unwrap();
    assert_eq!(
        (rest["images"].as_u64(), rest["new"].as_u64()),
        (Some(400), Some(400 - done))
    );
}

/// A terminal by `script`, which every Debian has.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_cannot_draw_gets_plain_lines() {
    let place = place();
    for (term, plain) in [(Some("dumb"), true), (None, true), (Some("xterm"), false)] {
        let out = format!("run-{}", term.unwrap_or("unset"));
        let command = ijepa(place.path(), &tiny(&out, "6", &[]));
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let words = words.map(|word| format!("'{}'", word.to_str().unwrap()));
        let line = words.collect::<Vec<_>>().join(" ");
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "shown"])
            .current_dir(place.path())
            .stdin(Stdio::null())
            .env_remove("TERM")
            .envs(term.map(|term| ("TERM", term)));
        let output = script.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{shown}");
        let line = |start: &str| shown.lines().any(|line| line.starts_with(start));
        let (steps, memory) = (line("step 1/6 ") && line("step 6/6 "), line("memory of a step: "));
        assert_eq!((steps, memory), (plain, true), "TERM {term:?}: {shown:?}");
        assert_eq!(shown.contains("\u{1b}["), !plain, "TERM {term:?}: {shown:?}");
    }
}
