//! attention: softmax(scale * Q K^T) V for every head, and its gradient. Two batched products around a softmax, for as
//! many heads at a time as the scratch panels hold: no `[B, H, N, N]` is ever kept. The variants are matmul's; where that is
//! `broadcast`, kernels of its own do more at once (`broadcast`).

mod broadcast;
pub mod pooled;

pub(super) use broadcast::{BROADCAST, BROADCAST_BACKWARD, BROADCAST_SCORES};

use super::matmul::{Batch, Form, Place, batched};
use super::shape::{ITEMS, Item, ROWS, expect, row_lanes};
use crate::gpu::{Access, Build, Cost, Gpu, Grid, Kernel, Kind, Recorder, View};
use crate::{Error, Result};

pub(super) static SOFTMAX: Kernel = Kernel {
    name: "attention",
    source: include_str!("../../wgsl/attention.wgsl"),
    bindings: &[Access::Write, Access::Write],
    shared: &[ITEMS, ROWS],
    constants: &[],
};
pub(super) static BACKWARD: Kernel = Kernel {
    name: "attention_backward",
    source: include_str!("../../wgsl/attention_backward.wgsl"),
    bindings: &[Access::Read, Access::Write, Access::Write],
    shared: &[ITEMS, ROWS],
    constants: &[],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    items: u32,
    pitch: u32,
    first: u32,
    scale: f32,
}

/// B sequences of N tokens with H heads of Dh channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    pub batch: usize,
    pub tokens: usize,
    pub heads: usize,
    pub dim: usize,
}

impl Heads {
    fn width(&self) -> usize {
        self.heads * self.dim
    }

    /// Values between two rows of a panel: a multiple of four, so that four can be read at once.
    pub fn pitch(&self) -> usize {
        self.tokens.next_multiple_of(4)
    }

    /// Q (0), K (1) or V (2) in qkv `[B*N, 3, H, Dh]`.
    fn qkv(&self, part: usize) -> Place {
        Place {
            offset: part * self.width(),
            row: 3 * self.width(),
            outer: self.tokens * 3 * self.width(),
            inner: self.dim,
        }
    }

    /// The heads' parts of `[B*N, H, Dh]`.
    fn out(&self) -> Place {
        Place {
            offset: 0,
            row: self.width(),
            outer: self.tokens * self.width(),
            inner: self.dim,
        }
    }

    /// What scores are multiplied by.
    fn scale(&self) -> f32 {
        (1.0 / (self.dim as f64).sqrt()) as f32
    }

    /// Cost of `forward`; `backward` is 2.5 times that.
    pub fn cost(&self) -> Cost {
        let [rows, tokens, width] = [self.batch * self.tokens, self.tokens, self.width()].map(|size| size as f64);
        Cost::new(4.0 * rows * tokens * width, 4.0 * rows * width)
    }
}

/// Values of one scratch panel: some 2 MiB on a driver that runs shaders on the processor (it stays in the last
/// cache, and dispatches are worth their while), 64 MiB on a GPU, and never less than one head.
pub fn panel(kind: Kind, shape: &Heads) -> usize {
    let wanted: usize = match kind {
        Kind::Software => 1 << 19,
        Kind::Hardware => 1 << 24,
    };
    let head = (shape.tokens * shape.pitch()).max(1);
    let all = shape.batch * shape.heads;
    head * (wanted / head).clamp(1, all.max(1))
}

/// Runs of heads that fit a panel of `bytes`: (first image, images, first head, heads). A run is whole images, or part
/// of one.
fn groups(shape: &Heads, bytes: u64) -> Result<Vec<[usize; 4]>> {
    let fit = (bytes / 4) as usize / (shape.tokens * shape.pitch()).max(1);
    if fit == 0 {
        return Err(Error::run(format!(
            "attention: the scratch panel of {bytes} bytes can't hold the {0} x {0} scores of one head",
            shape.tokens
        )));
    }
    let mut groups = vec![];
    if fit >= shape.heads {
        let images = fit / shape.heads.max(1);
        for first in (0..shape.batch).step_by(images) {
            groups.push([first, images.min(shape.batch - first), 0, shape.heads]);
        }
    } else {
        for image in 0..shape.batch {
            for first in (0..shape.heads).step_by(fit) {
                groups.push([image, 1, first, fit.min(shape.heads - first)]);
            }
        }
    }
    Ok(groups)
}

/// The products of one run of heads.
struct Group {
    count: usize,
    heads: usize,
    image: usize,
    head: usize,
    shape: Heads,
}

impl Group {
    fn place(&self, place: Place) -> Place {
        Place {
            offset: place.offset + self.image * place.outer + self.head * place.inner,
            ..place
        }
    }

    fn panel(&self) -> Place {
        let (tokens, pitch) = (self.shape.tokens, self.shape.pitch());
        Place {
            offset: 0,
            row: pitch,
            outer: self.heads * tokens * pitch,
            inner: tokens * pitch,
        }
    }

    fn batch(&self, [m, n, k]: [usize; 3], [a, b, c]: [Place; 3]) -> Batch {
        Batch {
            count: self.count,
            inner: self.heads,
            m,
            n,
            k,
            a,
            b,
            c,
        }
    }

    fn params(&self, item: Item) -> Params {
        Params {
            rows: (self.count * self.shape.tokens) as u32,
            items: item.count(self.shape.tokens),
            pitch: item.count(self.shape.pitch()),
            // Statistics lie as [B, H, N].
            first: ((self.image * self.shape.heads + self.head) * self.shape.tokens) as u32,
            scale: self.shape.scale(),
        }
    }

    fn softmax(&self, rec: &mut Recorder, kernel: &Kernel, views: &[&View]) -> Result<()> {
        let (item, rows) = (Item::of(&[self.shape.tokens]), row_lanes(rec.gpu()));
        let build = Build {
            shared: &[item.shared(), rows.shared],
            constants: &[],
        };
        let count = self.count * self.shape.tokens;
        let grid = Grid::linear(count.div_ceil(rows.rows));
        rec.dispatch(
            kernel,
            &build,
            &self.params(item),
            views,
            grid,
            softmax_cost(count, self.shape.tokens),
        )
    }
}

/// Of the softmax, or its gradient, over `rows` queries with `tokens` scores each.
pub fn softmax_cost(rows: usize, tokens: usize) -> Cost {
    let values = rows as f64 * tokens as f64;
    Cost::new(8.0 * values, 2.0 * values)
}

fn check(shape: &Heads, qkv: &View, out: &View, stats: &View) -> Result<()> {
    let rows = shape.batch * shape.tokens;
    expect("attention", "qkv", qkv, rows, 3 * shape.width())?;
    expect("attention", "out", out, rows, shape.width())?;
    expect("attention", "stats", stats, rows * shape.heads, 2)
}

/// out `[B*N, H*Dh]` =; keeps stats `[B*H*N, 2]` (max and 1/sum of each query's softmax). qkv `[B*N, 3*H*Dh]`;
/// `panel` is scratch of [`panel`] values, which is not used where one kernel does it all.
pub fn forward(rec: &mut Recorder, shape: Heads, qkv: &View, out: &View, stats: &View, panel: &View) -> Result<()> {
    check(&shape, qkv, out, stats)?;
    if let Some(queries) = broadcast::queries(rec.gpu(), &shape) {
        return broadcast::forward(rec, shape, queries, [qkv, out, stats]);
    }
    let Heads { tokens, dim, .. } = shape;
    for [image, images, head, heads] in groups(&shape, panel.bytes())? {
        let group = Group {
            count: images * heads,
            heads,
            image,
            head,
            shape,
        };
        let [q, k, v] = [0, 1, 2].map(|part| group.place(shape.qkv(part)));
        let scores = group.batch([tokens, tokens, dim], [q, k, group.panel()]);
        batched(rec, Form::Nt, &scores, qkv, qkv, panel)?;
        group.softmax(rec, &SOFTMAX, &[panel, stats])?;
        let values = group.batch([tokens, dim, tokens], [group.panel(), v, group.place(shape.out())]);
        batched(rec, Form::Nn, &values, panel, qkv, out)?;
    }
    Ok(())
}

/// What does the work of `forward` and `backward` on this adapter: `panels`, or `one kernel`.
pub fn ways(gpu: &Gpu, shape: &Heads) -> [&'static str; 2] {
    [broadcast::queries(gpu, shape), broadcast::keys(gpu, shape)].map(|one| one.map_or("panels", |_| "one kernel"))
}

/// What softmax gives, to be looked at: maps `[B*H*N, pitch]` =, row by row each query's weights over the N keys (they
/// sum to 1; what lies behind them in a row means nothing). qkv `[B*N, 3*H*Dh]`; stats as in `forward`.
pub fn weights(rec: &mut Recorder, shape: Heads, qkv: &View, maps: &View, stats: &View) -> Result<()> {
    let Heads {
        batch,
        tokens,
        heads,
        dim,
    } = shape;
    expect("attention", "qkv", qkv, batch * tokens, 3 * shape.width())?;
    expect("attention", "maps", maps, batch * heads * tokens, shape.pitch())?;
    expect("attention", "stats", stats, batch * tokens * heads, 2)?;
    let all = Group {
        count: batch * heads,
        heads,
        image: 0,
        head: 0,
        shape,
    };
    let [q, k] = [0, 1].map(|part| all.place(shape.qkv(part)));
    let scores = all.batch([tokens, tokens, dim], [q, k, all.panel()]);
    batched(rec, Form::Nt, &scores, qkv, qkv, maps)?;
    all.softmax(rec, &SOFTMAX, &[maps, stats])
}

/// dqkv `[B*N, 3*H*Dh]` = from dout `[B*N, H*Dh]`; qkv, out and stats as `forward` had, gave and kept them. `panels` are two
/// scratch views of [`panel`] values each, which are not used where one kernel does it all.
pub fn backward(
    rec: &mut Recorder,
    shape: Heads,
    [dout, out]: [&View; 2],
    qkv: &View,
    stats: &View,
    dqkv: &View,
    panels: [&View; 2],
) -> Result<()> {
    check(&shape, qkv, out, stats)?;
    check(&shape, dqkv, dout, stats)?;
    if let Some(keys) = broadcast::keys(rec.gpu(), &shape) {
        return broadcast::backward(rec, shape, keys, [dout, out, qkv, stats, dqkv]);
    }
    let Heads { tokens, dim, .. } = shape;
    let [panel, dpanel] = panels;
    let one = broadcast::makes_panels(rec.gpu(), &shape);
    // The first panel serves the target's pass, too, and may be the larger one.
    for [image, images, head, heads] in groups(&shape, panel.bytes().min(dpanel.bytes()))? {
        let group = Group {
            count: images * heads,
            heads,
            image,
            head,
            shape,
        };
        let [q, k, v] = [0, 1, 2].map(|part| group.place(shape.qkv(part)));
        let (p, o) = (group.panel(), group.place(shape.out()));
        let (pairs, channels) = ([tokens, tokens, dim], [tokens, dim, tokens]);
        if one {
            let run = [image * shape.heads + head, images * heads];
            broadcast::scores(rec, shape, run, [dout, out, qkv, stats, panel, dpanel])?;
        } else {
            // S = Q K^T, dP = dO V^T
            batched(rec, Form::Nt, &group.batch(pairs, [q, k, p]), qkv, qkv, panel)?;
            batched(rec, Form::Nt, &group.batch(pairs, [o, v, p]), dout, qkv, dpanel)?;
            group.softmax(rec, &BACKWARD, &[stats, panel, dpanel])?;
        }
        // dV = P^T dO, dQ = dS K, dK = dS^T Q
        batched(rec, Form::Tn, &group.batch(channels, [p, o, v]), panel, dout, dqkv)?;
        batched(rec, Form::Nn, &group.batch(channels, [p, k, q]), dpanel, qkv, dqkv)?;
        batched(rec, Form::Tn, &group.batch(channels, [p, q, k]), dpanel, qkv, dqkv)?;
    }
    Ok(())
}
