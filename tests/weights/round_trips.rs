//! Out and in again: the same bits, for every format that is read and written.

use super::made::{PROCESSOR, model, moment, read, tensors, wish};
use super::tiny::{fails, succeeds};
use ijepa::model::tensors::Tensors;
use ijepa::train::config::Evaluation;
use ijepa::train::start::Start;
use ijepa::weights::fit::fit;
use ijepa::weights::open::{Format, open};
use ijepa::weights::write::hub::{self, Processor};
use ijepa::weights::write::reference::Moment;
use ijepa::weights::write::{reference, safetensors};
use std::collections::HashMap;
use std::path::Path;

/// Both encoders and their positions are `network` of `original`.
#[track_caller]
fn is_encoder(path: &Path, network: &str, original: &Tensors, format: Format) {
    let (weights, back) = read(path);
    assert_eq!(weights.format, format);
    let start = format!("{network}.");
    let mut compared = 0;
    for (name, tensor) in original.iter().filter(|(name, _)| name.starts_with(&start)) {
        let rest = &name[start.len()..];
        for own in ["encoder", "target_encoder"] {
            assert!(back[&format!("{own}.{rest}")] == *tensor, "{own}.{rest}");
        }
        compared += 1;
    }
    assert_eq!(compared, 1 + 2 + 2 * 12 + 2);
}

#[test]
fn hugging_face_and_timm_give_back_the_encoder_that_was_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let tensors = tensors();
    for network in ["encoder", "target_encoder"] {
        let folder = place.path().join(network);
        let (hf, timm) = (folder.join("hf"), folder.join("timm"));
        std::fs::create_dir_all(&hf).unwrap();
        std::fs::create_dir_all(&timm).unwrap();
        hub::hugging_face(&hf, &model(), &tensors, network, PROCESSOR, None).unwrap();
        hub::timm(&timm, &model(), &tensors, network, PROCESSOR, None).unwrap();
        is_encoder(&hf, network, &tensors, Format::HuggingFace);
        is_encoder(&hf.join("model.safetensors"), network, &tensors, Format::HuggingFace);
        is_encoder(&timm, network, &tensors, Format::Timm);
        for folder in [hf, timm] {
            let found = open(&folder).unwrap().architecture;
            assert_eq!(
                (found.heads, found.grid, found.hidden, found.predictor),
                (Some(2), Some(4), 48, None)
            );
        }
    }
}

/// An image must come to the encoder as it came to the run's: with the margin that the run's evaluation leaves, or with none.
#[test]
fn images_are_cut_as_the_processor_beside_says() {
    let place = tempfile::tempdir().unwrap();
    let (tensors, crop) = (tensors(), PROCESSOR.crop);
    for (short, evaluation) in [(crop, Evaluation::Exact), (crop * 256 / 224 + 1, Evaluation::Margin)] {
        let processor = Processor { short, ..PROCESSOR };
        for to in ["hf", "timm"] {
            let folder = place.path().join(format!("{to}-{short}"));
            std::fs::create_dir_all(&folder).unwrap();
            match to {
                "hf" => hub::hugging_face(&folder, &model(), &tensors, "encoder", processor, None).unwrap(),
                _ => hub::timm(&folder, &model(), &tensors, "encoder", processor, None).unwrap(),
            }
            let config = Start::open(&folder, false).unwrap().config().unwrap();
            assert_eq!(config.data.eval_transform, evaluation, "{to} {short}");
        }
    }
    // As Hugging Face's own: scaled as a whole, not cut; in other words, and without any that can be read.
    let hf = place.path().join(format!("hf-{crop}"));
    for (text, exact) in [
        (
            r#"{"do_center_crop": false, "size": {"height": 224, "width": 224}}"#,
            Some(true),
        ),
        (
            r#"{"do_center_crop": true, "size": 256, "crop_size": 224}"#,
            Some(false),
        ),
        (r#"{"do_center_crop": true, "size": {"shortest_edge": -1}}"#, None),
        (r#"[1]"#, None),
        (r#"{"#, None),
    ] {
        std::fs::write(hf.join("preprocessor_config.json"), text).unwrap();
        assert_eq!(open(&hf).unwrap().exact, exact, "{text}");
    }
}

#[test]
fn the_references_dictionary_gives_back_everything() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("jepa-latest.pth.tar");
    let tensors = tensors();
    reference::checkpoint(&path, &model(), &tensors, &moment()).unwrap();
    let (weights, back) = read(&path);
    assert_eq!(weights.format, Format::Reference);
    assert_eq!(back.keys().collect::<Vec<_>>(), tensors.keys().collect::<Vec<_>>());
    for (name, tensor) in &tensors {
        assert!(back[name] == *tensor, "{name}");
    }
    let contents = weights.torch.as_ref().unwrap();
    assert_eq!(
        (contents.epoch, contents.loss, contents.batch_size),
        (Some(3), Some(0.125), Some(8))
    );
    assert_eq!(
        (weights.adamw_steps, weights.metadata["note"].as_str()),
        (Some(21), "ours")
    );
    assert_eq!(weights.architecture.predictor, Some((8, 1)));
    // The same weights, the same bytes.
    let again = place.path().join("again.pth.tar");
    reference::checkpoint(&again, &model(), &back, &moment()).unwrap();
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&again).unwrap());
}

#[test]
fn heads_survive_the_references_dictionary() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::create_dir(at.join("timm")).unwrap();
    hub::timm(&at.join("timm"), &model(), &tensors(), "encoder", PROCESSOR, None).unwrap();
    for [from, to] in [["timm", "pth"], ["pth", "hf"], ["hf", "again"]] {
        let form = if to == "again" { "timm" } else { to };
        succeeds(at, &["export", "--weights", from, "--to", form, "--out", to]);
    }
    let told = open(&at.join("pth/jepa-latest.pth.tar")).unwrap().architecture;
    assert_eq!((told.heads, told.grid), (Some(2), Some(4)));
    let file = |folder: &str, name: &str| std::fs::read(at.join(folder).join(name)).unwrap();
    assert!(file("timm", "model.safetensors") == file("again", "model.safetensors"));
    let config = |folder: &str| serde_json::from_slice::<serde_json::Value>(&file(folder, "config.json")).unwrap();
    assert_eq!(config("timm")["model_args"], config("again")["model_args"]);
    // Without them, of a width that no known model has, the way out is named.
    let moment = Moment {
        heads: None,
        ..moment()
    };
    reference::checkpoint(&at.join("none.pth.tar"), &model(), &tensors(), &moment).unwrap();
    let export = ["export", "--weights", "none.pth.tar", "--to", "hf", "--out", "no"];
    let message = fails(at, 2, &export);
    assert!(
        message.contains("does not say how many heads") && message.contains("--config F.yaml"),
        "{message}"
    );
}

#[test]
fn our_own_names_come_back_from_safetensors() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("all.safetensors");
    let tensors = tensors();
    let list = tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.shape.clone(), &tensor.values[..]));
    safetensors(&path, list, HashMap::from([("a".to_string(), "b".to_string())])).unwrap();
    let (weights, back) = read(&path);
    assert_eq!((weights.format, weights.metadata["a"].as_str()), (Format::Own, "b"));
    assert!(back == tensors);
}

/// Positions and a norm in one type, the encoder's other tensors in f32, in two files.
fn sixteen_bits(folder: &Path, dtype: &str, bytes: &[u8]) {
    let all = tensors();
    let mut map = serde_json::Map::new();
    let encoder = all.iter().filter(|(name, _)| name.starts_with("encoder."));
    let (small, large): (Vec<_>, Vec<_>) = encoder.partition(|(name, _)| name.starts_with("encoder.norm."));
    let list = large.iter().map(|(name, tensor)| {
        let name = name.strip_prefix("encoder.").unwrap().to_string();
        map.insert(name.clone(), "model-1.safetensors".into());
        (name, tensor.shape.clone(), &tensor.values[..])
    });
    safetensors(&folder.join("model-1.safetensors"), list, HashMap::new()).unwrap();
    let mut header = serde_json::Map::new();
    let mut data = vec![];
    for (name, tensor) in small {
        let name = name.strip_prefix("encoder.").unwrap().to_string();
        let start = data.len();
        data.extend(bytes.repeat(tensor.values.len()));
        let entry = serde_json::json!({"dtype": dtype, "shape": tensor.shape, "data_offsets": [start, data.len()]});
        header.insert(name.clone(), entry);
        map.insert(name, "model-2.safetensors".into());
    }
    let header = serde_json::Value::from(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    let file = [&length[..], header.as_bytes(), &data].concat();
    std::fs::write(folder.join("model-2.safetensors"), file).unwrap();
    let index = serde_json::json!({"metadata": {}, "weight_map": map});
    std::fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn several_files_and_other_types_are_read_as_f32() {
    for (dtype, bytes) in [
        ("F16", &[0x00, 0xc1][..]),
        ("BF16", &[0x20, 0xc0]),
        ("F64", &(-2.5f64).to_le_bytes()),
        ("F32", &(-2.5f32).to_le_bytes()),
    ] {
        let place = tempfile::tempdir().unwrap();
        sixteen_bits(place.path(), dtype, bytes);
        let weights = open(place.path()).unwrap();
        let back = fit(&weights, &model(), wish()).unwrap().tensors;
        assert!(
            back["encoder.norm.weight"].values == [-2.5; 16],
            "{dtype}: {:?}",
            back["encoder.norm.weight"]
        );
        assert!(back["target_encoder.norm.bias"].values == [-2.5; 16], "{dtype}");
        assert!(back["encoder.blocks.1.attn.qkv.weight"] == tensors()["encoder.blocks.1.attn.qkv.weight"]);
        assert!(weights.stored().1.contains(&dtype));
    }
}
