//! `ijepa train --dry-run`, and what it takes a batch apart by: `--accumulate`, `--batch auto`, `--memory`.

use super::{ijepa, refused};

const DEMO: [&str; 6] = ["train", "--preset", "demo", "--data", "generated:glyphs", "--dry-run"];

/// What a dry run prints; it has written nothing.
fn dry_run(more: &[&str]) -> String {
    let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into());
    let (mut command, folder) = ijepa(&DEMO);
    let output = command.args(["--adapter", &adapter]).args(more).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{more:?}: {message}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "{more:?} wrote something"
    );
    let text = String::from_utf8(output.stdout).unwrap() + &message;
    assert!(text.contains("nothing was written"), "{text}");
    text
}

/// The number before `unit` in the line with `words`.
fn number(text: &str, words: &str, unit: &str) -> f64 {
    let line = text.lines().find(|line| line.contains(words));
    let before = line.and_then(|line| line.split(words).nth(1)?.split(unit).next());
    let number = before.and_then(|before| before.trim().replace(',', "").parse().ok());
    number.unwrap_or_else(|| panic!("{words}: {text}"))
}

#[test]
fn a_batch_in_parts_takes_less_memory_and_has_the_same_loss() {
    let (whole, parts) = (dry_run(&[]), dry_run(&["--accumulate", "4"]));
    assert!(
        parts.contains("a step of 32 images in 4 parts of 8 images at most takes "),
        "{parts}"
    );
    let memory = |text: &str| number(text, " takes ", "MiB");
    assert!(memory(&parts) < 0.6 * memory(&whole), "{whole}{parts}");
    // `info`, which opens no adapter, says the same.
    let info = super::prints(&["info", "--preset", "demo"]);
    assert!(info.contains(&format!(" {:.1} MiB\n", memory(&whole))), "{info}{whole}");
    let loss = |text: &str| number(text, "; loss ", "\n");
    assert!((loss(&whole) - loss(&parts)).abs() < 2e-4, "{whole}{parts}");
}

#[test]
fn as_few_parts_and_as_many_images_as_the_memory_has_room_for() {
    // 0.02 GiB are 20.48 MiB.
    let auto = dry_run(&["--accumulate", "auto", "--memory", "0.02"]);
    let taken = number(&auto, "images at most takes ", "MiB");
    let parts = number(&auto, "a step of 32 images in ", "parts");
    assert!(taken <= 20.48 && parts > 1.0, "{auto}");
    let fewer = format!("{}", parts - 1.0);
    let message = refused_dry(&["--accumulate", &fewer, "--memory", "0.02"]);
    let way = format!("optimization.accumulate: {parts} takes it in parts of ");
    assert!(message.contains(&way), "{message}");

    let largest = dry_run(&["--batch", "auto", "--memory", "0.02"]);
    let batch = number(&largest, "a step of ", "images");
    assert!(
        (1.0..32.0).contains(&batch) && number(&largest, "images takes ", "MiB") <= 20.48,
        "{largest}"
    );
    let more = format!("{}", 2.0 * batch);
    refused_dry(&["--batch", &more, "--memory", "0.02"]);
}

/// Small runs, too, where what the device takes for itself weighs most.
#[test]
fn the_plan_is_what_the_allocator_gives() {
    for batch in ["1", "8"] {
        let said = dry_run(&["--batch", batch]);
        let plan = number(&said, "images takes ", "MiB");
        if said.contains("allocator gave") {
            let given = number(&said, "allocator gave ", "MiB");
            assert!((plan - given).abs() <= 0.05 * given, "{said}");
        }
    }
}

fn refused_dry(more: &[&str]) -> String {
    let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into());
    let all: Vec<&str> = DEMO
        .iter()
        .chain(&["--adapter", &adapter])
        .chain(more)
        .copied()
        .collect();
    let (mut command, folder) = ijepa(&all);
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{more:?}: {message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    message
}

#[test]
fn what_is_no_number_of_parts_or_memory_is_refused() {
    for (more, wanted) in [
        (["--accumulate", "0"], "optimization.accumulate"),
        (["--accumulate", "33"], "optimization.accumulate"),
        (["--accumulate", "some"], "--accumulate"),
        (["--memory", "0"], "a number of GiB above 0"),
        (["--memory", "nan"], "a number of GiB above 0"),
        (["--batch", "few"], "--batch"),
    ] {
        let all: Vec<&str> = DEMO.iter().chain(&more).copied().collect();
        let message = refused(&all);
        assert!(message.contains(wanted), "{more:?}: {message}");
    }
}
