//! The matrix products of a step's linear layers: what `ijepa tune` looks for the quickest kernels of.

use super::config::ModelConfig;
use super::needs::Dims;
use crate::ops::matmul::Form;

/// Products of one form and size: C `[m, n]` from sums of `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    pub form: Form,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// In a step, for each of its parts.
    pub times: usize,
}

impl Products {
    pub fn flops(&self) -> f64 {
        crate::ops::matmul::cost(self.m, self.n, self.k).flops * self.times as f64
    }
}

/// Those of a step with masks of these lengths, in the order in which they first come. Attention's own products are batches, and
/// not among them.
pub fn products(config: &ModelConfig, dims: &Dims) -> Vec<Products> {
    let mut list = List(vec![]);
    let (d, p) = (config.embed_dim, config.pred_emb_dim);
    let stack = |list: &mut List, depth: usize, rows: usize, width: usize, hidden: usize, trained: bool| {
        for (inputs, outputs) in [(width, 3 * width), (width, width), (width, hidden), (hidden, width)] {
            list.linear(depth, rows, inputs, outputs, [trained, trained]);
        }
    };
    let target = dims.batch * config.num_patches();
    list.linear(1, target, config.patch_values(), d, [false, false]);
    stack(&mut list, config.depth, target, d, config.hidden(), false);

    let context = dims.context_rows();
    list.linear(1, context, config.patch_values(), d, [false, true]); // pixels have no gradient
    stack(&mut list, config.depth, context, d, config.hidden(), true);

    list.linear(1, context, d, p, [true, true]);
    stack(
        &mut list,
        config.pred_depth,
        dims.predictor_rows(),
        p,
        config.pred_hidden(),
        true,
    );
    list.linear(1, dims.target_rows(), p, d, [true, true]);
    list.0
}

struct List(Vec<Products>);

impl List {
    /// y `[rows, outputs]` = x `[rows, inputs]` · weightᵀ, and the gradients of x and of weight, where they are asked for.
    fn linear(&mut self, times: usize, rows: usize, inputs: usize, outputs: usize, [dx, dweight]: [bool; 2]) {
        self.add(Form::Nt, [rows, outputs, inputs], times);
        self.add(Form::Nn, [rows, inputs, outputs], if dx { times } else { 0 });
        self.add(Form::Tn, [outputs, inputs, rows], if dweight { times } else { 0 });
    }

    fn add(&mut self, form: Form, [m, n, k]: [usize; 3], times: usize) {
        let same = |one: &&mut Products| (one.form, one.m, one.n, one.k) == (form, m, n, k);
        match self.0.iter_mut().find(same) {
            Some(one) => one.times += times,
            None if times > 0 && m * n * k > 0 => self.0.push(Products { form, m, n, k, times }),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::describe;

    /// Their operations are those of `ijepa info`, but for attention's, and for the gradient of pixels, which that counts.
    #[test]
    fn products_add_up_to_a_step() {
        let config = ModelConfig {
            image: crate::data::image::Size::square(16),
            patch: 4,
            embed_dim: 16,
            depth: 3,
            num_heads: 2,
            mlp_ratio: 2.0,
            pred_emb_dim: 8,
            pred_depth: 2,
        };
        let dims = Dims {
            num_enc: 1,
            num_pred: 3,
            k_context: 7,
            k_target: 2,
            ..Dims::encode(5)
        };
        let heads = |batch, tokens, width: usize| crate::ops::attention::Heads {
            batch,
            tokens,
            heads: 2,
            dim: width / 2,
        };
        let attention = 3.0 * heads(1, 16, 16).cost().flops
            + 3.0 * (3.0 * heads(1, 7, 16).cost().flops + 2.0 * heads(3, 9, 8).cost().flops);
        let pixels = crate::ops::matmul::cost(7, 16, config.patch_values()).flops;
        let sum: f64 = products(&config, &dims).iter().map(Products::flops).sum();
        let want = 5.0 * (describe::flops(&config, &dims).step() - attention - pixels);
        assert!((sum - want).abs() < 1e-9 * want, "{sum} and {want}");
    }
}
