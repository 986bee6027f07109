//! What becomes of a run whose GPU ran out of memory or was lost: the device is opened again, and the run goes on from its
//! last checkpoint, with smaller parts of its batch where memory was short.

use crate::gpu::Trouble;
use crate::{Error, Result};

/// Lost devices that a run gets over, since it was started.
const LOSSES: usize = 3;

/// How a run was going when its device failed.
#[derive(Clone, Copy, Debug)]
pub struct State {
    pub trouble: Trouble,
    /// Images of a batch, and the parts that it was split into.
    pub batch: usize,
    pub parts: usize,
    /// Whether a step came to its end on this device.
    pub stepped: bool,
    /// Whether blocks are computed again (`optimization.checkpoint_activations`).
    pub recompute: bool,
}

/// What a run has been through.
#[derive(Default)]
pub struct Rescue {
    losses: usize,
}

impl Rescue {
    /// In how many parts the run goes on, and what is said of it. `what` happened, in the device's words.
    ///
    /// Errors: run, where there is no way on, with what to do.
    pub fn next(&mut self, state: State, what: &str) -> Result<(usize, String)> {
        let images = state.batch.div_ceil(state.parts);
        // A device that is lost before its first step has ended is most likely short of memory.
        let short = state.trouble == Trouble::OutOfMemory || !state.stepped;
        if short && images > 1 {
            let parts = (2 * state.parts).min(state.batch);
            let (batch, fewer) = (state.batch, state.batch.div_ceil(parts));
            return Ok((
                parts,
                format!(
                    "{what}; the device is opened again, and the batch of {batch} is taken in {parts} parts of {fewer} images \
                     from here on, {images} were too many at a time: gradients are the same (optimization.accumulate)"
                ),
            ));
        }
        if state.trouble == Trouble::OutOfMemory {
            let way = match state.recompute {
                false => "use optimization.checkpoint_activations: true or a smaller model",
                true => "use a smaller model or a smaller crop",
            };
            return Err(Error::run(format!(
                "{what}, with one image at a time: {way}, or close what else uses the GPU"
            )));
        }
        self.losses += 1;
        if self.losses > LOSSES {
            let losses = self.losses;
            return Err(Error::run(format!(
                "{what}, the {losses}th time: see whether `ijepa doctor` finds the GPU well, then go on by --resume"
            )));
        }
        Ok((state.parts, format!("{what}; the device is opened again")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(trouble: Trouble, batch: usize, parts: usize) -> State {
        State {
            trouble,
            batch,
            parts,
            stepped: true,
            recompute: false,
        }
    }

    #[test]
    fn out_of_memory_halves_the_parts_down_to_one_image() {
        let mut rescue = Rescue::default();
        let mut parts = 1;
        for (next, images) in [(2, 4), (4, 2), (7, 1)] {
            let (now, note) = rescue.next(state(Trouble::OutOfMemory, 7, parts), "no memory").unwrap();
            assert_eq!(now, next);
            let said = format!(
                "no memory; the device is opened again, and the batch of 7 is taken in {next} parts of {images} "
            );
            assert!(note.starts_with(&said), "{note}");
            parts = now;
        }
        let error = rescue.next(state(Trouble::OutOfMemory, 7, 7), "no memory").unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let way =
            "no memory, with one image at a time: use optimization.checkpoint_activations: true or a smaller model";
        assert!(error.to_string().starts_with(way), "{error}");
        let bare = State {
            recompute: true,
            ..state(Trouble::OutOfMemory, 7, 7)
        };
        let error = rescue.next(bare, "no memory").unwrap_err().to_string();
        assert!(!error.contains("checkpoint_activations"), "{error}");
    }

    #[test]
    fn a_lost_device_is_opened_again_so_often_and_no_more() {
        let mut rescue = Rescue::default();
        for _ in 0..LOSSES {
            let (parts, note) = rescue.next(state(Trouble::Lost, 8, 2), "lost").unwrap();
            assert_eq!((parts, note.as_str()), (2, "lost; the device is opened again"));
        }
        let error = rescue.next(state(Trouble::Lost, 8, 2), "lost").unwrap_err().to_string();
        assert!(error.starts_with("lost, the 4th time: "), "{error}");
    }

    #[test]
    fn a_device_that_is_lost_before_its_first_step_is_taken_to_be_short_of_memory() {
        let early = |parts| State {
            stepped: false,
            ..state(Trouble::Lost, 8, parts)
        };
        let mut rescue = Rescue::default();
        assert_eq!(rescue.next(early(1), "lost").unwrap().0, 2);
        // One image at a time: then it is something else.
        for _ in 0..LOSSES {
            assert_eq!(rescue.next(early(8), "lost").unwrap().0, 8);
        }
        rescue.next(early(8), "lost").unwrap_err();
    }
}
