//! Run folders in which files are missing, cut short or lying.

use super::tiny::{fails, place, save, snapshot, succeeds, text, tiny};
use ijepa::data::draw::Draw;
use ijepa::model::weights;
use std::path::Path;
use tempfile::TempDir;

/// A run of 8 steps with checkpoints at 4 and 8, in `run`.
fn trained() -> TempDir {
    let place = place();
    succeeds(place.path(), &tiny("run", "8", &["--quiet"]));
    place
}

/// A safetensors file with this header and so many bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &vec![0; data],
    ]
    .concat()
}

const RESUME: [&str; 5] = ["train", "--resume", "run", "--steps", "12"];

#[test]
fn headers_that_lie_are_refused_and_the_way_back_is_named() {
    let place = trained();
    let run = place.path().join("run");
    let good = std::fs::read(run.join("latest.safetensors")).unwrap();
    let latest = run.join("latest.safetensors");
    std::fs::remove_file(&latest).unwrap(); // one file under two names: only this one is to be damaged
    for (bytes, wanted) in [
        (vec![], "is no safetensors file that can be read"),
        (
            b"not a checkpoint at all".to_vec(),
            "is no safetensors file that can be read",
        ),
        (
            good[..good.len() - 1].to_vec(),
            "is no safetensors file that can be read",
        ),
        (good[..100].to_vec(), "is no safetensors file that can be read"),
        (
            (1u64 << 62).to_le_bytes().to_vec(),
            "is no safetensors file that can be read",
        ),
        (
            file(
                r#"{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}"#,
                8,
            ),
            "can be read",
        ),
        (
            file(
                r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
                8,
            ),
            "can be read",
        ),
        (
            file(r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8),
            "can be read",
        ),
        (
            file(r#"{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}"#, 8),
            "\"a\" is F16; only F32 is read",
        ),
        (
            file("{}", 0),
            "does not say where its run stands: it is no checkpoint of ijepa train",
        ),
        (
            file(r#"{"__metadata__":{"ijepa.progress":"{}"}}"#, 0),
            "where its run stands can't be read",
        ),
        (
            file(r#"{"__metadata__":{"ijepa.progress":"{\"step\":-1}"}}"#, 0),
            "where its run stands can't be read",
        ),
    ] {
        std::fs::write(&latest, &bytes).unwrap();
        let before = snapshot(&run);
        let message = fails(place.path(), 2, &RESUME);
        assert!(
            message.contains("run/latest.safetensors") && message.contains(wanted),
            "{wanted}: {message}"
        );
        assert!(
            message.ends_with("; to go on from run/step-8.safetensors, remove run/latest.safetensors"),
            "{message}"
        );
        assert!(snapshot(&run) == before, "{wanted}");
    }
    // The way back leads on.
    std::fs::remove_file(&latest).unwrap();
    std::fs::write(run.join("step-8.safetensors"), "").unwrap();
    let message = fails(place.path(), 2, &RESUME);
    assert!(
        message.ends_with("; to go on from run/step-4.safetensors, remove run/step-8.safetensors"),
        "{message}"
    );
    std::fs::remove_file(run.join("step-8.safetensors")).unwrap();
    let said = succeeds(place.path(), &RESUME);
    assert!(said.contains("going on from step 4, to step 12 instead of 8"), "{said}");
    assert_eq!(text(&run.join("jepa_r0.csv")).lines().count(), 13);
}

#[test]
fn weights_of_another_shape_are_refused_by_name() {
    let place = trained();
    let run = place.path().join("run");
    let config = run.join("params-ijepa.yaml");
    let before = snapshot(&run);
    let yaml = text(&config);
    for (from, to, wanted, listed) in [
        (
            "embed_dim: 16",
            "embed_dim: 24",
            "\"encoder.patch_embed.proj.weight\" is [16, 3, 4, 4], but the configuration asks for [24, 3, 4, 4]",
            " of another shape (encoder.patch_embed.proj.weight [16, 3, 4, 4] instead of [24, 3, 4, 4], ",
        ),
        (
            "    depth: 1",
            "    depth: 2",
            "has no tensor \"encoder.blocks.1.attn.qkv.weight\"",
            ": 24 missing (encoder.blocks.1.norm1.weight, ",
        ),
        (
            "pred_emb_dim: 8",
            "pred_emb_dim: 16",
            "\"predictor.predictor_embed.weight\" is [8, 16], but",
            " of another shape (predictor.predictor_embed.weight [8, 16] instead of [16, 16], ",
        ),
    ] {
        let other = yaml.replace(from, to);
        assert_ne!(yaml, other);
        std::fs::write(&config, &other).unwrap();
        let message = fails(place.path(), 2, &RESUME);
        assert!(
            message.contains("run/latest.safetensors") && message.contains(wanted),
            "{wanted}: {message}"
        );
        let probe = ["probe", "--weights", "run", "--data", "generated:glyphs"];
        let message = fails(place.path(), 2, &probe);
        assert!(message.contains(listed), "{listed}: {message}");
    }
    std::fs::write(&config, &yaml).unwrap();
    assert!(snapshot(&run) == before);
}

#[test]
fn a_configuration_that_is_broken_is_refused_with_its_place() {
    let place = trained();
    let config = place.path().join("run/params-ijepa.yaml");
    let yaml = text(&config);
    for (broken, wanted) in [
        (
            yaml.replace("batch_size: 8", "batch_size: ["),
            "run/params-ijepa.yaml: line ",
        ),
        (
            yaml.replace("batch_size: 8", "batch_syze: 8"),
            "did you mean \"data.batch_size\"?",
        ),
        (
            yaml.replace("batch_size: 8", "batch_size: 11"),
            "was made of 44 images in 5 steps an epoch",
        ),
        (yaml.replace("num_heads: 2", "num_heads: 0"), "number of heads is 0"),
        (String::new(), "data.root_path is not given"),
    ] {
        std::fs::write(&config, &broken).unwrap();
        let message = fails(place.path(), 2, &RESUME);
        assert!(message.contains(wanted), "{wanted}: {message}");
        assert_eq!(text(&config), broken);
    }
}

#[test]
fn what_can_be_done_without_is_done_without() {
    let place = trained();
    let run = place.path().join("run");
    let copy = |to: &str| {
        let folder = place.path().join(to);
        std::fs::create_dir(&folder).unwrap();
        for entry in std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap()) {
            std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        folder
    };
    let weights = |folder: &Path| std::fs::read(folder.join("latest.safetensors")).unwrap();
    let rows = |folder: &Path| text(&folder.join("jepa_r0.csv")).lines().count();
    let whole = copy("whole");
    succeeds(
        place.path(),
        &["train", "--resume", "whole", "--steps", "12", "--quiet"],
    );

    let cases: [(&str, &[&str], usize); 4] = [
        ("without latest", &["latest.safetensors", "latest.json"], 13),
        ("without json", &["latest.json", "step-8.json", "step-4.json"], 13),
        ("without tables", &["jepa_r0.csv", "monitor.csv", "train.log"], 5),
        ("without picture", &["loss.svg"], 13),
    ];
    for (name, missing, lines) in cases {
        let folder = copy(name);
        missing
            .iter()
            .for_each(|file| std::fs::remove_file(folder.join(file)).unwrap());
        succeeds(place.path(), &["train", "--resume", name, "--steps", "12", "--quiet"]);
        assert!(weights(&folder) == weights(&whole), "{name}: other weights");
        assert_eq!(rows(&folder), lines, "{name}");
    }
    // A JSON that lies is taken for none.
    let folder = copy("lying");
    for name in ["latest.json", "step-8.json"] {
        let other = text(&folder.join(name)).replace("\"step\": 8", "\"step\": 7");
        std::fs::write(folder.join(name), other).unwrap();
    }
    succeeds(
        place.path(),
        &["train", "--resume", "lying", "--steps", "12", "--quiet"],
    );
    assert_eq!(text(&folder.join("jepa_r0.csv")).lines().count(), 13);
    // Tables that were cut in a row, or hold rubbish, end where the last whole row does.
    let folder = copy("cut");
    let table = text(&folder.join("jepa_r0.csv"));
    std::fs::write(folder.join("jepa_r0.csv"), &table[..table.len() - 9]).unwrap();
    succeeds(place.path(), &["train", "--resume", "cut", "--steps", "12", "--quiet"]);
    assert!(weights(&folder) == weights(&whole));
    let table = text(&folder.join("jepa_r0.csv"));
    assert!(table.lines().all(|line| line.split(',').count() == 7), "{table}");
}

/// Whatever happens to its bytes, a file is read or refused.
#[test]
fn damaged_weights_never_panic() {
    let place = trained();
    let whole = std::fs::read(place.path().join("run/step-4.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut draw = Draw::keyed("weights", 2, 0, 0);
    let mut refused = 0;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..1 + draw.below(3) {
            let at = draw.below(header.min(bytes.len()));
            match draw.below(3) {
                0 => bytes[at] ^= 1 << draw.below(8),
                1 => bytes[at] = b"0123456789[]{},:\""[draw.below(17)],
                _ => bytes.truncate(bytes.len() - draw.below(bytes.len().min(2 * header))),
            }
        }
        let outcome = weights::read(&bytes, "w.safetensors").and_then(|_| weights::metadata(&bytes, "w.safetensors"));
        if let Err(error) = outcome {
            refused += 1;
            let text = error.to_string();
            assert!(
                error.exit_code() == 2 && text.starts_with("w.safetensors") && !text.contains('\n'),
                "{text}"
            );
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn images_that_are_missing_on_the_way_back_are_named() {
    let place = trained();
    std::fs::remove_dir_all(place.path().join("photos")).unwrap();
    let message = fails(place.path(), 2, &RESUME);
    assert!(message.contains("photos cannot be opened: "), "{message}");
    assert!(
        message.ends_with("; where the images are stands in run/params-ijepa.yaml, as data.root_path"),
        "{message}"
    );
    std::fs::create_dir(place.path().join("photos")).unwrap();
    save(&place.path().join("photos/1.png"), 1);
    let message = fails(place.path(), 2, &RESUME);
    assert!(
        message.contains("photos has 1 images, fewer than a batch of 8"),
        "{message}"
    );
}

#[test]
fn weights_that_are_not_finite_are_refused_and_the_way_back_is_named() {
    let place = trained();
    let run = place.path().join("run");
    let latest = run.join("latest.safetensors");
    let mut bytes = std::fs::read(&latest).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::remove_file(&latest).unwrap(); // the second name of a good one
    std::fs::write(&latest, bytes).unwrap();
    let before = snapshot(&run);
    let message = fails(place.path(), 2, &RESUME);
    assert!(
        message.contains("\" is not finite; to go on from run/step-8.safetensors, remove run/latest"),
        "{message}"
    );
    assert!(snapshot(&run) == before);
}

/// A pipe would be waited for without end.
#[cfg(unix)]
#[test]
fn what_is_no_ordinary_file_is_refused() {
    let place = trained();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path().join("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let cases: [&[&str]; 3] = [
        &["masks", "--image", "pipe", "--out", "m.png"],
        &[
            "replay",
            "--input",
            "pipe",
            "--config",
            "pipe",
            "--iterations-per-epoch",
            "1",
            "--out",
            "r",
        ],
        &["train", "--data", "pipe", "--out", "new", "--steps", "1"],
    ];
    for arguments in cases {
        let message = fails(place.path(), 2, arguments);
        assert!(
            message.contains("pipe") && message.contains("is no ordinary file"),
            "{message}"
        );
    }
    // A table that is none says what to do.
    std::fs::write(place.path().join("run/jepa_r0.csv"), [0xff; 300]).unwrap();
    let message = fails(place.path(), 2, &RESUME);
    assert!(message.contains("jepa_r0.csv: is no text: move it away"), "{message}");
}

#[test]
fn what_is_written_and_not_read_is_called_by_its_name() {
    let place = place();
    let at = place.path();
    std::fs::create_dir(at.join("exported")).unwrap();
    std::fs::write(at.join("exported/model.onnx"), "\u{8}\u{8}").unwrap();
    for weights in ["exported/model.onnx", "exported"] {
        let message = fails(
            at,
            2,
            &["embed", "--weights", weights, "--data", "photos", "--out", "f.npy"],
        );
        assert!(
            message.contains(
                "exported/model.onnx is an ONNX graph, which `ijepa export` writes and nothing here reads: name the run"
            ),
            "{message}"
        );
    }
}
