//! Configurations and options that cannot be: refused before anything is written, in less than a second.

use super::refused;
use super::tiny::{place, run, said, tiny};
use ijepa::data::draw::Draw;
use ijepa::train::config::Config;
use ijepa::train::keys::KEYS;

#[test]
fn values_that_do_not_fit_are_refused_before_anything_is_written() {
    let place = place();
    for (more, wanted) in [
        (
            &["--set", "data.crop_size=18"][..],
            "data.crop_size 18 is no multiple of mask.patch_size 4: use crop_size 16 or 20",
        ),
        (
            &["--patch", "5"],
            "data.crop_size 16 is no multiple of mask.patch_size 5",
        ),
        (
            &["--set", "meta.model.num_heads=3"],
            "the encoder is 16 wide, which its 3 heads do not divide",
        ),
        (
            &["--set", "meta.pred_emb_dim=6"],
            "(meta.pred_emb_dim) is 6 wide, which is no multiple of 4",
        ),
        (
            &["--set", "mask.min_keep=9"],
            "masks cannot be drawn: on a 4x4 grid the smallest target block",
        ),
        (
            &["--set", "mask.min_keep_context=16"],
            "masks cannot be drawn: on a 4x4 grid the smallest context block",
        ),
        (
            &["--set", "data.batch_sise=4"],
            "unknown key \"data.batch_sise\"; did you mean \"data.batch_size\"?",
        ),
        (
            &["--set", "optimization.lr=fast"],
            "optimization.lr must be a number, not \"fast\"",
        ),
        (&["--set", "optimization.lr"], "write key=value"),
        (
            &["--set", "logging.monitor_images=0"],
            "logging.monitor_every 0 turns the monitor off",
        ),
        (
            &["--set", "data.batch_size=45"],
            "has 44 images, fewer than a batch of 45: lower data.batch_size or give more images",
        ),
        (
            &["--adapter", "no such card"],
            "no adapter matches \"no such card\"; there are: 0 \"",
        ),
        (&["--adapter", "4096"], "no adapter matches 4096; there are: 0 \""),
    ] {
        refused(place.path(), 2, &tiny("out", "5", more), wanted);
    }
    refused(
        place.path(),
        2,
        &["train", "--preset", "bace", "--data", "photos", "--out", "out"],
        "no preset \"bace\": use one of demo, ",
    );
    refused(
        place.path(),
        2,
        &["train", "--preset", "bace"],
        "; did you mean \"base\"?",
    );
}

#[test]
fn arguments_that_are_none_are_refused_by_name() {
    let place = place();
    for (more, wanted) in [
        (&["--stepz", "3"][..], "--stepz"),
        (&["--steps", "-3"], "-3"),
        (&["--batch", "1e9"], "1e9"),
        (&["--seed", "18446744073709551616"], "18446744073709551616"),
        (&["--backend", "opengl"], "opengl"),
        (&["--resume", "out"], "--resume"),
        (&["--quiet", "--verbose"], "--verbose"),
    ] {
        let output = run(
            place.path(),
            &[&["train", "--data", "photos", "--out", "out"], more].concat(),
        );
        assert!(
            output.status.code() == Some(2) && said(&output).contains(wanted),
            "{more:?}: {}",
            said(&output)
        );
    }
    let output = run(place.path(), &["train", "--resume", "out", "--max-pixels", "5"]);
    assert!(
        output.status.code() == Some(2) && said(&output).contains("--max-pixels"),
        "{}",
        said(&output)
    );
    assert!(!place.path().join("out").exists());
}

#[test]
fn files_that_are_no_configuration_are_refused_with_their_place() {
    let place = place();
    let file = place.path().join("F.yaml");
    for (text, wanted) in [
        (&b"data:\n  batch_size: 8\n batch: 3\n"[..], "F.yaml: line 3, column "),
        (b"data:\n  batch_size: [8\n", "F.yaml: line "),
        (b"data:\n\tbatch_size: 8\n", "F.yaml: line 2, column "),
        (
            b"mask:\n  crop_size: 32\n",
            "F.yaml: line 2, column 3: unknown key \"mask.crop_size\"; did you mean \"data.crop_size\"?",
        ),
        (
            b"data:\n  batch_size: 8\n  batch_size: 9\n",
            "\"data.batch_size\" is given twice",
        ),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "F.yaml"),
        (b"\xff\xd8\xff\xe0", "cannot be read"),
    ] {
        std::fs::write(&file, text).unwrap();
        refused(
            place.path(),
            2,
            &["train", "--config", "F.yaml", "--data", "photos", "--out", "out"],
            wanted,
        );
    }
    refused(
        place.path(),
        2,
        &["train", "--config", "photos", "--data", "photos", "--out", "out"],
        "--config photos: cannot be read",
    );
}

/// Bytes turned, cut and doubled: whatever comes, it is read or refused in one line.
#[test]
fn damaged_configurations_never_panic() {
    let whole = Config::preset("nano").unwrap().to_yaml();
    let mut draw = Draw::keyed("yaml", 1, 0, 0);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..3000 {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..1 + draw.below(4) {
            let at = draw.below(bytes.len());
            match draw.below(4) {
                0 => bytes[at] = draw.below(256) as u8,
                1 => bytes.truncate(at + 1),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b":-[]{}#&*!|>'\"%@`\n\t 0"[draw.below(21)]),
            }
            if bytes.is_empty() {
                bytes.push(b' ');
            }
        }
        match Config::from_yaml(&String::from_utf8_lossy(&bytes), "F.yaml") {
            Ok(config) => {
                read += 1;
                let _ = config.validate();
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(
                    error.exit_code() == 2 && text.starts_with("F.yaml: line ") && !text.contains('\n'),
                    "{text}"
                );
            }
        }
    }
    assert!(
        read > 100 && refused > 100,
        "{read} read, {refused} refused: the damage is too small or too large"
    );
}

/// Every key at the ends of its type: what is accepted must validate or be refused, in no time.
#[test]
fn extreme_values_never_panic() {
    let values = [
        "0",
        "1",
        "2",
        "3",
        "65536",
        "4294967296",
        "18446744073709551615",
        "-1",
        "-0.0",
        "1e-320",
        "0.5",
        "1e308",
        "1e309",
        "nan",
        ".inf",
        "[0, 0]",
        "[1, 1]",
        "[1e-300, 1e300]",
        "[1e300, 1e-300]",
        "[0.5]",
        "[]",
        "null",
        "true",
        "''",
        "\"\\0\"",
        "../..",
        "reference",
        "exact",
    ];
    let presets = ["nano", "base"].map(|name| Config::preset(name).unwrap());
    for key in KEYS {
        for value in values {
            for preset in &presets {
                let mut config = preset.clone();
                if config.set(&format!("{}={value}", key.path)).is_err() {
                    continue;
                }
                if let Err(error) = config.validate() {
                    assert!(error.exit_code() == 2 && !error.to_string().contains('\n'), "{error}");
                }
                assert_eq!(
                    Config::from_yaml(&config.to_yaml(), "again").unwrap(),
                    config,
                    "{} {value}",
                    key.path
                );
            }
        }
    }
}
