//! Fixed 2-D sine/cosine position embeddings, as the reference computes them: the column first, then the row.

use super::config::{Grid, ModelConfig};
use super::tensors::{self, Tensor, Tensors};
use crate::data::image::Size;
use crate::gpu::{Gpu, View};
use crate::{Error, Result};

/// `[N, width]`, patches row by row; the first half of the channels encodes the column, the second the row,
/// each as `[sin(p * omega), cos(p * omega)]` with `omega_i = 10000^(-i / (width / 4))`. Computed in f64 with `libm`,
/// so that every platform has the same bits.
pub fn sine_cosine(width: usize, grid: Grid) -> Vec<f32> {
    laid_over(width, grid, grid)
}

/// The same for a grid of another size that lies over the `trained` one: patches stand where the other image's patches would
/// in the trained one, on each axis at (p + 1/2) * trained / grid - 1/2, so that an image that is scaled up finds its parts at
/// the places it was trained with. At the trained grid that is p, to the bit.
pub fn laid_over(width: usize, grid: Grid, trained: Grid) -> Vec<f32> {
    let quarter = width / 4;
    let mut table = Vec::with_capacity(grid.patches() * width);
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            for place in [
                place(column, grid.columns, trained.columns),
                place(row, grid.rows, trained.rows),
            ] {
                let angle = |i: usize| place * libm::pow(10000.0, -(i as f64) / quarter as f64);
                table.extend((0..quarter).map(|i| libm::sin(angle(i)) as f32));
                table.extend((0..quarter).map(|i| libm::cos(angle(i)) as f32));
            }
        }
    }
    table
}

/// Where patch `p` of `count` lies among `trained` patches.
fn place(p: usize, count: usize, trained: usize) -> f64 {
    (p as f64 + 0.5) * trained as f64 / count as f64 - 0.5
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

/// The model for images of another size.
///
/// Errors: usage, where that is no whole number of patches.
pub fn at_size(trained: &ModelConfig, image: Size) -> Result<ModelConfig> {
    let whole = |side: usize| side > 0 && side.is_multiple_of(trained.patch);
    match whole(image.height) && whole(image.width) {
        true => Ok(ModelConfig {
            image,
            ..trained.clone()
        }),
        false => Err(Error::usage(format!(
            "images of {image} pixels are no whole number of patches of {0}: take multiples of {0}",
            trained.patch
        ))),
    }
}

/// Where the positions of another grid than `trained`'s come from; `tensors` as of [`resized`].
pub fn origin(tensors: &Tensors, trained: &ModelConfig) -> Origin {
    let learned = |(name, width)| learned(tensors, name, width, trained.grid()).is_some();
    match names(trained).into_iter().any(learned) {
        true => Origin::Interpolated,
        false => Origin::Computed,
    }
}

/// Makes a model's tensors those of one for images of another size: positions of its grid instead of the trained ones.
///
/// Errors: usage, where the size is no whole number of patches.
pub fn resized(tensors: &mut Tensors, trained: &ModelConfig, image: Size) -> Result<(ModelConfig, Origin)> {
    let model = at_size(trained, image)?;
    if model.grid() == trained.grid() {
        return Ok((model, Origin::Trained));
    }
    let origin = origin(tensors, trained);
    let tables = tables(tensors, trained, model.grid());
    tensors.extend(tables);
    Ok((model, origin))
}

/// The three tables of another grid, laid over the `trained` ones.
fn tables(tensors: &Tensors, trained: &ModelConfig, grid: Grid) -> Tensors {
    let table = |(name, width): (&str, usize)| {
        let values = match learned(tensors, name, width, trained.grid()) {
            Some(tensor) => between(&tensor.values, width, grid, trained.grid()),
            None => laid_over(width, grid, trained.grid()),
        };
        let shape = vec![1, grid.patches(), width];
        (name.to_string(), Tensor { shape, values })
    };
    names(trained).into_iter().map(table).collect()
}

/// A table that is none of sines and cosines.
fn learned<'a>(tensors: &'a Tensors, name: &str, width: usize, trained: Grid) -> Option<&'a Tensor> {
    let fixed = sine_cosine(width, trained);
    let near = |table: &[f32]| table.iter().zip(&fixed).all(|(a, b)| (a - b).abs() <= ROUNDED);
    let tensor = tensors.get(name)?;
    (tensor.values.len() == fixed.len() && !near(&tensor.values)).then_some(tensor)
}

/// A table `[trained, width]` at the places of another grid laid over it, on both axes linear in between; beyond the outermost
/// places as there.
fn between(table: &[f32], width: usize, grid: Grid, trained: Grid) -> Vec<f32> {
    let place = |p: usize, count: usize, trained: usize| {
        let at = place(p, count, trained).clamp(0.0, (trained - 1) as f64);
        let low = at as usize;
        (low, (low + 1).min(trained - 1), (at - low as f64) as f32)
    };
    let mut out = Vec::with_capacity(grid.patches() * width);
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let (up, down, y) = place(row, grid.rows, trained.rows);
            let (left, right, x) = place(column, grid.columns, trained.columns);
            let at =
                |row: usize, column: usize, channel: usize| table[(row * trained.columns + column) * width + channel];
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
    /// Those that the networks were made with, and stay with whatever the size of the images.
    pub tensors: Tensors,
    /// The sizes that these are of.
    trained: ModelConfig,
}

impl Positions {
    pub fn new(gpu: &Gpu, config: &ModelConfig, given: &Tensors, origin: &str) -> Result<Positions> {
        let mut tensors = Tensors::new();
        for (name, width) in names(config) {
            let shape = vec![1, config.num_patches(), width];
            let tensor = match given.contains_key(name) {
                true => tensors::find(given, name, &shape, origin)?.clone(),
                false => Tensor {
                    shape,
                    values: sine_cosine(width, config.grid()),
                },
            };
            tensors.insert(name.into(), tensor);
        }
        let [encoder, target, predictor] = upload(gpu, &tensors)?;
        Ok(Positions {
            encoder,
            target,
            predictor,
            tensors,
            trained: config.clone(),
        })
    }

    /// For images of another grid from now on.
    pub fn lay(&mut self, gpu: &Gpu, grid: Grid) -> Result<()> {
        let views = match grid == self.trained.grid() {
            true => upload(gpu, &self.tensors)?,
            false => upload(gpu, &tables(&self.tensors, &self.trained, grid))?,
        };
        [self.encoder, self.target, self.predictor] = views;
        Ok(())
    }
}

/// The encoder's table, the target's and the predictor's.
fn upload(gpu: &Gpu, tensors: &Tensors) -> Result<[View; 3]> {
    let view = |name: &str| {
        let tensor = &tensors[name];
        gpu.upload(name, tensor.shape[1], tensor.shape[2], &tensor.values)
    };
    Ok([
        view("encoder.pos_embed")?,
        view("target_encoder.pos_embed")?,
        view("predictor.predictor_pos_embed")?,
    ])
}
