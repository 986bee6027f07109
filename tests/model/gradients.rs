//! Loss, activations and gradients of one batch against the f64 model.

use crate::case::{Case, f64s, gpu, rates};
use ijepa::cpu::ijepa::Outcome;
use ijepa::data::image::Size;
use ijepa::gpu::Kind;
use ijepa::model::config::ModelConfig;
use ijepa::model::ijepa::{Images, Terms};
use ijepa::model::tensors::Tensors;

/// Relative L2, as replays of the reference are judged: rounding of f32 through all layers.
const ACTIVATIONS: f64 = 4e-6;
const GRADIENTS: f64 = 2e-5;
const NUMBERS: f64 = 3e-6;

const TERMS: Terms = Terms {
    variance: 0.3,
    covariance: 0.1,
    clip: None,
};
const NONE: Terms = Terms {
    variance: 0.0,
    covariance: 0.0,
    clip: None,
};

fn model(crop: usize, patch: usize, encoder: [usize; 3], mlp_ratio: f64, predictor: [usize; 2]) -> ModelConfig {
    let [embed_dim, depth, num_heads] = encoder;
    let [pred_emb_dim, pred_depth] = predictor;
    ModelConfig {
        image: Size::square(crop),
        patch,
        embed_dim,
        depth,
        num_heads,
        mlp_ratio,
        pred_emb_dim,
        pred_depth,
    }
}

/// What is off, by name; empty where all agrees.
fn differences(got: &Tensors, want: &Outcome) -> Vec<String> {
    let mut wrong = vec![];
    let mut check = |name: &str, got: &[f64], want: &[f64], limit: f64| {
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let off = norm(&mut got.iter().zip(want).map(|(g, w)| g - w)) / norm(&mut want.iter().copied()).max(1e-30);
        if got.len() != want.len() || off.is_nan() || off > limit {
            wrong.push(format!("{name} is off by {off:.1e}, {limit:.0e} is allowed"));
        }
    };
    for (name, want) in [
        ("target_encoder_out", &want.target_encoder_out),
        ("targets", &want.targets),
        ("context_out", &want.context_out),
        ("predictions", &want.predictions),
    ] {
        check(name, &f64s(&got[name].values), want, ACTIVATIONS);
    }
    for (name, want) in &want.gradients {
        let got = f64s(&got[name].values);
        // The gradient of the key's bias is 0 in exact arithmetic: what comes is rounding, and no share of it is right.
        let keys = match name.ends_with("attn.qkv.bias") {
            true => want.len() / 3..want.len() / 3 * 2,
            false => 0..0,
        };
        let without = |x: &[f64]| [&x[..keys.start], &x[keys.end..]].concat();
        check(name, &without(&got), &without(want), GRADIENTS);
    }
    wrong
}

fn near(name: &str, got: f32, want: f64, limit: f64) {
    let off = (f64::from(got) - want).abs() / want.abs().max(1e-30);
    assert!(off <= limit, "{name} is {got}, f64 says {want}");
}

fn agrees(case: &Case, variant: &'static str, kind: Kind) -> Outcome {
    let label = format!("{:?}, \"{variant}\", {kind:?}", case.config);
    let mut net = case.net(&gpu(variant, Some(kind)), case.dims());
    let names = [
        "encoder.blocks.0.attn.qkv.weight".to_string(),
        "predictor.mask_token".to_string(),
    ];
    net.measure(&names).unwrap();
    let (images, want) = (case.floats(), case.twin());
    let pending = net.step(Images::Floats(&images), &case.masks, rates(1)).unwrap();
    let outcome = pollster::block_on(pending.outcome()).unwrap();
    let mut got = pollster::block_on(net.activations(&case.masks)).unwrap();
    got.extend(pollster::block_on(net.gradients()).unwrap());

    assert_eq!(differences(&got, &want), Vec::<String>::new(), "{label}");
    let norm = |values: &mut dyn Iterator<Item = &f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    near("the loss", outcome.loss, want.loss, NUMBERS);
    near("the regularizer", outcome.regularizer, want.regularizer, NUMBERS);
    near(
        "the gradient's norm",
        outcome.gradient_norm,
        norm(&mut want.gradients.values().flatten()),
        GRADIENTS,
    );
    for (name, got) in names.iter().zip(outcome.measured) {
        near(name, got, norm(&mut want.gradients[name].iter()), GRADIENTS);
    }
    assert!(outcome.finite);
    want
}

#[test]
fn heads_of_24_and_8_and_patches_of_7_with_terms() {
    let config = model(28, 7, [48, 2, 2], 3.3, [16, 2]);
    let case = Case::new(config, [3, 2, 3, 5, 3], TERMS);
    let want = agrees(&case, "broadcast", Kind::Software);
    assert!(want.regularizer > 0.0);
    agrees(&case, "tile", Kind::Hardware);
    agrees(&case, "any", Kind::Hardware);
    agrees(&case, "any", Kind::Software);
}

#[test]
fn heads_of_80_and_24_and_patches_of_4() {
    let case = Case::new(model(20, 4, [80, 1, 1], 4.0, [24, 2]), [3, 1, 4, 11, 7], NONE);
    let want = agrees(&case, "broadcast", Kind::Hardware);
    assert_eq!(want.regularizer, 0.0);
    agrees(&case, "tile", Kind::Hardware);
}

#[test]
fn heads_of_88_and_80_and_one_image() {
    let case = Case::new(model(12, 4, [88, 1, 1], 48.0 / 11.0, [80, 1]), [1, 3, 1, 1, 1], TERMS);
    agrees(&case, "tile", Kind::Hardware);
    agrees(&case, "broadcast", Kind::Software);
}

#[test]
fn three_heads_of_12_and_4_and_masks_of_every_patch() {
    let case = Case::new(model(9, 3, [36, 3, 3], 1.0, [12, 1]), [2, 2, 2, 9, 9], NONE);
    agrees(&case, "any", Kind::Hardware);
    agrees(&case, "broadcast", Kind::Software);
}

#[test]
fn a_wrong_gradient_is_seen() {
    let case = Case::small(TERMS);
    let mut net = case.net(&gpu("", None), case.dims());
    net.forward_and_backward(Images::Floats(&case.floats()), &case.masks)
        .unwrap();
    let mut got = pollster::block_on(net.activations(&case.masks)).unwrap();
    got.extend(pollster::block_on(net.gradients()).unwrap());
    assert!(differences(&got, &case.twin()).is_empty());
    // A weight of one of the terms that is off by a thousandth reaches every gradient of the context encoder alone.
    let wrong = Case {
        terms: Terms {
            covariance: 0.1001,
            ..TERMS
        },
        ..Case::small(TERMS)
    };
    let seen = differences(&got, &wrong.twin());
    assert!(
        !seen.is_empty() && seen.iter().all(|line| line.starts_with("encoder.")),
        "{seen:?}"
    );
    let name = "predictor.predictor_norm.bias";
    got.get_mut(name).unwrap().values[3] = f32::NAN;
    assert_eq!(differences(&got, &case.twin()).len(), 1);
}
