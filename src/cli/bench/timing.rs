//! Seconds of repeated work by the host's clock, with the waiting for the GPU inside.

use ijepa::Result;
use ijepa::gpu::Recorder;
use std::time::Instant;

/// Rounds, of which the best counts: whatever else runs on the machine only adds time.
pub const ROUNDS: usize = 5;
/// Repeats of a round at most: work of a few microseconds ends sooner.
const MOST_REPEATS: usize = 20_000;

/// How long one piece of work took.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Seconds of one repeat in the fastest round.
    pub best: f64,
    /// The same in the slowest round.
    pub worst: f64,
    /// Repeats of a round.
    pub repeats: usize,
}

/// Times `work`, which is given how often to repeat itself and waits for the last: once for nothing (pipelines are made),
/// then more often until a round takes some `seconds`, then the rounds.
pub fn rounds(seconds: f64, mut work: impl FnMut(usize) -> Result<()>) -> Result<Timing> {
    let mut round = |repeats: usize| -> Result<f64> {
        let start = Instant::now();
        work(repeats)?;
        Ok(start.elapsed().as_secs_f64())
    };
    round(1)?;
    // One alone is mostly waiting, where work is short.
    let (mut repeats, mut took) = (1, round(1)?);
    while took < seconds / 8.0 && repeats < MOST_REPEATS {
        repeats *= 4;
        took = round(repeats)?;
    }
    let once = took / repeats as f64;
    let repeats = ((seconds / once.max(1e-9)).ceil() as usize).clamp(1, MOST_REPEATS);
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

/// Times what `work` records, in rounds of 0.3 s.
pub fn recorded(rec: &mut Recorder, mut work: impl FnMut(&mut Recorder) -> Result<()>) -> Result<Timing> {
    let flag = rec.gpu().alloc("waited for", 1, 1)?;
    rounds(0.3, |repeats| {
        for _ in 0..repeats {
            work(rec)?;
        }
        pollster::block_on(rec.read::<u32>(&flag)).map(drop)
    })
}

/// Three digits after the point, for JSON.
pub fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_repeated_until_a_round_is_long_enough() {
        let mut calls = vec![];
        let pause = std::time::Duration::from_millis(2);
        let timing = rounds(0.04, |repeats| {
            calls.push(repeats);
            std::thread::sleep(pause * repeats as u32);
            Ok(())
        })
        .unwrap();
        assert_eq!(calls[..2], [1, 1]);
        assert_eq!(calls[calls.len() - ROUNDS..], [timing.repeats; ROUNDS]);
        assert!((2..=20).contains(&timing.repeats), "{timing:?}");
        assert!(timing.best >= 0.002 && timing.best <= timing.worst, "{timing:?}");
    }
}
