//! The networks, with the names that the recorded weights have.

use crate::case::{Case, Rows};
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::module::attention;
use burn::tensor::{Device, Tensor};

#[derive(Module, Debug)]
struct Attention {
    qkv: Linear,
    proj: Linear,
    heads: usize,
}

impl Attention {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, n, d] = x.dims();
        let qkv = self.qkv.forward(x).reshape([b, n, 3, self.heads, d / self.heads]);
        let [q, k, v] = [0, 1, 2].map(|part: usize| {
            let part = qkv.clone().narrow(2, part, 1);
            part.squeeze_dim::<4>(2).swap_dims(1, 2) // [B, H, N, D / H]
        });
        let y = attention(q, k, v, None, None, Default::default());
        self.proj.forward(y.swap_dims(1, 2).reshape([b, n, d]))
    }
}

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl Block {
    fn new(dim: usize, heads: usize, hidden: usize, device: &Device) -> Block {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Block {
            norm1: norm(dim, device),
            attn: Attention {
                qkv: linear(dim, 3 * dim),
                proj: linear(dim, dim),
                heads,
            },
            norm2: norm(dim, device),
            mlp: Mlp {
                fc1: linear(dim, hidden),
                fc2: linear(hidden, dim),
            },
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attn.forward(self.norm1.forward(x));
        let y = self.mlp.fc1.forward(self.norm2.forward(x.clone()));
        x + self.mlp.fc2.forward(gelu(y))
    }
}

fn norm(dim: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(dim).with_epsilon(1e-6).init(device)
}

/// Positions are loaded, and not trained.
fn positions(patches: usize, dim: usize, device: &Device) -> Param<Tensor<3>> {
    Param::from_tensor(Tensor::zeros([1, patches, dim], device)).set_require_grad(false)
}

#[derive(Module, Debug)]
struct PatchEmbed {
    proj: Conv2d,
}

#[derive(Module, Debug)]
pub struct Encoder {
    patch_embed: PatchEmbed,
    pos_embed: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

impl Encoder {
    fn new(case: &Case, device: &Device) -> Encoder {
        let proj = Conv2dConfig::new([3, case.dim], [case.patch; 2]).with_stride([case.patch; 2]);
        let block = |_| Block::new(case.dim, case.heads, case.hidden, device);
        Encoder {
            patch_embed: PatchEmbed {
                proj: proj.init(device),
            },
            pos_embed: positions(case.patches, case.dim, device),
            blocks: (0..case.depth).map(block).collect(),
            norm: norm(case.dim, device),
        }
    }

    /// `[B, 3, H, W]` -> `[B, N, D]`, or `[M * B, K, D]` of the rows asked for.
    pub fn forward(&self, images: Tensor<4>, rows: Option<&Rows>) -> Tensor<3> {
        let x = self.patch_embed.proj.forward(images).flatten::<3>(2, 3).swap_dims(1, 2);
        let x = x + self.pos_embed.val();
        let x = match rows {
            Some(rows) => rows.of_images(x),
            None => x,
        };
        self.norm
            .forward(self.blocks.iter().fold(x, |x, block| block.forward(x)))
    }
}

#[derive(Module, Debug)]
pub struct Predictor {
    predictor_embed: Linear,
    mask_token: Param<Tensor<3>>,
    predictor_pos_embed: Param<Tensor<3>>,
    predictor_blocks: Vec<Block>,
    predictor_norm: LayerNorm,
    predictor_proj: Linear,
}

impl Predictor {
    fn new(case: &Case, device: &Device) -> Predictor {
        let width = case.pred_dim;
        let block = |_| Block::new(width, case.heads, 4 * width, device);
        Predictor {
            predictor_embed: LinearConfig::new(case.dim, width).init(device),
            mask_token: Param::from_tensor(Tensor::zeros([1, 1, width], device)),
            predictor_pos_embed: positions(case.patches, width, device),
            predictor_blocks: (0..case.pred_depth).map(block).collect(),
            predictor_norm: norm(width, device),
            predictor_proj: LinearConfig::new(width, case.dim).init(device),
        }
    }

    /// What lies at the target's rows `[sets, Kt, D]`, of the context's `[M * B, Kc, D]`.
    pub fn forward(&self, context: Tensor<3>, kept: &Rows, asked: &Rows) -> Tensor<3> {
        let positions = self.predictor_pos_embed.val();
        let x = self.predictor_embed.forward(context) + kept.of_one(positions.clone());
        let x = x.repeat_dim(0, asked.sets / kept.sets);
        let tokens = asked.of_one(positions) + self.mask_token.val();
        let x = Tensor::cat(vec![x, tokens], 1);
        let x = self.predictor_blocks.iter().fold(x, |x, block| block.forward(x));
        let x = self.predictor_norm.forward(x).narrow(1, kept.count, asked.count);
        self.predictor_proj.forward(x)
    }
}

/// What the optimizer trains.
#[derive(Module, Debug)]
pub struct Networks {
    pub encoder: Encoder,
    pub predictor: Predictor,
}

impl Networks {
    pub fn new(case: &Case, device: &Device) -> Networks {
        Networks {
            encoder: Encoder::new(case, device),
            predictor: Predictor::new(case, device),
        }
    }
}
