use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random};
use ijepa::cpu::adamw as twin;
use ijepa::gpu::{Kind, View};
use ijepa::ops::adamw::{Step, Tensors, adamw};

struct State {
    weights: Vec<f32>,
    gradients: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
    target: Vec<f32>,
}

/// In mid-training: moments that are not 0. Gradients of all sizes, some exactly 0.
fn state(length: usize) -> State {
    let small = |seed| -> Vec<f32> { random(seed, length).iter().map(|v| v * v * v * 0.01).collect() };
    let mut gradients = small(1);
    gradients.iter_mut().step_by(7).for_each(|g| *g = 0.0);
    State {
        weights: random(2, length),
        gradients,
        mean: small(3),
        square: small(4).iter().map(|v| v * v).collect(),
        target: random(5, length),
    }
}

/// [weights, mean, square, target] after one step.
fn run(bench: &mut Bench, state: &State, step: Step, control: [u32; 4], with_target: bool) -> [View; 4] {
    let length = state.weights.len();
    let put = |values: &[f32]| bench.put(1, length, values);
    let [weights, gradients, mean, square, target] = [
        &state.weights,
        &state.gradients,
        &state.mean,
        &state.square,
        &state.target,
    ]
    .map(|v| put(v));
    let control = bench.put(1, 4, &control);
    let tensors = Tensors {
        weights: &weights,
        gradients: &gradients,
        mean: &mean,
        square: &square,
        target: with_target.then_some(&target),
    };
    adamw(&mut bench.rec, step, tensors, &control).unwrap();
    [weights, mean, square, target]
}

const STEP: Step = Step {
    lr: 3e-3,
    wd: 0.04,
    momentum: 0.996,
    t: 3,
};

#[test]
fn a_step_agrees_with_f64() {
    // The first step, where bias corrections are largest, an early and a late one; no decay; a clipping factor.
    let cases = [(1, 0.04, 1.0f32), (3, 0.0, 0.25), (100_000, 0.4, 1.0)];
    for kind in KINDS {
        for length in [1, 5, 96, 2052, 40_003] {
            for (t, wd, factor) in cases {
                let step = Step { t, wd, ..STEP };
                let state = state(length);
                let mut bench = Bench::of(kind, format!("adamw of {length}, step {t}, factor {factor}"));
                let scaled: Vec<f64> = state.gradients.iter().map(|g| f64::from(g * factor)).collect();
                let [mut p, mut m, mut v, mut target] =
                    [&state.weights, &state.mean, &state.square, &state.target].map(|v| f64s(v));
                let theirs = twin::Step {
                    lr: step.lr,
                    wd,
                    momentum: step.momentum,
                    t,
                };
                twin::adamw(theirs, &mut p, &scaled, &mut m, &mut v, Some(&mut target));
                let views = run(&mut bench, &state, step, [0, factor.to_bits(), 0, 0], true);
                let [weights, mean, square, ema] = &views;
                bench.check("weights", weights, &p, ELEMENTWISE);
                bench.check("mean", mean, &m, ELEMENTWISE);
                bench.check("square", square, &v, ELEMENTWISE);
                bench.check("target", ema, &target, ELEMENTWISE);
                // What matters is the change: the part that rounding of the weights themselves (6e-8) leaves visible.
                let change = |new: &[f64]| new.iter().zip(&state.weights).map(|(n, &o)| n - f64::from(o)).collect();
                let (got, want): (Vec<f64>, Vec<f64>) = (change(&f64s(&bench.get(weights))), change(&p));
                let got: Vec<f32> = got.iter().map(|&v| v as f32).collect();
                bench.compare("change of weights", length, &got, &want, 3e-4);
            }
        }
    }
}

#[test]
fn without_a_target_the_weights_are_the_same() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "adamw without target");
        let state = state(2052);
        let control = [0, 1f32.to_bits(), 0, 0];
        let [with, without] = [true, false].map(|ema| run(&mut bench, &state, STEP, control, ema));
        for (a, b) in with.iter().zip(&without).take(3) {
            assert_eq!(bench.bits(a), bench.bits(b), "{}", bench.label);
        }
        assert_eq!(bench.get(&without[3]), state.target, "{}", bench.label);
    }
}

#[test]
fn a_stopped_step_changes_no_bit() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "adamw stopped");
        let mut state = state(2052);
        state.gradients[17] = f32::NAN;
        let views = run(&mut bench, &state, STEP, [1, f32::NAN.to_bits(), 0, 0], true);
        let before = [&state.weights, &state.mean, &state.square, &state.target];
        for (view, before) in views.iter().zip(before) {
            let before: Vec<u32> = before.iter().map(|v| v.to_bits()).collect();
            assert_eq!(bench.bits(view), before, "{}", bench.label);
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    let mut bench = Bench::of(Kind::Hardware, "adamw twice");
    let state = state(4099);
    let bits =
        [(); 2].map(|()| run(&mut bench, &state, STEP, [0, 1f32.to_bits(), 0, 0], true).map(|view| bench.bits(&view)));
    assert_eq!(bits[0], bits[1]);
}

#[test]
fn tensors_of_different_lengths_are_refused_by_name() {
    for (name, lengths) in [
        ("gradients", [7, 8, 8, 8]),
        ("mean", [8, 7, 8, 8]),
        ("square", [8, 8, 7, 8]),
        ("target", [8, 8, 8, 7]),
    ] {
        let mut bench = Bench::of(Kind::Software, "adamw");
        let (weights, control) = (bench.poisoned(1, 8), bench.put(1, 4, &[0u32; 4]));
        let [gradients, mean, square, target] = lengths.map(|length| bench.poisoned(1, length));
        let tensors = Tensors {
            weights: &weights,
            gradients: &gradients,
            mean: &mean,
            square: &square,
            target: Some(&target),
        };
        let error = adamw(&mut bench.rec, STEP, tensors, &control).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("adamw: {name} is [1, 7], but the other tensors ask for [1, 8]")
        );
    }
}
