//! The attentive probe's block on the GPU: forward, backward and update, written out in order.

use super::DECAY;
use crate::Result;
use crate::data::draw::Draw;
use crate::gpu::{Gpu, Recorder, View};
use crate::ops::adamw::{self, adamw};
use crate::ops::attention::pooled::{self, Pooled, Scratch};
use crate::ops::column_sum::{self, column_sum};
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::layer_norm::{self, Affine, Saved};
use crate::ops::matmul::{Batch, Epilogue, Form, Place, batched, product};

/// As every norm with weights.
const EPS: f64 = 1e-6;
/// Deviation of first weights.
const STD: f64 = 0.02;
/// Hidden channels of the MLP for each of the stream's.
const MLP: usize = 4;

/// What memory is planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub batch: usize,
    pub patches: usize,
    pub width: usize,
    pub heads: usize,
    pub classes: usize,
}

/// Parameters, or their gradients.
struct Parameters {
    /// `[H, D]`
    queries: View,
    /// Head by head `[D / H, D]`: `[D, D]`.
    values: View,
    proj: Layer,
    norm: Affine,
    fc1: Layer,
    fc2: Layer,
    head: Layer,
}

/// Weight `[out, in]` and bias `[1, out]`.
struct Layer {
    weight: View,
    bias: View,
}

/// Values side by side, each at a place where a binding may begin: those that decay, or those that don't.
struct Arena {
    values: View,
    gradients: View,
    mean: View,
    square: View,
}

impl Arena {
    fn new(gpu: &Gpu, label: &str, sizes: &[[usize; 2]]) -> Result<Arena> {
        let length = sizes.iter().map(|[rows, cols]| apart(rows * cols)).sum();
        let alloc = || gpu.alloc(label, 1, length);
        Ok(Arena {
            values: alloc()?,
            gradients: alloc()?,
            mean: alloc()?,
            square: alloc()?,
        })
    }

    fn update(&self, rec: &mut Recorder, step: adamw::Step, control: &View) -> Result<()> {
        let tensors = adamw::Tensors {
            weights: &self.values,
            gradients: &self.gradients,
            mean: &self.mean,
            square: &self.square,
            target: None,
        };
        adamw(rec, step, tensors, control)
    }
}

/// Values that a tensor takes in an arena.
fn apart(values: usize) -> usize {
    values.next_multiple_of(64)
}

/// The tensors of these sizes in an arena.
fn views<const N: usize>(arena: &View, sizes: &[[usize; 2]; N]) -> Result<[View; N]> {
    let (mut views, mut at) = (vec![], 0);
    for [rows, cols] in *sizes {
        views.push(arena.part(at, rows, cols)?);
        at += apart(rows * cols);
    }
    match views.try_into() {
        Ok(views) => Ok(views),
        Err(_) => unreachable!("one view for each size"),
    }
}

/// What passes leave in memory, for `batch` images.
struct Activations {
    /// `[B*N, D]`
    x: View,
    /// `[B, C]`
    targets: View,
    /// `[B, H*D]`
    pooled: View,
    dpooled: View,
    each: View,
    /// `[B*H, pitch]`
    panels: [View; 2],
    /// `[B*H, 2]`
    looks: View,
    /// `[B, D]`: what attention gives, after proj, normed, after the MLP; and gradients.
    attended: View,
    t: View,
    normed: View,
    y: View,
    dy: View,
    dnormed: View,
    /// `[B, 2]`
    stats: View,
    /// `[B, 4D]`
    pre: View,
    hidden: View,
    dhidden: View,
    /// `[B, C]`
    logits: View,
    dlogits: View,
    /// `[B, 1]`
    losses: View,
    partial: View,
}

/// See the module above. All that a step needs.
pub struct Block {
    pub shape: Shape,
    rec: Recorder,
    decaying: Arena,
    others: Arena,
    weights: Parameters,
    gradients: Parameters,
    memory: Activations,
    control: View,
}

impl Block {
    /// First weights as the reference draws them: normal with deviation 0.02, proj and fc2 a root of two smaller, biases 0.
    pub fn new(gpu: &Gpu, shape: Shape, seed: u64) -> Result<Block> {
        let Shape {
            batch,
            patches,
            width: d,
            heads,
            classes,
        } = shape;
        let hidden = MLP * d;
        let weights = [[heads, d], [d, d], [d, d], [hidden, d], [d, hidden], [classes, d]];
        let others = [[1, d], [1, d], [1, d], [1, hidden], [1, d], [1, classes]];
        let (decaying, rest) = (
            Arena::new(gpu, "attentive probe's weights", &weights)?,
            Arena::new(gpu, "its biases", &others)?,
        );
        let parameters = |decaying: &View, rest: &View| -> Result<Parameters> {
            let [queries, values, proj, fc1, fc2, head] = views(decaying, &weights)?;
            let [proj_bias, norm, norm_bias, fc1_bias, fc2_bias, head_bias] = views(rest, &others)?;
            let layer = |weight, bias| Layer { weight, bias };
            Ok(Parameters {
                queries,
                values,
                proj: layer(proj, proj_bias),
                norm: Affine {
                    weight: norm,
                    bias: norm_bias,
                },
                fc1: layer(fc1, fc1_bias),
                fc2: layer(fc2, fc2_bias),
                head: layer(head, head_bias),
            })
        };
        let own = parameters(&decaying.values, &rest.values)?;
        let drawn = [
            &own.queries,
            &own.values,
            &own.proj.weight,
            &own.fc1.weight,
            &own.fc2.weight,
            &own.head.weight,
        ];
        for (number, view) in drawn.into_iter().enumerate() {
            let halved = if number == 2 || number == 4 { 0.5f64.sqrt() } else { 1.0 };
            let mut draw = Draw::keyed("attend", seed, number as u64, 1);
            let mut values: Vec<f32> = Vec::with_capacity(view.len() + 1);
            while values.len() < view.len() {
                values.extend(draw.normals().map(|normal| (STD * halved * normal) as f32));
            }
            gpu.write(view, &values[..view.len()])?;
        }
        gpu.write(&own.norm.weight, &vec![1f32; d])?;

        let kind = gpu.kind();
        let pooled = Pooled {
            batch,
            tokens: patches,
            queries: heads,
            width: d,
        };
        let partial = [
            pooled::scratch(kind, &pooled),
            column_sum::scratch(kind, batch, hidden.max(classes)),
            layer_norm::scratch(kind, batch, d),
        ];
        let alloc = |rows, cols| gpu.alloc("attentive probe's memory", rows, cols);
        let memory = Activations {
            x: alloc(batch * patches, d)?,
            targets: alloc(batch, classes)?,
            pooled: alloc(batch, heads * d)?,
            dpooled: alloc(batch, heads * d)?,
            each: alloc(batch, heads * d)?,
            panels: [
                alloc(batch * heads, pooled.pitch())?,
                alloc(batch * heads, pooled.pitch())?,
            ],
            looks: alloc(batch * heads, 2)?,
            attended: alloc(batch, d)?,
            t: alloc(batch, d)?,
            normed: alloc(batch, d)?,
            y: alloc(batch, d)?,
            dy: alloc(batch, d)?,
            dnormed: alloc(batch, d)?,
            stats: alloc(batch, 2)?,
            pre: alloc(batch, hidden)?,
            hidden: alloc(batch, hidden)?,
            dhidden: alloc(batch, hidden)?,
            logits: alloc(batch, classes)?,
            dlogits: alloc(batch, classes)?,
            losses: alloc(batch, 1)?,
            partial: alloc(1, partial.into_iter().max().unwrap_or(1).max(1))?,
        };
        Ok(Block {
            shape,
            rec: Recorder::new(gpu),
            gradients: parameters(&decaying.gradients, &rest.gradients)?,
            weights: own,
            decaying,
            others: rest,
            memory,
            control: gpu.upload("attentive probe's control", 1, 4, &[0, 1f32.to_bits(), 0, 0])?,
        })
    }

    /// One step on `targets.len() / C` images: x `[n*N, D]`, one-hot targets `[n, C]`. `t` is 1 at the first.
    pub fn step(&mut self, x: &[f32], targets: &[f32], rate: f64, t: u64) -> Result<()> {
        let batch = targets.len() / self.shape.classes;
        self.rec.gpu().write(&self.memory.x, x)?;
        self.rec.gpu().write(&self.memory.targets, targets)?;
        self.forward(batch)?;
        self.backward(batch)?;
        let step = |wd| adamw::Step {
            lr: rate,
            wd,
            momentum: 0.0,
            t,
        };
        self.decaying.update(&mut self.rec, step(DECAY), &self.control)?;
        self.others.update(&mut self.rec, step(0.0), &self.control)?;
        self.rec.submit()
    }

    /// The logits `[n, C]` of n images x `[n*N, D]`.
    pub async fn logits(&mut self, x: &[f32], batch: usize) -> Result<Vec<f32>> {
        self.rec.gpu().write(&self.memory.x, x)?;
        self.forward(batch)?;
        let logits = self.memory.logits.shaped(batch, self.shape.classes)?;
        self.rec.read(&logits).await
    }

    /// Waits for all that was recorded.
    pub async fn wait(&mut self) -> Result<()> {
        self.rec.read::<u32>(&self.control).await.map(|_| ())
    }

    fn pooled(&self, batch: usize) -> Pooled {
        Pooled {
            batch,
            tokens: self.shape.patches,
            queries: self.shape.heads,
            width: self.shape.width,
        }
    }

    /// The heads' value weights on pooled tokens, by head: places in pooled `[B, H*D]`, values `[D, D]`, attended `[B, D]`.
    fn by_head(&self) -> [Place; 3] {
        let Shape { width: d, heads, .. } = self.shape;
        let place = |row, inner| Place {
            row,
            inner,
            ..Place::default()
        };
        [place(heads * d, d), place(d, d / heads * d), place(d, d / heads)]
    }

    /// A product for each head.
    fn heads(&self, [m, n, k]: [usize; 3], [a, b, c]: [Place; 3]) -> Batch {
        let count = self.shape.heads;
        Batch {
            count,
            inner: count,
            m,
            n,
            k,
            a,
            b,
            c,
        }
    }

    fn forward(&mut self, batch: usize) -> Result<()> {
        let Shape {
            patches,
            width: d,
            heads,
            classes,
            ..
        } = self.shape;
        let (shape, by_head) = (self.pooled(batch), self.by_head());
        let [pooled_place, values_place, attended_place] = by_head;
        let values = self.heads([batch, d / heads, d], [pooled_place, values_place, attended_place]);
        let (w, m, rec) = (&self.weights, &self.memory, &mut self.rec);
        let rows = |view: &View, cols| view.shaped(batch, cols);
        let x = m.x.shaped(batch * patches, d)?;
        let pooled = rows(&m.pooled, heads * d)?;
        let (panel, looks) = (
            m.panels[0].shaped(batch * heads, shape.pitch())?,
            m.looks.shaped(batch * heads, 2)?,
        );
        pooled::forward(rec, shape, &w.queries, &x, &pooled, [&panel, &looks])?;
        let attended = rows(&m.attended, d)?;
        batched(rec, Form::Nt, &values, &pooled, &w.values, &attended)?;
        let (t, normed, y) = (rows(&m.t, d)?, rows(&m.normed, d)?, rows(&m.y, d)?);
        product(
            rec,
            Form::Nt,
            &attended,
            &w.proj.weight,
            &t,
            Epilogue::Bias(&w.proj.bias),
        )?;
        layer_norm::forward(rec, &t, Some(&w.norm), EPS, &normed, &rows(&m.stats, 2)?)?;
        let (pre, hidden) = (rows(&m.pre, MLP * d)?, rows(&m.hidden, MLP * d)?);
        let gelu = Epilogue::BiasGelu {
            bias: &w.fc1.bias,
            pre: Some(&pre),
        };
        product(rec, Form::Nt, &normed, &w.fc1.weight, &hidden, gelu)?;
        let residual = Epilogue::BiasResidual {
            bias: &w.fc2.bias,
            x: &t,
        };
        product(rec, Form::Nt, &hidden, &w.fc2.weight, &y, residual)?;
        let logits = rows(&m.logits, classes)?;
        product(rec, Form::Nt, &y, &w.head.weight, &logits, Epilogue::Bias(&w.head.bias))
    }

    fn backward(&mut self, batch: usize) -> Result<()> {
        let Shape {
            patches,
            width: d,
            heads,
            classes,
            ..
        } = self.shape;
        let (shape, [pooled_place, values_place, attended_place]) = (self.pooled(batch), self.by_head());
        let dvalues = self.heads([d / heads, d, batch], [attended_place, pooled_place, values_place]);
        let into_pooled = self.heads([batch, d, d / heads], [attended_place, values_place, pooled_place]);
        let (w, g, m, rec) = (&self.weights, &self.gradients, &self.memory, &mut self.rec);
        let rows = |view: &View, cols| view.shaped(batch, cols);

        let (logits, dlogits) = (rows(&m.logits, classes)?, rows(&m.dlogits, classes)?);
        let (targets, losses) = (rows(&m.targets, classes)?, rows(&m.losses, 1)?);
        cross_entropy(rec, &logits, &targets, 1.0 / batch as f64, &losses, &dlogits)?;

        // The linear layer on y.
        let (y, dy) = (rows(&m.y, d)?, rows(&m.dy, d)?);
        product(rec, Form::Tn, &dlogits, &y, &g.head.weight, Epilogue::Plain)?;
        column_sum(rec, &dlogits, &g.head.bias, &m.partial)?;
        product(rec, Form::Nn, &dlogits, &w.head.weight, &dy, Epilogue::Plain)?;

        // y = t + fc2(gelu(fc1(norm(t)))); t's own gradient stays in dy.
        let (hidden, dhidden) = (rows(&m.hidden, MLP * d)?, rows(&m.dhidden, MLP * d)?);
        product(rec, Form::Tn, &dy, &hidden, &g.fc2.weight, Epilogue::Plain)?;
        column_sum(rec, &dy, &g.fc2.bias, &m.partial)?;
        let pre = rows(&m.pre, MLP * d)?;
        let gelu = Epilogue::GeluBackward { pre: &pre };
        product(rec, Form::Nn, &dy, &w.fc2.weight, &dhidden, gelu)?;
        let (normed, dnormed) = (rows(&m.normed, d)?, rows(&m.dnormed, d)?);
        product(rec, Form::Tn, &dhidden, &normed, &g.fc1.weight, Epilogue::Plain)?;
        column_sum(rec, &dhidden, &g.fc1.bias, &m.partial)?;
        product(rec, Form::Nn, &dhidden, &w.fc1.weight, &dnormed, Epilogue::Plain)?;
        let saved = Saved {
            dy: &dnormed,
            x: &rows(&m.t, d)?,
            stats: &rows(&m.stats, 2)?,
        };
        layer_norm::backward(rec, saved, &w.norm.weight, &dy, [true, false], &g.norm, &m.partial)?;

        // t = proj(attended); what was normed is free for the gradient of attended.
        let (attended, dattended) = (rows(&m.attended, d)?, dnormed);
        product(rec, Form::Tn, &dy, &attended, &g.proj.weight, Epilogue::Plain)?;
        column_sum(rec, &dy, &g.proj.bias, &m.partial)?;
        product(rec, Form::Nn, &dy, &w.proj.weight, &dattended, Epilogue::Plain)?;

        // Each head's values, then its query.
        let (pooled, dpooled) = (rows(&m.pooled, heads * d)?, rows(&m.dpooled, heads * d)?);
        batched(rec, Form::Tn, &dvalues, &dattended, &pooled, &g.values)?;
        batched(rec, Form::Nn, &into_pooled, &dattended, &w.values, &dpooled)?;
        let panels = [
            m.panels[0].shaped(batch * heads, shape.pitch())?,
            m.panels[1].shaped(batch * heads, shape.pitch())?,
        ];
        let scratch = Scratch {
            panels: [&panels[0], &panels[1]],
            each: &rows(&m.each, heads * d)?,
            partial: &m.partial,
        };
        let looks = m.looks.shaped(batch * heads, 2)?;
        let x = m.x.shaped(batch * patches, d)?;
        let dqueries = g.queries.shaped(1, heads * d)?;
        pooled::backward(rec, shape, &dpooled, [&w.queries, &x, &looks], &dqueries, scratch)
    }
}
