//! The first steps of the demo, as the page takes them in a browser: `web/tests/numbers.spec.ts` holds the same recording
//! against what Chromium computes. Losses differ between drivers by rounding, which training amplifies; images and masks
//! are the same to the bit.

#[path = "common/device.rs"]
mod device;

use ijepa::data::Split;
use ijepa::data::batch::Batches;
use ijepa::data::source::Dataset;
use ijepa::gpu::Options;
use ijepa::train::config::Config;
use ijepa::train::plan;
use ijepa::train::snapshot::Snapshot;
use ijepa::train::trainer::{Course, Trainer};
use serde_json::{Value, json};
use std::sync::Arc;

const STEPS: u64 = 20;
/// Relative.
const LOSS: f64 = 1e-4;
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/demo-20.json");

/// FNV-1a, 32 bits: short enough to be written twice.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

fn steps() -> Vec<Value> {
    let config = Config::preset("demo").unwrap();
    let data = Arc::new(Dataset::glyphs(Split::Train, config.meta.seed));
    let mut batches = Batches::new(data.clone(), config.batches(), Arc::default()).unwrap();
    let gpu = device::open(Options::default());
    let dims = plan::fitting(&gpu, &config, Course::new(&config, data.len()).of).unwrap();
    let first = Snapshot::first(&config).unwrap();
    let mut trainer = Trainer::new(&gpu, &config, &data, dims, &first, "the drawn weights").unwrap();
    let step = |step| {
        let batch = Batches::take(&data, batches.make(step)).unwrap();
        let under_way = trainer.begin(&batch).unwrap();
        let step = pollster::block_on(trainer.end(under_way)).unwrap();
        json!({
            "images": hash(&batch.images), "context": step.k_context, "target": step.k_target,
            "loss": step.loss, "regularizer": step.regularizer,
        })
    };
    (0..STEPS).map(step).collect()
}

#[test]
fn the_demos_first_steps_are_the_recorded_ones() {
    let steps = steps();
    let text = std::fs::read_to_string(RECORDED).unwrap_or_default();
    let recorded: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
    assert_eq!(
        recorded.len(),
        steps.len(),
        "if the demo was changed on purpose, write this to {RECORDED}:\n{}",
        serde_json::to_string_pretty(&steps).unwrap()
    );
    for (i, (recorded, now)) in recorded.iter().zip(&steps).enumerate() {
        for key in ["images", "context", "target"] {
            assert_eq!(recorded[key], now[key], "step {}: {key}", i + 1);
        }
        for key in ["loss", "regularizer"] {
            let [recorded, now] = [recorded, now].map(|step| step[key].as_f64().unwrap());
            assert!(
                (now - recorded).abs() <= LOSS * recorded,
                "step {}: {key} is {now}, recorded is {recorded}",
                i + 1
            );
        }
    }
}
