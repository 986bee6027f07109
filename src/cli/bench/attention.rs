//! Attention of one shape, forward and backward, beside a matrix product in the same run: what the kernels around a
//! softmax leave of the rate that matmul has on this adapter.

use super::super::print;
use super::sizes;
use super::timing::{ROUNDS, Timing, recorded, rounded};
use ijepa::data::draw::Draw;
use ijepa::gpu::{Gpu, MOST_WORKGROUPS, Recorder, View};
use ijepa::ops::attention::{self, Heads};
use ijepa::ops::matmul::{self, Epilogue, Form};
use ijepa::{Error, Result, cpu};
use std::time::Instant;

/// `32x64x4x16`: images, tokens, heads, channels of a head.
pub fn shape(text: &str) -> Result<Heads, String> {
    match sizes(text, MOST_WORKGROUPS) {
        // Counted in 64 bits, and no adapter has more.
        Some(sizes) if sizes.iter().map(|&size| size as u128).product::<u128>() > 1 << 34 => {
            Err("that is more than 16 G values: write smaller sizes".to_string())
        }
        Some([batch, tokens, heads, dim]) => Ok(Heads {
            batch,
            tokens,
            heads,
            dim,
        }),
        _ => Err("write four sizes of 1 or more (and at most 65535), such as 32x64x4x16".to_string()),
    }
}

/// The product beside which attention is measured: M, K, N.
const PRODUCT: [usize; 3] = [4096, 1152, 384];

struct Tensors {
    qkv: View,
    out: View,
    stats: View,
    dout: View,
    dqkv: View,
    panels: [View; 2],
}

impl Tensors {
    fn forward(&self, rec: &mut Recorder, shape: Heads) -> Result<()> {
        attention::forward(rec, shape, &self.qkv, &self.out, &self.stats, &self.panels[0])
    }

    fn backward(&self, rec: &mut Recorder, shape: Heads) -> Result<()> {
        let [panel, dpanel] = &self.panels;
        let Tensors {
            qkv,
            out,
            stats,
            dout,
            dqkv,
            ..
        } = self;
        attention::backward(rec, shape, [dout, out], qkv, stats, dqkv, [panel, dpanel])
    }
}

/// Checks, times and prints.
pub fn run(gpu: &Gpu, shape: Heads) -> Result<()> {
    let Heads {
        batch,
        tokens,
        heads,
        dim,
    } = shape;
    let (rows, width) = (batch * tokens, heads * dim);
    let values = attention::panel(gpu.kind(), &shape);
    let tensors = Tensors {
        qkv: gpu.alloc("qkv", rows, 3 * width)?,
        dout: gpu.alloc("dout", rows, width)?,
        out: gpu.alloc("out", rows, width)?,
        stats: gpu.alloc("stats", rows * heads, 2)?,
        dqkv: gpu.alloc("dqkv", rows, 3 * width)?,
        panels: [
            gpu.alloc("panel", 1, values)?,
            gpu.alloc("panel of gradients", 1, values)?,
        ],
    };
    // Drawn when there is room for it.
    let mut draw = Draw::keyed("bench", 1, 0, 0);
    let mut random = |length: usize| -> Vec<f32> { (0..length).map(|_| draw.between(-1.0, 1.0) as f32).collect() };
    let (qkv, dout) = (random(rows * 3 * width), random(rows * width));
    gpu.write(&tensors.qkv, &qkv)?;
    gpu.write(&tensors.dout, &dout)?;
    let mut rec = Recorder::new(gpu);

    // The first image, and what the first dispatches take: drivers compile then.
    let start = Instant::now();
    tensors.forward(&mut rec, shape)?;
    let out: Vec<f32> = pollster::block_on(rec.read(&tensors.out))?;
    let first_forward = start.elapsed().as_secs_f64();
    let start = Instant::now();
    tensors.backward(&mut rec, shape)?;
    let dqkv: Vec<f32> = pollster::block_on(rec.read(&tensors.dqkv))?;
    let first_backward = start.elapsed().as_secs_f64();
    let wide = |values: &[f32], length: usize| -> Vec<f64> { values[..length].iter().map(|&v| v.into()).collect() };
    let (qkv, dout) = (wide(&qkv, tokens * 3 * width), wide(&dout, tokens * width));
    agrees("out", &out, &cpu::attention::forward(&qkv, 1, tokens, heads, dim).0)?;
    agrees(
        "dqkv",
        &dqkv,
        &cpu::attention::backward(&dout, &qkv, 1, tokens, heads, dim),
    )?;

    let [m, k, n] = PRODUCT;
    let [a, b, c] = [gpu.alloc("A", m, k)?, gpu.alloc("B", k, n)?, gpu.alloc("C", m, n)?];
    gpu.write(&a, &random(m * k))?;
    gpu.write(&b, &random(k * n))?;
    let product = recorded(&mut rec, |rec| {
        matmul::product(rec, Form::Nn, &a, &b, &c, Epilogue::Plain)
    })?;
    let forward = recorded(&mut rec, |rec| tensors.forward(rec, shape))?;
    let backward = recorded(&mut rec, |rec| tensors.backward(rec, shape))?;
    let flops = shape.cost().flops;
    let rate = |flops: f64, timing: &Timing| flops / timing.best / 1e9;
    let product = rate(matmul::cost(m, n, k).flops, &product);
    let rates = [rate(flops, &forward), rate(2.5 * flops, &backward)];
    let mut text = format!(
        "attention of {batch} images, {tokens} tokens, {heads} heads of {dim} in f32, on {}\n\
         the first image agrees with f64\n\
         product  {product:>6.1} GFLOP/s  {m}x{k}x{n}\n",
        gpu.info().name
    );
    let ways = attention::ways(gpu, &shape);
    for (name, timing, rate, first, way) in [
        ("forward", &forward, rates[0], first_forward, ways[0]),
        ("backward", &backward, rates[1], first_backward, ways[1]),
    ] {
        text += &format!(
            "{name:<8} {rate:>6.1} GFLOP/s  {:.2} of the product's  {:.3} ms  {way}  (first call {first:.2} s)\n",
            rate / product,
            timing.best * 1e3,
        );
    }
    text += &format!("the best of {ROUNDS} rounds each\n");
    print(&text)?;
    let line = serde_json::json!({
        "batch": batch, "tokens": tokens, "heads": heads, "dim": dim, "product_gflops": rounded(product),
        "forward_gflops": rounded(rates[0]), "backward_gflops": rounded(rates[1]),
        "forward_share": rounded(rates[0] / product), "backward_share": rounded(rates[1] / product),
        "forward_by": ways[0], "backward_by": ways[1],
        "first_forward_s": rounded(first_forward), "first_backward_s": rounded(first_backward),
        "adapter": gpu.info().name,
    });
    print(&format!("{line}\n"))
}

/// Sums of `tokens` and of `dim` products with values of 1 at most, whose rounding grows like a random walk.
fn agrees(name: &str, got: &[f32], want: &[f64]) -> Result<()> {
    let rms = (want.iter().map(|w| w * w).sum::<f64>() / want.len() as f64).sqrt();
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(*got) - want).abs();
        if off.is_nan() || off > 1e-4 * want.abs().max(rms) {
            return Err(Error::run(format!(
                "value {i} of {name} is {got}, f64 says {want}: nothing was timed; see `ijepa doctor`"
            )));
        }
    }
    Ok(())
}
