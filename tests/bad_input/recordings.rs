//! Recordings for `replay` that don't hold together.

use super::tiny::{fails, run, said};
use ijepa::model::tensors::{Tensor, Tensors};
use ijepa::model::{init, weights};
use ijepa::train::config::Config;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

const YAML: &str = "\
data: {batch_size: 2, crop_size: 16}
mask: {patch_size: 4, min_keep: 1, min_keep_context: 2, num_enc_masks: 1, num_pred_masks: 2}
meta:
  model_name: vit_custom
  model: {embed_dim: 16, depth: 1, num_heads: 2, mlp_ratio: 2}
  pred_emb_dim: 8
  pred_depth: 1
";

/// Masks by name: shape and patches.
type Masks = Vec<(&'static str, Vec<usize>, Vec<i32>)>;

fn masks() -> Masks {
    vec![
        ("step.0.masks_enc.0", vec![2, 3], vec![0, 1, 2, 4, 5, 15]),
        ("step.0.masks_pred.0", vec![2, 2], vec![8, 9, 10, 11]),
        ("step.0.masks_pred.1", vec![2, 2], vec![6, 7, 12, 13]),
    ]
}

fn tensors() -> Tensors {
    let config = Config::from_yaml(YAML, "F.yaml").unwrap();
    let mut tensors = init::draw(&config.model().unwrap(), config.meta.init, 1);
    tensors.retain(|name, _| !name.starts_with("target_encoder."));
    let (shape, values) = (vec![2, 3, 16, 16], vec![0.25; 2 * 3 * 256]);
    tensors.insert("step.0.images".to_string(), Tensor { shape, values });
    tensors
}

fn write(path: &Path, tensors: &Tensors, masks: &Masks) {
    let floats = weights::write(tensors, &[]).unwrap();
    let floats = SafeTensors::deserialize(&floats).unwrap();
    let bytes: Vec<Vec<u8>> = masks
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let mut all = floats.tensors();
    for ((name, shape, _), bytes) in masks.iter().zip(&bytes) {
        all.push((
            name.to_string(),
            TensorView::new(Dtype::I32, shape.clone(), bytes).unwrap(),
        ));
    }
    std::fs::write(path, safetensors::serialize(all, None).unwrap()).unwrap();
}

const REPLAY: [&str; 9] = [
    "replay",
    "--input",
    "in",
    "--config",
    "F.yaml",
    "--iterations-per-epoch",
    "5",
    "--out",
    "out",
];

#[test]
fn recordings_that_do_not_hold_together_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("F.yaml"), YAML).unwrap();
    write(&at.join("in"), &tensors(), &masks());
    let good = run(at, &REPLAY);
    assert!(
        good.status.success() && String::from_utf8_lossy(&good.stdout).contains("step.0.loss "),
        "{}",
        said(&good)
    );
    std::fs::remove_file(at.join("out")).unwrap();

    let check = |tensors: &Tensors, masks: &Masks, wanted: &str| {
        write(&at.join("in"), tensors, masks);
        super::refused(at, 2, &REPLAY, wanted);
    };
    let with_masks = |change: &dyn Fn(&mut Masks), wanted: &str| {
        let mut masks = masks();
        change(&mut masks);
        check(&tensors(), &masks, wanted);
    };
    with_masks(
        &|m| m[0].2[5] = 16,
        "in: step 0: a mask names patch 16, but an image has 16",
    );
    with_masks(
        &|m| m[1].2[0] = -1,
        "\"step.0.masks_pred.0\", ... must be I32 [B, K], all of one shape",
    );
    with_masks(&|m| m[2].1 = vec![1, 4], "must be I32 [B, K], all of one shape");
    with_masks(&|m| m[0].1 = vec![6], "\"step.0.masks_enc.0\", ... must be I32 [B, K]");
    with_masks(
        &|m| (m[0].1, m[0].2) = (vec![2, 0], vec![]),
        "in: step 0: the context masks hold 0 patches",
    );
    with_masks(
        &|m| m[0].1 = vec![3, 2],
        "context masks for 3 images and target masks for 2",
    );
    with_masks(&|m| drop(m.remove(0)), "step.0.masks_enc.0");

    let with_tensors = |change: &dyn Fn(&mut Tensors), wanted: &str| {
        let mut tensors = tensors();
        change(&mut tensors);
        check(&tensors, &masks(), wanted);
    };
    with_tensors(
        &|t| drop(t.remove("step.0.images")),
        "in holds no recorded step: \"step.0.images\" is missing",
    );
    with_tensors(
        &|t| drop(t.remove("encoder.norm.bias")),
        "in has no tensor \"encoder.norm.bias\"",
    );
    with_tensors(
        &|t| t.get_mut("step.0.images").unwrap().shape = vec![2, 16, 16, 3],
        "in: \"step.0.images\" is [2, 16, 16, 3], but the configuration asks for [2, 3, 16, 16]",
    );
    with_tensors(
        &|t| t.get_mut("predictor.mask_token").unwrap().shape = vec![8],
        "in: \"predictor.mask_token\" is [8], but the configuration asks for [1, 1, 8]",
    );
    write(&at.join("in"), &tensors(), &masks());
    let mut poisoned = tensors();
    poisoned.get_mut("step.0.images").unwrap().values[0] = f32::NAN;
    write(&at.join("in"), &poisoned, &masks());
    super::refused(at, 1, &REPLAY, "in: step 0 is not finite; no weight was changed by it");
}

#[test]
fn replays_of_what_is_no_recording_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("F.yaml"), YAML).unwrap();
    super::refused(at, 2, &REPLAY, "in: ");
    std::fs::write(at.join("in"), "nothing of the kind").unwrap();
    super::refused(at, 2, &REPLAY, "in is no safetensors file that can be read");
    write(&at.join("in"), &tensors(), &masks());
    for (yaml, wanted) in [
        (YAML.replace("num_heads: 2", "num_heads: 0"), "number of heads is 0"),
        (
            YAML.replace("patch_size: 4", "patch_size: 3"),
            "data.crop_size 16 is no multiple of mask.patch_size 3",
        ),
        (
            YAML.replace("crop_size: 16", "crop_size: 20"),
            "\"step.0.images\" is [2, 3, 16, 16], but",
        ),
        (YAML.replace("depth: 1,", "depth: 1"), "F.yaml: line 5, column "),
    ] {
        std::fs::write(at.join("F.yaml"), yaml).unwrap();
        super::refused(at, 2, &REPLAY, wanted);
    }
    std::fs::write(at.join("F.yaml"), YAML).unwrap();
    let before = std::fs::read(at.join("in")).unwrap();
    let message = fails(at, 2, &[&REPLAY[..8], &["in"]].concat());
    assert!(message.contains("--out would overwrite --input "), "{message}");
    assert!(std::fs::read(at.join("in")).unwrap() == before);
    let nowhere = [&REPLAY[..8], &["no/such/folder/out"]].concat();
    super::refused(at, 2, &nowhere, "there is no folder no/such/folder");
    // An epoch without iterations ends in no endless schedule.
    let none = [
        "replay",
        "--input",
        "in",
        "--config",
        "F.yaml",
        "--iterations-per-epoch",
        "0",
        "--out",
        "out",
    ];
    super::refused(at, 2, &none, "--iterations-per-epoch is 0: it must be 1 or more");
}
