//! First weights: drawn from the seed, the same on every platform.

use super::config::{Init, ModelConfig};
use super::tensors::{Spec, Tensor, Tensors, encoder, head, predictor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Weights of context encoder, predictor and, as an exact copy of the encoder, target encoder.
///
/// Linear weights, the patch convolution and the mask token are normal (see [`Init`]), biases 0, norms 1 and 0. Each
/// tensor has a stream of its own, so that a deeper model starts with the same first blocks.
pub fn draw(config: &ModelConfig, init: Init, seed: u64) -> Tensors {
    draw_some(config, init, seed, |_| true)
}

/// Those of the same tensors that are `wanted` by their names; the others cost nothing.
pub fn draw_some(config: &ModelConfig, init: Init, seed: u64, wanted: impl Fn(&str) -> bool) -> Tensors {
    let mut tensors = Tensors::new();
    for (i, spec) in encoder(config).into_iter().chain(predictor(config)).enumerate() {
        let target = spec.name.strip_prefix("encoder.");
        let target = target
            .map(|rest| format!("target_encoder.{rest}"))
            .filter(|name| wanted(name));
        if target.is_none() && !wanted(&spec.name) {
            continue;
        }
        let values = match deviation(&spec, init) {
            Some(deviation) => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(1 + i as u64);
                normals(&mut rng, spec.len(), deviation)
            }
            None if spec.name.contains("norm") && spec.name.ends_with("weight") => vec![1.0; spec.len()],
            None => vec![0.0; spec.len()],
        };
        let tensor = Tensor {
            shape: spec.shape,
            values,
        };
        if let Some(target) = target {
            tensors.insert(target, tensor.clone());
        }
        if wanted(&spec.name) {
            tensors.insert(spec.name, tensor);
        }
    }
    tensors
}

/// A classifier's last layer: normal(0, 0.02), biases 0, from a stream of its own.
pub fn draw_head(width: usize, classes: usize, seed: u64) -> Tensors {
    let mut rng = ChaCha8Rng::seed_from_u64(seed); // stream 0: the networks' tensors begin at 1
    let specs = head(width, classes).into_iter();
    let drawn = specs.map(|spec| {
        let values = match spec.decays() {
            true => normals(&mut rng, spec.len(), 0.02),
            false => vec![0.0; spec.len()],
        };
        let tensor = Tensor {
            shape: spec.shape,
            values,
        };
        (spec.name, tensor)
    });
    drawn.collect()
}

/// The deviation of a tensor's normal draw; `None` for norms and biases.
fn deviation(spec: &Spec, init: Init) -> Option<f64> {
    if !spec.decays() {
        return None;
    }
    if init == Init::Reference || spec.name == "predictor.mask_token" {
        return Some(0.02);
    }
    let (mut outputs, inputs) = spec.matrix();
    if spec.name.contains("qkv") {
        outputs /= 3; // Three layers of one shape that happen to be stored as one.
    }
    Some((2.0 / (inputs + outputs) as f64).sqrt())
}

/// Normal values by Box and Muller, cut at +-2 (absolute) as the reference's trunc_normal_ does.
fn normals(rng: &mut ChaCha8Rng, count: usize, deviation: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - rng.random::<f64>()));
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * rng.random::<f64>());
        let pair = [radius * cos * deviation, radius * sin * deviation];
        values.extend(pair.iter().filter(|v| v.abs() <= 2.0).map(|&v| v as f32));
    }
    values.truncate(count);
    values
}
