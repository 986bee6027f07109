//! What a classifier has beside a step of pretraining: means over sequences, and branches that are dropped for some of them.

use super::answer::{ELEMENTWISE, Exam, f64s, random, sum_of};
use super::kernels::ROWS;
use ijepa::Result;
use ijepa::cpu;
use ijepa::ops::{drop_path, mean_pool};

/// Tokens of a sequence.
const TOKENS: usize = 13;

pub fn pooled(exam: &mut Exam, cols: usize) -> Result<()> {
    let x: Vec<f32> = random(1, ROWS * cols).iter().map(|v| v + 1.0).collect();
    let dy = random(2, ROWS / TOKENS * cols);
    let (vx, y) = (exam.put(ROWS, cols, &x)?, exam.blank(ROWS / TOKENS, cols)?);
    mean_pool::forward(&mut exam.rec, &vx, &y)?;
    exam.check(
        "y",
        &y,
        &cpu::mean_pool::forward(&f64s(&x), TOKENS, cols),
        sum_of(TOKENS),
    )?;
    let (vdy, dx) = (exam.put(ROWS / TOKENS, cols, &dy)?, exam.blank(ROWS, cols)?);
    mean_pool::backward(&mut exam.rec, &vdy, &dx)?;
    let want = cpu::mean_pool::backward(&f64s(&dy), TOKENS, cols);
    exam.check("dx", &dx, &want, ELEMENTWISE)
}

pub fn dropped(exam: &mut Exam, cols: usize) -> Result<()> {
    let (branch, shortcut) = (random(1, ROWS * cols), random(2, ROWS * cols));
    let scales: Vec<f32> = (0..ROWS / TOKENS)
        .map(|i| if i % 3 == 1 { 0.0 } else { 1.25 })
        .collect();
    let (vbranch, vshortcut) = (exam.put(ROWS, cols, &branch)?, exam.put(ROWS, cols, &shortcut)?);
    let (vscales, y) = (exam.put(scales.len(), 1, &scales)?, exam.blank(ROWS, cols)?);
    drop_path::forward(&mut exam.rec, &vbranch, &vscales, &vshortcut, &y)?;
    let (branch, scales) = (f64s(&branch), f64s(&scales));
    let want = cpu::drop_path::forward(&branch, &scales, &f64s(&shortcut));
    exam.check("y", &y, &want, ELEMENTWISE)?;
    let dbranch = exam.blank(ROWS, cols)?;
    drop_path::backward(&mut exam.rec, &vbranch, &vscales, &dbranch)?;
    exam.check(
        "dbranch",
        &dbranch,
        &cpu::drop_path::backward(&branch, &scales),
        ELEMENTWISE,
    )
}
