//! Losses and their gradients.

use super::answer::{ELEMENTWISE, Exam, f64s, random, sum_of};
use super::kernels::ROWS;
use ijepa::Result;
use ijepa::cpu;
use ijepa::ops;
use ijepa::ops::variance_covariance::Scratch;

pub fn smooth_l1(exam: &mut Exam, cols: usize) -> Result<()> {
    let (p, t) = (random(1, ROWS * cols), random(2, ROWS * cols));
    let (vp, vt) = (exam.put(ROWS, cols, &p)?, exam.put(ROWS, cols, &t)?);
    let (gradient, results) = (exam.blank(ROWS, cols)?, exam.blank(1, 3)?);
    let partial = exam.blank(1, ops::smooth_l1::scratch(exam.gpu().kind(), ROWS, cols))?;
    ops::smooth_l1::smooth_l1(&mut exam.rec, &vp, &vt, &gradient, &partial, &results, 1)?;
    let (p, t) = (f64s(&p), f64s(&t));
    exam.check_slot(
        "loss",
        &results,
        1,
        cpu::smooth_l1::forward(&p, &t),
        sum_of(ROWS * cols),
    )?;
    exam.check("gradient", &gradient, &cpu::smooth_l1::backward(&p, &t), ELEMENTWISE)
}

pub fn variance_covariance(exam: &mut Exam, width: usize) -> Result<()> {
    // Deviations on both sides of 1, means of some size.
    let mut z = random(1, ROWS * width);
    for (i, value) in z.iter_mut().enumerate() {
        let channel = i % width;
        *value = *value * [0.1, 0.3, 0.8, 1.6][channel % 4] + 0.5 * (channel % 3) as f32;
    }
    let (vz, dz, results) = (
        exam.put(ROWS, width, &z)?,
        exam.put(ROWS, width, &vec![0f32; ROWS * width])?,
        exam.blank(1, 3)?,
    );
    let values = ops::variance_covariance::scratch(exam.gpu().kind(), ROWS, width);
    let scratch = Scratch {
        centred: &exam.blank(ROWS, width)?,
        sums: &exam.blank(1, width)?,
        products: &exam.blank(width, width)?,
        g: &exam.blank(width, width)?,
        partial: &exam.blank(1, values)?,
    };
    let (a, b) = (0.7, 0.3);
    ops::variance_covariance::variance_covariance(&mut exam.rec, &vz, (a, b), &dz, scratch, &results, 1)?;
    let z = f64s(&z);
    let (want, ..) = cpu::variance_covariance::forward(&z, ROWS, width, a, b);
    let allowed = 2.0 * sum_of(ROWS) + 2.0 * sum_of(width);
    exam.check_slot("terms", &results, 1, want, allowed)?;
    let want = cpu::variance_covariance::backward(&z, ROWS, width, a, b);
    exam.check("gradient", &dz, &want, allowed)
}

/// Two heads with soft targets that they share.
pub fn cross_entropy(exam: &mut Exam, cols: usize) -> Result<()> {
    let (heads, scale) = (2, 0.25);
    let z: Vec<f32> = random(1, ROWS * cols).iter().map(|v| 3.0 * v).collect();
    let mut t: Vec<f32> = random(2, ROWS / heads * cols).iter().map(|v| v.exp()).collect();
    for row in t.chunks_mut(cols) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
    let (vz, vt) = (exam.put(ROWS, cols, &z)?, exam.put(ROWS / heads, cols, &t)?);
    let (losses, gradient) = (exam.blank(ROWS, 1)?, exam.blank(ROWS, cols)?);
    ops::cross_entropy::cross_entropy(&mut exam.rec, &vz, &vt, scale, &losses, &gradient)?;
    let (z, t) = (f64s(&z), f64s(&t));
    let allowed = 2.0 * sum_of(cols) + 2.0 * ELEMENTWISE;
    exam.check(
        "losses",
        &losses,
        &cpu::cross_entropy::forward(&z, &t, ROWS, cols, heads),
        allowed,
    )?;
    let want = cpu::cross_entropy::backward(&z, &t, ROWS, cols, heads, scale);
    exam.check("gradient", &gradient, &want, allowed)
}
