//! Seconds of what a recorder is given to do, by the host's clock around whole submissions.

use ijepa::Result;
use ijepa::gpu::{Recorder, View};
use std::time::Instant;

/// Rounds, of which the best counts: whatever else runs on the machine only adds time.
const ROUNDS: usize = 5;
/// Seconds that a round should take, so that submitting and waiting are lost in it.
const ROUND: f64 = 0.3;
/// Repeats of a round at most: work of a few microseconds ends sooner.
const MOST_REPEATS: usize = 20_000;

/// How long one piece of work took.
pub struct Timing {
    /// Seconds of one repeat in the fastest round.
    pub best: f64,
    /// The same in the slowest round.
    pub worst: f64,
    pub repeats: usize,
}

/// Records `work` over and over: once to make its pipelines, once to see how long it takes, then the rounds.
pub fn time(rec: &mut Recorder, mut work: impl FnMut(&mut Recorder) -> Result<()>) -> Result<Timing> {
    let flag = rec.gpu().alloc("waited for", 1, 1)?;
    let mut round = |repeats: usize| -> Result<f64> {
        let start = Instant::now();
        for _ in 0..repeats {
            work(rec)?;
        }
        wait(rec, &flag)?;
        Ok(start.elapsed().as_secs_f64())
    };
    round(1)?;
    let mut repeats = 1;
    // Short work is measured by more repeats first: one alone is mostly waiting.
    while round(repeats)? < ROUND / 8.0 && repeats < MOST_REPEATS {
        repeats *= 4;
    }
    let once = round(repeats)? / repeats as f64;
    let repeats = ((ROUND / once.max(1e-9)).ceil() as usize).clamp(1, MOST_REPEATS);
    let mut timing = Timing {
        best: f64::INFINITY,
        worst: 0.0,
        repeats,
    };
    for _ in 0..ROUNDS {
        let seconds = round(repeats)? / repeats as f64;
        timing.best = timing.best.min(seconds);
        timing.worst = timing.worst.max(seconds);
    }
    Ok(timing)
}

/// Waits until everything recorded so far has run.
fn wait(rec: &mut Recorder, flag: &View) -> Result<()> {
    pollster::block_on(rec.read::<u32>(flag)).map(drop)
}
