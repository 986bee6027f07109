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

/// The gradients of the first recorded step with operands in 16 bits, beside f32's: relative L2 over all of them.
fn off_f32(name: &'static str, mut change: impl FnMut(&mut Config)) -> f64 {
    let case = golden::load(name);
    let bytes = std::fs::read(golden::path(&format!("{name}.input.safetensors"))).unwrap();
    let run = |config: &Config| {
        pollster::block_on(replay(
            &device::gpu(),
            config,
            &bytes,
            name,
            golden::ITERATIONS_PER_EPOCH,
        ))
        .unwrap()
    };
    let mut config = Config::from_yaml(&case.yaml, name).unwrap();
    let whole = run(&config);
    change(&mut config);
    let short = run(&config);
    let (mut off, mut all) = (0.0, 0.0);
    for (name, tensor) in whole.iter().filter(|(name, _)| name.starts_with("step.0.grad.")) {
        for (&x, &y) in tensor.values.iter().zip(&short[name].values) {
            off += (f64::from(x) - f64::from(y)).powi(2);
            all += f64::from(x).powi(2);
        }
    }
    assert!(all > 0.0);
    (off / all).sqrt()
}

#[test]
fn gradients_in_16_bits_are_near() {
    for name in ["nano", "multi"] {
        let bf16 = off_f32(name, |config| config.meta.use_bfloat16 = true);
        let f16 = off_f32(name, |config| config.meta.use_float16 = true);
        println!("{name}: gradients are off f32's by {bf16:.2e} in bfloat16, by {f16:.2e} in float16");
        assert!((1e-4..1e-2).contains(&bf16), "{name}: {bf16:.2e}");
        assert!((1e-5..1.2e-3).contains(&f16), "{name}: {f16:.2e}");
    }
}
