//! Kernels that memory binds, at one shape: norms, sums of columns, gathers, the optimiser, in turn with a copy of as many rows.

use super::super::print;
use super::sizes;
use super::timing::{ROUNDS, Timing, enough, in_turn, rounded};
use ijepa::cpu::{self, adamw::Step as Twin};
use ijepa::data::draw::Draw;
use ijepa::gpu::{Gpu, Recorder, View};
use ijepa::ops::adamw::{self, Step};
use ijepa::ops::layer_norm::{self, Affine, Saved};
use ijepa::ops::{ceiling, column_sum, gather};
use ijepa::{Error, Result};
use std::time::{Duration, Instant};

/// Values of a tensor: more than caches hold, and the host needs 70 bytes for each while it compares with f64.
const MOST: u64 = 1 << 26;

/// Rows and columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    rows: usize,
    cols: usize,
}

/// `2048x96`
pub fn shape(text: &str) -> Result<Shape, String> {
    match sizes(text, 1 << 20) {
        Some([rows, cols]) if rows as u64 * cols as u64 > MOST => {
            Err("that is more than 64 M values: write smaller sizes".to_string())
        }
        Some([rows, cols]) => Ok(Shape { rows, cols }),
        _ => Err("write two sizes of 1 or more (and at most 1048576), such as 2048x96".to_string()),
    }
}

/// What is timed, with the tensors `[rows, cols]` that it must read and write at least.
const KERNELS: [(&str, f64); 7] = [
    ("copy", 2.0),
    ("layer_norm", 2.0),
    ("layer_norm backward", 3.0),
    ("column_sum", 1.0),
    ("gather", 2.0),
    ("gather backward", 2.0),
    ("adamw", 9.0),
];
/// So large that rows of few columns, whose values may be nearly alike, are compared as sharply as others.
const EPS: f64 = 0.1;
/// A step of the optimiser that may be repeated for ever.
const STEP: Step = Step {
    lr: 1e-6,
    wd: 0.05,
    momentum: 0.996,
    t: 1,
};
/// Seconds of a round of each.
const SECONDS: f64 = 0.1;

struct Tensors {
    x: View,
    dy: View,
    y: View,
    dx: View,
    stats: View,
    affine: Affine,
    gradients: Affine,
    sum: View,
    scratch: View,
    list: View,
    starts: View,
    copies: View,
    /// Weights, mean, square and target of the optimiser.
    trained: [View; 4],
    control: View,
}

impl Tensors {
    fn new(gpu: &Gpu, Shape { rows, cols }: Shape) -> Result<Tensors> {
        let all = |name: &str| gpu.alloc(name, rows, cols);
        let affine = || -> Result<Affine> {
            Ok(Affine {
                weight: gpu.alloc("weight", 1, cols)?,
                bias: gpu.alloc("bias", 1, cols)?,
            })
        };
        Ok(Tensors {
            x: all("x")?,
            dy: all("dy")?,
            y: all("y")?,
            dx: all("dx")?,
            stats: gpu.alloc("stats", rows, 2)?,
            affine: affine()?,
            gradients: affine()?,
            sum: gpu.alloc("sum", 1, cols)?,
            scratch: gpu.alloc("scratch", 1, layer_norm::scratch(gpu.kind(), rows, cols))?,
            list: gpu.alloc("list", rows, 1)?,
            starts: gpu.alloc("starts", rows + 1, 1)?,
            copies: gpu.alloc("copies", rows, 1)?,
            trained: [all("weights")?, all("mean")?, all("square")?, all("target")?],
            control: gpu.alloc("control", 1, 2)?,
        })
    }

    /// Records the kernel of this number in [`KERNELS`].
    fn record(&self, rec: &mut Recorder, kernel: usize) -> Result<()> {
        let Tensors {
            x, dy, y, dx, stats, ..
        } = self;
        match kernel {
            0 => ceiling::copy(rec, x, y),
            1 => layer_norm::forward(rec, x, Some(&self.affine), EPS, y, stats),
            2 => {
                let saved = Saved { dy, x, stats };
                let (weight, gradients) = (&self.affine.weight, &self.gradients);
                layer_norm::backward(rec, saved, weight, dx, [false; 2], gradients, &self.scratch)
            }
            3 => column_sum::column_sum(rec, x, &self.sum, &self.scratch),
            4 => gather::forward(rec, x, &self.list, y),
            5 => gather::backward(rec, dy, &self.starts, &self.copies, dx),
            _ => {
                let [weights, mean, square, target] = &self.trained;
                let tensors = adamw::Tensors {
                    weights,
                    gradients: dy,
                    mean,
                    square,
                    target: Some(target),
                };
                adamw::adamw(rec, STEP, tensors, &self.control)
            }
        }
    }
}

/// Checks, times and prints.
pub fn run(gpu: &Gpu, shape: Shape) -> Result<()> {
    let Shape { rows, cols } = shape;
    let tensors = Tensors::new(gpu, shape)?;
    let mut rec = Recorder::new(gpu);
    check(&mut rec, shape, &tensors)?;

    let flag = gpu.alloc("waited for", 1, 1)?;
    let mut work = |kernel: usize, repeats: usize| -> Result<()> {
        for _ in 0..repeats {
            tensors.record(&mut rec, kernel)?;
        }
        pollster::block_on(rec.read::<u32>(&flag)).map(drop)
    };
    let repeats: Vec<usize> = (0..KERNELS.len())
        .map(|kernel| enough(SECONDS, &mut |repeats| work(kernel, repeats)))
        .collect::<Result<_>>()?;
    let always = Instant::now() + Duration::from_secs(24 * 3600);
    let Some(timings) = in_turn(&repeats, always, work)? else {
        return Err(Error::run("not measured within a day".to_string()));
    };
    let rate = |(timing, tensors): (&Timing, f64)| 4.0 * tensors * (rows * cols) as f64 / timing.best / 1e9;
    let rates: Vec<f64> = timings
        .iter()
        .zip(KERNELS.map(|(_, tensors)| tensors))
        .map(rate)
        .collect();
    let by = match layer_norm::by_subgroup(gpu, cols) {
        true => "by a subgroup's registers",
        false => "in any width",
    };
    let mut text = format!(
        "kernels on [{rows}, {cols}] in f32, norms {by}, on {}\nall agree with f64\n",
        gpu.info().name
    );
    for (((name, _), timing), rate) in KERNELS.iter().zip(&timings).zip(&rates) {
        let share = rate / rates[0];
        text += &format!(
            "{name:<20} {rate:>7.2} GB/s  {share:.2} of the copy's  {:.3} ms\n",
            timing.best * 1e3
        );
    }
    text += &format!(
        "the best of {ROUNDS} rounds each, in turn; bytes are what must be read and written at least, by caches where these hold it\n"
    );
    print(&text)?;
    let kernels: Vec<_> = KERNELS
        .iter()
        .zip(&timings)
        .zip(&rates)
        .map(|(((name, _), timing), rate)| {
            serde_json::json!({
                "kernel": name, "gb_s": rounded(*rate), "of_copy": rounded(rate / rates[0]), "ms": timing.best * 1e3,
                "ms_slowest": timing.worst * 1e3,
            })
        })
        .collect();
    let line =
        serde_json::json!({"rows": rows, "cols": cols, "norms": by, "kernels": kernels, "adapter": gpu.info().name});
    print(&format!("{line}\n"))
}

/// Fills the tensors, and compares what each kernel makes of them with f64.
fn check(rec: &mut Recorder, Shape { rows, cols }: Shape, tensors: &Tensors) -> Result<()> {
    let mut draw = Draw::keyed("bench", 2, 0, 0);
    let mut random = |length: usize| -> Vec<f32> { (0..length).map(|_| draw.between(-1.0, 1.0) as f32).collect() };
    let (x, dy, weight, bias) = (random(rows * cols), random(rows * cols), random(cols), random(cols));
    let gpu = rec.gpu().clone();
    for (view, values) in [
        (&tensors.x, &x),
        (&tensors.dy, &dy),
        (&tensors.affine.weight, &weight),
        (&tensors.affine.bias, &bias),
        (&tensors.trained[0], &x),
        (&tensors.trained[3], &x),
    ] {
        gpu.write(view, values)?;
    }
    // Each row once, far from the one before: the stride has no divisor in common with the rows.
    let stride = (rows / 3 + 1..).find(|stride| common(*stride, rows) == 1).unwrap_or(1);
    let list: Vec<u32> = (0..rows).map(|row| (row * stride % rows) as u32).collect();
    let (starts, copies) = gather::invert(&list, rows);
    gpu.write(&tensors.list, &list)?;
    gpu.write(&tensors.starts, &starts)?;
    gpu.write(&tensors.copies, &copies)?;
    gpu.write(&tensors.control, &[0u32, 1f32.to_bits()])?;

    let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
    let (x, dy, weight, bias) = (wide(&x), wide(&dy), wide(&weight), wide(&bias));
    let mut agrees = |kernel: usize, output: &View, want: &[f64]| -> Result<()> {
        tensors.record(rec, kernel)?;
        let got: Vec<f32> = pollster::block_on(rec.read(output))?;
        agree(KERNELS[kernel].0, &got, want)
    };
    agrees(0, &tensors.y, &x)?;
    let (y, mean, rstd) = cpu::layer_norm::forward(&x, Some(&weight), Some(&bias), rows, cols, EPS);
    agrees(1, &tensors.y, &y)?;
    let (dx, dweight, dbias) = cpu::layer_norm::backward(&dy, &x, Some(&weight), &mean, &rstd, rows, cols);
    agrees(2, &tensors.dx, &dx)?;
    agrees(2, &tensors.gradients.weight, &dweight)?;
    agrees(2, &tensors.gradients.bias, &dbias)?;
    agrees(3, &tensors.sum, &cpu::column_sum::column_sum(&x, rows, cols))?;
    agrees(4, &tensors.y, &cpu::gather::forward(&x, &list, cols))?;
    agrees(5, &tensors.dx, &cpu::gather::backward(&dy, &list, rows, cols))?;
    let (mut p, mut m, mut v, mut target) = (x.clone(), vec![0.0; x.len()], vec![0.0; x.len()], x);
    let step = Twin {
        lr: STEP.lr,
        wd: STEP.wd,
        momentum: STEP.momentum,
        t: STEP.t,
    };
    cpu::adamw::adamw(step, &mut p, &dy, &mut m, &mut v, Some(&mut target));
    agrees(6, &tensors.trained[0], &p)
}

/// The largest number that divides both.
fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}

/// Sums over rows and columns of values of 1 at most, whose rounding grows like a random walk.
fn agree(name: &str, got: &[f32], want: &[f64]) -> Result<()> {
    let rms = (want.iter().map(|w| w * w).sum::<f64>() / want.len() as f64).sqrt();
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(*got) - want).abs();
        if off.is_nan() || off > 1e-4 * want.abs().max(rms).max(0.1) {
            return Err(Error::run(format!(
                "value {i} of {name} is {got}, f64 says {want}: nothing was timed; see `ijepa doctor`"
            )));
        }
    }
    Ok(())
}
