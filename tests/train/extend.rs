//! `--resume DIR --steps M`: a new end for a run.

use super::reference::timeless;
use super::tiny::{fails, place, snapshot, succeeds, text, tiny};
use ijepa::train::config::Config;
use ijepa::train::schedule::Schedule;

#[test]
fn a_finished_run_is_extended_and_says_so() {
    let place = place();
    let folder = place.path().join("run");
    succeeds(place.path(), &tiny("run", "12", &[]));
    let before = timeless(&folder);

    // Finished is finished: nothing is touched.
    let unchanged = snapshot(&folder);
    let said = succeeds(place.path(), &["train", "--resume", "run"]);
    assert!(
        said.contains("the run ended at step 12 already; --steps N with more steps extends it"),
        "{said}"
    );
    let message = fails(place.path(), 2, &["train", "--resume", "run", "--steps", "9"]);
    assert!(
        message.contains("run is at step 12 already: its new end must lie beyond that, not at step 9"),
        "{message}"
    );
    assert!(snapshot(&folder) == unchanged);

    let said = succeeds(place.path(), &["train", "--resume", "run", "--steps", "21"]);
    let note = "going on from step 12, to step 21 instead of 12: from here on schedules are those of a run of 21 steps";
    assert!(
        said.contains(note) && text(&folder.join("train.log")).contains(note),
        "{said}"
    );
    let after = timeless(&folder);
    assert_eq!((before.len(), after.len()), (13, 22));
    assert_eq!(after[..13], before[..]);

    // The learning rate is that of a run of 21 steps, from the 13th on. The 16th begins the fourth epoch.
    let config = Config::from_yaml(&text(&folder.join("params-ijepa.yaml")), "the run's").unwrap();
    assert_eq!(config.optimization.steps, Some(21));
    let lr = Schedule::new(&config.optimization, 5).at(16).lr;
    let log = text(&folder.join("train.log"));
    let line = log.lines().find(|line| line.starts_with("[4,     0] loss")).unwrap();
    assert!(
        line.contains(&format!("[lr: {}]", ijepa::train::log::scientific(lr))),
        "{line}"
    );
}

#[test]
fn an_extension_is_part_of_the_run() {
    let place = place();
    succeeds(place.path(), &tiny("run", "8", &[]));
    std::fs::rename(place.path().join("run"), place.path().join("moved")).unwrap();
    // Stopped on the way to its new end, here by an image that is gone, it goes on to that end, from any folder.
    let (photos, hidden) = (place.path().join("photos"), place.path().join("hidden"));
    std::fs::rename(&photos, &hidden).unwrap();
    let message = fails(place.path(), 2, &["train", "--resume", "moved", "--steps", "14"]);
    assert!(
        message.contains("photos cannot be opened") && message.contains("moved/params-ijepa.yaml, as data.root_path"),
        "{message}"
    );
    std::fs::rename(&hidden, &photos).unwrap();
    succeeds(place.path(), &["train", "--resume", "moved", "--steps", "14"]);
    for name in ["latest.safetensors", "latest.json"] {
        let step = name.replace("latest", "step-12");
        std::fs::copy(
            place.path().join("moved").join(step),
            place.path().join("moved").join(name),
        )
        .unwrap();
    }
    let done = timeless(&place.path().join("moved"));
    let said = succeeds(&place.path().join("moved"), &["train", "--resume", "."]);
    assert!(said.contains("going on from step 12, to step 14\n"), "{said}");
    assert_eq!(timeless(&place.path().join("moved")), done);
    // By epochs, too: five of five steps.
    let said = succeeds(place.path(), &["train", "--resume", "moved", "--epochs", "5"]);
    assert!(said.contains("to step 25 instead of 14"), "{said}");
}

#[test]
fn a_run_whose_images_changed_does_not_go_on() {
    let place = place();
    succeeds(place.path(), &tiny("run", "4", &[]));
    super::tiny::save(&place.path().join("photos/class 0/more.png"), 99);
    let folder = place.path().join("run");
    let unchanged = snapshot(&folder);
    let message = fails(place.path(), 2, &["train", "--resume", "run", "--steps", "9"]);
    assert!(
        message.contains("was made of 44 images in 5 steps an epoch") && message.contains("45 images"),
        "{message}"
    );
    assert!(snapshot(&folder) == unchanged);
}

#[test]
fn what_computes_stays_what_it_was_unless_another_is_asked_for_and_then_it_is_said() {
    let place = place();
    succeeds(place.path(), &tiny("run", "4", &["--variant", "any"]));
    let said = succeeds(place.path(), &["train", "--resume", "run", "--steps", "8"]);
    assert!(!said.contains("the run was computed on"), "{said}");
    let beside = text(&place.path().join("run/latest.json"));
    assert!(beside.contains("\"variant\": \"any\""), "{beside}");
    let more = ["train", "--resume", "run", "--steps", "12", "--variant", "tile"];
    let said = succeeds(place.path(), &more);
    let wanted = [
        "the run was computed on ",
        ", kernels any) so far, and is on ",
        ", kernels tile) from here on",
    ];
    assert!(wanted.iter().all(|part| said.contains(part)), "{said}");
}

/// Memory is that of the day: what the parts were once is no reason to fail, nor to stay with them.
#[test]
fn a_run_that_goes_on_is_split_for_the_memory_there_is_now() {
    let place = place();
    let at = place.path();
    let demo = [
        "train",
        "--preset",
        "demo",
        "--data",
        "generated:glyphs",
        "--out",
        "run",
    ];
    let auto = [
        "--batch",
        "8",
        "--accumulate",
        "auto",
        "--set",
        "logging.monitor_every=0",
    ];
    let more = ["--steps", "1", "--memory", "0.012"];
    let parts = |said: &str| -> Option<usize> {
        let (_, rest) = said.split_once("the batch of 8 is taken in ")?;
        rest.split(' ').next()?.parse().ok()
    };
    let first = parts(&succeeds(at, &[&demo[..], &auto, &more].concat())).unwrap();
    let on = |steps: &str, more: &[&str]| -> Option<usize> {
        let goes_on = ["train", "--resume", "run", "--steps", steps];
        parts(&succeeds(at, &[&goes_on[..], more].concat()))
    };
    let less = on("2", &["--memory", "0.008"]).unwrap();
    assert!(first > 1 && less > first, "{first}, then {less}");
    assert_eq!(on("3", &[]), Some(less)); // what a checkpoint of this machine says, unless it is told otherwise
    let more = on("4", &["--accumulate", "auto", "--memory", "0.012"]).unwrap();
    assert!((2..less).contains(&more), "{less}, then {more}");
    assert_eq!(on("5", &["--accumulate", "auto"]), None);
}

#[test]
fn blocks_may_be_computed_again_from_where_a_run_goes_on() {
    let place = place();
    let at = place.path();
    for (run, more) in [("kept", &[][..]), ("run", &["--checkpoint-activations"][..])] {
        succeeds(at, &tiny(run, "2", &[]));
        succeeds(at, &[&["train", "--resume", run, "--steps", "4"][..], more].concat());
    }
    let yaml = text(&at.join("run/params-ijepa.yaml"));
    let config = Config::from_yaml(&yaml, "the run's").unwrap();
    assert!(config.optimization.checkpoint_activations);
    let weights = |run: &str| {
        let start = ijepa::train::start::Start::open(&at.join(run), false).unwrap();
        start.weights.read("encoder.blocks.0.attn.qkv.weight")
    };
    assert!(weights("run").unwrap() == weights("kept").unwrap());
}
