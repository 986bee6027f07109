//! Matrix products: in all forms by each variant, and with what a linear layer fuses to them.

use super::answer::{Answer, ELEMENTWISE, Exam, f64s, random, sum_of};
use ijepa::Result;
use ijepa::cpu;
use ijepa::gpu::Gpu;
use ijepa::ops::cast::{Bits, Half, cast, cast_scaled};
use ijepa::ops::fragments::try_units;
use ijepa::ops::largest;
use ijepa::ops::matmul::{self, Epilogue, Form, Variant, variant};

/// Every variant of the matrix product, whether or not the adapter chooses it.
pub const VARIANTS: [Variant; 4] = [Variant::Any, Variant::Tile, Variant::Broadcast, Variant::Quad];

/// Rows that are no multiple of a tile, and the length of sums: in fours where the columns are.
fn sizes(cols: usize) -> (usize, usize) {
    (37, if cols.is_multiple_of(4) { 36 } else { 33 })
}

/// What becomes of f16 on this adapter's matrix units; `None` where it offers none.
pub fn matrix_units(gpu: &Gpu) -> Option<Result<String>> {
    let units = gpu.units_offered()?;
    let tried = pollster::block_on(try_units(gpu));
    Some(tried.map(|wrong| wrong.unwrap_or_else(|| format!("right, fragments of {}", units.side))))
}

/// A, B and C = A·B, A·Bᵀ or Aᵀ·B in all forms by one variant; `None` where the adapter can't run it.
pub fn products(wanted: Variant, exam: &mut Exam) -> Option<Result<Vec<Answer>>> {
    // In fours, and with no length in fours.
    let sizes = [[36, 12, 20], [35, 33, 34]].into_iter();
    let all = sizes.flat_map(|sizes| [Form::Nn, Form::Nt, Form::Tn].map(|form| (form, sizes)));
    let can: Vec<_> = all
        .filter(|&(form, [m, n, k])| variant(exam.gpu(), form, m, n, k) == wanted)
        .collect();
    if can.is_empty() {
        return None;
    }
    let run = |exam: &mut Exam| {
        for (form, [m, n, k]) in can {
            product(exam, form, m, n, k)?;
        }
        Ok(exam.take())
    };
    Some(run(exam))
}

fn product(exam: &mut Exam, form: Form, m: usize, n: usize, k: usize) -> Result<()> {
    let (a, b) = (random(1, m * k), random(2, k * n));
    let (wide_a, wide_b) = (f64s(&a), f64s(&b));
    let (name, [ar, ac, br, bc], want) = match form {
        Form::Nn => ("A·B", [m, k, k, n], cpu::matmul::nn(&wide_a, &wide_b, m, k, n)),
        Form::Nt => ("A·Bᵀ", [m, k, n, k], cpu::matmul::nt(&wide_a, &wide_b, m, k, n)),
        Form::Tn => ("Aᵀ·B", [k, m, k, n], cpu::matmul::tn(&wide_a, &wide_b, m, k, n)),
    };
    let (a, b, c) = (exam.put(ar, ac, &a)?, exam.put(br, bc, &b)?, exam.blank(m, n)?);
    matmul::product(&mut exam.rec, form, &a, &b, &c, Epilogue::Plain)?;
    exam.check(name, &c, &want, sum_of(k))
}

/// With all that is fused to it: bias, GELU, the residual stream.
pub fn linear(exam: &mut Exam, n: usize) -> Result<()> {
    let (m, k) = sizes(n);
    let (x, w, bias, stream) = (random(1, m * k), random(2, n * k), random(3, n), random(4, m * n));
    let mut sums = cpu::matmul::nt(&f64s(&x), &f64s(&w), m, k, n);
    sums.iter_mut()
        .enumerate()
        .for_each(|(i, sum)| *sum += f64::from(bias[i % n]));
    let (vx, vw) = (exam.put(m, k, &x)?, exam.put(n, k, &w)?);
    let (vbias, vstream) = (exam.put(1, n, &bias)?, exam.put(m, n, &stream)?);

    let y = exam.blank(m, n)?;
    matmul::product(&mut exam.rec, Form::Nt, &vx, &vw, &y, Epilogue::Bias(&vbias))?;
    exam.check("with bias", &y, &sums, sum_of(k))?;

    let (y, pre) = (exam.blank(m, n)?, exam.blank(m, n)?);
    let gelu = Epilogue::BiasGelu {
        bias: &vbias,
        pre: Some(&pre),
    };
    matmul::product(&mut exam.rec, Form::Nt, &vx, &vw, &y, gelu)?;
    exam.check("before GELU", &pre, &sums, sum_of(k))?;
    exam.check("after GELU", &y, &cpu::gelu::forward(&sums), sum_of(k) + ELEMENTWISE)?;
    let y = exam.blank(m, n)?;
    let gelu = Epilogue::BiasGelu {
        bias: &vbias,
        pre: None,
    };
    matmul::product(&mut exam.rec, Form::Nt, &vx, &vw, &y, gelu)?;
    exam.check("GELU alone", &y, &cpu::gelu::forward(&sums), sum_of(k) + ELEMENTWISE)?;

    let y = exam.blank(m, n)?;
    let residual = Epilogue::BiasResidual {
        bias: &vbias,
        x: &vstream,
    };
    matmul::product(&mut exam.rec, Form::Nt, &vx, &vw, &y, residual)?;
    let want: Vec<f64> = sums.iter().zip(&stream).map(|(sum, &x)| sum + f64::from(x)).collect();
    exam.check("with residual", &y, &want, sum_of(k))
}

pub fn linear_gradients(exam: &mut Exam, n: usize) -> Result<()> {
    let (m, k) = sizes(n);
    product(exam, Form::Tn, k, n, m)?;
    product(exam, Form::Nn, m, n, k)?;
    let (dy, w, pre) = (random(1, m * k), random(2, k * n), random(3, m * n));
    let sums = cpu::matmul::nn(&f64s(&dy), &f64s(&w), m, k, n);
    let (vdy, vw, vpre) = (exam.put(m, k, &dy)?, exam.put(k, n, &w)?, exam.put(m, n, &pre)?);

    let dx = exam.blank(m, n)?;
    let gelu = Epilogue::GeluBackward { pre: &vpre };
    matmul::product(&mut exam.rec, Form::Nn, &vdy, &vw, &dx, gelu)?;
    let want = cpu::gelu::backward(&sums, &f64s(&pre));
    exam.check("through GELU", &dx, &want, sum_of(k) + ELEMENTWISE)?;

    let dx = exam.put(m, n, &pre)?;
    matmul::product(&mut exam.rec, Form::Nn, &vdy, &vw, &dx, Epilogue::Accumulate)?;
    let want: Vec<f64> = sums.iter().zip(&pre).map(|(sum, &x)| sum + f64::from(x)).collect();
    exam.check("added to what is there", &dx, &want, sum_of(k))
}

/// In 16 bits of either kind: a linear layer, and the gradient of its input.
pub fn linear_in_16_bits(exam: &mut Exam, n: usize) -> Result<()> {
    let (m, k) = sizes(n);
    for (bits, names, round) in [
        (Bits::Bf16, ["bf16", "bf16 gradient"], cpu::cast::bf16 as fn(f64) -> f64),
        (Bits::F16, ["f16", "f16 gradient, scaled"], cpu::cast::f16),
    ] {
        let rounded =
            |x: &[f32], factor: f64| -> Vec<f64> { f64s(x).into_iter().map(|x| round(x * factor) / factor).collect() };
        let (x, w, bias) = (random(1, m * k), random(2, n * k), random(3, n));
        // As small as gradients are: below what f16 has.
        let dy: Vec<f32> = random(4, m * n).into_iter().map(|x| x * 1e-12).collect();
        let half = |exam: &mut Exam, rows: usize, cols: usize| -> Result<Half> {
            Half::of(&exam.blank(1, (rows * cols).div_ceil(2))?, bits, rows, cols)
        };
        let (vx, vw, vdy) = (exam.put(m, k, &x)?, exam.put(n, k, &w)?, exam.put(m, n, &dy)?);
        let (hx, hw, hdy) = (half(exam, m, k)?, half(exam, n, k)?, half(exam, m, n)?);
        cast(&mut exam.rec, &vx, &hx)?;
        cast(&mut exam.rec, &vw, &hw)?;
        let mut sums = cpu::matmul::nt(&rounded(&x, 1.0), &rounded(&w, 1.0), m, k, n);
        sums.iter_mut()
            .enumerate()
            .for_each(|(i, sum)| *sum += f64::from(bias[i % n]));
        let (y, vbias) = (exam.blank(m, n)?, exam.put(1, n, &bias)?);
        matmul::product16(&mut exam.rec, Form::Nt, &hx, &hw, &y, Epilogue::Bias(&vbias))?;
        exam.check(names[0], &y, &sums, sum_of(k))?;

        let (hdy, factor) = match bits {
            Bits::Bf16 => {
                cast(&mut exam.rec, &vdy, &hdy)?;
                (hdy, 1.0)
            }
            Bits::F16 => {
                let partial = exam.blank(1, largest::scratch(exam.gpu().kind(), m * n))?;
                let factors = exam.blank(1, largest::FACTORS_LEN)?;
                let factor = cpu::largest::factor(&f64s(&dy));
                (cast_scaled(&mut exam.rec, &vdy, hdy, &partial, &factors)?, factor)
            }
        };
        let dx = exam.blank(m, k)?;
        matmul::product16(&mut exam.rec, Form::Nn, &hdy, &hw, &dx, Epilogue::Plain)?;
        let want = cpu::matmul::nn(&rounded(&dy, factor), &rounded(&w, 1.0), m, n, k);
        exam.check(names[1], &dx, &want, sum_of(n))?;
    }
    Ok(())
}
