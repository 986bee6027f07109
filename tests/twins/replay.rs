//! The f64 model replays all four golden cases, and the comparison sees a replay that is wrong.

use std::collections::BTreeMap;

use crate::golden::{CASES, Case, LIMITS, load};
use ijepa::cpu::ijepa::{State, Terms, gradients};
use ijepa::cpu::positions::positions;

/// Replays all steps of `case` with its recorded lr, wd and momentum; the result has the expected file's names.
fn replay(case: &Case) -> BTreeMap<String, Vec<f64>> {
    let (config, (variance, covariance)) = (case.config(), case.terms());
    let mut state = State::new(case.weights());
    let mut result = BTreeMap::new();
    for step in 0..case.steps() {
        let mut put = |name: &str, values: Vec<f64>| result.insert(format!("step.{step}.{name}"), values);
        let (images, masks) = (case.images(step), case.masks(step));
        let outcome = gradients(
            &config,
            &state.parameters,
            images,
            &masks,
            Terms { variance, covariance },
        );
        put("loss", vec![outcome.loss]);
        if case.name.ends_with("-reg") {
            put("regularizer", vec![outcome.regularizer]);
        }
        let [lr, wd, momentum] = ["lr", "wd", "momentum"].map(|name| {
            let value = case.scalar(&format!("step.{step}.{name}"));
            put(name, vec![value]);
            value
        });
        if step == 0 {
            put("target_encoder_out", outcome.target_encoder_out);
            put("targets", outcome.targets);
            put("context_out", outcome.context_out);
            put("predictions", outcome.predictions);
            for (name, gradient) in &outcome.gradients {
                put(&format!("grad.{name}"), gradient.clone());
            }
        }
        state.update(&outcome.gradients, lr, wd, momentum);
    }
    result.extend(
        state
            .parameters
            .into_iter()
            .map(|(name, values)| (format!("final.{name}"), values)),
    );
    result
}

#[test]
fn all_golden_cases_are_reproduced() {
    for name in CASES {
        let case = load(name);
        let report = case
            .compare(&replay(&case))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}: {report}");
        for (kind, limit) in LIMITS {
            let (far, tensor) = &report.worst[kind];
            assert!(
                far < &(limit / 4.0),
                "{name}: {tensor} {kind} {far:e} is not well inside {limit:e}"
            );
        }
    }
}

#[test]
fn positions_are_the_recorded_ones() {
    for name in ["nano", "multi"] {
        let case = load(name);
        let config = case.config();
        for (tensor, width) in [
            ("encoder.pos_embed", config.embed_dim),
            ("predictor.predictor_pos_embed", config.pred_emb_dim),
        ] {
            let ours = positions(width, config.grid());
            let recorded = &case.input[tensor].values;
            assert_eq!(ours.len(), recorded.len());
            for (ours, recorded) in ours.iter().zip(recorded) {
                // Stored as f32: half a unit in the last place of 1.
                assert!(
                    (ours - recorded).abs() <= 3.1e-8,
                    "{name} {tensor}: {ours} for {recorded}"
                );
            }
        }
    }
}

/// What was recorded, as a result: as near as a result can be.
fn perfect(case: &Case) -> BTreeMap<String, Vec<f64>> {
    case.expected
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.values.clone()))
        .collect()
}

#[test]
fn the_comparison_fails_on_each_kind_of_error() {
    let case = load("nano");
    assert!(case.compare(&perfect(&case)).is_ok());
    let qkv = "final.encoder.blocks.0.attn.qkv.bias";
    // Each is just past its limit, the last not a number.
    let wrong = [
        ("step.1.lr", "lr", 1.0 + 1.1e-6),
        ("step.1.wd", "wd", 1.0 + 1.1e-6),
        ("step.1.momentum", "momentum", 1.0 - 1.1e-6),
        ("step.3.loss", "loss", 1.0 + 3.1e-6),
        ("step.0.targets", "activation", 1.0 + 4.1e-6),
        ("step.0.grad.predictor.mask_token", "grad", 1.0 - 2.1e-5),
        ("final.predictor.predictor_norm.weight", "decay", 1.0 + 1.1e-5),
        ("step.0.context_out", "activation", f64::NAN),
    ];
    for (name, kind, factor) in wrong {
        let mut result = perfect(&case);
        result.get_mut(name).unwrap().iter_mut().for_each(|x| *x *= factor);
        let error = case.compare(&result).expect_err(name);
        assert!(error.contains(&format!("{name} {kind} ")), "{name}: {error}");
    }

    let mut result = perfect(&case);
    result.remove("step.0.predictions");
    assert!(
        case.compare(&result)
            .unwrap_err()
            .contains("step.0.predictions missing")
    );

    let mut result = perfect(&case);
    result.get_mut("step.0.predictions").unwrap().pop();
    assert!(case.compare(&result).unwrap_err().contains("step.0.predictions: "));

    // The change of a weight and of a target: 0.4 % and 4 % of it left out.
    for (name, initial, kind, left_out) in [
        ("final.encoder.norm.weight", "encoder.norm.weight", "change", 4e-3),
        (
            "final.target_encoder.norm.weight",
            "encoder.norm.weight",
            "target_change",
            4e-2,
        ),
    ] {
        let mut result = perfect(&case);
        for (x, w) in result
            .get_mut(name)
            .unwrap()
            .iter_mut()
            .zip(&case.input[initial].values)
        {
            *x -= left_out * (*x - w);
        }
        let error = case.compare(&result).expect_err(name);
        assert!(error.contains(&format!("{name} {kind} ")), "{name}: {error}");
    }

    // The key's slice of the qkv bias is rounding noise and may differ; the query's and value's may not.
    let width = case.config().embed_dim;
    for (at, passes) in [(0, false), (width, true), (2 * width - 1, true), (2 * width, false)] {
        let mut result = perfect(&case);
        result.get_mut(qkv).unwrap()[at] += 1e-3;
        assert_eq!(case.compare(&result).is_ok(), passes, "qkv.bias[{at}]");
    }
}
