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
    round(1, &mut work)?;
    let repeats = enough(seconds, &mut work)?;
    let mut timing = Timing::of(repeats);
    for _ in 0..ROUNDS {
        timing.add(round(repeats, &mut work)? / repeats as f64);
    }
    Ok(timing)
}

impl Timing {
    fn of(repeats: usize) -> Timing {
        Timing {
            best: f64::INFINITY,
            worst: 0.0,
            repeats,
        }
    }

    fn add(&mut self, seconds: f64) {
        self.best = self.best.min(seconds);
        self.worst = self.worst.max(seconds);
    }

    /// Faster in its slowest round than the other in its fastest.
    pub fn beats(&self, other: &Timing) -> bool {
        self.worst < other.best
    }
}

/// Seconds of so many repeats.
fn round(repeats: usize, work: &mut impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work(repeats)?;
    Ok(start.elapsed().as_secs_f64())
}

/// Repeats that take some `seconds`.
pub fn enough(seconds: f64, work: &mut impl FnMut(usize) -> Result<()>) -> Result<usize> {
    // One alone is mostly waiting, where work is short.
    let (mut repeats, mut took) = (1, round(1, work)?);
    while took < seconds / 8.0 && repeats < MOST_REPEATS {
        repeats *= 4;
        took = round(repeats, work)?;
    }
    let once = took / repeats as f64;
    Ok(((seconds / once.max(1e-9)).ceil() as usize).clamp(1, MOST_REPEATS))
}

/// Times pieces of work in turn (A B A B), so that what else happens on the machine happens to all of them: piece i is repeated
/// `repeats[i]` times in each of its rounds. `None` where that isn't done by `until`.
pub fn in_turn(
    repeats: &[usize],
    until: Instant,
    mut work: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Option<Vec<Timing>>> {
    let mut timings: Vec<Timing> = repeats.iter().copied().map(Timing::of).collect();
    for _ in 0..ROUNDS {
        for (i, timing) in timings.iter_mut().enumerate() {
            if Instant::now() >= until {
                return Ok(None);
            }
            let seconds = round(timing.repeats, &mut |repeats| work(i, repeats))?;
            timing.add(seconds / timing.repeats as f64);
        }
    }
    Ok(Some(timings))
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
    #[test]
    fn work_is_timed_in_turn_while_there_is_time() {
        let later = Instant::now() + std::time::Duration::from_secs(60);
        let mut calls = vec![];
        let pause = |which: usize| std::time::Duration::from_millis(if which == 0 { 1 } else { 20 });
        let timed = in_turn(&[3, 1], later, |which, repeats| {
            calls.push((which, repeats));
            std::thread::sleep(pause(which) * repeats as u32);
            Ok(())
        });
        let timings = timed.unwrap().unwrap();
        assert_eq!(calls, [(0, 3), (1, 1)].repeat(ROUNDS));
        assert!(timings[0].best >= 0.001 && timings[1].best >= 0.02, "{timings:?}");
        assert!(!timings[1].beats(&timings[0]), "{timings:?}");
        assert!(in_turn(&[1, 1], Instant::now(), |_, _| Ok(())).unwrap().is_none());
        let [quick, slow, between] = [(1.0, 2.0), (2.5, 3.0), (1.5, 2.6)].map(|(best, worst)| Timing {
            best,
            worst,
            repeats: 1,
        });
        assert!(quick.beats(&slow) && !quick.beats(&between) && !between.beats(&slow));
    }
}
