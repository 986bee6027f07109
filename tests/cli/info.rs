//! `info` and `trace --dry-run`: the reference's text, no adapter, no size too large.

use super::{prints, refused};

#[test]
fn info_prints_the_three_architectures_in_the_references_text() {
    let text = prints(&["info", "--preset", "base", "--patch", "14"]);
    let seed = include_str!("../golden/seed-architectures.txt");
    let encoder = &seed[..seed.find("VisionTransformerPredictor").unwrap() / 2];
    let predictor = &seed[seed.find("VisionTransformerPredictor").unwrap()..];
    let expected = format!("Target encoder\n\n{encoder}\nContext encoder\n\n{encoder}\nPredictor\n\n{predictor}\n");
    assert!(text.starts_with(&expected), "{text}");
    for line in [
        "  context encoder        85,508,352  trained\n",
        "  predictor              21,885,696  trained\n",
        "  target encoder             46.1 G  forward, 256 patches",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(
        text.contains("Memory for a step of 128 images")
            && text.contains("\n  together  ")
            && text.contains("\n  together, on a software driver  "),
        "{text}"
    );
}

#[test]
fn trace_prints_every_shape_in_the_references_form_and_order() {
    let text = prints(&[
        "trace",
        "--preset",
        "base",
        "--patch",
        "14",
        "--batch",
        "128",
        "--dry-run",
    ]);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("INFO:root:Epoch 1"));
    assert_eq!(lines.next(), Some("itr: 0"));
    assert_eq!(lines.next(), Some("unsupervised_loader length 8"));
    // K_p of batch 0 is the reference's own (42 = 7 x 6); K_e hangs on where blocks fall, so it is read off.
    let size = |line: &str| line.rsplit(", ").next().unwrap().trim_end_matches("])").to_string();
    let kept = size(text.lines().find(|l| l.starts_with("masks_enc[0].shape")).unwrap());
    let together = (kept.parse::<usize>().unwrap() + 42).to_string();
    let seed = include_str!("../golden/seed-shapes.txt");
    let mut compared = 0;
    for (line, expected) in lines.by_ref().zip(seed.lines()) {
        let expected = expected.replace("57", &kept).replace("99", &together);
        assert_eq!(line, expected);
        compared += 1;
    }
    assert_eq!((compared, lines.next()), (41, None));
    let other = prints(&["trace", "--preset", "base", "--patch", "14", "--seed", "3", "--dry-run"]);
    assert_ne!(text, other, "the masks follow the seed");
}

#[test]
fn info_and_trace_refuse_nothing_for_its_size() {
    let wide = [
        "--preset",
        "giant",
        "--batch",
        "512",
        "--set",
        "data.crop_size=448",
        "--set",
        "meta.model.depth=400",
    ];
    let info = prints(&[&["info"], &wide[..]].concat());
    assert!(info.contains("(0-399): 400 x Block("), "{info}");
    let trace = prints(&[&["trace", "--dry-run"], &wide[..]].concat());
    assert!(trace.contains("x.shape:  torch.Size([512, 784, 1408])"), "{trace}");
}

#[test]
fn info_lists_every_key() {
    let table = prints(&["info", "--keys"]);
    assert!(table.contains("\n\n| key | value | default | meaning |\n|---|---|---|---|\n"));
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, ijepa::train::keys::KEYS.len());
    assert!(
        table.contains("| `optimization.lr` | a number | `0.001` | learning rate after the warm-up |"),
        "{table}"
    );
    assert!(
        table.contains("| `mask.min_keep_context` (own) | a whole number or null | `null` |"),
        "{table}"
    );
    assert!(table.contains("`data.pin_mem`") && table.contains("has no meaning here"));
}

#[test]
fn the_document_of_the_keys_is_what_info_prints() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let document = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        document == prints(&["info", "--keys"]),
        "docs/configuration.md is not up to date; renew it by: cargo run -- info --keys > docs/configuration.md"
    );
}

#[test]
fn a_configuration_that_does_not_fit_is_refused() {
    let message = refused(&["info", "--preset", "base", "--patch", "15"]);
    assert_eq!(
        message,
        "ijepa info: data.crop_size 224 is no multiple of mask.patch_size 15: use crop_size 210 or 225, or another patch"
    );
    let message = refused(&["trace", "--dry-run", "--preset", "demo", "--set", "mask.min_keep=12"]);
    assert!(message.starts_with("ijepa trace: masks cannot be drawn"), "{message}");
    assert!(refused(&["info", "--patch", "0"]).contains("mask.patch_size is 0"));
    assert!(refused(&["info", "--preset", "bse"]).contains("did you mean \"base\"?"));
}

#[test]
fn info_of_a_file_takes_no_settings() {
    for more in [
        &["--preset", "nano"][..],
        &["--patch", "4"],
        &["--set", "meta.seed=1"],
        &["--config", "c.yaml"],
        &["--batch", "8"],
        &["--keys"],
    ] {
        let message = refused(&[&["info", "run"], more].concat());
        let wanted = format!("cannot be used with '{}", more[0]);
        assert!(message.contains("'[FILE]'") && message.contains(&wanted), "{message}");
    }
}
