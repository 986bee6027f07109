//! First weights: deviations, zeros, ones, copies, and what they depend on.

use ijepa::data::image::Size;
use ijepa::model::config::{Init, ModelConfig};
use ijepa::model::init::draw;
use ijepa::model::tensors::{Tensors, encoder, predictor};

const CONFIG: ModelConfig = ModelConfig {
    image: Size::square(32),
    patch: 4,
    embed_dim: 96,
    depth: 2,
    num_heads: 4,
    mlp_ratio: 4.0,
    pred_emb_dim: 64,
    pred_depth: 2,
};

/// Mean 0 and this deviation within five standard errors, and a fourth moment as the normal distribution has it.
fn is_normal(name: &str, values: &[f32], deviation: f64) {
    let n = values.len() as f64;
    let moment = |power: i32| {
        values
            .iter()
            .map(|&v| (f64::from(v) / deviation).powi(power))
            .sum::<f64>()
            / n
    };
    assert!(
        moment(1).abs() < 5.0 / n.sqrt(),
        "{name} has mean {} deviations",
        moment(1)
    );
    assert!(
        (moment(2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
        "{name}: variance {} times what it should be",
        moment(2)
    );
    assert!(
        (moment(4) - 3.0).abs() < 5.0 * (96.0 / n).sqrt(),
        "{name}: fourth moment {}",
        moment(4)
    );
}

fn moments(init: Init, deviation: impl Fn(usize, usize) -> f64) {
    let tensors = draw(&CONFIG, init, 3);
    let mut drawn = 0;
    for spec in encoder(&CONFIG).into_iter().chain(predictor(&CONFIG)) {
        let (name, values) = (&spec.name, &tensors[&spec.name].values);
        let (outputs, inputs) = spec.matrix();
        if name.ends_with("mask_token") {
            is_normal(name, values, 0.02);
        } else if name.ends_with("qkv.weight") {
            for (part, values) in ["q", "k", "v"].iter().zip(values.chunks(values.len() / 3)) {
                is_normal(&format!("{part} of {name}"), values, deviation(inputs, outputs / 3));
            }
        } else if spec.shape.len() > 1 {
            is_normal(name, values, deviation(inputs, outputs));
        } else {
            let constant = if name.contains("norm") && name.ends_with("weight") {
                1.0
            } else {
                0.0
            };
            assert!(values.iter().all(|v| *v == constant), "{name} must be {constant}");
            continue;
        }
        drawn += 1;
    }
    // Patch convolution, embedding, projection and mask token, and four layers in each of four blocks.
    assert_eq!(drawn, 4 + 4 * 4);
}

#[test]
fn the_references_weights_have_its_deviation() {
    moments(Init::Reference, |_, _| 0.02);
}

#[test]
fn xavier_weights_keep_the_size_of_what_they_carry() {
    moments(Init::Xavier, |inputs, outputs| (2.0 / (inputs + outputs) as f64).sqrt());
}

#[test]
fn the_target_starts_as_the_encoder() {
    let tensors = draw(&CONFIG, Init::Xavier, 3);
    let copies = |tensors: &Tensors| {
        let pairs = tensors
            .iter()
            .filter_map(|(name, t)| Some((name.strip_prefix("encoder.")?.to_string(), t.clone())));
        pairs
            .map(|(rest, t)| (format!("target_encoder.{rest}"), t))
            .collect::<Tensors>()
    };
    let target: Tensors = tensors
        .clone()
        .into_iter()
        .filter(|(name, _)| name.starts_with("target_"))
        .collect();
    assert_eq!(target, copies(&tensors));
    assert!(!target.is_empty());
}

#[test]
fn weights_hang_on_the_seed_and_deeper_models_begin_alike() {
    let first = draw(&CONFIG, Init::Xavier, 3);
    assert_eq!(first, draw(&CONFIG, Init::Xavier, 3));
    let other = draw(&CONFIG, Init::Xavier, 4);
    let deeper = draw(&ModelConfig { depth: 3, ..CONFIG }, Init::Xavier, 3);
    for name in ["encoder.patch_embed.proj.weight", "encoder.blocks.1.mlp.fc2.weight"] {
        assert_ne!(first[name], other[name], "{name}");
        assert_eq!(first[name], deeper[name], "{name}");
    }
    // No two tensors are the same draw, stretched.
    let (a, b) = (
        &first["encoder.blocks.0.attn.proj.weight"],
        &first["encoder.blocks.1.attn.proj.weight"],
    );
    assert_ne!(a.values[0] * b.values[1], b.values[0] * a.values[1]);
}
