//! One product, by the pipeline that a training step would take for its shape.

use super::super::print;
use super::timing::{ROUNDS, recorded, rounded};
use ijepa::data::draw::Draw;
use ijepa::gpu::{Gpu, Recorder};
use ijepa::ops::matmul::{self, Epilogue, Form};
use ijepa::{Error, Result};

/// Rows of A, columns of A, columns of B.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    m: usize,
    k: usize,
    n: usize,
}

/// `4096x1152x384`
pub fn sizes(text: &str) -> Result<Sizes, String> {
    let numbers: Option<Vec<usize>> = text
        .split('x')
        .map(|part| part.parse().ok().filter(|n| (1..=1 << 20).contains(n)))
        .collect();
    match numbers.as_deref() {
        Some(&[m, k, n]) => Ok(Sizes { m, k, n }),
        _ => Err("write three sizes of 1 or more (and at most 1048576), such as 4096x1152x384".to_string()),
    }
}

/// Values of C that are compared with f64 before anything is timed.
const COMPARED: u64 = 64;

/// Checks, times and prints.
pub fn run(gpu: &Gpu, sizes: Sizes) -> Result<()> {
    let Sizes { m, k, n } = sizes;
    let mut draw = Draw::keyed("bench", 0, 0, 0);
    let mut random = |length: usize| -> Vec<f32> { (0..length).map(|_| draw.between(-0.5, 0.5) as f32).collect() };
    let c = gpu.alloc("C", m, n)?;
    let (a_view, b_view) = (gpu.alloc("A", m, k)?, gpu.alloc("B", k, n)?);
    let (a, b) = (random(m * k), random(k * n));
    gpu.write(&a_view, &a)?;
    gpu.write(&b_view, &b)?;
    let mut rec = Recorder::new(gpu);
    let work = |rec: &mut Recorder| matmul::product(rec, Form::Nn, &a_view, &b_view, &c, Epilogue::Plain);

    work(&mut rec)?;
    let got: Vec<f32> = pollster::block_on(rec.read(&c))?;
    for i in 0..COMPARED {
        let at = (i * 0x9e37_79b9 % (m * n) as u64) as usize;
        let (row, col) = (at / n, at % n);
        let want: f64 = (0..k)
            .map(|l| f64::from(a[row * k + l]) * f64::from(b[l * n + col]))
            .sum();
        // Sums of k products of some 1/12: rounding grows like a random walk.
        let off = (f64::from(got[at]) - want).abs();
        if off.is_nan() || off > 1e-6 * (k as f64).sqrt().max(2.0) {
            return Err(Error::run(format!(
                "C[{row}, {col}] of {m}x{k}x{n} is {}, f64 says {want}: nothing was timed; see `ijepa doctor`",
                got[at]
            )));
        }
    }

    let timing = recorded(&mut rec, work)?;
    let cost = matmul::cost(m, n, k);
    let way = matmul::way(gpu, Form::Nn, m, n, k);
    let variant = way.variant().name();
    let (gflops, slowest) = (cost.flops / timing.best / 1e9, cost.flops / timing.worst / 1e9);
    print(&format!(
        "C[{m}, {n}] = A[{m}, {k}] B[{k}, {n}] in f32, form NN, variant {way}, on {}\n\
         {COMPARED} values agree with f64\n\
         {gflops:.1} GFLOP/s, {:.3} ms: the best of {ROUNDS} rounds of {} (slowest round {slowest:.1})\n",
        gpu.info().name,
        timing.best * 1e3,
        timing.repeats,
    ))?;
    let line = serde_json::json!({
        "m": m, "k": k, "n": n, "variant": variant, "way": way.to_string(), "gflops": rounded(gflops), "gflops_slowest": rounded(slowest),
        "ms": timing.best * 1e3, "repeats": timing.repeats, "adapter": gpu.info().name,
    });
    print(&format!("{line}\n"))
}
