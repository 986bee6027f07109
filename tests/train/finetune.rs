//! `ijepa finetune` from outside: it learns, goes on bit for bit, and what it leaves is read by all others.

use super::tiny::{MODEL, fails, ijepa, lines, names, place, runs_until, said, save, succeeds, text, tiny};
use ijepa::train::start::Start;
use std::path::Path;

/// Of the 44 small pictures of two classes, 5 batches of 8 an epoch.
fn tune<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec![
        "finetune",
        "--weights",
        "run",
        "--data",
        "photos",
        "--out",
        out,
        "--batch",
        "8",
    ];
    all.extend(more);
    all
}

/// Pictures to score.
fn held(at: &Path) {
    for i in 100..110 {
        let class = at.join(format!("held/class {}", i % 2));
        std::fs::create_dir_all(&class).unwrap();
        save(&class.join(format!("{i}.png")), i);
    }
}

fn latest(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("latest.safetensors")).unwrap()
}

#[test]
fn what_is_tuned_goes_on_bit_for_bit_and_is_read_by_all_others() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "2", &[]));
    held(at);
    let said = succeeds(at, &tune("whole", &["--epochs", "3", "--test", "held"]));
    assert!(
        said.contains("44 images of ") && said.contains(" in 2 classes, 10 of "),
        "{said}"
    );
    let whole = at.join("whole");
    let table = text(&whole.join("finetune.csv"));
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(
        rows[0],
        "epoch,step,lr,train loss,train accuracy,test loss,test accuracy,time (ms)"
    );
    assert_eq!(
        (rows.len(), rows[3].starts_with("3,15,1.250e-7,")),
        (4, true),
        "{table}"
    );
    let expected = [
        "finetune.csv",
        "finetune.json",
        "latest.safetensors",
        "params-ijepa.yaml",
        "scores.json",
    ];
    assert_eq!(names(&whole), expected);
    let scores = text(&whole.join("scores.json"));
    assert!(
        scores.starts_with("{\"step\":15,\"classes\":[\"class 0\",\"class 1\"],\"confusion\":[["),
        "{scores}"
    );

    // The same once more, stopped and gone on with.
    let csv = at.join("parts/finetune.csv");
    let mut command = ijepa(at, &tune("parts", &["--epochs", "3", "--test", "held"]));
    if let Some(child) = runs_until(&mut command, || lines(&csv) >= 2) {
        #[cfg(unix)]
        std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", super::tiny::said(&output));
    }
    succeeds(at, &["finetune", "--resume", "parts"]);
    assert!(latest(&at.join("parts")) == latest(&whole));
    // All but how long it took.
    let timeless = |table: &str| -> Vec<String> {
        let cut = |row: &str| row.rsplit_once(',').map(|(row, _)| row.to_string());
        table.lines().filter_map(cut).collect()
    };
    assert_eq!(timeless(&text(&csv)), timeless(&table));
    assert_eq!(text(&at.join("parts/scores.json")), scores);
    succeeds(at, &["finetune", "--resume", "parts"]); // at its end there is nothing to do
    assert!(latest(&at.join("parts")) == latest(&whole));

    // Encoder and classes are there for the others.
    let start = Start::open(&whole, false).unwrap();
    let (progress, tuned) = start.tuned().unwrap();
    assert_eq!(
        (progress.step, &tuned.classes[..]),
        (15, &["class 0".to_string(), "class 1".to_string()][..])
    );
    assert_eq!(start.weights.shape("head.weight"), Some(vec![2, 16]));
    succeeds(
        at,
        &[
            "embed",
            "--weights",
            "whole",
            "--data",
            "photos",
            "--out",
            "f.safetensors",
        ],
    );
    let probed = ["probe", "--weights", "whole", "--data", "generated:glyphs"];
    assert!(!succeeds(at, &probed).contains("predictor"));
    succeeds(
        at,
        &tiny("again", "2", &["--from", "whole"])
            .into_iter()
            .filter(|a| *a != "--preset" && *a != "nano")
            .collect::<Vec<_>>(),
    );
    let refused = fails(at, 2, &["train", "--resume", "whole"]);
    assert!(refused.contains("go on by ijepa finetune --resume"), "{refused}");
    let refused = fails(at, 2, &["finetune", "--resume", "run"]);
    assert!(refused.contains("run holds no fine-tuning: "), "{refused}");
    let refused = fails(at, 2, &tune("whole", &[]));
    assert!(refused.contains("whole holds a run already"), "{refused}");
    exports(at);
}

/// In each format, with the classes.
fn exports(at: &Path) {
    for (format, file, wanted) in [
        ("hf", "config.json", "\"1\": \"class 1\""),
        ("timm", "config.json", "\"label_names\": [\n    \"class 0\""),
        ("onnx", "model.onnx", "[\"class 0\",\"class 1\"]"),
        ("safetensors", "ijepa.safetensors", "class 1"),
    ] {
        succeeds(at, &["export", "--weights", "whole", "--to", format, "--out", format]);
        let bytes = std::fs::read(at.join(format).join(file)).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains(wanted), "{format}");
        let card = text(&at.join(format).join("README.md"));
        assert!(
            card.contains("| classes | 2: class 0, class 1 |") && card.contains(" % of 10 test images"),
            "{card}"
        );
        // Its own settings, and none of those of training without labels.
        for (part, there) in [
            ("\"label_smoothing\": 0.1", true),
            ("## Network and images\n\n```yaml\ndata:\n  crop_size: 16\n", true),
            ("  patch_size: 4", true),
            ("## Settings", false),
            ("pred_mask_scale", false),
            ("optimization:", false),
            ("batch_size:", false),
        ] {
            assert!(card.contains(part) == there, "{part}: {card}");
        }
    }
    let named = |folder: &str| {
        let bytes = std::fs::read(at.join(folder).join("model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut names: Vec<String> = file.names().into_iter().map(String::from).collect();
        names.sort();
        names
    };
    let hf = named("hf");
    assert_eq!(hf[..2], ["classifier.bias", "classifier.weight"]);
    assert!(hf[2..].iter().all(|name| name.starts_with("ijepa.")), "{hf:?}");
    assert!(named("timm").contains(&"head.weight".to_string()));
    // Our own goes back in whole, and the encoders of the others do.
    let own = Start::open(&at.join("safetensors"), false).unwrap();
    assert_eq!(own.tuned().unwrap().1.classes.len(), 2);
    let config = own.config().unwrap();
    let encoder = own.encoders(&config).unwrap().1.tensors;
    for folder in ["hf", "timm", "whole"] {
        let start = Start::open(&at.join(folder), false).unwrap();
        let theirs = start.encoders(&config).unwrap().1.tensors;
        for (name, tensor) in encoder.iter().filter(|(name, _)| name.starts_with("encoder.")) {
            assert!(theirs[name] == *tensor, "{folder}: {name}");
        }
    }
    // What they are is told of each.
    for folder in ["whole", "hf", "timm", "safetensors/ijepa.safetensors"] {
        let output = super::tiny::run(at, &["info", folder]);
        let info = String::from_utf8(output.stdout).unwrap();
        assert!(
            info.contains("16 wide, 1 blocks, 2 heads") && info.contains(", crop 16"),
            "{info}"
        );
        assert!(
            info.contains("  classifier        2 classes: class 0, class 1\n"),
            "{info}"
        );
        let run = info.contains("  run               at step 15 of 15, epoch 3, loss ");
        assert_eq!(run, folder != "hf" && folder != "timm", "{info}");
    }
    let refused = fails(at, 2, &["export", "--weights", "whole", "--to", "pth", "--out", "pth"]);
    assert!(refused.contains("the reference has no classifier"), "{refused}");
}

/// Ten kinds of glyphs, of which chance tells one in ten: an untrained encoder of 32 channels gets to twice that in 150 steps.
#[test]
fn it_learns_from_scratch() {
    let place = place();
    let mut config = String::from("data:\n  eval_transform: exact\n");
    let sizes = MODEL.iter().filter_map(|set| set.strip_prefix("meta.model."));
    config += "meta:\n  init: xavier\n  model_name: vit_custom\n  model:\n";
    for size in sizes {
        let (key, value) = size.split_once('=').unwrap();
        let value = if key == "embed_dim" { "32" } else { value };
        config += &format!("    {key}: {value}\n");
    }
    config += "    mlp_ratio: 2\n  pred_emb_dim: 8\nmask:\n  patch_size: 4\n";
    config = config.replace("data:\n", "data:\n  crop_size: 32\n");
    std::fs::write(place.path().join("small.yaml"), config).unwrap();
    let mut command = ijepa(
        place.path(),
        &[
            "finetune",
            "--config",
            "small.yaml",
            "--from-scratch",
            "--data",
            "generated:glyphs",
            "--out",
            "scratch",
            "--steps",
            "150",
            "--batch",
            "32",
            "--lr",
            "0.004",
            "--mixup",
            "0",
            "--augment",
            "0",
            "--drop-path",
            "0",
            "--json",
        ],
    );
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    let line: serde_json::Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    let accuracy = line["accuracy"].as_f64().unwrap();
    assert!(line["images"] == 1000 && accuracy > 20.0, "{printed}");
}

/// Test images that go away in mid-run end it, and cost no epoch: whoever goes on looks at them first.
#[test]
fn an_epoch_whose_look_at_test_images_fails_is_kept() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "2", &[]));
    held(at);
    let more = ["--epochs", "20", "--test", "held"];
    succeeds(at, &tune("whole", &more));
    let csv = at.join("parts/finetune.csv");
    let child = runs_until(&mut ijepa(at, &tune("parts", &more)), || lines(&csv) >= 2).expect("20 epochs to be longer");
    std::fs::rename(at.join("held"), at.join("away")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("held"), "{}", said(&output));
    let step = Start::open(&at.join("parts"), false).unwrap().tuned().unwrap().0.step;
    let rows = lines(&csv) - 1;
    assert!(step >= 10 && step == 5 * (rows as u64 + 1), "step {step}, {rows} rows");
    std::fs::rename(at.join("away"), at.join("held")).unwrap();
    succeeds(at, &["finetune", "--resume", "parts"]);
    assert!(latest(&at.join("parts")) == latest(&at.join("whole")));

    // The last epoch is owed, too, where its row is all that is missing.
    let table = text(&csv);
    assert_eq!(lines(&csv), 21);
    let (rest, _) = table.trim_end().rsplit_once('\n').unwrap();
    std::fs::write(&csv, format!("{rest}\n")).unwrap();
    succeeds(at, &["finetune", "--resume", "parts"]);
    assert_eq!(lines(&csv), 21);
    let cut = |table: &str| table.trim_end().rsplit_once(',').unwrap().0.to_string();
    assert_eq!(cut(&text(&csv)), cut(&table)); // all but how long it took
    assert!(latest(&at.join("parts")) == latest(&at.join("whole")));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let place = place();
    let at = place.path();
    succeeds(at, &tiny("run", "1", &[]));
    std::fs::create_dir_all(at.join("flat")).unwrap();
    std::fs::copy(at.join("photos/class 0/0.png"), at.join("flat/0.png")).unwrap();
    held(at);
    std::fs::write(at.join("held/class 0/torn.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    std::fs::write(at.join("held/class 1/torn.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let before = names(at);
    let message = fails(at, 1, &tune("t", &["--test", "held"]));
    assert!(
        message.contains("2 of the 12 files in ") && message.contains("cannot be used, a tenth or more"),
        "{message}"
    );
    assert_eq!(names(at), before);
    let cases: [(&[&str], &str); 7] = [
        (
            &[
                "finetune",
                "--weights",
                "run",
                "--data",
                "photos",
                "--test",
                "photos",
                "--out",
                "t",
            ],
            "are the same",
        ),
        (
            &["finetune", "--weights", "run", "--data", "flat", "--out", "t"],
            "flat has no labels",
        ),
        (
            &[
                "finetune",
                "--weights",
                "run",
                "--data",
                "photos",
                "--test",
                "generated:glyphs",
                "--out",
                "t",
            ],
            "has a class \"disc\"",
        ),
        (
            &["finetune", "--weights", "none", "--data", "photos", "--out", "t"],
            "none",
        ),
        (
            &[
                "finetune",
                "--weights",
                "run",
                "--data",
                "photos",
                "--out",
                "t",
                "--layer-decay",
                "2",
            ],
            "--layer-decay 2 must be",
        ),
        (
            &[
                "finetune",
                "--weights",
                "run",
                "--data",
                "photos",
                "--out",
                "t",
                "--mixup",
                "9",
            ],
            "--mixup 9 must be",
        ),
        (
            &["finetune", "--weights", "run", "--data", "photos", "--out", "run"],
            "holds a run already",
        ),
    ];
    for (arguments, wanted) in cases {
        let output = super::tiny::run(at, arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(wanted), "{arguments:?}: {text}");
    }
    assert_eq!(names(at), before);
}
