//! One product, by the pipeline that a training step would take for its shape.

use super::super::print;
use super::MODEL;
use super::timing::{ROUNDS, recorded, rounded};
use ijepa::data::draw::Draw;
use ijepa::gpu::{Gpu, Recorder, View};
use ijepa::ops::cast::{Bits, Half, cast};
use ijepa::ops::matmul::{self, Epilogue, Form};
use ijepa::{Error, Result};

/// What a product is like, beside its sizes.
#[derive(clap::Args)]
pub struct Product {
    /// How A and B lie: A·B, A·Bᵀ (a linear layer) or Aᵀ·B (the gradient of its weights)
    #[arg(long, value_enum, default_value_t = Lie::Nn, requires = "matmul", conflicts_with_all = MODEL)]
    form: Lie,
    /// What follows the sums, in the same kernel
    #[arg(long, value_enum, default_value_t = After::Nothing, requires = "matmul", conflicts_with_all = MODEL)]
    after: After,
    /// What A and B are stored as; sums and C are f32
    #[arg(long, value_enum, default_value_t = Store::F32, requires = "matmul", conflicts_with_all = MODEL)]
    operands: Store,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Lie {
    Nn,
    Nt,
    Tn,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum After {
    Nothing,
    Bias,
    Gelu,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Store {
    F32,
    Bf16,
    F16,
}

impl Product {
    /// The 16 bits of A and B, where they are stored so.
    pub fn bits(&self) -> Option<Bits> {
        match self.operands {
            Store::F32 => None,
            Store::Bf16 => Some(Bits::Bf16),
            Store::F16 => Some(Bits::F16),
        }
    }
}

/// The word of an argument's value.
fn word(value: impl clap::ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_string())
        .unwrap_or_default()
}

/// Rows of A, columns of A, columns of B.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    m: usize,
    k: usize,
    n: usize,
}

/// `4096x1152x384`
pub fn sizes(text: &str) -> Result<Sizes, String> {
    match super::sizes(text, 1 << 20) {
        Some([m, k, n]) => Ok(Sizes { m, k, n }),
        _ => Err("write three sizes of 1 or more (and at most 1048576), such as 4096x1152x384".to_string()),
    }
}

/// Values of C that are compared with f64 before anything is timed.
const COMPARED: usize = 64;

/// Places in C: all of few values; else spread over it, the last one among them.
fn compared(values: usize) -> Vec<usize> {
    if values <= COMPARED {
        return (0..values).collect();
    }
    // A prime: what has a factor with rows in common would see some columns alone.
    let spread = |i: usize| (i as u64 * 2_654_435_761 % values as u64) as usize;
    (1..COMPARED).map(spread).chain([values - 1]).collect()
}

/// Checks, times and prints.
pub fn run(gpu: &Gpu, sizes: Sizes, like: &Product) -> Result<()> {
    let Sizes { m, k, n } = sizes;
    let form = match like.form {
        Lie::Nn => Form::Nn,
        Lie::Nt => Form::Nt,
        Lie::Tn => Form::Tn,
    };
    let of_a = if form == Form::Tn { [k, m] } else { [m, k] };
    let of_b = if form == Form::Nt { [n, k] } else { [k, n] };
    // What the adapter can't hold is refused before it is drawn.
    let (a_view, b_view) = (gpu.alloc("A", of_a[0], of_a[1])?, gpu.alloc("B", of_b[0], of_b[1])?);
    let c = gpu.alloc("C", m, n)?;
    let (bias_view, pre) = (gpu.alloc("bias", 1, n)?, gpu.alloc("before GELU", m, n)?);
    let mut draw = Draw::keyed("bench", 0, 0, 0);
    // Eighths are what they are in 16 bits, too.
    let mut random = |length: usize| -> Vec<f32> {
        let eighth = |draw: &mut Draw| (draw.between(-0.5, 0.5) * 16.0).round() as f32 / 8.0;
        (0..length).map(|_| eighth(&mut draw)).collect()
    };
    let (a, b, bias) = (random(m * k), random(k * n), random(n));
    for (view, values) in [(&a_view, &a), (&b_view, &b), (&bias_view, &bias)] {
        gpu.write(view, values)?;
    }
    let mut rec = Recorder::new(gpu);
    let bits = like.bits();
    let halves = match bits {
        None => None,
        Some(bits) => {
            let mut half = |wide: &View| -> Result<Half> {
                let words = gpu.alloc("16 bits", 1, wide.len().div_ceil(2))?;
                let half = Half::of(&words, bits, wide.rows, wide.cols)?;
                cast(&mut rec, wide, &half)?;
                Ok(half)
            };
            Some([half(&a_view)?, half(&b_view)?])
        }
    };
    let work = |rec: &mut Recorder| {
        let epilogue = match like.after {
            After::Nothing => Epilogue::Plain,
            After::Bias => Epilogue::Bias(&bias_view),
            After::Gelu => Epilogue::BiasGelu {
                bias: &bias_view,
                pre: Some(&pre),
            },
        };
        match &halves {
            Some([a, b]) => matmul::product16(rec, form, a, b, &c, epilogue),
            None => matmul::product(rec, form, &a_view, &b_view, &c, epilogue),
        }
    };

    work(&mut rec)?;
    let got: Vec<f32> = pollster::block_on(rec.read(&c))?;
    let places = compared(m * n);
    for &at in &places {
        let (row, col) = (at / n, at % n);
        let sum: f64 = (0..k)
            .map(|l| {
                let a = if form == Form::Tn {
                    a[l * m + row]
                } else {
                    a[row * k + l]
                };
                let b = if form == Form::Nt {
                    b[col * k + l]
                } else {
                    b[l * n + col]
                };
                f64::from(a) * f64::from(b)
            })
            .sum();
        let with_bias = sum + f64::from(bias[col]);
        let want = match like.after {
            After::Nothing => sum,
            After::Bias => with_bias,
            After::Gelu => 0.5 * with_bias * (1.0 + libm::erf(with_bias / std::f64::consts::SQRT_2)),
        };
        // Sums of k products of some 1/3: rounding grows like a random walk.
        let off = (f64::from(got[at]) - want).abs();
        if off.is_nan() || off > 1e-6 * (k as f64).sqrt().max(2.0) {
            return Err(Error::run(format!(
                "C[{row}, {col}] of {m}x{k}x{n} is {}, f64 says {want}: nothing was timed; see `ijepa doctor`",
                got[at]
            )));
        }
    }

    let timing = recorded(&mut rec, work)?;
    let cost = matmul::cost_in(bits, m, n, k);
    let way = matmul::way(gpu, bits, form, m, n, k);
    let variant = way.variant().name();
    let [form, after, operands] = [word(like.form), word(like.after), word(like.operands)];
    let (gflops, slowest) = (cost.flops / timing.best / 1e9, cost.flops / timing.worst / 1e9);
    let (operands_of_a, operands_of_b) = (format!("A{of_a:?}"), format!("B{of_b:?}"));
    print(&format!(
        "C[{m}, {n}] of {operands_of_a} and {operands_of_b} in {operands}, form {form}, then {after}, variant {way}, on {}\n\
         {} values agree with f64\n\
         {gflops:.1} GFLOP/s, {:.3} ms: the best of {ROUNDS} rounds of {} (slowest round {slowest:.1})\n",
        gpu.info().name,
        places.len(),
        timing.best * 1e3,
        timing.repeats,
    ))?;
    let line = serde_json::json!({
        "m": m, "k": k, "n": n, "form": form, "after": after, "operands": operands, "variant": variant, "way": way.to_string(),
        "gflops": rounded(gflops), "gflops_slowest": rounded(slowest), "ms": timing.best * 1e3, "repeats": timing.repeats,
        "adapter": gpu.info().name,
    });
    print(&format!("{line}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Whatever the widths have in common with the spread, every column has its turn, and the last value with it.
    #[test]
    fn what_is_compared_lies_all_over_c() {
        for [m, n] in [[1, 1], [5, 3], [33, 33], [66, 33], [1, 89], [63, 1], [64, 30]] {
            let places = compared(m * n);
            let of = |place: fn(usize, usize) -> usize| -> BTreeSet<usize> {
                places.iter().map(|&at| place(at, n)).collect()
            };
            assert_eq!(of(|at, _| at).len(), COMPARED.min(m * n), "{m} x {n}");
            assert!(places.contains(&(m * n - 1)) && places.iter().all(|&at| at < m * n));
            assert!(of(|at, n| at % n).len() > n * 2 / 3, "{m} x {n}: {places:?}");
        }
    }
}
