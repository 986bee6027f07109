//! The four golden cases, replayed on the GPU: activations, gradients, losses and weights as the reference has them.

#[path = "common/device.rs"]
mod device;
#[path = "common/golden.rs"]
mod golden;

use ijepa::gpu::{Gpu, Kind, Options};
use ijepa::train::config::Config;
use ijepa::train::replay::replay;
use std::collections::BTreeMap;

fn check(name: &'static str, gpu: &Gpu) {
    let case = golden::load(name);
    let bytes = std::fs::read(golden::path(&format!(
        "{}.input.safetensors",
        name.trim_end_matches("-reg")
    )))
    .unwrap();
    let config = Config::from_yaml(&case.yaml, name).unwrap();
    let result = pollster::block_on(replay(gpu, &config, &bytes, name, golden::ITERATIONS_PER_EPOCH));
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
    check("nano", &device::gpu());
}

#[test]
fn nano_with_the_terms_is_the_reference() {
    check("nano-reg", &device::gpu());
}

#[test]
fn multi_is_the_reference() {
    check("multi", &device::gpu());
}

#[test]
fn multi_with_the_terms_is_the_reference() {
    check("multi-reg", &device::gpu());
}

/// What every adapter and browser has: 128 MiB a binding, no feature, so no subgroups.
#[test]
fn plain_limits_are_enough() {
    let plain = device::open(Options {
        plain: true,
        ..Options::default()
    });
    assert_eq!(plain.limits().max_storage_buffer_binding_size, 128 << 20);
    assert_eq!(plain.subgroup_width(), None);
    check("multi-reg", &plain);
}

/// The kernels that a GPU gets, on whatever adapter there is.
#[test]
fn the_kernels_of_a_gpu_are_the_reference_too() {
    let hardware = device::open(Options {
        kind: Some(Kind::Hardware),
        ..Options::default()
    });
    check("multi-reg", &hardware);
}
