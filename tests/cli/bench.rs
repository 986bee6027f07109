//! `ijepa bench`: what it prints, not how fast it is.

use super::{computes, refused};
use serde_json::Value;

/// The last line, parsed.
fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap()).unwrap_or_else(|e| panic!("{e}:\n{text}"))
}

#[test]
fn a_product_is_timed_by_the_variant_that_a_step_would_take() {
    let value = json(&computes(&["bench", "--matmul", "65x36x20"]));
    assert_eq!(
        (&value["m"], &value["k"], &value["n"]),
        (&65.into(), &36.into(), &20.into())
    );
    assert!(value["gflops"].as_f64().unwrap() > 0.0, "{value}");
    assert!(value["gflops"].as_f64() >= value["gflops_slowest"].as_f64(), "{value}");
    for variant in ["any", "tile"] {
        let value = json(&computes(&["bench", "--matmul", "5x6x7", "--variant", variant]));
        assert_eq!(value["variant"], variant, "{value}");
    }
    // In each form, with what follows a linear layer, in 16 bits: every one is compared with f64 before it is timed.
    for (form, after, operands) in [("nt", "gelu", "bf16"), ("tn", "bias", "f16")] {
        let more = ["--form", form, "--after", after, "--operands", operands];
        let value = json(&computes(&[&["bench", "--matmul", "9x8x12"], &more[..]].concat()));
        assert_eq!(
            [&value["form"], &value["after"], &value["operands"]],
            [form, after, operands]
        );
    }
}

#[test]
fn attention_is_timed_beside_a_product() {
    let value = json(&computes(&["bench", "--attention", "2x9x2x8"]));
    assert_eq!((&value["tokens"], &value["dim"]), (&9.into(), &8.into()));
    for key in ["product_gflops", "forward_gflops", "backward_gflops", "forward_share"] {
        assert!(value[key].as_f64().unwrap() > 0.0, "{key}: {value}");
    }
    let value = json(&computes(&["bench", "--attention", "2x9x2x8", "--variant", "any"]));
    assert_eq!(
        (&value["forward_by"], &value["backward_by"]),
        (&"panels".into(), &"panels".into())
    );
    assert!(refused(&["bench", "--attention", "2x9x2"]).contains("write four sizes of 1 or more"));
}

#[test]
fn steps_are_timed_with_what_they_cost() {
    let value = json(&computes(&["bench", "--preset", "demo", "--batch", "2", "--step"]));
    assert_eq!((&value["preset"], &value["batch"]), (&"demo".into(), &2.into()));
    for key in [
        "images_per_s",
        "ms",
        "gflop",
        "gflops",
        "dispatches",
        "pipelines",
        "first_s",
        "mib",
    ] {
        assert!(value[key].as_f64().unwrap() > 0.0, "{key} of {value}");
    }
}

/// What other programs take the same steps from: the recorded steps, run again, start with the same loss.
#[test]
fn what_steps_are_fed_is_recorded_for_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (case, config, result) = (path("case.safetensors"), path("own.yaml"), path("result.safetensors"));
    std::fs::write(&config, include_str!("../../benches/peers/step.yaml")).unwrap();
    let small = [
        "bench", "--config", &config, "--batch", "2", "--step", "--record", &case,
    ];
    let value = json(&computes(&small));
    let losses = value["losses"].as_array().unwrap();
    assert_eq!(losses.len(), 8, "{value}");

    let recorded = std::fs::read(&case).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&recorded).unwrap();
    let sizes: Value = serde_json::from_str(&header.metadata().as_ref().unwrap()["case"]).unwrap();
    let wanted = serde_json::json!({"batch": 2, "patches": 64, "dim": 192, "pred_dim": 96, "num_pred": 4, "steps": 8});
    for (key, want) in wanted.as_object().unwrap() {
        assert_eq!(&sizes[key], want, "{key} of {sizes}");
    }
    let again = [
        "replay",
        "--input",
        &case,
        "--config",
        &config,
        "--iterations-per-epoch",
        "5",
        "--out",
        &result,
    ];
    let printed = computes(&again);
    let first = printed
        .lines()
        .find_map(|line| line.strip_prefix("step.0.loss "))
        .unwrap();
    let (first, want) = (first.parse::<f64>().unwrap(), losses[0].as_f64().unwrap());
    assert!((first - want).abs() < 1e-6 * want, "{first} and {want}");
    assert!(refused(&["bench", "--record", &case]).contains("--step"));
}

/// Ceilings, the step and its kernels: that they belong together, not how fast they are.
#[test]
fn kernels_are_timed_at_the_shapes_of_a_step_and_beside_the_ceilings() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, text) = (folder.path().join("roof.svg"), folder.path().join("a.txt"));
    let printed = computes(&[
        "bench",
        "--preset",
        "demo",
        "--batch",
        "2",
        "--svg",
        picture.to_str().unwrap(),
    ]);
    let value = json(&printed);
    for key in ["gflops", "gb_s", "submit_us", "upload_gb_s", "readback_gb_s"] {
        assert!(value["ceilings"][key].as_f64().unwrap() > 0.0, "{key} of {value}");
    }
    let kernels = value["kernels"].as_array().unwrap();
    for (name, shapes) in [
        ("matmul_", "128x48 64x48 -> 128x64"), // the target encoder's patch embedding: 2 x 64 patches of 4 x 4 pixels
        ("adamw", ""),
        ("smooth_l1", ""),
    ] {
        let found = kernels.iter().find(|kernel| {
            let text = |key: &str| kernel[key].as_str().unwrap().to_string();
            text("kernel").starts_with(name) && text("shapes").contains(shapes)
        });
        assert!(
            found.is_some_and(|kernel| kernel["times"].as_u64().unwrap() >= 1),
            "{name} in {value}"
        );
    }
    let of = |key: &str| value["step"][key].as_f64().unwrap();
    let sum: f64 = kernels.iter().map(|kernel| kernel["ms"].as_f64().unwrap()).sum();
    assert!(sum > 0.0 && (sum - of("kernels_ms")).abs() < 0.1 * sum, "{value}");
    assert!(
        (of("kernels_ms") + of("gaps_ms") - of("ms")).abs() < 0.01,
        "the parts add up: {value}"
    );
    assert!(std::fs::read_to_string(&picture).unwrap().contains("<svg"), "a picture");

    std::fs::write(&text, printed).unwrap();
    let file = text.to_str().unwrap();
    let compared = computes(&["bench", "--compare", file, file]);
    assert!(compared.contains("within noise  the whole step"), "{compared}");
    let all = format!("{} kernels are within noise", kernels.len());
    assert!(compared.contains(&all), "{compared}");
    let picture = picture.to_str().unwrap();
    assert!(refused(&["bench", "--compare", file, picture]).contains("does not end with the JSON line"));
    assert!(refused(&["bench", "--compare", file, "nowhere.txt"]).contains("nowhere.txt can't be read"));
}

#[test]
fn what_cannot_be_timed_is_refused() {
    assert!(refused(&["bench", "--matmul", "4x3"]).contains("write three sizes of 1 or more"));
    let message = refused(&["bench", "--matmul", "1000000x1000000x4"]);
    assert!(
        message.contains("needs 3814697 MiB, but this adapter binds at most "),
        "{message}"
    );
}
