//! Fixed 2-D sine/cosine position embeddings, as the reference computes them: the column first, then the row.

use super::config::ModelConfig;
use super::tensors::{self, Tensor, Tensors};
use crate::gpu::{Gpu, View};
use crate::{Error, Result};

/// `[grid * grid, width]`, patches row by row; the first half of the channels encodes the column, the second the row,
/// each as `[sin(p * omega), cos(p * omega)]` with `omega_i = 10000^(-i / (width / 4))`. Computed in f64 with `libm`,
/// so that every platform has the same bits.
pub fn sine_cosine(width: usize, grid: usize) -> Vec<f32> {
    table(width, grid, |p| p as f64)
}

fn table(width: usize, grid: usize, place: impl Fn(usize) -> f64) -> Vec<f32> {
    let quarter = width / 4;
    let mut table = Vec::with_capacity(grid * grid * width);
    for row in 0..grid {
        for column in 0..grid {
            for place in [place(column), place(row)] {
                let angle = |i: usize| place * libm::pow(10000.0, -(i as f64) / quarter as f64);
                table.extend((0..quarter).map(|i| libm::sin(angle(i)) as f32));
                table.extend((0..quarter).map(|i| libm::cos(angle(i)) as f32));
            }
        }
    }
    table
}

/// The same for a grid of another size that lies over the `trained` one: patches stand where the larger image's patches would
/// in the smaller, (p + 1/2) * trained / grid - 1/2, so that an image that is scaled up finds its parts at the places it was
/// trained with. Equal to [`sine_cosine`] where the grids are.
pub fn laid_over(width: usize, grid: usize, trained: usize) -> Vec<f32> {
    let place = |p: usize| (p as f64 + 0.5) * trained as f64 / grid as f64 - 0.5;
    table(width, grid, place)
}

/// Where the positions of a model at another size come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The size is the trained one.
    Trained,
    /// Computed, see [`laid_over`].
    Computed,
    /// The trained ones are no sine-cosine table (they were learned), and are interpolated between.
    Interpolated,
}

/// A trained table may differ so much from the computed one: roundings of 16-bit files, and of a moving average.
const ROUNDED: f32 = 0.02;

/// Makes a model's tensors those of one of another `crop`: positions of the larger or smaller grid instead of the trained ones.
///
/// Errors: usage, where `crop` is no whole number of patches.
pub fn resized(tensors: &mut Tensors, trained: &ModelConfig, crop: usize) -> Result<(ModelConfig, Origin)> {
    if crop == 0 || !crop.is_multiple_of(trained.patch) {
        return Err(Error::usage(format!(
            "images of {crop} pixels are no whole number of patches of {0}: take a multiple of {0}",
            trained.patch
        )));
    }
    let model = ModelConfig {
        crop,
        ..trained.clone()
    };
    let mut origin = Origin::Trained;
    if crop != trained.crop {
        origin = Origin::Computed;
        for (name, width) in names(&model) {
            let fixed = sine_cosine(width, trained.grid());
            let near = |table: &[f32]| table.iter().zip(&fixed).all(|(a, b)| (a - b).abs() <= ROUNDED);
            let learned = tensors
                .get(name)
                .filter(|tensor| tensor.values.len() == fixed.len() && !near(&tensor.values));
            let values = match learned {
                Some(tensor) => between(&tensor.values, width, trained.grid(), model.grid()),
                None => laid_over(width, model.grid(), trained.grid()),
            };
            if learned.is_some() {
                origin = Origin::Interpolated;
            }
            let shape = vec![1, model.num_patches(), width];
            tensors.insert(name.into(), Tensor { shape, values });
        }
    }
    Ok((model, origin))
}

/// A table `[trained², width]` at the places of another grid laid over it, linear in between; beyond the outermost places as
/// there.
fn between(table: &[f32], width: usize, trained: usize, grid: usize) -> Vec<f32> {
    let place = |p: usize| {
        let at = (p as f64 + 0.5) * trained as f64 / grid as f64 - 0.5;
        let at = at.clamp(0.0, (trained - 1) as f64);
        let low = at as usize;
        (low, (low + 1).min(trained - 1), (at - low as f64) as f32)
    };
    let mut out = Vec::with_capacity(grid * grid * width);
    for row in 0..grid {
        for column in 0..grid {
            let ((up, down, y), (left, right, x)) = (place(row), place(column));
            let at = |row: usize, column: usize, channel: usize| table[(row * trained + column) * width + channel];
            for c in 0..width {
                let above = at(up, left, c) * (1.0 - x) + at(up, right, c) * x;
                let below = at(down, left, c) * (1.0 - x) + at(down, right, c) * x;
                out.push(above * (1.0 - y) + below * y);
            }
        }
    }
    out
}

/// The three tables and their widths.
fn names(config: &ModelConfig) -> [(&'static str, usize); 3] {
    [
        ("encoder.pos_embed", config.embed_dim),
        ("target_encoder.pos_embed", config.embed_dim),
        ("predictor.predictor_pos_embed", config.pred_emb_dim),
    ]
}

/// Fixed position embeddings; the target's own, since the reference lets its copy drift.
pub(super) struct Positions {
    pub encoder: View,
    pub target: View,
    pub predictor: View,
    pub tensors: Tensors,
}

impl Positions {
    pub fn new(gpu: &Gpu, config: &ModelConfig, given: &Tensors, origin: &str) -> Result<Positions> {
        let (n, grid) = (config.num_patches(), config.grid());
        let mut tensors = Tensors::new();
        for (name, width) in names(config) {
            let shape = vec![1, n, width];
            let tensor = match given.contains_key(name) {
                true => tensors::find(given, name, &shape, origin)?.clone(),
                false => Tensor {
                    shape,
                    values: sine_cosine(width, grid),
                },
            };
            tensors.insert(name.into(), tensor);
        }
        let upload = |name: &str| gpu.upload(name, n, tensors[name].shape[2], &tensors[name].values);
        Ok(Positions {
            encoder: upload("encoder.pos_embed")?,
            target: upload("target_encoder.pos_embed")?,
            predictor: upload("predictor.predictor_pos_embed")?,
            tensors,
        })
    }
}
