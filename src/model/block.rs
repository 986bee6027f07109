//! One transformer block (pre-norm, paper appendix A), forward and backward, written out in order.

use super::linear::{Input, Into, Linear, Then};
use super::memory::Memory;
use super::parameters::{Copy, Parameters};
use crate::gpu::{Recorder, View};
use crate::ops::attention::{self, Heads};
use crate::ops::cast::Bits;
use crate::ops::drop_path;
use crate::ops::layer_norm::{self, Affine, Saved};
use crate::{Error, Result};

/// Every norm with weights has this eps; only the targets' norm has another.
pub const EPS: f64 = 1e-6;

/// The parameters of one block; or their gradients.
#[derive(Clone, Debug)]
pub struct Block {
    pub norm1: Affine,
    pub qkv: Linear,
    pub proj: Linear,
    pub norm2: Affine,
    pub fc1: Linear,
    pub fc2: Linear,
}

/// What a block's forward pass leaves behind for its backward pass. R rows, width D, hidden width H.
#[derive(Clone, Debug)]
pub struct Saves {
    /// `[R, D]`
    pub norm1: View,
    /// `[R, 2]`
    pub stats1: View,
    /// `[R, 3D]`
    pub qkv: View,
    /// `[R * heads, 2]`
    pub softmax: View,
    /// `[R, D]`
    pub attention: View,
    /// The stream between attention and MLP, `[R, D]`.
    pub middle: View,
    /// `[R, D]`
    pub norm2: View,
    /// `[R, 2]`
    pub stats2: View,
    /// fc1's output before GELU, `[R, H]`; the target's pass, which has no backward pass, does not keep it.
    pub pre: Option<View>,
    /// `[R, H]`
    pub hidden: View,
    /// `norm1`, `norm2` and `hidden` once more, in 16 bits, for products that take no others. The three of f32 are scratch
    /// memory then, and gone with the next block. `None`: products take f32, or no gradient is asked for.
    pub kept: Option<[View; 3]>,
    /// What the branches of attention and of the MLP are multiplied by, `[B, 1]` each (`ops::drop_path`); `None`: by nothing.
    pub scales: Option<[View; 2]>,
}

pub fn affine(parameters: &Parameters, name: &str, copy: Copy) -> Result<Affine> {
    Ok(Affine {
        weight: parameters.view(&format!("{name}.weight"), copy)?,
        bias: parameters.view(&format!("{name}.bias"), copy)?,
    })
}

impl Block {
    pub fn of(parameters: &Parameters, name: &str, copy: Copy) -> Result<Block> {
        let linear = |part: &str| Linear::of(parameters, &format!("{name}.{part}"), copy);
        Ok(Block {
            norm1: affine(parameters, &format!("{name}.norm1"), copy)?,
            qkv: linear("attn.qkv")?,
            proj: linear("attn.proj")?,
            norm2: affine(parameters, &format!("{name}.norm2"), copy)?,
            fc1: linear("mlp.fc1")?,
            fc2: linear("mlp.fc2")?,
        })
    }

    /// middle = x + proj(attention(qkv(norm1(x))));   out = middle + fc2(gelu(fc1(norm2(middle)))).   x, out `[R, D]`
    /// Where there are scales, each branch is multiplied by its sequence's before it is added.
    pub fn forward(
        &self,
        rec: &mut Recorder,
        heads: Heads,
        x: &View,
        s: &Saves,
        out: &View,
        memory: &Memory,
    ) -> Result<()> {
        layer_norm::forward(rec, x, Some(&self.norm1), EPS, &s.norm1, &s.stats1)?;
        self.qkv
            .forward(rec, s.input(&s.norm1, 0), &s.qkv, Then::Nothing, memory)?;
        attention::forward(rec, heads, &s.qkv, &s.attention, &s.softmax, &memory.panels[0])?;
        let scales = s.scales.as_ref();
        join(
            rec,
            (&self.proj, scales.map(|s| &s[0])),
            Input::of(&s.attention),
            [x, &s.middle],
            memory,
        )?;

        layer_norm::forward(rec, &s.middle, Some(&self.norm2), EPS, &s.norm2, &s.stats2)?;
        let gelu = Then::Gelu(s.pre.as_ref());
        self.fc1.forward(rec, s.input(&s.norm2, 1), &s.hidden, gelu, memory)?;
        join(
            rec,
            (&self.fc2, scales.map(|s| &s[1])),
            s.input(&s.hidden, 2),
            [&s.middle, out],
            memory,
        )
    }

    /// From the gradient of `out` to the gradient of `x`, in place in `dx` `[R, D]`; `gradients` = or +=, as they say.
    pub fn backward(
        &self,
        rec: &mut Recorder,
        gradients: &Block,
        heads: Heads,
        [x, dx]: [&View; 2],
        s: &Saves,
        memory: &Memory,
    ) -> Result<()> {
        let (rows, width, hidden) = (x.rows, x.cols, s.hidden.cols);
        let Some(pre) = &s.pre else {
            return Err(Error::run("a block that kept nothing before its GELU has no gradient"));
        };
        let dhidden = memory.hidden.shaped(rows, hidden)?;
        let dnorm = memory.norm.shaped(rows, width)?;
        let dattention = memory.attention.shaped(rows, width)?;
        let dqkv = memory.qkv.shaped(rows, 3 * width)?;

        // The MLP: out = middle + fc2(gelu(fc1(norm2(middle)))); the middle's own gradient stays in dx.
        let through_gelu = Into::ThroughGelu { dx: &dhidden, pre };
        let scales = s.scales.as_ref();
        let dbranch = part(rec, dx, scales.map(|s| &s[1]), &dattention)?;
        self.fc2.backward(
            rec,
            &gradients.fc2,
            (s.input(&s.hidden, 2), &dbranch),
            through_gelu,
            memory,
        )?;
        self.fc1.backward(
            rec,
            &gradients.fc1,
            (s.input(&s.norm2, 1), &dhidden),
            Into::Gradient(&dnorm),
            memory,
        )?;
        let saved = Saved {
            dy: &dnorm,
            x: &s.middle,
            stats: &s.stats2,
        };
        layer_norm::backward(
            rec,
            saved,
            &self.norm2.weight,
            dx,
            [true, gradients.fc1.add],
            &gradients.norm2,
            &memory.partial,
        )?;

        // Attention: middle = x + proj(attention(qkv(norm1(x)))).
        let dbranch = part(rec, dx, scales.map(|s| &s[0]), &dnorm)?;
        self.proj.backward(
            rec,
            &gradients.proj,
            (Input::of(&s.attention), &dbranch),
            Into::Gradient(&dattention),
            memory,
        )?;
        let panels = [&memory.panels[0], &memory.panels[1]];
        attention::backward(
            rec,
            heads,
            [&dattention, &s.attention],
            &s.qkv,
            &s.softmax,
            &dqkv,
            panels,
        )?;
        self.qkv.backward(
            rec,
            &gradients.qkv,
            (s.input(&s.norm1, 0), &dqkv),
            Into::Gradient(&dnorm),
            memory,
        )?;
        let saved = Saved {
            dy: &dnorm,
            x,
            stats: &s.stats1,
        };
        layer_norm::backward(
            rec,
            saved,
            &self.norm1.weight,
            dx,
            [true, gradients.qkv.add],
            &gradients.norm1,
            &memory.partial,
        )
    }
}

/// out = x + layer(input), where there are scales x + scale * layer(input): the end of a residual branch. All `[R, D]`.
fn join(
    rec: &mut Recorder,
    (layer, scales): (&Linear, Option<&View>),
    input: Input,
    [x, out]: [&View; 2],
    memory: &Memory,
) -> Result<()> {
    let Some(scales) = scales else {
        return layer.forward(rec, input, out, Then::Residual(x), memory);
    };
    let branch = memory.attention.shaped(x.rows, x.cols)?; // free until the backward pass
    layer.forward(rec, input, &branch, Then::Nothing, memory)?;
    drop_path::forward(rec, &branch, scales, x, out)
}

/// The gradient of a branch, from that of the stream that it was added to: the same, or in `scratch` where there are scales.
fn part(rec: &mut Recorder, dx: &View, scales: Option<&View>, scratch: &View) -> Result<View> {
    match scales {
        None => Ok(dx.clone()),
        Some(scales) => {
            drop_path::backward(rec, dx, scales, scratch)?;
            Ok(scratch.clone())
        }
    }
}

/// The tensors that a block saves, for `rows` rows: names, rows, columns.
pub fn saved(
    rows: usize,
    [width, hidden, heads]: [usize; 3],
    bits: Option<Bits>,
) -> [(&'static str, usize, usize); 10] {
    let input = |cols: usize| match bits {
        None => (rows, cols),
        Some(_) => (1, (rows * cols).div_ceil(2)), // two to a word
    };
    let (norm, hidden_input) = (input(width), input(hidden));
    [
        ("norm1", norm.0, norm.1),
        ("stats1", rows, 2),
        ("qkv", rows, 3 * width),
        ("softmax", rows * heads, 2),
        ("attention", rows, width),
        ("middle", rows, width),
        ("norm2", norm.0, norm.1),
        ("stats2", rows, 2),
        ("pre", rows, hidden),
        ("hidden", hidden_input.0, hidden_input.1),
    ]
}

impl Saves {
    /// One of `norm1`, `norm2` and `hidden` as what a layer reads.
    fn input<'a>(&'a self, x: &'a View, which: usize) -> Input<'a> {
        let kept = self.kept.as_ref().map(|kept| &kept[which]);
        Input { x, kept }
    }

    /// The same memory for another number of rows.
    pub fn shaped(&self, rows: usize, heads: usize) -> Result<Saves> {
        let rows_of = |view: &View| view.shaped(rows, view.cols);
        Ok(Saves {
            norm1: rows_of(&self.norm1)?,
            stats1: rows_of(&self.stats1)?,
            qkv: rows_of(&self.qkv)?,
            softmax: self.softmax.shaped(rows * heads, 2)?,
            attention: rows_of(&self.attention)?,
            middle: rows_of(&self.middle)?,
            norm2: rows_of(&self.norm2)?,
            stats2: rows_of(&self.stats2)?,
            pre: self.pre.as_ref().map(rows_of).transpose()?,
            hidden: rows_of(&self.hidden)?,
            kept: self.kept.clone(),
            scales: self.scales.clone(),
        })
    }
}
