//! Every kernel on small shapes, one with widths in fours and one without, against its f64 twin.

use super::answer::{Answer, ELEMENTWISE, Exam, f64s, random, sum_of};
use super::losses::{cross_entropy, smooth_l1, variance_covariance};
use super::products::{linear, linear_gradients, linear_in_16_bits};
use super::sequences::{dropped, pooled};
use ijepa::Result;
use ijepa::cpu;
use ijepa::ops::attention::Heads;
use ijepa::ops::layer_norm::{Affine, Saved};
use ijepa::ops::patchify::Pixels;
use ijepa::ops::predictor_tokens::{MASK_TOKEN, Rows};
use ijepa::ops::{self, adamw, attention, gather, gradient_norm, layer_norm};

/// One line of the examination.
pub struct Check {
    pub name: &'static str,
    /// The shaders that it runs, by the names in `ops::KERNELS`; none where the adapter chooses.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the test below proves with it that none is left out")
    )]
    pub kernels: &'static [&'static str],
    /// For tensors of this many columns.
    run: fn(&mut Exam, usize) -> Result<()>,
}

const fn check(name: &'static str, kernels: &'static [&'static str], run: fn(&mut Exam, usize) -> Result<()>) -> Check {
    Check { name, kernels, run }
}

/// In the order of a training step.
pub const CHECKS: &[Check] = &[
    check("patchify", &["patchify"], patchify),
    check("linear layer", &[], linear),
    check("linear layer's gradients", &[], linear_gradients),
    check(
        "linear layer in 16 bits",
        &["cast", "largest", "largest_factors"],
        linear_in_16_bits,
    ),
    check("add_positions", &["add_positions"], add_positions),
    check("layer_norm", &["layer_norm", "layer_norm_subgroup"], norm),
    check(
        "layer_norm's gradients",
        &[
            "layer_norm_backward",
            "layer_norm_backward_weights",
            "layer_norm_subgroup_backward",
        ],
        norm_gradients,
    ),
    check("attention", &["attention", "attention_broadcast"], attend),
    check(
        "attention's gradient",
        &[
            "attention_backward",
            "attention_broadcast_backward",
            "attention_broadcast_scores",
        ],
        attend_gradient,
    ),
    check("gather", &["gather", "gather_backward"], gathered),
    check("predictor_tokens", &["predictor_tokens"], predictor_tokens),
    check("column_sum", &["column_sum"], column_sum),
    check("smooth_l1", &["smooth_l1", "reduce"], smooth_l1),
    check(
        "variance_covariance",
        &["variance_covariance_center", "variance_covariance"],
        variance_covariance,
    ),
    check("drop_path", &["drop_path"], dropped),
    check("mean_pool", &["mean_pool", "mean_pool_backward"], pooled),
    check("cross_entropy", &["cross_entropy"], cross_entropy),
    check(
        "gradient_norm",
        &["gradient_norm", "gradient_norm_check"],
        norm_of_gradients,
    ),
    check("adamw", &["adamw"], update),
    check("sgd", &["sgd"], sgd),
    check(
        "ceiling",
        &["ceiling_copy", "ceiling_arithmetic", "ceiling_fragments"],
        ceiling,
    ),
];

/// More than a workgroup's rows, and in column sums more than one stage's.
pub const ROWS: usize = 130;
/// Columns: not in fours, and in fours.
const COLS: [usize; 2] = [5, 12];
/// Both shapes of a check.
pub fn answers(check: &Check, exam: &mut Exam) -> Result<Vec<Answer>> {
    for cols in COLS {
        (check.run)(exam, cols)?;
    }
    Ok(exam.take())
}

fn patchify(exam: &mut Exam, cols: usize) -> Result<()> {
    let (images, patch) = (2, if cols.is_multiple_of(4) { 4 } else { 5 });
    let size = [2 * patch, 3 * patch];
    let list: Vec<u32> = (0..images as u32 * 6).rev().collect();
    let bytes: Vec<u8> = (0..images * size[0] * size[1] * 3)
        .map(|i| (i * 37 % 256) as u8)
        .collect();
    let floats = random(1, bytes.len());
    let mut words = bytes.clone();
    words.resize(bytes.len().next_multiple_of(4), 0);
    let (rows, width) = (list.len(), 3 * patch * patch);
    let vlist = exam.put(rows, 1, &list)?;
    for (name, kind, pixels, want, allowed) in [
        (
            "patches of bytes",
            Pixels::Bytes,
            exam.put(1, words.len() / 4, &words)?,
            cpu::patchify::from_u8(&bytes, &list, size, patch),
            ELEMENTWISE,
        ),
        (
            "patches of floats",
            Pixels::Floats,
            exam.put(1, floats.len(), &floats)?,
            cpu::patchify::from_f32(&f64s(&floats), &list, size, patch),
            0.0,
        ),
    ] {
        let y = exam.blank(rows, width)?;
        ops::patchify::patchify(&mut exam.rec, kind, &pixels, &vlist, size, patch, &y)?;
        exam.check(name, &y, &want, allowed)?;
    }
    Ok(())
}

fn add_positions(exam: &mut Exam, cols: usize) -> Result<()> {
    let patches = 9;
    let (x, positions) = (random(1, ROWS * cols), random(2, patches * cols));
    let list: Vec<u32> = (0..ROWS as u32).map(|row| row * 7).collect();
    let places: Vec<u32> = list.iter().map(|row| row % patches as u32).collect();
    let vx = exam.put(ROWS, cols, &x)?;
    let (vpositions, vlist) = (exam.put(patches, cols, &positions)?, exam.put(ROWS, 1, &list)?);
    ops::add_positions::add_positions(&mut exam.rec, &vpositions, &vlist, &vx)?;
    let want = cpu::add_positions::add_positions(&f64s(&positions), &places, &f64s(&x), cols);
    exam.check("x", &vx, &want, ELEMENTWISE)
}

/// Rows with a mean that is far from 0, so that a variance in one pass would show.
fn shifted(length: usize) -> Vec<f32> {
    random(1, length).iter().map(|v| v + 3.0).collect()
}

/// The mean's rounding, at values of 3, and some steps behind it.
fn norm_allowed(cols: usize) -> f64 {
    4.0 * sum_of(cols) + ELEMENTWISE
}

fn norm(exam: &mut Exam, cols: usize) -> Result<()> {
    let (x, weight, bias) = (shifted(ROWS * cols), random(2, cols), random(3, cols));
    let vx = exam.put(ROWS, cols, &x)?;
    let affine = Affine {
        weight: exam.put(1, cols, &weight)?,
        bias: exam.put(1, cols, &bias)?,
    };
    let (weight, bias) = (f64s(&weight), f64s(&bias));
    for (name, affine, weight, bias) in [
        ("y", Some(&affine), Some(weight.as_slice()), Some(bias.as_slice())),
        ("y without weight", None, None, None),
    ] {
        let (y, stats) = (exam.blank(ROWS, cols)?, exam.blank(ROWS, 2)?);
        layer_norm::forward(&mut exam.rec, &vx, affine, 1e-6, &y, &stats)?;
        let (want, ..) = cpu::layer_norm::forward(&f64s(&x), weight, bias, ROWS, cols, 1e-6);
        exam.check(name, &y, &want, norm_allowed(cols))?;
    }
    Ok(())
}

fn norm_gradients(exam: &mut Exam, cols: usize) -> Result<()> {
    let (x, weight, dy, start) = (
        shifted(ROWS * cols),
        random(2, cols),
        random(4, ROWS * cols),
        random(5, ROWS * cols),
    );
    let (_, mean, rstd) = cpu::layer_norm::forward(&f64s(&x), None, None, ROWS, cols, 1e-6);
    let stats: Vec<f32> = mean
        .iter()
        .zip(&rstd)
        .flat_map(|(&m, &r)| [m as f32, r as f32])
        .collect();
    let (mean, rstd): (Vec<f64>, Vec<f64>) = stats.chunks(2).map(|s| (f64::from(s[0]), f64::from(s[1]))).unzip();
    let (mut want, dweight, dbias) =
        cpu::layer_norm::backward(&f64s(&dy), &f64s(&x), Some(&f64s(&weight)), &mean, &rstd, ROWS, cols);
    want.iter_mut()
        .zip(&start)
        .for_each(|(dx, &start)| *dx += f64::from(start));

    let (vx, vdy, dx) = (
        exam.put(ROWS, cols, &x)?,
        exam.put(ROWS, cols, &dy)?,
        exam.put(ROWS, cols, &start)?,
    );
    let (vweight, vstats) = (exam.put(1, cols, &weight)?, exam.put(ROWS, 2, &stats)?);
    let gradients = Affine {
        weight: exam.blank(1, cols)?,
        bias: exam.blank(1, cols)?,
    };
    let scratch = exam.blank(1, layer_norm::scratch(exam.gpu().kind(), ROWS, cols))?;
    let saved = Saved {
        dy: &vdy,
        x: &vx,
        stats: &vstats,
    };
    layer_norm::backward(&mut exam.rec, saved, &vweight, &dx, [true, false], &gradients, &scratch)?;
    exam.check("dx", &dx, &want, norm_allowed(cols))?;
    exam.check(
        "dweight",
        &gradients.weight,
        &dweight,
        2.0 * sum_of(ROWS) + norm_allowed(cols),
    )?;
    exam.check("dbias", &gradients.bias, &dbias, 2.0 * sum_of(ROWS))
}

/// Tokens, and channels of a head: of 6 all adapters compute in panels by products and a softmax; some have kernels for the others.
fn sequences(tokens: usize) -> [[usize; 2]; 6] {
    [[tokens, 6], [tokens, 12], [tokens, 8], [tokens, 32], [37, 64], [64, 16]]
}

/// Two images of `tokens` tokens, three heads of `dim` channels.
fn heads(tokens: usize, dim: usize) -> Heads {
    Heads {
        batch: 2,
        tokens,
        heads: 3,
        dim,
    }
}

/// Scores are sums of some 10 products, or of `dim`, outputs of `tokens`; exp is good to 4e-6 where its argument is large.
fn attention_allowed(tokens: usize, dim: usize) -> f64 {
    let products = if dim > 12 { dim } else { 8 };
    2.0 * sum_of(products) + 2.0 * sum_of(tokens) + 4e-6
}

fn attend(exam: &mut Exam, tokens: usize) -> Result<()> {
    for [tokens, dim] in sequences(tokens) {
        let (shape, width) = (heads(tokens, dim), 3 * dim);
        let qkv = random(1, 2 * tokens * 3 * width);
        let vqkv = exam.put(2 * tokens, 3 * width, &qkv)?;
        let (out, stats) = (exam.blank(2 * tokens, width)?, exam.blank(6 * tokens, 2)?);
        let panel = exam.blank(1, attention::panel(exam.gpu().kind(), &shape))?;
        attention::forward(&mut exam.rec, shape, &vqkv, &out, &stats, &panel)?;
        let (want, _) = cpu::attention::forward(&f64s(&qkv), 2, tokens, 3, dim);
        exam.check("out", &out, &want, attention_allowed(tokens, dim))?;
    }
    Ok(())
}

fn attend_gradient(exam: &mut Exam, tokens: usize) -> Result<()> {
    for [tokens, dim] in sequences(tokens) {
        let (shape, width) = (heads(tokens, dim), 3 * dim);
        let (qkv, dout) = (random(1, 2 * tokens * 3 * width), random(2, 2 * tokens * width));
        let (vqkv, vdout) = (
            exam.put(2 * tokens, 3 * width, &qkv)?,
            exam.put(2 * tokens, width, &dout)?,
        );
        let (out, stats) = (exam.blank(2 * tokens, width)?, exam.blank(6 * tokens, 2)?);
        let dqkv = exam.blank(2 * tokens, 3 * width)?;
        let values = attention::panel(exam.gpu().kind(), &shape);
        let panels = [exam.blank(1, values)?, exam.blank(1, values)?];
        attention::forward(&mut exam.rec, shape, &vqkv, &out, &stats, &panels[0])?;
        let [panel, dpanel] = &panels;
        attention::backward(
            &mut exam.rec,
            shape,
            [&vdout, &out],
            &vqkv,
            &stats,
            &dqkv,
            [panel, dpanel],
        )?;
        let want = cpu::attention::backward(&f64s(&dout), &f64s(&qkv), 2, tokens, 3, dim);
        exam.check("dqkv", &dqkv, &want, 2.0 * attention_allowed(tokens, dim))?;
    }
    Ok(())
}

fn gathered(exam: &mut Exam, cols: usize) -> Result<()> {
    let rows = 40;
    // Repeats; row 0 is never listed.
    let list: Vec<u32> = (0..ROWS).map(|i| 1 + (i * 7919 % (rows - 1)) as u32).collect();
    let (x, dy) = (random(1, rows * cols), random(2, ROWS * cols));
    let (vx, vlist, y) = (
        exam.put(rows, cols, &x)?,
        exam.put(ROWS, 1, &list)?,
        exam.blank(ROWS, cols)?,
    );
    gather::forward(&mut exam.rec, &vx, &vlist, &y)?;
    exam.check("y", &y, &cpu::gather::forward(&f64s(&x), &list, cols), 0.0)?;

    let (starts, copies) = gather::invert(&list, rows);
    let (starts, copies) = (exam.put(rows + 1, 1, &starts)?, exam.put(copies.len(), 1, &copies)?);
    let (vdy, dx) = (exam.put(ROWS, cols, &dy)?, exam.blank(rows, cols)?);
    gather::backward(&mut exam.rec, &vdy, &starts, &copies, &dx)?;
    let want = cpu::gather::backward(&f64s(&dy), &list, rows, cols);
    exam.check("dx", &dx, &want, ELEMENTWISE)
}

fn predictor_tokens(exam: &mut Exam, cols: usize) -> Result<()> {
    let (context, patches) = (20, 16);
    let (x, token, positions) = (random(1, context * cols), random(2, cols), random(3, patches * cols));
    let source: Vec<u32> = (0..ROWS)
        .map(|row| match row % 5 {
            3 | 4 => MASK_TOKEN,
            _ => (row * 3 % context) as u32,
        })
        .collect();
    let place: Vec<u32> = (0..ROWS).map(|row| (row * 7 % patches) as u32).collect();
    let (vx, vtoken) = (exam.put(context, cols, &x)?, exam.put(1, cols, &token)?);
    let (vpositions, y) = (exam.put(patches, cols, &positions)?, exam.blank(ROWS, cols)?);
    let rows = Rows {
        source: &exam.put(ROWS, 1, &source)?,
        place: &exam.put(ROWS, 1, &place)?,
    };
    ops::predictor_tokens::forward(&mut exam.rec, &vx, &vtoken, &vpositions, rows, &y)?;
    let want = cpu::predictor_tokens::forward(&f64s(&x), &f64s(&token), &f64s(&positions), &source, &place);
    exam.check("y", &y, &want, ELEMENTWISE)
}

fn column_sum(exam: &mut Exam, cols: usize) -> Result<()> {
    // Around 1, so that no sum comes out near 0 while its terms are not.
    let x: Vec<f32> = random(1, ROWS * cols).iter().map(|v| v + 1.0).collect();
    let (vx, y) = (exam.put(ROWS, cols, &x)?, exam.blank(1, cols)?);
    let scratch = exam.blank(1, ops::column_sum::scratch(exam.gpu().kind(), ROWS, cols))?;
    ops::column_sum::column_sum(&mut exam.rec, &vx, &y, &scratch)?;
    let want = cpu::column_sum::column_sum(&f64s(&x), ROWS, cols);
    exam.check("y", &y, &want, sum_of(ROWS))
}

/// The norm over two tensors, the factor that clips it, and the flag: down after them, up after one that is not finite.
fn norm_of_gradients(exam: &mut Exam, cols: usize) -> Result<()> {
    let lengths = [ROWS * cols, cols];
    let [a, b] = lengths.map(|length| random(length as u64, length));
    let (va, vb) = (exam.put(1, a.len(), &a)?, exam.put(1, b.len(), &b)?);
    let partial = exam.blank(1, gradient_norm::scratch(exam.gpu().kind(), 2, lengths.iter().sum()))?;
    let (results, control) = (exam.put(1, 4, &[0f32; 4])?, exam.put(1, 4, &[0u32; 4])?);
    gradient_norm::sum_of_squares(&mut exam.rec, &[&va, &vb], &partial, &results, 3)?;
    gradient_norm::check(&mut exam.rec, &results, 0, 3, Some(1.0), &control)?;
    let squares = cpu::gradient_norm::sum_of_squares(&[&f64s(&a), &f64s(&b)]);
    let (flag, factor) = cpu::gradient_norm::check(0, 0.0, 0.0, squares, Some(1.0));
    let allowed = sum_of(ROWS * cols);
    exam.check_slot("sum of squares", &results, 3, squares, allowed)?;
    exam.check_bits("flag", &control, 0, flag)?;
    exam.check_slot("clipping factor", &control, 1, factor, allowed + ELEMENTWISE)?;
    for bad in [f32::NAN, f32::INFINITY] {
        let (results, control) = (exam.put(1, 4, &[0.0, 0.0, 0.0, bad])?, exam.put(1, 4, &[0u32; 4])?);
        gradient_norm::check(&mut exam.rec, &results, 0, 3, None, &control)?;
        exam.check_bits("flag of what is not finite", &control, 0, 1)?;
    }
    Ok(())
}

fn update(exam: &mut Exam, cols: usize) -> Result<()> {
    let length = ROWS * cols;
    let small = |seed| -> Vec<f32> { random(seed, length).iter().map(|v| v * v * v * 0.01).collect() };
    let square: Vec<f32> = small(4).iter().map(|v| v * v).collect();
    let start = [random(1, length), small(2), square, random(5, length)];
    let gradients = small(3);
    let step = adamw::Step {
        lr: 3e-3,
        wd: 0.04,
        momentum: 0.996,
        t: 3,
    };
    let theirs = cpu::adamw::Step {
        lr: step.lr,
        wd: step.wd,
        momentum: step.momentum,
        t: step.t,
    };
    let [mut p, mut m, mut v, mut target] = [0, 1, 2, 3].map(|i| f64s(&start[i]));
    cpu::adamw::adamw(theirs, &mut p, &f64s(&gradients), &mut m, &mut v, Some(&mut target));

    // Weights, both means and the target after the update, with the flag as given.
    let vgradients = exam.put(1, length, &gradients)?;
    let updated = |exam: &mut Exam, flag: u32| -> Result<Vec<ijepa::gpu::View>> {
        let mut views = vec![];
        for values in &start {
            views.push(exam.put(1, length, values)?);
        }
        let control = exam.put(1, 4, &[flag, 1f32.to_bits(), 0, 0])?;
        let tensors = adamw::Tensors {
            weights: &views[0],
            gradients: &vgradients,
            mean: &views[1],
            square: &views[2],
            target: Some(&views[3]),
        };
        adamw::adamw(&mut exam.rec, step, tensors, &control)?;
        Ok(views)
    };
    let wanted = [("weights", p), ("mean", m), ("square", v), ("target", target)];
    for (view, (name, want)) in updated(exam, 0)?.iter().zip(wanted) {
        exam.check(name, view, &want, ELEMENTWISE)?;
    }
    // Once more with the flag up: nothing may change.
    for (view, values) in updated(exam, 1)?.iter().zip(&start) {
        exam.check("what the flag protects", view, &f64s(values), 0.0)?;
    }
    Ok(())
}

/// Two heads, of which one does not decay.
fn sgd(exam: &mut Exam, cols: usize) -> Result<()> {
    let length = ROWS * cols;
    let (g, p, v, settings) = (
        random(1, length),
        random(2, length),
        random(3, length),
        [0.1, 0.01, 0.3, 0.0f32],
    );
    let (momentum, schedule, decays) = (0.9, 0.5, true);
    let (vg, vsettings) = (exam.put(ROWS, cols, &g)?, exam.put(2, 2, &settings)?);
    let (vp, vv) = (exam.put(ROWS, cols, &p)?, exam.put(ROWS, cols, &v)?);
    let step = ops::sgd::Step {
        momentum,
        schedule,
        decays,
    };
    ops::sgd::sgd(&mut exam.rec, step, &vg, &vsettings, &vp, &vv)?;
    let theirs = cpu::sgd::Step {
        momentum,
        schedule,
        decays,
    };
    let (mut p, mut v, s) = (f64s(&p), f64s(&v), f64s(&settings));
    cpu::sgd::sgd(theirs, &f64s(&g), &[[s[0], s[1]], [s[2], s[3]]], &mut p, &mut v);
    exam.check("weights", &vp, &p, ELEMENTWISE)?;
    exam.check("velocity", &vv, &v, ELEMENTWISE)
}

/// What `ijepa bench` measures an adapter's ceilings with.
fn ceiling(exam: &mut Exam, cols: usize) -> Result<()> {
    let x = random(1, ROWS * cols);
    let (from, to) = (exam.put(ROWS, cols, &x)?, exam.blank(ROWS, cols)?);
    ops::ceiling::copy(&mut exam.rec, &from, &to)?;
    exam.check("copy", &to, &f64s(&x), 0.0)?;
    let lanes = exam.rec.gpu().lanes() as usize;
    let y = exam.blank(2 * lanes, 4)?;
    ops::ceiling::arithmetic(&mut exam.rec, &y, cols as u32, (0.75, 0.5))?;
    exam.check(
        "sums",
        &y,
        &cpu::ceiling::arithmetic(2, lanes, cols, 0.75, 0.5),
        ELEMENTWISE,
    )?;
    let Some(units) = exam.rec.gpu().units() else {
        return Ok(());
    };
    let side = units.side as usize;
    let y = exam.blank(4, side * side)?;
    ops::ceiling::fragments(&mut exam.rec, &y, 2, 3, (0.5, 0.25))?;
    exam.check(
        "fragments",
        &y,
        &cpu::ceiling::fragments(side, 2, 3, 0.5, 0.25).repeat(4),
        ELEMENTWISE,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_kernel_is_left_out() {
        let products = [
            "matmul_any",
            "matmul_tile",
            "matmul_broadcast",
            "matmul_broadcast_tn",
            "matmul_broadcast_odd",
            "matmul_broadcast_values",
            "matmul_quad",
            "matmul_fragments", // where there are matrix units
        ];
        let examined: BTreeSet<&str> = CHECKS
            .iter()
            .flat_map(|check| check.kernels)
            .copied()
            .chain(products)
            .collect();
        let all: BTreeSet<&str> = ops::KERNELS.iter().map(|kernel| kernel.name).collect();
        assert_eq!(examined, all);
    }
}
