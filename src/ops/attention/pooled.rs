//! Attention of a few learned queries over the tokens of each image, which have no gradient: what an attentive probe looks with.
//! With z = softmax(scale * u x^T) x, queries u are in the space of the tokens: a head's key weight and its query occur as
//! their product alone, and its value weight may as well come after the average.

use super::{BACKWARD, Params, SOFTMAX, softmax_cost};
use crate::Result;
use crate::gpu::{Build, Grid, Kernel, Recorder, View};
use crate::ops::column_sum::{self, column_sum};
use crate::ops::matmul::{Batch, Form, Place, batched};
use crate::ops::shape::{Item, expect, row_lanes};

/// B images of N tokens of D channels, over which Q queries look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooled {
    pub batch: usize,
    pub tokens: usize,
    pub queries: usize,
    pub width: usize,
}

impl Pooled {
    /// Values between two rows of a panel `[B*Q, pitch]`.
    pub fn pitch(&self) -> usize {
        self.tokens.next_multiple_of(4)
    }

    /// What scores are multiplied by: 1 / sqrt(D / Q), as if each query had its share of the channels.
    fn scale(&self) -> f32 {
        (self.queries as f64 / self.width as f64).sqrt() as f32
    }

    fn batch(&self, [m, n, k]: [usize; 3], [a, b, c]: [Place; 3]) -> Batch {
        let (count, inner) = (self.batch, 1);
        Batch {
            count,
            inner,
            m,
            n,
            k,
            a,
            b,
            c,
        }
    }

    /// The same queries for all images.
    fn shared(&self) -> Place {
        Place {
            row: self.width,
            ..Place::default()
        }
    }

    /// An image's rows of so many values each.
    fn own(&self, rows: usize, row: usize) -> Place {
        Place {
            row,
            outer: rows * row,
            ..Place::default()
        }
    }

    fn check(&self, queries: &View, x: &View, pooled: &View, panel: &View, stats: &View) -> Result<()> {
        let &Pooled {
            batch,
            tokens,
            queries: count,
            width,
        } = self;
        for (name, view, rows, cols) in [
            ("queries", queries, count, width),
            ("x", x, batch * tokens, width),
            ("pooled", pooled, batch, count * width),
            ("panel", panel, batch * count, self.pitch()),
            ("stats", stats, batch * count, 2),
        ] {
            expect("pooled attention", name, view, rows, cols)?;
        }
        Ok(())
    }

    /// panel `[B*Q, pitch]` = u x^T, not scaled.
    fn scores(&self, rec: &mut Recorder, queries: &View, x: &View, panel: &View) -> Result<()> {
        let panels = self.own(self.queries, self.pitch());
        let places = [self.shared(), self.own(self.tokens, self.width), panels];
        let scores = self.batch([self.queries, self.tokens, self.width], places);
        batched(rec, Form::Nt, &scores, queries, x, panel)
    }

    fn softmax(&self, rec: &mut Recorder, kernel: &Kernel, views: &[&View]) -> Result<()> {
        let (item, lanes) = (Item::of(&[self.tokens]), row_lanes(rec.gpu()));
        let rows = self.batch * self.queries;
        let params = Params {
            rows: rows as u32,
            items: item.count(self.tokens),
            pitch: item.count(self.pitch()),
            first: 0,
            scale: self.scale(),
        };
        let build = Build {
            shared: &[item.shared(), lanes.shared],
            constants: &[],
        };
        let grid = Grid::linear(rows.div_ceil(lanes.rows));
        rec.dispatch(kernel, &build, &params, views, grid, softmax_cost(rows, self.tokens))
    }
}

/// pooled `[B, Q*D]` =: for each image and query the average of its tokens x `[B*N, D]`, weighed by softmax(u x / sqrt(D / Q)) with u
/// `[Q, D]`. Keeps stats `[B*Q, 2]`; leaves the weights in panel `[B*Q, pitch]`.
pub fn forward(
    rec: &mut Recorder,
    shape: Pooled,
    queries: &View,
    x: &View,
    pooled: &View,
    [panel, stats]: [&View; 2],
) -> Result<()> {
    shape.check(queries, x, pooled, panel, stats)?;
    let Pooled {
        tokens,
        queries: count,
        width,
        ..
    } = shape;
    shape.scores(rec, queries, x, panel)?;
    shape.softmax(rec, &SOFTMAX, &[panel, stats])?;
    let places = [
        shape.own(count, shape.pitch()),
        shape.own(tokens, width),
        shape.own(count, width),
    ];
    batched(
        rec,
        Form::Nn,
        &shape.batch([count, width, tokens], places),
        panel,
        x,
        pooled,
    )
}

/// What the gradient of pooled attention overwrites.
pub struct Scratch<'a> {
    /// Two panels `[B*Q, pitch]`.
    pub panels: [&'a View; 2],
    /// `[B, Q*D]`
    pub each: &'a View,
    /// [`scratch`] values.
    pub partial: &'a View,
}

/// dqueries `[1, Q*D]` = from dpooled `[B, Q*D]`, with queries, x and stats as `forward` had and kept them.
pub fn backward(
    rec: &mut Recorder,
    shape: Pooled,
    dpooled: &View,
    [queries, x, stats]: [&View; 3],
    dqueries: &View,
    scratch: Scratch,
) -> Result<()> {
    let [panel, dpanel] = scratch.panels;
    shape.check(queries, x, dpooled, panel, stats)?;
    shape.check(queries, x, scratch.each, dpanel, stats)?;
    let Pooled {
        tokens,
        queries: count,
        width,
        ..
    } = shape;
    let (panels, of_tokens, of_queries) = (
        shape.own(count, shape.pitch()),
        shape.own(tokens, width),
        shape.own(count, width),
    );
    shape.scores(rec, queries, x, panel)?;
    let weights = shape.batch([count, tokens, width], [of_queries, of_tokens, panels]);
    batched(rec, Form::Nt, &weights, dpooled, x, dpanel)?;
    shape.softmax(rec, &BACKWARD, &[stats, panel, dpanel])?;
    let each = shape.batch([count, width, tokens], [panels, of_tokens, of_queries]);
    batched(rec, Form::Nn, &each, dpanel, x, scratch.each)?;
    column_sum(rec, scratch.each, dqueries, scratch.partial)
}

/// Values of scratch memory for the sum over images.
pub fn scratch(kind: crate::gpu::Kind, shape: &Pooled) -> usize {
    column_sum::scratch(kind, shape.batch, shape.queries * shape.width)
}
