//! The binary from outside: help, text, messages, exit codes.

mod bench;
mod demo;
mod doctor;
mod dry_run;
mod embed;
mod info;
mod masks;
mod pack;
mod probe;
mod report;
mod results;
mod search;
mod sizes;
mod stop;
#[path = "../common/tiny.rs"]
mod tiny;
mod trace;
mod tune;
mod usage;
mod visualize;

use assert_cmd::Command;

/// `ijepa` with these arguments, in a folder of its own.
fn ijepa(arguments: &[&str]) -> (Command, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("ijepa"));
    // What was tuned on this machine has no say.
    command.current_dir(folder.path()).args(arguments).env("IJEPA_TUNE", "");
    (command, folder)
}

/// What a command that succeeds prints; it has nothing to say on standard error.
fn prints(arguments: &[&str]) -> String {
    let output = ijepa(arguments)
        .0
        .assert()
        .success()
        .stderr("")
        .get_output()
        .stdout
        .clone();
    String::from_utf8(output).unwrap()
}

/// The one line that a command ends with when it is refused with exit code 2; it has written nothing.
fn refused(arguments: &[&str]) -> String {
    let (mut command, folder) = ijepa(arguments);
    let output = command.assert().code(2).stdout("").get_output().stderr.clone();
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "{arguments:?} wrote something"
    );
    let message = String::from_utf8(output).unwrap();
    assert!(!message.contains("panicked"), "{message}");
    message.trim_end().to_string()
}

/// What a command that computes and succeeds prints, on the adapter that `IJEPA_TEST_ADAPTER` chooses.
fn computes(arguments: &[&str]) -> String {
    let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into());
    let (mut command, _folder) = ijepa(arguments);
    let output = command.args(["--adapter", &adapter]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {message}");
    String::from_utf8(output.stdout).unwrap()
}
