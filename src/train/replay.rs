//! Recorded steps, run again: the proof that this is the reference's algorithm, number by number.

use super::config::Config;
use super::schedule::Schedule;
use crate::data::masks::Masks;
use crate::gpu::Gpu;
use crate::model::ijepa::{Ijepa, Images, Terms};
use crate::model::lists::Lists;
use crate::model::needs::Dims;
use crate::model::tensors::{self, Tensor, Tensors};
use crate::model::weights::{self, Integers};
use crate::{Error, Result};

/// Runs the steps of a recording (weights `encoder.*` and `predictor.*`; for steps s = 0, 1, ... `step.s.images`
/// `[B, 3, H, W]`, normalised, and masks `step.s.masks_enc.k`, `step.s.masks_pred.k` `[B, K]`) and returns, for step 0,
/// activations and gradients, for every step loss and schedules, and all weights after the last. `origin` names the
/// recording in messages.
pub async fn replay(
    gpu: &Gpu,
    config: &Config,
    recording: &[u8],
    origin: &str,
    iterations_per_epoch: usize,
) -> Result<Tensors> {
    config.check_model()?;
    let input = weights::read(recording, origin)?;
    let integers = weights::read_integers(recording, origin)?;
    let steps = (0..)
        .take_while(|s| input.contains_key(&format!("step.{s}.images")))
        .count();
    if steps == 0 {
        return Err(Error::usage(format!(
            "{origin} holds no recorded step: \"step.0.images\" is missing"
        )));
    }
    let schedule = Schedule::new(&config.optimization, iterations_per_epoch);
    let model = config.model()?;
    let masks: Vec<Masks> = (0..steps).map(|s| masks(&integers, s, origin)).collect::<Result<_>>()?;
    for (s, masks) in masks.iter().enumerate() {
        let of_step = |e: Error| Error::usage(format!("{origin}: step {s}: {e}"));
        Lists::new(masks, model.num_patches()).map_err(of_step)?;
        let shape = [masks.batch, 3, model.image.height, model.image.width];
        tensors::find(&input, &format!("step.{s}.images"), &shape, origin)?;
    }
    let longest = |length: fn(&Masks) -> usize| masks.iter().map(length).max().unwrap_or(0);
    let dims = Dims {
        num_enc: masks[0].num_enc,
        num_pred: masks[0].num_pred,
        k_context: longest(|m| m.k_context),
        k_target: longest(|m| m.k_target),
        float_images: true,
        bits: config.bits(),
        ..Dims::encode(longest(|m| m.batch))
    };
    let terms = Terms {
        variance: config.meta.variance_weight,
        covariance: config.meta.covariance_weight,
        clip: config.optimization.clip_grad,
    };
    let mut net = Ijepa::new(gpu, &model, &input, origin, terms, dims)?;
    let mut result = Tensors::new();
    let mut one = |name: String, value: f64| {
        let tensor = Tensor {
            shape: vec![1],
            values: vec![value as f32],
        };
        result.insert(name, tensor);
    };
    let mut first = Tensors::new();
    for (s, masks) in masks.iter().enumerate() {
        let rates = schedule.at(s + 1);
        let images = Images::Floats(&input[&format!("step.{s}.images")].values);
        let outcome = net.step(images, masks, rates.step(s as u64 + 1))?.outcome().await?;
        if !outcome.finite {
            return Err(Error::run(format!(
                "{origin}: step {s} is not finite; no weight was changed by it"
            )));
        }
        one(format!("step.{s}.loss"), outcome.loss.into());
        if terms.regularized() {
            one(format!("step.{s}.regularizer"), outcome.regularizer.into());
        }
        one(format!("step.{s}.lr"), rates.lr);
        one(format!("step.{s}.wd"), rates.wd);
        one(format!("step.{s}.momentum"), rates.momentum);
        if s == 0 {
            first = net.activations(masks).await?;
            let gradients = net.gradients().await?;
            first.extend(
                gradients
                    .into_iter()
                    .map(|(name, tensor)| (format!("grad.{name}"), tensor)),
            );
        }
    }
    result.extend(
        first
            .into_iter()
            .map(|(name, tensor)| (format!("step.0.{name}"), tensor)),
    );
    let last = net.tensors(false).await?;
    result.extend(last.into_iter().map(|(name, tensor)| (format!("final.{name}"), tensor)));
    Ok(result)
}

/// The recorded masks of a step, `[E, B, K_e]` and `[M, B, K_p]`.
fn masks(integers: &Integers, step: usize, origin: &str) -> Result<Masks> {
    let (context, [num_enc, batch, k_context]) = stacked(integers, &format!("step.{step}.masks_enc"), origin)?;
    let (targets, [num_pred, batch_again, k_target]) = stacked(integers, &format!("step.{step}.masks_pred"), origin)?;
    if batch != batch_again {
        return Err(Error::usage(format!(
            "{origin}: step {step} has context masks for {batch} images and target masks for {batch_again}"
        )));
    }
    Ok(Masks {
        batch,
        num_enc,
        num_pred,
        k_context,
        k_target,
        context,
        targets,
    })
}

fn stacked(integers: &Integers, name: &str, origin: &str) -> Result<(Vec<u32>, [usize; 3])> {
    let list: Vec<_> = (0..).map_while(|k| integers.get(&format!("{name}.{k}"))).collect();
    let wrong = || {
        Error::usage(format!(
            "{origin}: \"{name}.0\", ... must be I32 [B, K], all of one shape"
        ))
    };
    let (shape, _) = list.first().ok_or_else(wrong)?;
    if shape.len() != 2 || list.iter().any(|(other, _)| other != shape) {
        return Err(wrong());
    }
    let values: Result<Vec<u32>> = list
        .iter()
        .flat_map(|(_, values)| values)
        .map(|&v| u32::try_from(v).map_err(|_| wrong()))
        .collect();
    Ok((values?, [list.len(), shape[0], shape[1]]))
}
