//! One training step of a small model, on the GPU and in f64.

use super::answer::{Answer, distance, f64s, random};
use ijepa::Result;
use ijepa::cpu;
use ijepa::data::image::Size;
use ijepa::data::masks::Masks;
use ijepa::gpu::Gpu;
use ijepa::model::config::{Init, ModelConfig};
use ijepa::model::ijepa::{Ijepa, Images, Terms};
use ijepa::model::init;
use ijepa::model::needs::Dims;
use ijepa::model::tensors::Tensors;
use ijepa::ops::adamw::Step;

/// 4 x 4 patches of 5 pixels (so that rows of 75 pixels are in no fours), 3 heads of 8 and of 4 channels.
const MODEL: ModelConfig = ModelConfig {
    image: Size::square(20),
    patch: 5,
    embed_dim: 24,
    depth: 2,
    num_heads: 3,
    mlp_ratio: 4.0,
    pred_emb_dim: 12,
    pred_depth: 2,
};

/// How far f32 may be from f64, in relative L2: what the reference's own f32 runs are off, with room for a driver's
/// coarser exp. Weights and target are judged by what the step has changed.
const LOSS: f64 = 3e-6;
const ACTIVATIONS: f64 = 4e-6;
const GRADIENTS: f64 = 2e-5;
const WEIGHTS: f64 = 3e-3;
const TARGET: f64 = 3e-2;

/// Two images, two context masks, three target masks: no two of these numbers may be swapped unseen.
fn masks() -> Masks {
    let spread = |count: usize, stride: usize| -> Vec<u32> {
        let start = |mask: usize| mask * stride % 11;
        (0..count)
            .flat_map(|mask| (0..5).map(move |i| (start(mask) + i) as u32))
            .collect()
    };
    Masks {
        batch: 2,
        num_enc: 2,
        num_pred: 3,
        k_context: 5,
        k_target: 5,
        context: spread(4, 3),
        targets: spread(6, 7),
    }
}

/// Answers by part.
pub fn answers(gpu: &Gpu) -> Result<Vec<(&'static str, Vec<Answer>)>> {
    let (masks, terms) = (
        masks(),
        Terms {
            variance: 0.7,
            covariance: 0.3,
            clip: None,
        },
    );
    let dims = Dims {
        num_enc: masks.num_enc,
        num_pred: masks.num_pred,
        k_context: masks.k_context,
        k_target: masks.k_target,
        float_images: true,
        ..Dims::encode(masks.batch)
    };
    let drawn = init::draw(&MODEL, Init::Xavier, 1);
    let mut net = Ijepa::new(gpu, &MODEL, &drawn, "the drawn weights", terms, dims)?;
    let before = wide(pollster::block_on(net.tensors(false))?);
    let images = random(1, masks.batch * MODEL.image.values());
    let rates = Step {
        lr: 1e-3,
        wd: 0.04,
        momentum: 0.9,
        t: 1,
    };
    let pending = net.step(Images::Floats(&images), &masks, rates)?;
    let outcome = pollster::block_on(pending.outcome())?;
    let activations = wide(pollster::block_on(net.activations(&masks))?);
    let gradients = wide(pollster::block_on(net.gradients())?);
    let after = wide(pollster::block_on(net.tensors(false))?);

    let theirs = cpu::ijepa::Terms {
        variance: terms.variance,
        covariance: terms.covariance,
    };
    let mut state = cpu::ijepa::State::new(before.clone());
    let want = cpu::ijepa::gradients(&MODEL, &state.parameters, &f64s(&images), &masks, theirs);
    state.update(&want.gradients, rates.lr, rates.wd, rates.momentum);

    let one = |name: &str, got: f32, want: f64| distance(name, &[f64::from(got)], &[want], LOSS);
    let losses = vec![
        one("loss", outcome.loss, want.loss),
        one("regularizer", outcome.regularizer, want.regularizer),
    ];
    let activations = [
        ("target_encoder_out", &want.target_encoder_out),
        ("targets", &want.targets),
        ("context_out", &want.context_out),
        ("predictions", &want.predictions),
    ]
    .map(|(name, want)| distance(name, &activations[name], want, ACTIVATIONS));
    let judged = want
        .gradients
        .iter()
        .map(|(name, want)| distance(name, &cut(name, &gradients[name]), &cut(name, want), GRADIENTS));
    let judged = judged.collect();
    let (mut weights, mut target) = (vec![], vec![]);
    for (name, new) in state.parameters.iter().filter(|(name, _)| !name.contains("pos_embed")) {
        let change = |values: &[f64]| -> Vec<f64> {
            let change: Vec<f64> = values.iter().zip(&before[name]).map(|(new, old)| new - old).collect();
            cut(name, &change)
        };
        let of_target = name.starts_with("target_encoder.");
        let (list, allowed) = match of_target {
            true => (&mut target, TARGET),
            false => (&mut weights, WEIGHTS),
        };
        list.push(distance(name, &change(&after[name]), &change(new), allowed));
    }
    Ok(vec![
        ("loss", losses),
        ("activations", activations.into()),
        ("gradients", judged),
        ("weights", weights),
        ("target encoder", target),
    ])
}

/// The gradient of the key bias is 0 in exact arithmetic, so its slice is rounding noise, which AdamW turns into steps.
fn cut(name: &str, values: &[f64]) -> Vec<f64> {
    let third = if name.ends_with("attn.qkv.bias") {
        values.len() / 3
    } else {
        0
    };
    [&values[..third], &values[2 * third..]].concat()
}

fn wide(tensors: Tensors) -> cpu::Tensors {
    tensors
        .into_iter()
        .map(|(name, tensor)| (name, f64s(&tensor.values)))
        .collect()
}
