//! What the GPU answers beside what f64 says.

use ijepa::Result;
use ijepa::data::draw::Draw;
use ijepa::gpu::{Gpu, Recorder, View};

/// One tensor, compared.
#[derive(Debug)]
pub struct Answer {
    /// The largest error, relative to the value or to the tensor's root mean square, whichever is larger; infinite where
    /// something is not a number.
    pub error: f64,
    pub allowed: f64,
    /// Where it is wrong and how far, if it is.
    pub wrong: Option<String>,
}

impl Answer {
    pub fn ratio(&self) -> f64 {
        self.error / self.allowed.max(1e-30)
    }
}

/// Compares value by value; `cols` is for the message.
pub fn compare(name: &str, cols: usize, got: &[f32], want: &[f64], allowed: f64) -> Answer {
    let rms = (want.iter().map(|w| w * w).sum::<f64>() / want.len().max(1) as f64).sqrt();
    let errors = got.iter().zip(want).map(|(&g, &w)| {
        let off = (f64::from(g) - w).abs();
        match off == 0.0 {
            true => 0.0,
            false if off.is_nan() => f64::INFINITY,
            false => off / w.abs().max(rms).max(1e-30),
        }
    });
    let errors: Vec<f64> = errors.collect();
    let worst = (0..errors.len()).max_by(|&a, &b| errors[a].total_cmp(&errors[b]));
    let wrong = match worst {
        _ if got.len() != want.len() => Some(format!("{name}: {} values, f64 has {}", got.len(), want.len())),
        Some(at) if errors[at] > allowed => Some(format!(
            "{name}[{}, {}] is {}, f64 says {}; {} of {} values are wrong",
            at / cols.max(1),
            at % cols.max(1),
            got[at],
            want[at],
            errors.iter().filter(|&&error| error > allowed).count(),
            want.len()
        )),
        _ => None,
    };
    let error = match got.len() == want.len() {
        true => worst.map_or(0.0, |at| errors[at]),
        false => f64::INFINITY,
    };
    Answer { error, allowed, wrong }
}

/// Compares as a whole: the distance's L2 norm relative to the answer's.
pub fn distance(name: &str, got: &[f64], want: &[f64], allowed: f64) -> Answer {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let off = norm(&mut got.iter().zip(want).map(|(g, w)| g - w));
    let error = off / (norm(&mut want.iter().copied()) + 1e-30);
    let error = if error.is_nan() || got.len() != want.len() {
        f64::INFINITY
    } else {
        error
    };
    let wrong = (error > allowed).then(|| format!("{name} is off by {error:.1e} of its size"));
    Answer { error, allowed, wrong }
}

/// What f32 sums of `length` products may be off: rounding grows like a random walk, 6e-8 a step; four times that for
/// the worst of many values.
pub fn sum_of(length: usize) -> f64 {
    2.5e-7 * (length as f64).sqrt().max(2.0)
}

/// Element-wise work: a handful of roundings, and driver functions (exp, sqrt) of some 1e-7.
pub const ELEMENTWISE: f64 = 2e-6;

/// A recorder and what it has answered so far.
pub struct Exam {
    pub rec: Recorder,
    answers: Vec<Answer>,
}

impl Exam {
    pub fn new(gpu: &Gpu) -> Exam {
        Exam {
            rec: Recorder::new(gpu),
            answers: vec![],
        }
    }

    pub fn gpu(&self) -> &Gpu {
        self.rec.gpu()
    }

    pub fn put<T: bytemuck::Pod>(&self, rows: usize, cols: usize, values: &[T]) -> Result<View> {
        self.gpu().upload("examined", rows, cols, values)
    }

    /// An output or scratch memory: full of NaN, which a kernel must overwrite before it reads.
    pub fn blank(&self, rows: usize, cols: usize) -> Result<View> {
        self.put(rows, cols, &vec![f32::NAN; rows * cols])
    }

    pub fn get(&mut self, view: &View) -> Result<Vec<f32>> {
        pollster::block_on(self.rec.read(view))
    }

    /// Reads `view` and notes how near it is.
    pub fn check(&mut self, name: &str, view: &View, want: &[f64], allowed: f64) -> Result<()> {
        let got = self.get(view)?;
        self.answers.push(compare(name, view.cols, &got, want, allowed));
        Ok(())
    }

    /// One value of `results`.
    pub fn check_slot(&mut self, name: &str, results: &View, slot: usize, want: f64, allowed: f64) -> Result<()> {
        let got = self.get(results)?;
        self.answers
            .push(compare(name, 1, &got[slot..slot + 1], &[want], allowed));
        Ok(())
    }

    /// One flag of `view`, bit for bit.
    pub fn check_bits(&mut self, name: &str, view: &View, slot: usize, want: u32) -> Result<()> {
        let got: Vec<u32> = pollster::block_on(self.rec.read(view))?;
        self.answers
            .push(compare(name, 1, &[got[slot] as f32], &[want.into()], 0.0));
        Ok(())
    }

    /// The answers since the last call.
    pub fn take(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }
}

/// Values in about [-2, 2], the same for a seed everywhere; f32 values, so that both sides start equal.
pub fn random(seed: u64, length: usize) -> Vec<f32> {
    let mut draw = Draw::keyed("doctor", seed, 0, 0);
    (0..length)
        .map(|_| (0..4).map(|_| draw.between(-0.8, 0.8)).sum::<f64>() as f32)
        .collect()
}

pub fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_is_found_and_named() {
        let want = [1.0, -2.0, 0.5, 0.0];
        let right = compare("x", 2, &[1.0, -2.0, 0.5, 0.0], &want, 0.0);
        assert!(right.wrong.is_none() && right.error == 0.0);
        for (got, allowed, place) in [
            (vec![1.0, -2.0, 0.500_01, 0.0], 1e-6, "x[1, 0] is 0.50001"),
            (vec![1.0, f32::NAN, 0.5, 0.0], 1e9, "x[0, 1] is NaN"),
            (vec![1.0, -2.0, 0.5, f32::NAN], 0.0, "1 of 4 values are wrong"),
            (vec![f32::INFINITY, -2.0, 0.5, 0.0], 1e9, "x[0, 0] is inf"),
            (vec![1.0, -2.0, 0.5], 1e9, "3 values, f64 has 4"),
        ] {
            let answer = compare("x", 2, &got, &want, allowed);
            assert!(
                answer.wrong.as_ref().is_some_and(|text| text.contains(place)),
                "{answer:?}"
            );
            assert!(answer.error > allowed, "{answer:?}");
        }
        // Within what is allowed; a large error of a small value counts against the tensor's size.
        assert!(compare("x", 2, &[1.0, -2.0, 0.5, 1e-7], &want, 1e-6).wrong.is_none());
    }

    #[test]
    fn a_distant_tensor_is_found_and_named() {
        let want = [3.0, 4.0];
        assert_eq!(distance("w", &[3.0, 4.5], &want, 0.2).error, 0.1);
        assert!(distance("w", &[3.0, 4.5], &want, 0.2).wrong.is_none());
        for got in [&[3.0, 4.5][..], &[3.0, f64::NAN], &[3.0]] {
            let answer = distance("w", got, &want, 0.05);
            assert!(answer.wrong.is_some_and(|text| text.starts_with("w is off by ")));
        }
    }
}
