//! Architectures and shapes in the very text of the instrumented reference, parameter counts, cost.

use ijepa::model::describe::{architectures, flops, parameters};
use ijepa::model::needs::Dims;
use ijepa::model::shapes::shapes;
use ijepa::train::config::Config;

fn preset(name: &str, patch: usize) -> ijepa::model::config::ModelConfig {
    let mut config = Config::preset(name).unwrap();
    config.mask.patch_size = patch;
    config.model().unwrap()
}

fn dims(batch: usize, num_enc: usize, num_pred: usize, k_context: usize, k_target: usize) -> Dims {
    Dims {
        num_enc,
        num_pred,
        k_context,
        k_target,
        ..Dims::encode(batch)
    }
}

#[test]
fn base_14_is_printed_as_the_reference_prints_it() {
    let [target, context, predictor] = architectures(&preset("base", 14)).map(|(_, text)| text);
    assert_eq!(
        format!("{target}{context}{predictor}"),
        include_str!("golden/seed-architectures.txt")
    );
    let mut one = preset("base", 14);
    one.depth = 1;
    assert!(
        architectures(&one)[0].1.contains("    (0): Block(\n"),
        "a single block has no range"
    );
}

#[test]
fn shapes_are_those_of_the_printed_iteration() {
    let text = shapes(&preset("base", 14), &dims(128, 1, 4, 57, 42));
    assert_eq!(text, include_str!("golden/seed-shapes.txt"));
    // Two context masks: encoder outputs are stacked along the batch, and every mask is predicted from each of them.
    let text = shapes(&preset("base", 14), &dims(8, 2, 3, 50, 30));
    for line in [
        "masks_enc length 2\n",
        "x.shape after mask:  torch.Size([16, 50, 768])\n",
        "Batch Size: 8\n",
        "x.shape after concat mask tokens: torch.Size([48, 80, 384])\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn parameters_are_those_of_the_known_vision_transformers() {
    // ViT-B/16 without class token, position embedding and head: 86,567,656 - 768 - 197*768 - 769,000.
    assert_eq!(parameters(&preset("base", 16)).0, 85_646_592);
    let (huge, predictor) = parameters(&preset("huge", 14));
    assert_eq!(huge, 630_434_560); // 1280*588+1280 + 32*(12*1280^2 + 13*1280) + 2*1280
    // 1280*384+384 + 384 (mask token) + 12*(12*384^2 + 13*384) + 2*384 + 384*1280+1280
    assert_eq!(predictor, 22_279_424);
}

#[test]
fn flops_are_those_of_the_matrix_products() {
    let cost = flops(&preset("base", 16), &dims(1, 1, 4, 196, 1));
    // A block: 24 n d^2 + 4 n^2 d; the embedding: 2 n d (3 patch^2). ViT-B/16 is known as 17.5 GMAC.
    let (n, d) = (196.0, 768.0);
    assert_eq!(
        cost.target,
        12.0 * (24.0 * n * d * d + 4.0 * n * n * d) + 2.0 * n * d * 768.0
    );
    assert_eq!(cost.context, cost.target, "the same number of patches costs the same");
    let (t, p) = (197.0, 384.0);
    let predictor = 4.0 * 12.0 * (24.0 * t * p * p + 4.0 * t * t * p) + 2.0 * n * d * p + 2.0 * 4.0 * p * d;
    assert!((cost.predictor - predictor).abs() < 1e-6 * predictor);
    assert_eq!(cost.step(), cost.target + 3.0 * (cost.context + cost.predictor));
}
