//! Files that hold another network than the configuration's.

use super::made::{PROCESSOR, model, tensors, wish};
use ijepa::model::config::{Init, ModelConfig};
use ijepa::model::init;
use ijepa::model::tensors::Tensor;
use ijepa::weights::fit::{Wish, fit};
use ijepa::weights::open::open;
use ijepa::weights::write::{self, hub, safetensors};
use std::collections::HashMap;

#[test]
fn missing_extra_and_misshapen_tensors_are_listed_and_taken_in_part_on_request() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("other.safetensors");
    let mut tensors = tensors();
    tensors.retain(|name, _| !name.starts_with("mean.") && !name.starts_with("square."));
    tensors.remove("encoder.norm.bias");
    tensors.remove("predictor.mask_token");
    let values = vec![0.5; 4];
    tensors.insert("encoder.norm.weight".into(), Tensor { shape: vec![4], values });
    tensors.insert(
        "encoder.blocks.7.norm1.bias".into(),
        tensors["encoder.blocks.0.norm1.bias"].clone(),
    );
    tensors.insert("head.weight".into(), tensors["encoder.blocks.0.norm1.bias"].clone());
    let list = tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.shape.clone(), &tensor.values[..]));
    safetensors(&path, list, HashMap::new()).unwrap();
    let weights = open(&path).unwrap();
    let error = fit(&weights, &model(), wish()).err().unwrap();
    let wanted = "does not fit the configuration's networks: 2 missing (encoder.norm.bias, predictor.mask_token); \
                  2 left over (encoder.blocks.7.norm1.bias, head.weight); 1 of another shape (encoder.norm.weight [4] instead of \
                  [16]). --partial takes what fits and draws the rest anew";
    assert!(error.to_string().contains(wanted), "{error}");
    assert_eq!(error.exit_code(), 2);

    let partial = Wish {
        partial: true,
        ..wish()
    };
    let fitted = fit(&weights, &model(), partial).unwrap();
    assert!(!fitted.whole);
    let drawn = init::draw(&model(), Init::Reference, 7);
    for name in ["encoder.norm.bias", "encoder.norm.weight", "predictor.mask_token"] {
        assert!(fitted.tensors[name] == drawn[name], "{name}");
    }
    for name in [
        "encoder.blocks.0.norm1.bias",
        "target_encoder.norm.bias",
        "predictor.predictor_embed.weight",
    ] {
        assert!(fitted.tensors[name] == tensors[name], "{name}");
    }
    assert!(
        fitted
            .notes
            .iter()
            .any(|note| note.contains("is taken in part") && note.contains("2 missing"))
    );
}

#[test]
fn query_key_and_value_of_different_shapes_are_told_with_them() {
    let place = tempfile::tempdir().unwrap();
    hub::hugging_face(place.path(), &model(), &tensors(), "encoder", PROCESSOR, None).unwrap();
    let path = place.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let changed = file.iter().map(|(name, view)| {
        // One of another form; and three that have the rows of the joined tensor together, but not a third each.
        let shape = match name.strip_prefix("encoder.layer.").unwrap_or_default() {
            "0.attention.attention.query.bias" => vec![4, 4],
            "1.attention.attention.query.weight" => vec![8, 16],
            "1.attention.attention.value.weight" => vec![24, 16],
            _ => view.shape().to_vec(),
        };
        let values = vec![0.5; shape.iter().product()];
        (name.to_string(), shape, values)
    });
    let changed: Vec<(String, Vec<usize>, Vec<f32>)> = changed.collect();
    let list = changed
        .iter()
        .map(|(name, shape, values)| (name.clone(), shape.clone(), &values[..]));
    write::safetensors(&path, list, HashMap::new()).unwrap();
    let weights = open(place.path()).unwrap();
    assert!(weights.names().any(|name| name == "encoder.blocks.0.attn.qkv.bias"));
    let error = fit(&weights, &model(), wish()).err().unwrap().to_string();
    let wanted = "networks: 2 of another shape (encoder.blocks.0.attn.qkv.bias, whose query, key and value are [4, 4], [16], [16], \
                  encoder.blocks.1.attn.qkv.weight, whose query, key and value are [8, 16], [16, 16], [24, 16]). --partial takes";
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn a_predictor_that_is_not_there_is_drawn_and_said_once() {
    let place = tempfile::tempdir().unwrap();
    let tensors = tensors();
    hub::timm(place.path(), &model(), &tensors, "target_encoder", PROCESSOR, None).unwrap();
    let weights = open(place.path()).unwrap();
    let fitted = fit(&weights, &model(), wish()).unwrap();
    let said = fitted
        .notes
        .iter()
        .filter(|note| note.contains("has no predictor: one is drawn anew"));
    assert_eq!(said.count(), 1);
    let drawn = init::draw(&model(), Init::Reference, 7);
    assert!(fitted.tensors["predictor.mask_token"] == drawn["predictor.mask_token"]);
    // Who encodes alone does not need one, and is told nothing.
    let alone = Wish {
        encoders: true,
        ..wish()
    };
    assert_eq!(fit(&weights, &model(), alone).unwrap().notes, [""; 0]);
    // More blocks than the model has are left over.
    let shallow = ModelConfig { depth: 1, ..model() };
    let error = fit(&weights, &shallow, wish()).err().unwrap().to_string();
    assert!(
        error.contains("12 left over (encoder.blocks.1.attn.proj.bias, "),
        "{error}"
    );
    assert!(error.contains("8 more"), "{error}");
}

#[test]
fn other_heads_are_refused_and_unknown_ones_told() {
    let place = tempfile::tempdir().unwrap();
    hub::timm(place.path(), &model(), &tensors(), "encoder", PROCESSOR, None).unwrap();
    let other = ModelConfig {
        num_heads: 4,
        ..model()
    };
    let error = fit(&open(place.path()).unwrap(), &other, wish())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("has 2 heads (config.json), but the configuration asks for 4"),
        "{error}"
    );
    let config = place.path().join("config.json");
    for (text, heads) in [
        (r#"{"architecture": "vit_base_patch16_gap_224"}"#, Some(16)),
        (
            r#"{"architecture": "vit_base_patch16_gap_224", "model_args": {"num_heads": 2}}"#,
            Some(2),
        ),
        ("{}", None),
    ] {
        std::fs::write(&config, text).unwrap();
        assert_eq!(open(place.path()).unwrap().architecture.heads, heads, "{text}");
    }
    let fitted = fit(&open(place.path()).unwrap(), &model(), wish()).unwrap();
    let told = "does not say how many heads its encoder has: 2 are taken";
    assert!(
        fitted.notes.iter().any(|note| note.contains(told)),
        "{:?}",
        fitted.notes
    );
}

#[test]
fn a_class_token_is_left_out_with_its_position() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("dino.safetensors");
    let tensors = tensors();
    let mut list: Vec<(String, Vec<usize>, Vec<f32>)> = tensors
        .iter()
        .filter_map(|(name, tensor)| {
            let name = name.strip_prefix("encoder.")?;
            Some((
                format!("module.backbone.{name}"),
                tensor.shape.clone(),
                tensor.values.clone(),
            ))
        })
        .collect();
    for (name, shape, values) in &mut list {
        if name.ends_with("pos_embed") {
            shape[1] += 1;
            values.splice(0..0, [9.0; 16]);
        }
    }
    list.push(("module.backbone.cls_token".into(), vec![1, 1, 16], vec![1.0; 16]));
    let views = list
        .iter()
        .map(|(name, shape, values)| (name.clone(), shape.clone(), &values[..]));
    safetensors(&path, views, HashMap::new()).unwrap();
    let weights = open(&path).unwrap();
    assert_eq!(weights.architecture.grid, Some(4));
    let fitted = fit(&weights, &model(), wish()).unwrap();
    assert!(fitted.tensors["encoder.pos_embed"] == tensors["encoder.pos_embed"]);
    assert!(
        fitted.notes[0].contains("cls_token\" is left out"),
        "{:?}",
        fitted.notes
    );
}

#[test]
fn weights_that_are_not_finite_are_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let mut tensors = tensors();
    tensors.get_mut("target_encoder.norm.bias").unwrap().values[3] = f32::NAN;
    hub::hugging_face(place.path(), &model(), &tensors, "target_encoder", PROCESSOR, None).unwrap();
    let error = fit(&open(place.path()).unwrap(), &model(), wish())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("\"encoder.norm.bias\" is not finite"), "{error}");
}
