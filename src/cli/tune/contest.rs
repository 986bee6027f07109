//! One product computed in every way that the adapter has, checked against f64, then timed in turn.

use super::super::bench::timing::{Timing, enough, in_turn};
use ijepa::Result;
use ijepa::gpu::{Gpu, Recorder, View};
use ijepa::model::products::Products;
use ijepa::ops::cast::{Bits, Half, cast};
use ijepa::ops::matmul::{self, Epilogue, Form, Variant};
use ijepa::ops::ways::{Way, ways};
use std::time::Instant;

/// Values of C that are compared with f64, its corners among them.
const COMPARED: usize = 64;
/// Seconds of a round at most: longer ones tell no more.
const ROUND: f64 = 0.1;
/// A way that takes so many times the default's time is not timed further.
const HOPELESS: f64 = 2.0;
/// Values that are made and written at once.
const PART: usize = 1 << 22;

/// A way that was timed.
#[derive(Clone, Copy)]
pub struct Timed {
    pub way: Way,
    pub timing: Timing,
}

/// What came of a product.
pub struct Outcome {
    pub default: Timed,
    /// What is faster than the default beyond noise, if anything is.
    pub winner: Option<Timed>,
    /// Ways that were checked, the default among them.
    pub tried: usize,
    /// Ways whose results were wrong.
    pub wrong: Vec<Way>,
}

struct Contest<'a> {
    rec: Recorder,
    product: &'a Products,
    operands: Operands,
    c: View,
    /// What is read to wait for all that was recorded; a value that is no number; values out of C.
    flag: View,
    poison: View,
    sample: View,
    places: Vec<usize>,
    want: Vec<f64>,
}

/// A and B.
enum Operands {
    Wide([View; 2]),
    Half([Half; 2]),
}

/// `None` where the time until `end`, which `left` products share, this one among them, was too short for it. Checking is not
/// shared: the first product of a form makes the pipelines of all.
///
/// Errors: run, where the default's own result is wrong.
pub fn run(gpu: &Gpu, bits: Option<Bits>, product: &Products, end: Instant, left: usize) -> Result<Option<Outcome>> {
    let Products { form, m, n, k, .. } = *product;
    let mut contest = Contest::new(gpu, bits, product)?;
    let default = matmul::default_way(gpu, bits, form, m, n, k);
    let others = ways(gpu, bits).filter(|&way| way != default && matmul::may(gpu, way, bits, form, m, n, k));
    let mut ways = vec![];
    let checked_until = share(end, 2);
    let (mut wrong, mut first, mut tried) = (vec![], 0.0, 0);
    for way in std::iter::once(default).chain(others) {
        if Instant::now() >= checked_until {
            break;
        }
        tried += 1;
        if !contest.right(way)? {
            if way == default {
                let text = format!(
                    "{way} computes {} wrongly here: see `ijepa doctor`",
                    super::name(product)
                );
                return Err(ijepa::Error::run(text));
            }
            wrong.push(way);
            continue;
        }
        let began = Instant::now();
        contest.repeat(way, 1)?;
        let seconds = began.elapsed().as_secs_f64();
        if way == default {
            first = seconds;
        }
        if seconds <= HOPELESS * first {
            ways.push(way);
        }
    }
    let until = share(end, left);
    let time = until.saturating_duration_since(Instant::now()).as_secs_f64();
    // Some of it finds out how many repeats a round takes, and the rounds have to end in time.
    let seconds = (time / 10.0 / ways.len().max(1) as f64).min(ROUND);
    let mut repeats = vec![];
    for &way in &ways {
        if Instant::now() >= until {
            return Ok(None);
        }
        repeats.push(enough(seconds, &mut |repeats| contest.repeat(way, repeats))?);
    }
    let timings = in_turn(&repeats, until, |i, repeats| contest.repeat(ways[i], repeats))?;
    let Some(timings) = timings else { return Ok(None) };
    let mut timed = ways.iter().zip(timings).map(|(&way, timing)| Timed { way, timing });
    let Some(default) = timed.next() else { return Ok(None) };
    let winner = timed
        .filter(|one| one.timing.beats(&default.timing))
        .min_by(|a, b| a.timing.best.total_cmp(&b.timing.best));
    Ok(Some(Outcome {
        default,
        winner,
        tried,
        wrong,
    }))
}

impl<'a> Contest<'a> {
    fn new(gpu: &Gpu, bits: Option<Bits>, product: &'a Products) -> Result<Contest<'a>> {
        let Products { form, m, n, k, .. } = *product;
        let [[ar, ac], [br, bc]] = match form {
            Form::Nn => [[m, k], [k, n]],
            Form::Nt => [[m, k], [n, k]],
            Form::Tn => [[k, m], [k, n]],
        };
        gpu.reclaim()?; // what the product before it took
        let corners = [0, n - 1, (m - 1) * n, m * n - 1];
        let scattered = (0..).map(|i: u64| (hash(i, 3) % (m * n) as u64) as usize);
        let places: Vec<usize> = corners.into_iter().chain(scattered).take(COMPARED).collect();
        let want = places.iter().map(|&at| expected(product, at / n, at % n)).collect();
        let mut rec = Recorder::new(gpu);
        let (a, b) = (filled(gpu, "A", 1, ar, ac)?, filled(gpu, "B", 2, br, bc)?);
        let operands = match bits {
            None => Operands::Wide([a, b]),
            Some(bits) => Operands::Half([narrow(&mut rec, bits, &a)?, narrow(&mut rec, bits, &b)?]),
        };
        Ok(Contest {
            rec,
            product,
            operands,
            c: gpu.alloc("C", m, n)?,
            flag: gpu.alloc("waited for", 1, 1)?,
            poison: gpu.upload("no number", 1, 1, &[f32::NAN])?,
            sample: gpu.alloc("values of C", COMPARED, 1)?,
            places,
            want,
        })
    }

    /// Computes it so often, and waits for the last.
    fn repeat(&mut self, way: Way, repeats: usize) -> Result<()> {
        for _ in 0..repeats {
            self.record(way)?;
        }
        pollster::block_on(self.rec.read::<u32>(&self.flag)).map(drop)
    }

    fn record(&mut self, way: Way) -> Result<()> {
        let form = self.product.form;
        match &self.operands {
            Operands::Wide([a, b]) => matmul::product_by(&mut self.rec, way, form, [a, b, &self.c], Epilogue::Plain),
            Operands::Half([a, b]) => matmul::product16_by(&mut self.rec, way, form, [a, b], &self.c),
        }
    }

    /// Whether values of C that were no numbers before agree with f64.
    fn right(&mut self, way: Way) -> Result<bool> {
        for &at in &self.places {
            self.rec.copy(&self.poison, &self.c.rows_from(at, 1, 1)?)?;
        }
        self.record(way)?;
        for (i, &at) in self.places.iter().enumerate() {
            self.rec
                .copy(&self.c.rows_from(at, 1, 1)?, &self.sample.rows_from(i, 1, 1)?)?;
        }
        let got: Vec<f32> = pollster::block_on(self.rec.read(&self.sample))?;
        Ok(agree(way, &got, &self.want, self.product.k))
    }
}

/// Sums of k products of some 1/12: rounding grows like a random walk. Matrix units cut off what others round.
fn agree(way: Way, got: &[f32], want: &[f64], k: usize) -> bool {
    let each = if way.variant() == Variant::Fragments {
        1e-4
    } else {
        1e-6
    };
    let allowed = each * (k as f64).sqrt().max(2.0);
    got.len() == want.len()
        && got
            .iter()
            .zip(want)
            .all(|(&got, want)| (f64::from(got) - want).abs() <= allowed)
}

fn expected(product: &Products, row: usize, column: usize) -> f64 {
    let Products { form, m, n, k, .. } = *product;
    let term = |l: usize| {
        let a = if form == Form::Tn { l * m + row } else { row * k + l };
        let b = if form == Form::Nt {
            column * k + l
        } else {
            l * n + column
        };
        f64::from(value(1, a)) * f64::from(value(2, b))
    };
    (0..k).map(term).sum()
}

fn hash(i: u64, seed: u64) -> u64 {
    let mixed = (i ^ (seed << 56)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20
}

/// Value `i` of an operand, in [-0.5, 0.5): made where it is needed, since operands may be larger than what is kept here. It has
/// eight bits, as many as the narrowest operands hold.
fn value(seed: u64, i: usize) -> f32 {
    (hash(i as u64, seed) % 256) as f32 / 256.0 - 0.5
}

/// The same values in 16 bits.
fn narrow(rec: &mut Recorder, bits: Bits, wide: &View) -> Result<Half> {
    let memory = rec.gpu().alloc("operand in 16 bits", 1, wide.len().div_ceil(2))?;
    let half = Half::of(&memory, bits, wide.rows, wide.cols)?;
    cast(rec, wide, &half)?;
    Ok(half)
}

fn filled(gpu: &Gpu, name: &str, seed: u64, rows: usize, cols: usize) -> Result<View> {
    let view = gpu.alloc(name, rows, cols)?;
    let step = (PART / cols.max(1)).max(1);
    for first in (0..rows).step_by(step) {
        let now = step.min(rows - first);
        let values: Vec<f32> = (first * cols..(first + now) * cols).map(|i| value(seed, i)).collect();
        gpu.write(&view.rows_from(first, now, cols)?, &values)?;
        gpu.reclaim()?;
    }
    Ok(view)
}

/// When the first of `left` has to be done, if all are to have the same share of what time there is.
fn share(end: Instant, left: usize) -> Instant {
    let now = Instant::now();
    now + end.saturating_duration_since(now) / left.max(1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_seen() {
        let want = [1.0, -2.0];
        let agree = |got: &[f32]| agree(Way::Any, got, &want, 100);
        assert!(agree(&[1.0, -2.0]));
        assert!(!agree(&[1.0, -2.0001]));
        assert!(!agree(&[f32::NAN, -2.0]));
        assert!(!agree(&[1.0]));
    }

    #[test]
    fn operands_are_spread_evenly_about_zero() {
        let values: Vec<f32> = (0..100_000).map(|i| value(1, i)).collect();
        let mean = values.iter().sum::<f32>() / 1e5;
        let square = values.iter().map(|v| v * v).sum::<f32>() / 1e5;
        assert!(
            mean.abs() < 3e-3 && (square - 1.0 / 12.0).abs() < 1e-3,
            "{mean} {square}"
        );
        assert!(values.iter().all(|v| (-0.5..0.5).contains(v)));
        assert_ne!(value(1, 0), value(2, 0));
    }
}
