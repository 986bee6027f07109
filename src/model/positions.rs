//! Fixed 2-D sine/cosine position embeddings, as the reference computes them: the column first, then the row.

use super::config::ModelConfig;
use super::tensors::{self, Tensor, Tensors};
use crate::Result;
use crate::gpu::{Gpu, View};

/// `[grid * grid, width]`, patches row by row; the first half of the channels encodes the column, the second the row,
/// each as `[sin(p * omega), cos(p * omega)]` with `omega_i = 10000^(-i / (width / 4))`. Computed in f64 with `libm`,
/// so that every platform has the same bits.
pub fn sine_cosine(width: usize, grid: usize) -> Vec<f32> {
    let quarter = width / 4;
    let mut table = Vec::with_capacity(grid * grid * width);
    for row in 0..grid {
        for column in 0..grid {
            for place in [column, row] {
                let angle = |i: usize| place as f64 * libm::pow(10000.0, -(i as f64) / quarter as f64);
                table.extend((0..quarter).map(|i| libm::sin(angle(i)) as f32));
                table.extend((0..quarter).map(|i| libm::cos(angle(i)) as f32));
            }
        }
    }
    table
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
        for (name, width) in [
            ("encoder.pos_embed", config.embed_dim),
            ("target_encoder.pos_embed", config.embed_dim),
            ("predictor.predictor_pos_embed", config.pred_emb_dim),
        ] {
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
