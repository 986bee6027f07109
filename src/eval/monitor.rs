//! Is it learning, or collapsing? A falling loss says neither: where I-JEPA learns the loss rises after its first fall,
//! and where it collapses it falls all the way. Nor does the features' deviation alone, which may grow in a collapse. What
//! tells is how many directions the target features use and whether neighbours share a class, each against the encoder as
//! it was drawn.
//!
//! The thresholds stand between what was measured with the method written a second time, in another framework: generated
//! images and photographs of 32 pixels, 64 channels, 38 runs of 60 to 800 steps, 512 images in the monitor's set. Ratios
//! and points are against the untrained encoder:
//!
//! | runs | effective rank | deviation | k-NN, points |
//! |---|---|---|---|
//! | with the term, generated images, 250 steps and more | dips to 0.75, then 1.13 to 1.8 | dips to 0.36, then 1.5 to 7 | +7 to +25 |
//! | with the term, photographs | 5.5 to 6.1 | 0.8 and more | +4 to +7 |
//! | without it, reference init, generated images | 0.20 to 0.62 | 0.08 to 0.22 | -4 to +9 |
//! | without it, reference init, photographs | up to 1.46, then 0.71 to 0.78 | 1.1 to 1.2 | -3 to +1 |
//! | without it, xavier | 0.81 (photographs), 0.94 | 0.93 (photographs), 0.15 | -3 to -1 |

use super::knn;
use super::rank;
use super::samples::{Features, Samples};
use crate::Result;

/// Before this step nothing is said: the warm-up moves features about.
pub const EARLIEST_STEP: u64 = 50;
/// Less than this part of the untrained effective rank is a collapse at any time.
pub const COLLAPSED_RANK: f64 = 0.6;
/// Less than this part of the untrained deviation is a collapse at any time.
pub const COLLAPSED_DEVIATION: f64 = 0.2;
/// In a run's second half, less than this part of the untrained rank is a collapse where neighbours have not improved.
pub const SHRUNK_RANK: f64 = 0.9;
/// This many times the untrained effective rank is healthy, unless neighbours have become clearly worse.
pub const HEALTHY_RANK: f64 = 1.5;
/// So many points of k-NN above or below the untrained encoder are hardly an accident: on the 256 images that are the default
/// (`logging.monitor_images`) chance alone moves 20 to 35 % by 2.5 to 3 points, one deviation.
pub const HEALTHY_GAIN: f64 = 5.0;
/// Better neighbours count as healthy with at least this part of the untrained rank.
pub const KEPT_RANK: f64 = 0.75;

/// The target features of the monitor's fixed images at one step.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Measurement {
    /// Steps taken; 0 is the untrained encoder.
    pub step: u64,
    /// Mean over channels of the deviation over images.
    pub deviation: f64,
    /// See [`rank::Spread`].
    pub effective_rank: f64,
    /// Leave-one-out k-NN in per cent, where there are labels.
    pub neighbours: Option<f64>,
}

/// `features` is `[n, dims]`, mean-pooled patches of the target encoder; `labels` has one class for each row.
///
/// # Errors
/// Where the features are no whole rows or not finite, and where there is not one label for each row.
pub fn measure(step: u64, features: &[f32], dims: usize, labels: Option<&[u32]>) -> Result<Measurement> {
    let features = Features::new(features.to_vec(), dims)?;
    let spread = rank::spread(&features);
    let neighbours = match labels {
        Some(labels) => Some(knn::leave_one_out(&Samples::new(features, labels.to_vec())?)),
        None => None,
    };
    Ok(Measurement {
        step,
        deviation: spread.deviation,
        effective_rank: spread.effective_rank,
        neighbours,
    })
}

/// What the monitor thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Features say more than the untrained encoder's did.
    Healthy,
    /// Features say less and less.
    Collapsing,
    /// Neither shows (yet).
    TooEarly,
}

impl Verdict {
    /// One word, as `monitor.csv` has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Collapsing => "collapsing",
            Self::TooEarly => "undecided",
        }
    }
}

/// A verdict with its reason in plain words.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// One sentence that begins with the verdict.
    pub words: String,
    /// The reason alone, without numbers; empty where the features are healthy.
    pub reason: &'static str,
}

/// Compares `now` with the untrained encoder of the same run; `steps` is the length of the run.
pub fn judge(untrained: &Measurement, now: &Measurement, steps: u64) -> Judgement {
    let ratio = |now: f64, before: f64| {
        if before > 0.0 {
            now / before
        } else {
            f64::from(u8::from(now > 0.0))
        }
    };
    let rank = ratio(now.effective_rank, untrained.effective_rank);
    let deviation = ratio(now.deviation, untrained.deviation);
    let gain = now
        .neighbours
        .zip(untrained.neighbours)
        .map(|(now, before)| now - before);
    let better = gain.is_some_and(|gain| gain >= HEALTHY_GAIN);
    let worse = gain.is_some_and(|gain| gain <= -HEALTHY_GAIN);
    let late = 2 * now.step >= steps;

    let verdict = if now.step < EARLIEST_STEP {
        Verdict::TooEarly
    } else if rank < COLLAPSED_RANK || deviation < COLLAPSED_DEVIATION || late && rank < SHRUNK_RANK && !better {
        Verdict::Collapsing
    } else if rank >= HEALTHY_RANK && !worse || rank >= KEPT_RANK && better {
        Verdict::Healthy
    } else {
        Verdict::TooEarly
    };
    let (head, reason) = match verdict {
        Verdict::Healthy => ("healthy", ""),
        Verdict::Collapsing => ("collapsing", "images become hard to tell apart"),
        Verdict::TooEarly if late && now.step >= EARLIEST_STEP => ("undecided", "no sign of learning yet"),
        Verdict::TooEarly => ("undecided", "too early to say"),
    };
    let colon = if reason.is_empty() { "" } else { ": " };
    let mut words = format!(
        "{head}{colon}{reason}; effective rank {:.1} (untrained {:.1}), deviation {:.3} (untrained {:.3})",
        now.effective_rank, untrained.effective_rank, now.deviation, untrained.deviation
    );
    if let (Some(now), Some(before)) = (now.neighbours, untrained.neighbours) {
        words += &format!(", k-NN {now:.1} % (untrained {before:.1} %)");
    }
    Judgement { verdict, words, reason }
}

/// The head line of `monitor.csv`.
pub const CSV_HEADER: &str = "step,deviation,effective_rank,knn,verdict";

/// One line of `monitor.csv`, without its end; `knn` is empty where there are no labels.
pub fn csv_row(now: &Measurement, judgement: &Judgement) -> String {
    let neighbours = now
        .neighbours
        .map(|per_cent| format!("{per_cent:.2}"))
        .unwrap_or_default();
    format!(
        "{},{:.5},{:.3},{neighbours},{}",
        now.step,
        now.deviation,
        now.effective_rank,
        judgement.verdict.word()
    )
}

/// The part of a `monitor.csv` up to the looks after `step` steps, with its line ends: what stays when a run goes on from
/// there. A row that was cut in the middle does not count.
pub fn rows_until(text: &str, step: usize) -> &str {
    let number = |line: &str| line.split(',').next().and_then(|first| first.parse().ok());
    let whole = text
        .split_inclusive('\n')
        .enumerate()
        .take_while(|(i, line)| line.ends_with('\n') && (*i == 0 || number(line).is_some_and(|at: usize| at <= step)));
    &text[..whole.map(|(_, line)| line.len()).sum()]
}
