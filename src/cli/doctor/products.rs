//! Matrix products: in all forms by each variant, and with what a linear layer fuses to them.

use super::answer::{Answer, ELEMENTWISE, Exam, f64s, random, sum_of};
use ijepa::Result;
use ijepa::cpu;
use ijepa::ops::matmul::{self, Epilogue, Form, Variant, variant};

/// Every variant of the matrix product, whether or not the adapter chooses it.
pub const VARIANTS: [Variant; 4] = [Variant::Any, Variant::Tile, Variant::Broadcast, Variant::Quad];

/// Rows that are no multiple of a tile, and the length of sums: in fours where the columns are.
fn sizes(cols: usize) -> (usize, usize) {
    (37, if cols.is_multiple_of(4) { 36 } else { 33 })
}

/// A, B and C = A·B, A·Bᵀ or Aᵀ·B in all forms by one variant; `None` where the adapter can't run it.
pub fn products(wanted: Variant, exam: &mut Exam) -> Option<Result<Vec<Answer>>> {
    let (m, n, k) = (36, 12, 20);
    let forms = [Form::Nn, Form::Nt, Form::Tn];
    if forms.iter().any(|&form| variant(exam.gpu(), form, m, n, k) != wanted) {
        return None;
    }
    let run = |exam: &mut Exam| {
        for form in forms {
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
