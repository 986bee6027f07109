//! The whole model's gradient in f64 against finite differences of its loss, for every weight of a tiny model.

use crate::difference::{agree, gradient, numbers};
use ijepa::cpu::ijepa::{Terms, gradients};
use ijepa::cpu::positions::positions;
use ijepa::cpu::{Tensors, classifier};
use ijepa::data::image::Size;
use ijepa::data::masks::Masks;
use ijepa::model::config::{Grid, ModelConfig};

/// 3x3 patches of 2 pixels; 2 heads of width 4 in the encoder and of width 2 in the predictor.
fn config() -> ModelConfig {
    ModelConfig {
        image: Size::square(6),
        patch: 2,
        embed_dim: 8,
        depth: 2,
        num_heads: 2,
        mlp_ratio: 1.5,
        pred_emb_dim: 4,
        pred_depth: 1,
    }
}

/// Two images, two context masks, three target masks: no two of these numbers may be swapped unseen.
fn masks() -> Masks {
    Masks {
        batch: 2,
        num_enc: 2,
        num_pred: 3,
        k_context: 3,
        k_target: 2,
        context: vec![0, 1, 4, 2, 5, 8, 3, 6, 7, 0, 2, 6],
        targets: vec![0, 1, 7, 8, 4, 5, 3, 4, 2, 5, 1, 2],
    }
}

fn parameters(config: &ModelConfig) -> Tensors {
    let mut all = Tensors::new();
    let mut seed = 100;
    let mut put = |name: String, count: usize, scale: f64, around: f64| {
        seed += 1;
        all.insert(name, numbers(seed, count, scale).iter().map(|x| x + around).collect());
    };
    let blocks = |prefix: &str, depth: usize, width: usize, hidden: usize| {
        let mut sizes = Vec::new();
        for i in 0..depth {
            let at = |rest: &str| format!("{prefix}.{i}.{rest}");
            sizes.push((at("attn.qkv"), width, 3 * width));
            sizes.push((at("attn.proj"), width, width));
            sizes.push((at("mlp.fc1"), width, hidden));
            sizes.push((at("mlp.fc2"), hidden, width));
            sizes.push((at("norm1"), 0, width));
            sizes.push((at("norm2"), 0, width));
        }
        sizes
    };
    let (d, p) = (config.embed_dim, config.pred_emb_dim);
    let mut sizes = Vec::new();
    for encoder in ["encoder", "target_encoder"] {
        sizes.push((format!("{encoder}.patch_embed.proj"), config.patch_values(), d));
        sizes.extend(blocks(&format!("{encoder}.blocks"), config.depth, d, config.hidden()));
        sizes.push((format!("{encoder}.norm"), 0, d));
        put(format!("{encoder}.pos_embed"), config.num_patches() * d, 1.0, 0.0);
    }
    sizes.push(("predictor.predictor_embed".into(), d, p));
    sizes.extend(blocks(
        "predictor.predictor_blocks",
        config.pred_depth,
        p,
        config.pred_hidden(),
    ));
    sizes.push(("predictor.predictor_norm".into(), 0, p));
    sizes.push(("predictor.predictor_proj".into(), p, d));
    put("predictor.mask_token".into(), p, 1.0, 0.0);
    put(
        "predictor.predictor_pos_embed".into(),
        config.num_patches() * p,
        1.0,
        0.0,
    );
    for (name, inputs, outputs) in sizes {
        // inputs 0: a norm, whose weight has one axis and lies around 1.
        if inputs == 0 {
            put(format!("{name}.weight"), outputs, 0.3, 1.0);
        } else {
            put(format!("{name}.weight"), inputs * outputs, 0.6, 0.0);
        }
        put(format!("{name}.bias"), outputs, 0.3, 0.0);
    }
    all
}

fn every_weight_agrees(terms: Terms) {
    let (config, masks) = (config(), masks());
    let images = numbers(99, masks.batch * config.image.values(), 2.0);
    let parameters = parameters(&config);
    let analytic = gradients(&config, &parameters, &images, &masks, terms);
    assert_eq!(analytic.regularizer != 0.0, terms != Terms::default());

    let trained = |name: &&String| !name.starts_with("target_encoder.") && !name.contains("pos_embed");
    let names: Vec<&String> = parameters.keys().filter(trained).collect();
    assert_eq!(
        analytic.gradients.keys().collect::<Vec<_>>(),
        names,
        "one gradient for each trained tensor"
    );
    for name in names {
        let numeric = gradient(&parameters[name], |values| {
            let mut moved = parameters.clone();
            moved.insert(name.clone(), values.to_vec());
            let outcome = gradients(&config, &moved, &images, &masks, terms);
            outcome.loss + outcome.regularizer
        });
        if let Err(error) = agree(&analytic.gradients[name], &numeric, 1e-6) {
            panic!("{name}{error}");
        }
    }
}

#[test]
fn gradient_of_every_weight_is_the_finite_difference() {
    every_weight_agrees(Terms::default());
}

#[test]
fn gradient_with_terms_is_the_finite_difference() {
    every_weight_agrees(Terms {
        variance: 0.7,
        covariance: 0.2,
    });
}

#[test]
fn column_comes_first_in_the_position_embedding() {
    // Width 8: omega is 1 and 1/100. Patch 5 of three columns lies in row 1, column 2.
    let all = positions(8, Grid { rows: 2, columns: 3 });
    let (one, two) = ([1.0_f64, 0.01], [2.0_f64, 0.02]);
    let expected: Vec<f64> = [
        two.map(f64::sin),
        two.map(f64::cos),
        one.map(f64::sin),
        one.map(f64::cos),
    ]
    .concat();
    assert_eq!(agree(&all[5 * 8..6 * 8], &expected, 1e-12), Ok(()));
    assert_eq!(all.len(), 6 * 8);
}

/// With soft labels, and some branches dropped.
#[test]
fn gradient_of_a_classifier_is_the_finite_difference() {
    let (config, classes, batch) = (config(), 3, 2);
    let images = numbers(99, batch * config.image.values(), 2.0);
    let mut parameters = parameters(&config);
    parameters.retain(|name, _| name.starts_with("encoder."));
    parameters.insert("head.weight".into(), numbers(98, classes * config.embed_dim, 0.6));
    parameters.insert("head.bias".into(), numbers(97, classes, 0.3));
    let (targets, scales) = (
        [0.05, 0.9, 0.05, 0.5, 0.1, 0.4],
        [1.25, 0.0, 1.25, 1.25, 0.0, 1.5, 1.5, 1.5],
    );
    let outcome = |parameters: &Tensors| classifier::gradients(&config, parameters, &images, &targets, &scales);
    let analytic = outcome(&parameters);
    for (name, values) in parameters.iter().filter(|(name, _)| !name.ends_with("pos_embed")) {
        let numeric = gradient(values, |values| {
            let mut moved = parameters.clone();
            moved.insert(name.clone(), values.to_vec());
            outcome(&moved).loss
        });
        if let Err(error) = agree(&analytic.gradients[name], &numeric, 1e-6) {
            panic!("{name}{error}");
        }
    }
}
