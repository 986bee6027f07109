//! The four golden cases, replayed on the GPU: activations, gradients, losses and weights as the reference has them.

#[path = "common/device.rs"]
mod device;
#[path = "common/golden.rs"]
mod golden;

use ijepa::train::config::Config;
use ijepa::train::replay::replay;
use std::collections::BTreeMap;

fn check(name: &'static str) {
    let case = golden::load(name);
    let bytes = std::fs::read(golden::path(&format!(
        "{}.input.safetensors",
        name.trim_end_matches("-reg")
    )))
    .unwrap();
    let config = Config::from_yaml(&case.yaml, name).unwrap();
    let result = pollster::block_on(replay(
        &device::gpu(),
        &config,
        &bytes,
        name,
        golden::ITERATIONS_PER_EPOCH,
    ));
    let result: BTreeMap<String, Vec<f64>> = result
        .unwrap_or_else(|e| panic!("{name}: {e}"))
        .into_iter()
        .map(|(name, tensor)| (name, tensor.values.iter().map(|&v| f64::from(v)).collect()))
        .collect();
    match case.compare(&result) {
        Ok(report) => println!("{name}: {report:?}"),
        Err(text) => panic!("{name}: {text}"),
    }
}

#[test]
fn nano_is_the_reference() {
    check("nano");
}

#[test]
fn nano_with_the_terms_is_the_reference() {
    check("nano-reg");
}

#[test]
fn multi_is_the_reference() {
    check("multi");
}

#[test]
fn multi_with_the_terms_is_the_reference() {
    check("multi-reg");
}
