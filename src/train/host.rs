//! The program's own memory, beside the GPU's: in a browser it has 32-bit addresses, and what outgrows them can't be caught.

use super::config::Config;
use super::preset::PRESETS;
use crate::model::config::ModelConfig;
use crate::model::needs::{Dims, Part, needs};
use crate::model::parameters;
use crate::{Error, Result};

/// Bytes that a run may take of 32-bit addresses: an eighth is left to the program, its images, and to gaps between what
/// was given back.
const IN_32_BITS: u64 = 7 << 29;

/// Bytes of a checkpoint: weights, AdamW's moments and the target encoder.
pub fn checkpoint(model: &ModelConfig) -> u64 {
    let [weights, _, moments, target] = parameters::sizes(model);
    weights + moments + target
}

/// Bytes that a run takes at its most, when it is saved or opened again: what a checkpoint holds, once as tensors and once
/// as a file. Where `dims` are known, also a batch and its index lists, twice: the one that is made and the one under way.
///
/// `dims` must fit a GPU's bindings.
pub fn most(model: &ModelConfig, dims: Option<&Dims>) -> u64 {
    let inputs = dims.map_or(0, |dims| {
        let needs = needs(crate::gpu::Kind::Hardware, model, dims);
        let inputs = needs.iter().filter(|need| need.part == Part::Inputs);
        inputs.map(|need| need.bytes()).sum()
    });
    2 * checkpoint(model) + 2 * inputs
}

/// Refuses a run that 32-bit addresses can't hold, where these are the program's, or for which there is no memory left:
/// asked before weights are drawn or read, since a browser's module that gets no memory is lost with all it holds.
///
/// Errors: usage, with the presets that can be held.
pub fn require(model: &ModelConfig, dims: Option<&Dims>) -> Result<()> {
    if usize::BITS > 32 {
        return Ok(()); // the system finds memory, or ends the program
    }
    found(most(model, dims))
}

/// The same for a checkpoint of so many bytes, which is about to be read.
pub fn require_file(bytes: u64) -> Result<()> {
    match usize::BITS > 32 {
        true => Ok(()),
        false => found(2 * bytes),
    }
}

/// That there are 32-bit addresses, and memory, for so many bytes.
fn found(bytes: u64) -> Result<()> {
    held_by_32_bits(bytes)?;
    let mut room: Vec<u8> = Vec::new();
    let found = room.try_reserve_exact(bytes as usize);
    std::hint::black_box(&room); // an allocation that no one sees may be left out
    found.map_err(|_| refusal(bytes, "there is not that much memory left"))
}

fn held_by_32_bits(bytes: u64) -> Result<()> {
    match bytes > IN_32_BITS {
        true => Err(refusal(
            bytes,
            "a program with 32-bit addresses, as browsers run it, can't hold that",
        )),
        false => Ok(()),
    }
}

fn refusal(bytes: u64, why: &str) -> Error {
    Error::usage(format!(
        "this run takes up to {} MiB of memory beside the GPU's, and {why}: use a smaller model (of the presets: {}), or \
         the program outside of the browser",
        bytes >> 20,
        held().join(", ")
    ))
}

/// The presets that 32-bit addresses hold.
fn held() -> Vec<&'static str> {
    let holds = |name: &&str| {
        let model = Config::preset(name).and_then(|config| config.model());
        model.is_ok_and(|model| most(&model, None) <= IN_32_BITS)
    };
    PRESETS.into_iter().filter(holds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(preset: &str) -> ModelConfig {
        Config::preset(preset).unwrap().model().unwrap()
    }

    #[test]
    fn what_32_bit_addresses_hold_and_what_they_do_not() {
        assert_eq!(held(), ["demo", "nano", "tiny", "small", "base"]);
        for name in ["large", "huge", "giant"] {
            let message = held_by_32_bits(most(&model(name), None)).unwrap_err().to_string();
            assert!(
                message.contains("(of the presets: demo, nano, tiny, small, base)"),
                "{message}"
            );
            require(&model(name), None).unwrap(); // 64-bit addresses hold it
        }
    }

    /// The estimate is that of the file that is written, and of a batch.
    #[test]
    fn a_checkpoint_has_the_bytes_that_are_counted() {
        let config = Config::preset("demo").unwrap();
        let mut snapshot = crate::train::snapshot::Snapshot::first(&config).unwrap();
        let trained: Vec<String> = snapshot
            .tensors
            .keys()
            .filter(|name| !name.starts_with("target_"))
            .cloned()
            .collect();
        for name in trained {
            let tensor = snapshot.tensors[&name].clone();
            snapshot.tensors.insert(format!("mean.{name}"), tensor.clone());
            snapshot.tensors.insert(format!("square.{name}"), tensor);
        }
        let (file, counted) = (
            snapshot.to_bytes().unwrap().len() as f64,
            checkpoint(&model("demo")) as f64,
        );
        assert!(
            (file / counted - 1.0).abs() < 0.02,
            "{file} bytes, {counted} were counted"
        );

        let dims = Dims::encode(32);
        let more = most(&model("demo"), Some(&dims)) - most(&model("demo"), None);
        assert!(more >= 2 * 32 * 3 * 32 * 32, "{more}");
    }

    /// Sizes that no 32-bit word counts are refused, not taken modulo 2^32.
    #[test]
    fn absurd_models_are_counted_in_full() {
        let absurd = ModelConfig {
            embed_dim: 1 << 16,
            depth: 1 << 10,
            ..model("giant")
        };
        assert!(checkpoint(&absurd) > 1 << 40);
        held_by_32_bits(most(&absurd, None)).unwrap_err();
    }
}
