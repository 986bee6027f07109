//! An export is whole or not at all: on a disk that is full, stopped on its way, or where something lies already.
#![cfg(unix)]

use super::made::{PROCESSOR, model, tensors};
use super::tiny::{fails, names, said, snapshot};
use ijepa::model::config::{Init, ModelConfig};
use ijepa::model::init;
use ijepa::weights::write::hub;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// `ijepa export` through a shell that has done `first`.
fn export(place: &Path, first: &str, to: &str, out: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{first} exec \"$0\" export --weights hf \"$@\"")])
        .arg(assert_cmd::cargo::cargo_bin!("ijepa"))
        .args(["--to", to, "--out", out])
        .current_dir(place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    shell
}

#[test]
fn what_cannot_be_written_to_its_end_leaves_what_was_there() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::create_dir_all(at.join("hf")).unwrap();
    std::fs::create_dir(at.join("empty")).unwrap();
    hub::hugging_face(&at.join("hf"), &model(), &tensors(), "encoder", PROCESSOR, None).unwrap();
    let before = snapshot(at);
    for to in ["hf", "timm", "onnx", "safetensors", "pth"] {
        for out in ["new", "above/new", "empty"] {
            // Files of 4 KiB at most: configurations fit, weights do not.
            let output = export(at, "ulimit -f 8;", to, out).output().unwrap();
            let text = said(&output);
            assert_eq!(output.status.code(), Some(1), "{to}: {text}");
            let last = text.lines().last().unwrap();
            let begins = last.starts_with(&format!("ijepa export: {out}/"));
            assert!(begins && last.contains("can't be written: "), "{text}");
            assert!(!text.contains(".ijepa-tmp"), "{text}");
            assert_eq!(names(at), ["empty", "hf"], "{to}");
            assert_eq!(names(&at.join("empty")), Vec::<String>::new(), "{to}");
        }
    }
    assert!(snapshot(at) == before);
    // An empty folder stays the very one that it was: it may be a disk of its own.
    assert!(export(at, "", "hf", "empty").status().unwrap().success());
    let files = [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ];
    assert_eq!(names(&at.join("empty")), files);
    assert!(
        export(at, "mkdir here; cd here; ln -s ../hf hf;", "timm", "there")
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(names(&at.join("here")), ["hf", "there"]);
    // What has something in it, and what is no folder.
    std::fs::write(at.join("file"), "precious").unwrap();
    for out in ["empty", "file"] {
        let message = fails(at, 2, &["export", "--weights", "hf", "--to", "hf", "--out", out]);
        assert!(message.contains("is there already and is no empty folder"), "{message}");
    }
    assert_eq!(std::fs::read(at.join("file")).unwrap(), b"precious");
}

#[test]
fn ctrl_c_leaves_all_of_it_or_nothing() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    let model = ModelConfig {
        embed_dim: 384,
        num_heads: 6,
        depth: 4,
        ..model()
    };
    std::fs::create_dir_all(at.join("hf")).unwrap();
    let drawn = init::draw_some(&model, Init::Reference, 0, |name| name.starts_with("encoder."));
    hub::hugging_face(&at.join("hf"), &model, &drawn, "encoder", PROCESSOR, None).unwrap();
    // Wherever it is on its way.
    let mut stopped = 0;
    for (turn, wait) in [0, 1, 2, 4, 8, 16, 32, 64].into_iter().enumerate() {
        let out = format!("out{turn}");
        let mut child = export(at, "", "onnx", &out).spawn().unwrap();
        let begun = || at.join(format!(".{out}.ijepa-tmp")).exists() || at.join(&out).exists();
        while !begun() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_millis(wait));
        let id = child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status(); // it may have ended
        let output = child.wait_with_output().unwrap();
        let text = said(&output);
        assert!(
            matches!(output.status.code(), Some(0 | 130)),
            "{:?}: {text}",
            output.status
        );
        let left: Vec<_> = names(at).into_iter().filter(|name| name.contains(&out)).collect();
        match left.is_empty() {
            true => {
                assert_eq!((output.status.code(), text.as_str()), (Some(130), ""));
                stopped += 1;
            }
            false => {
                assert_eq!(left, [out.as_str()]);
                assert_eq!(names(&at.join(&out)), ["README.md", "model.onnx"]);
            }
        }
    }
    assert!(stopped > 0, "Ctrl-C always came too late");
}
