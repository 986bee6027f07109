//! `ijepa bench`: what it prints, not how fast it is.

use super::{computes, prints, refused};
use serde_json::{Value, json as value_of};

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
fn kernels_that_memory_binds_are_timed_beside_a_copy() {
    // By registers of a subgroup, and by the kernels for any number of columns.
    for (shape, variant) in [("70x20", "broadcast"), ("9x5", "any")] {
        let printed = computes(&["bench", "--rows", shape, "--variant", variant]);
        let value = json(&printed);
        let kernels = value["kernels"].as_array().unwrap();
        let names: Vec<&str> = kernels
            .iter()
            .map(|kernel| kernel["kernel"].as_str().unwrap())
            .collect();
        assert_eq!((names.len(), names[0], names[6]), (7, "copy", "adamw"), "{value}");
        for kernel in kernels {
            assert!(kernel["ms"].as_f64().unwrap() > 0.0, "{kernel}");
            assert!(kernel["ms"].as_f64() <= kernel["ms_slowest"].as_f64(), "{kernel}");
        }
        assert_eq!(kernels[0]["of_copy"], 1.0);
        assert!(printed.contains("all agree with f64\n"), "{printed}");
        // Of one part of a step nothing is compared.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &printed).unwrap();
        let path = file.path().to_str().unwrap();
        assert!(refused(&["bench", "--compare", path, path]).contains("is a measurement with --rows"));
    }
    for shape in ["2048", "2048x0", "9x9x9", "x"] {
        assert!(refused(&["bench", "--rows", shape]).contains("write two sizes of 1 or more"));
    }
    assert!(refused(&["bench", "--rows", "1048576x1048576"]).contains("write smaller sizes"));
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
    // Over such a recording another one is written; over weights, or anything else, none.
    let again = |path: &str| refused(&["bench", "--step", "--record", path, "--adapter", "no such thing"]);
    let weights = path("weights.safetensors");
    safetensors::serialize_to_file::<&str, safetensors::tensor::TensorView, _>([], None, weights.as_ref()).unwrap();
    for (path, wanted) in [
        (&case, "no such thing"),
        (
            &weights,
            "exists already, and is no recording of `ijepa bench --record`",
        ),
        (&config, "exists already, and is no recording of `ijepa bench --record`"),
    ] {
        assert!(again(path).contains(wanted), "{path}: {}", again(path));
    }
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
    let compared = prints(&["bench", "--compare", file, file]);
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
        message.contains("needs 3814697.3 MiB, but this adapter binds at most "),
        "{message}"
    );
}

/// What would not be read, of the two options that don't go together.
#[test]
fn options_that_would_not_be_read_are_refused() {
    for (words, two) in [
        ("--operands bf16 --step", ["--operands", "--step"]),
        ("--form nt --preset demo", ["--form", "--preset"]),
        ("--form nn", ["--matmul", "--form"]),
        ("--after bias --svg x.svg", ["--after", "--svg"]),
        ("--attention 1x64x3x32 --operands bf16", ["--attention", "--operands"]),
        (
            "--attention 1x64x3x32 --set meta.use_bfloat16=true",
            ["--attention", "--set"],
        ),
        ("--attention 1x64x3x32 --record x", ["--attention", "--record"]),
        ("--attention 1x64x3x32 --of a.txt", ["--attention", "--of"]),
        ("--rows 4x4 --operands bf16", ["--rows", "--operands"]),
        ("--rows 4x4 --matmul 4x4x4", ["--rows", "--matmul"]),
        ("--rows 4x4 --preset demo", ["--rows", "--preset"]),
        ("--rows 4x4 --step", ["--rows", "--step"]),
        ("--rows 4x4 --memory 1", ["--rows", "--memory"]),
        ("--matmul 4x4x4 --memory 1", ["--matmul", "--memory"]),
        ("--attention 1x4x1x8 --memory 1", ["--attention", "--memory"]),
        ("--predict same --of a.txt --rows 4x4", ["--rows", "--predict"]),
        ("--matmul 4x4x4 --record x", ["--matmul", "--record"]),
        ("--matmul 4x4x4 --set a.b=c", ["--matmul", "--set"]),
        ("--matmul 4x4x4 --batch 0", ["--matmul", "--batch"]),
        (
            "--matmul 4x4x4 --checkpoint-activations",
            ["--matmul", "--checkpoint-activations"],
        ),
        ("--matmul 4x4x4 --shares a.txt", ["--matmul", "--shares"]),
        ("--step --record x --svg x.svg", ["--step", "--svg"]),
        ("--record x --svg x.svg", ["--record", "--svg"]),
        ("--step --of a.txt", ["--step", "--of"]),
        ("--of a.txt --svg x.svg", ["--of", "--svg"]),
        ("--of a.txt --preset demo", ["--of", "--preset"]),
        ("--predict same --of a.txt --svg x.svg", ["--svg", "--predict"]),
        ("--predict same --of a.txt --step", ["--step", "--predict"]),
        ("--predict same --of a.txt --matmul 4x4x4", ["--matmul", "--predict"]),
        ("--predict same --of a.txt --form nt", ["--form", "--predict"]),
        ("--predict same --of a.txt --record x", ["--record", "--predict"]),
        ("--predict same --of a.txt --variant any", ["--variant", "--predict"]),
        (
            "--compare a.txt b.txt --predict same --of a.txt",
            ["--compare", "--predict"],
        ),
        ("--compare a.txt b.txt --of a.txt", ["--compare", "--of"]),
        ("--compare a.txt b.txt --batch 7", ["--compare", "--batch"]),
        ("--compare a.txt b.txt --record x", ["--compare", "--record"]),
        ("--compare a.txt b.txt --memory 2", ["--compare", "--memory"]),
    ] {
        let message = refused(&[&["bench"][..], &words.split(' ').collect::<Vec<_>>()].concat());
        let named = two.iter().all(|option| message.contains(option));
        assert!(named && !message.contains("a.txt can't"), "{words}: {message}");
    }
}

/// Before anything is measured: nothing is printed.
#[test]
fn a_picture_is_refused_where_it_cannot_be_or_something_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (notes, drawn) = (path("notes.txt"), path("drawn.svg"));
    std::fs::write(&notes, "mine").unwrap();
    std::fs::write(&drawn, "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>\n").unwrap();
    let other = "exists already, and is no picture of `ijepa bench --svg`: choose another file";
    for (place, wanted) in [
        (notes.as_str(), other),
        (&drawn, other),
        (&path("new.svg/"), "cannot be written: ends in /, as only a folder does"),
        (&path("nowhere/new.svg"), "cannot be written: there is no folder"),
        #[cfg(target_os = "linux")]
        ("/proc/new.svg", "cannot be written: "), // whoever writes anywhere makes no files among the processes
    ] {
        for option in ["--svg", "--record"] {
            let step = if option == "--svg" { &[][..] } else { &["--step"] };
            let wanted = match option {
                "--svg" => wanted.to_string(),
                _ => wanted.replace("picture of `ijepa bench --svg`", "recording of `ijepa bench --record`"),
            };
            let message = refused(&[&["bench", "--preset", "demo", option, place], step].concat());
            assert!(message.contains(&wanted), "{place}: {message}");
        }
    }
    assert_eq!(std::fs::read_to_string(notes).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn measurements_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt").display().to_string();
    let kernel = value_of!({
        "kernel": "adamw", "shapes": "1x2 1x2 -> 1x2", "times": 2, "ms": 8.0, "ms_slowest": 9.0, "gflops": 1.0, "gb_s": 2.0,
    });
    let good = value_of!({
        "preset": "ro\u{1b}[31mt\u{9b}", "batch": 4, "adapter": "x", "ceilings": {"gflops": 10.0, "gb_s": 5.0, "dispatch_us": 1.0},
        "step": {"ms": 10.0, "ms_slowest": 12.0}, "kernels": [kernel],
    });
    let compare = ["bench", "--compare", &file, &file];
    let predict = ["bench", "--predict", "same", "--of", &file];
    std::fs::write(&file, good.to_string()).unwrap();
    for words in [&compare[..], &predict] {
        let printed = prints(words);
        let lines: Vec<&str> = printed.lines().filter(|line| !line.starts_with('{')).collect();
        assert!(lines[0].contains("ro\\u{1b}[31mt\\u{9b}"), "{printed}");
        assert!(!lines.concat().contains(char::is_control), "{printed}");
    }
    let with = |at: &str, value: Value| {
        let mut all = good.clone();
        *all.pointer_mut(at).unwrap() = value;
        all.to_string()
    };
    let none = "does not end with the JSON line of `ijepa bench`";
    let step = value_of!({"preset": "nano", "ms": 1.0, "losses": [1.0], "adapter": "x"});
    for (text, wanted) in [
        (String::new(), none),
        ("[1, 2]".to_string(), none),
        (
            step.to_string(),
            "is a measurement with --step, and one without is wanted",
        ),
        (
            with("/step", value_of!({"ms": 10.0})),
            "is no whole measurement (see its step)",
        ),
        (with("/step/ms", 0.into()), "is no whole measurement (see its step)"),
        (
            with("/step/ms", 1e-300.into()),
            "is no whole measurement (see its step)",
        ),
        (
            with("/kernels", value_of!([kernel, kernel])),
            "is no whole measurement (see its kernel 2)",
        ),
        (with("/step/ms", (-5).into()), "is no whole measurement (see its step)"),
        (with("/step/ms", 13.into()), "is no whole measurement (see its step)"),
        (
            with("/kernels", value_of!([])),
            "is no whole measurement (see its kernels)",
        ),
        (
            with("/kernels", value_of!([kernel, 3])),
            "is no whole measurement (see its kernel 2)",
        ),
        (
            with("/kernels/0/ms_slowest", Value::Null),
            "is no whole measurement (see its kernel 1)",
        ),
        (
            with("/kernels/0/gflops", 1e300.into()),
            "is no whole measurement (see its kernel 1)",
        ),
        (with("/batch", 0.into()), "is no whole measurement (see its batch)"),
        (
            with("/adapter", 7.into()),
            "is no whole measurement (see its preset or adapter)",
        ),
        (" ".repeat((16 << 20) + 1), "can't be read: is larger than 16 MiB"),
    ] {
        std::fs::write(&file, &text).unwrap();
        for words in [&compare[..], &predict] {
            let message = refused(words);
            assert!(message.contains(wanted), "{words:?}: {message}");
        }
    }
    for ceilings in [
        value_of!({}),
        value_of!({"gflops": 1e-300, "gb_s": 1.0}),
        value_of!({"gflops": 1e300, "gb_s": 1.0, "dispatch_us": 1.0}),
        value_of!({"gflops": 1.0, "gb_s": 1.0}),
        value_of!({"gflops": 1.0, "gb_s": 1.0, "dispatch_us": -5}),
        value_of!({"gflops": 1.0, "gb_s": 1.0, "dispatch_us": 1e11}),
    ] {
        std::fs::write(&file, with("/ceilings", ceilings)).unwrap();
        assert!(refused(&predict).contains("has no ceilings"));
    }
    // Kernels that cost nothing tell nothing, as what is predicted and as what it is predicted from.
    let free = value_of!([{
        "kernel": "adamw", "shapes": "1x2 1x2 -> 1x2", "times": 2, "ms": 8.0, "ms_slowest": 9.0, "gflops": 0.0, "gb_s": 0.0,
    }]);
    let other = folder.path().join("b.txt").display().to_string();
    std::fs::write(&file, with("/kernels", free)).unwrap();
    std::fs::write(&other, good.to_string()).unwrap();
    for [of, shares] in [[&file, &other], [&other, &file]] {
        let message = refused(&["bench", "--predict", "same", "--of", of, "--shares", shares]);
        assert!(message.contains("a.txt has kernels that cost nothing"), "{message}");
    }
    // Several are taken; a kernel that none of them has is named; what shells write in front of UTF-8 is left out.
    std::fs::write(&file, format!("\u{feff}{}", with("/kernels/0/kernel", "sgd".into()))).unwrap();
    let printed = prints(&["bench", "--predict", "same", "--of", &other, "--shares", &file, &file]);
    assert!(
        printed.contains("of 1 kernels the share was not measured there") && printed.contains(": adamw"),
        "{printed}"
    );
    #[cfg(unix)]
    assert!(refused(&["bench", "--compare", "/dev/zero", &file]).contains("is no ordinary file"));
}
