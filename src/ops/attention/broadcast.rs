//! Attention for adapters that have matmul's variant `broadcast`. Where heads are small, one kernel does all of it and no panel of scores
//! is written or read: a lane holds all about its queries, or about its keys in the gradient. Else a kernel makes the gradient's panels.

use super::Heads;
use crate::Result;
use crate::gpu::{Access, Build, Cost, Gpu, Grid, Kernel, Recorder, View};
use crate::ops::matmul::Form;
use crate::ops::ways::{Way, default_way};

pub(in crate::ops) static BROADCAST: Kernel = Kernel {
    name: "attention_broadcast",
    source: include_str!("../../../wgsl/attention_broadcast.wgsl"),
    bindings: &[Access::Read, Access::Write, Access::Write],
    shared: &[],
    // KEYS is 8 / GROUPS.
    constants: &[
        ("QUERIES", &[2, 4, 8]),
        ("KEYS", &[2, 4]),
        ("GROUPS", &[2, 4]),
        ("PART", &[1, 2, 4]),
    ],
};

pub(in crate::ops) static BROADCAST_BACKWARD: Kernel = Kernel {
    name: "attention_broadcast_backward",
    source: include_str!("../../../wgsl/attention_broadcast_backward.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Write],
    shared: &[],
    // GROUPS is 8 / ITEMS.
    constants: &[("ITEMS", &[2, 4, 8]), ("GROUPS", &[4, 2, 1]), ("KEYS", &[2, 4])],
};

pub(in crate::ops) static BROADCAST_SCORES: Kernel = Kernel {
    name: "attention_broadcast_scores",
    source: include_str!("../../../wgsl/attention_broadcast_scores.wgsl"),
    bindings: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
    ],
    shared: &[],
    constants: &[],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    tokens: u32,
    heads: u32,
    first: u32,
    blocks: u32,
    count: u32,
    scale: f32,
}

/// Whether this adapter has matmul's variant `broadcast`, which depends on it in the same way.
fn subgroups_of_8(gpu: &Gpu) -> bool {
    default_way(gpu, None, Form::Nt, 8, 8, 8) == Way::Broadcast
}

/// Queries that a lane has in [`forward`]; `None` where panels are right. With twice as many compiling takes two to five times as long
/// (benches/REJECTED.md), which whole images with heads of 16 channels repay: their tokens are as many in every step.
pub(super) fn queries(gpu: &Gpu, shape: &Heads) -> Option<usize> {
    let empty = shape.batch * shape.tokens * shape.heads == 0;
    match shape.dim {
        _ if empty || !subgroups_of_8(gpu) => None,
        16 if shape.tokens.is_multiple_of(64) => Some(8),
        8 | 16 | 32 => Some(4),
        64 => Some(2),
        _ => None,
    }
}

/// Operations of one dispatch: a driver may lose a device that computes for seconds.
const BEARABLE: f64 = 2e9;

/// As `attention::forward`, which has checked the views. For heads of 8, 16, 32 or 64 channels.
pub(super) fn forward(rec: &mut Recorder, shape: Heads, queries: usize, [qkv, out, stats]: [&View; 3]) -> Result<()> {
    let items = (shape.dim / 4) as u32;
    // Each lane reads something: of 8 channels there are only two items a key.
    let keys = if items < 4 { 4 } else { 2 };
    let build = Build {
        shared: &[],
        constants: &[
            ("QUERIES", queries as u32),
            ("KEYS", keys),
            ("GROUPS", 8 / keys),
            ("PART", items * keys / 8),
        ],
    };
    let (all, blocks) = (shape.batch * shape.heads, shape.tokens.div_ceil(8 * queries));
    let cost = shape.cost();
    let part = ((BEARABLE / cost.flops * all as f64) as usize).clamp(1, all);
    for first in (0..all).step_by(part) {
        let count = blocks * part.min(all - first);
        let params = Params {
            tokens: shape.tokens as u32,
            heads: shape.heads as u32,
            first: first as u32,
            blocks: blocks as u32,
            count: count as u32,
            scale: shape.scale(),
        };
        let share = cost.times(part.min(all - first) as f64 / all as f64);
        rec.dispatch(
            &BROADCAST,
            &build,
            &params,
            &[qkv, out, stats],
            Grid::linear(count),
            share,
        )?;
    }
    Ok(())
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct BackwardParams {
    tokens: u32,
    heads: u32,
    first: u32,
    count: u32,
    scale: f32,
}

/// Keys that a lane has in [`backward`]; `None` where panels are right. A lane holds five vectors of each. With twice as many, compiling
/// takes three times as long, which a fifth more speed (16 channels) isn't worth; 32 channels would take 15 s and more. Heads
/// of 64 channels keep matmul busy enough.
pub(super) fn keys(gpu: &Gpu, shape: &Heads) -> Option<usize> {
    queries(gpu, shape)?;
    match shape.dim {
        8 => Some(4),
        16 | 32 => Some(2),
        _ => None,
    }
}

/// As `attention::backward`, which has checked the views. For heads of 8, 16 or 32 channels.
pub(super) fn backward(
    rec: &mut Recorder,
    shape: Heads,
    keys: usize,
    [dout, out, qkv, stats, dqkv]: [&View; 5],
) -> Result<()> {
    let items = (shape.dim / 4) as u32;
    let build = Build {
        shared: &[],
        constants: &[("ITEMS", items), ("GROUPS", 8 / items), ("KEYS", keys as u32)],
    };
    let (all, cost) = (shape.batch * shape.heads, shape.cost().times(2.5));
    let part = ((BEARABLE / cost.flops * all as f64) as usize).clamp(1, all);
    for first in (0..all).step_by(part) {
        let count = part.min(all - first);
        let params = BackwardParams {
            tokens: shape.tokens as u32,
            heads: shape.heads as u32,
            first: first as u32,
            count: count as u32,
            scale: shape.scale(),
        };
        let share = cost.times(count as f64 / all as f64);
        let views = [dout, out, qkv, stats, dqkv];
        rec.dispatch(&BROADCAST_BACKWARD, &build, &params, &views, Grid::linear(count), share)?;
    }
    Ok(())
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct ScoresParams {
    tokens: u32,
    heads: u32,
    items: u32,
    columns: u32,
    first: u32,
    blocks: u32,
    count: u32,
    scale: f32,
}

/// Whether panels are [`scores`]'s, where all of the gradient isn't one kernel's.
pub(super) fn makes_panels(gpu: &Gpu, shape: &Heads) -> bool {
    shape.dim > 0 && shape.dim.is_multiple_of(4) && subgroups_of_8(gpu)
}

/// The weights p and the scores' gradient ds of `count` heads, from head `first` of all images' on: panel and dpanel
/// `[count * N, pitch]` =. As `attention::backward`, which has checked the views. For heads of 4, 8, 12 ... channels.
pub(super) fn scores(rec: &mut Recorder, shape: Heads, [first, count]: [usize; 2], views: [&View; 6]) -> Result<()> {
    let build = Build {
        shared: &[],
        constants: &[],
    };
    let blocks = shape.tokens.div_ceil(16);
    let params = ScoresParams {
        tokens: shape.tokens as u32,
        heads: shape.heads as u32,
        items: (shape.dim / 4) as u32,
        columns: (shape.pitch() / 4) as u32,
        first: first as u32,
        blocks: blocks as u32,
        count: (blocks * count) as u32,
        scale: shape.scale(),
    };
    let grid = Grid::linear(blocks * count);
    rec.dispatch(
        &BROADCAST_SCORES,
        &build,
        &params,
        &views,
        grid,
        scores_cost(&shape, count),
    )
}

/// Two products and what a softmax and its gradient cost; q, k, v, dout and out are read, two panels are written.
fn scores_cost(shape: &Heads, count: usize) -> Cost {
    let [tokens, dim] = [shape.tokens, shape.dim].map(|size| size as f64);
    let (pairs, rows) = (tokens * tokens, tokens * dim);
    Cost::new((4.0 * dim + 8.0) * pairs, 5.0 * rows + 2.0 * pairs).times(count as f64)
}
