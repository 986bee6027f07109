//! A batch in parts: loss, regularizer, norms and gradients are the whole batch's.

use crate::case::{Case, bits, f64s, gpu, masks, rates};
use ijepa::data::image::Size;
use ijepa::gpu::Kind;
use ijepa::model::config::ModelConfig;
use ijepa::model::ijepa::{Images, Outcome, Terms};
use ijepa::model::needs::Dims;
use ijepa::model::tensors::Tensors;

/// Relative L2 of all gradients together, and of each tensor.
const GRADIENTS: f64 = 1e-6;

const TERMS: Terms = Terms {
    variance: 0.3,
    covariance: 0.1,
    clip: None,
};

fn case(terms: Terms) -> Case {
    let config = ModelConfig {
        image: Size::square(28),
        patch: 7,
        embed_dim: 48,
        depth: 2,
        num_heads: 2,
        mlp_ratio: 3.0,
        pred_emb_dim: 16,
        pred_depth: 2,
    };
    Case::new(config, [7, 2, 3, 5, 3], terms)
}

/// What a step in so many parts gave, its gradients, and the weights after it.
fn step(case: &Case, variant: &'static str, kind: Option<Kind>, parts: usize) -> (Outcome, Tensors, Tensors) {
    let dims = Dims {
        batch: case.masks.batch.div_ceil(parts),
        parts,
        ..case.dims()
    };
    let mut net = case.net(&gpu(variant, kind), dims);
    net.measure(&["encoder.blocks.0.attn.qkv.weight".to_string()]).unwrap();
    let images = case.floats();
    let pending = net.step(Images::Floats(&images), &case.masks, rates(1)).unwrap();
    let outcome = pollster::block_on(pending.outcome()).unwrap();
    assert_eq!(net.dims(), dims, "one plan was enough");
    let gradients = pollster::block_on(net.gradients()).unwrap();
    (outcome, gradients, pollster::block_on(net.tensors(true)).unwrap())
}

fn off(got: &[f64], want: &[f64]) -> f64 {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut got.iter().zip(want).map(|(g, w)| g - w)) / norm(&mut want.iter().copied()).max(1e-30)
}

/// The gradient of the key's bias is 0 in exact arithmetic: what comes is rounding.
fn without_keys(name: &str, values: &[f32]) -> Vec<f64> {
    let third = if name.ends_with("attn.qkv.bias") {
        values.len() / 3
    } else {
        0
    };
    let kept = [&values[..third], &values[2 * third..]].concat();
    f64s(&kept)
}

fn agrees(terms: Terms, variant: &'static str, kind: Option<Kind>) {
    let case = case(terms);
    let (whole, gradients, _) = step(&case, variant, kind, 1);
    let all = |tensors: &Tensors| -> Vec<f64> {
        tensors
            .iter()
            .flat_map(|(name, tensor)| without_keys(name, &tensor.values))
            .collect()
    };
    // 7 images: 4 + 3, 3 + 2 + 2, 2 + 2 + 2 + 1, and one by one.
    for parts in [2, 3, 4, 7] {
        let label = format!("{parts} parts, \"{variant}\", {kind:?}");
        let (outcome, summed, _) = step(&case, variant, kind, parts);
        let far = off(&all(&summed), &all(&gradients));
        println!("{label}: gradients {far:.1e} off");
        assert!(far <= GRADIENTS, "{label}: all gradients are {far:.1e} off");
        for (name, whole) in &gradients {
            let far = off(
                &without_keys(name, &summed[name].values),
                &without_keys(name, &whole.values),
            );
            assert!(far <= GRADIENTS, "{label}: {name} is {far:.1e} off");
        }
        for (name, got, want) in [
            ("loss", outcome.loss, whole.loss),
            ("regularizer", outcome.regularizer, whole.regularizer),
            ("gradient norm", outcome.gradient_norm, whole.gradient_norm),
            ("measured norm", outcome.measured[0], whole.measured[0]),
        ] {
            let far = f64::from((got - want).abs()) / f64::from(want).max(1e-30);
            assert!(far <= 1e-6, "{label}: {name} is {got}, of the whole batch {want}");
        }
        assert!(outcome.finite && whole.finite);
    }
}

#[test]
fn the_gradients_of_parts_add_up_to_those_of_the_batch() {
    agrees(Terms::default(), "", None);
    agrees(Terms::default(), "tile", Some(Kind::Hardware));
    agrees(Terms::default(), "any", Some(Kind::Software));
}

#[test]
fn the_regularizer_looks_at_all_parts_together() {
    agrees(TERMS, "", None);
    agrees(TERMS, "tile", Some(Kind::Hardware));
}

/// What a part leaves out would not show where all images are alike.
#[test]
fn a_part_that_is_left_out_shows() {
    let case = case(Terms::default());
    let (_, gradients, _) = step(&case, "", None, 2);
    let mut half = Case {
        masks: case.masks.clone(),
        bytes: case.bytes.clone(),
        tensors: case.tensors.clone(),
        config: case.config.clone(),
        terms: case.terms,
    };
    let image = case.config.image.values();
    half.bytes[6 * image..].fill(0);
    let (_, other, _) = step(&half, "", None, 2);
    let name = "encoder.patch_embed.proj.weight";
    assert!(off(&f64s(&other[name].values), &f64s(&gradients[name].values)) > 1e-3);
}

#[test]
fn steps_in_parts_give_the_same_bits_each_time_and_forget_nothing() {
    let case = case(TERMS);
    let dims = Dims {
        batch: 3,
        parts: 3,
        ..case.dims()
    };
    let longer = masks(5, case.config.num_patches(), [7, 2, 3, 7, 4]);
    let steps = [&case.masks, &longer, &case.masks];
    let first = case.train(&mut case.net(&gpu("", None), dims), &steps);
    // A plan that is large enough from the start, and blocks that are computed again.
    let enough = Dims {
        k_context: 8,
        k_target: 6,
        recompute: true,
        ..dims
    };
    let second = case.train(&mut case.net(&gpu("", None), enough), &steps);
    assert!(bits(&first) == bits(&second));
    // A smaller batch than planned, in parts of its own.
    let mut small = Case::new(case.config.clone(), [2, 2, 3, 5, 3], TERMS);
    small.tensors = case.tensors.clone();
    let mut net = small.net(&gpu("", None), dims);
    small.train(&mut net, &[&small.masks]);
    assert_eq!(net.dims(), dims);
}

#[test]
fn what_is_not_finite_in_any_part_stops_the_step() {
    let case = case(TERMS);
    let image = case.config.image.values();
    for bad in [0, 3, 6] {
        let dims = Dims {
            batch: 3,
            parts: 3,
            ..case.dims()
        };
        let mut net = case.net(&gpu("", None), dims);
        let before = bits(&pollster::block_on(net.tensors(true)).unwrap()).len();
        let mut images = case.floats();
        images[bad * image + 17] = f32::NAN;
        let weights = pollster::block_on(net.tensors(true)).unwrap();
        let pending = net.step(Images::Floats(&images), &case.masks, rates(1)).unwrap();
        assert!(!pollster::block_on(pending.outcome()).unwrap().finite, "image {bad}");
        let after = pollster::block_on(net.tensors(true)).unwrap();
        assert!(bits(&after) == bits(&weights) && before == bits(&after).len());
    }
}

/// The page looks at an image of the batch: it is found in its part.
#[test]
fn the_trail_of_an_image_is_the_same_in_parts() {
    let case = case(Terms::default());
    let trails = [1, 3].map(|parts| {
        let dims = Dims {
            batch: case.masks.batch.div_ceil(parts),
            parts,
            ..case.dims()
        };
        let mut net = case.net(&gpu("", None), dims);
        let images = case.floats();
        pollster::block_on(net.trail(Images::Floats(&images), &case.masks, 4)).unwrap()
    });
    assert!(trails[0] == trails[1]);
}

#[test]
fn images_and_masks_that_do_not_fit_are_refused() {
    let case = case(Terms::default());
    let dims = Dims {
        batch: 4,
        parts: 2,
        ..case.dims()
    };
    let mut net = case.net(&gpu("", None), dims);
    let images = case.floats();
    let short = net.forward_and_backward(Images::Floats(&images[1..]), &case.masks);
    assert!(short.unwrap_err().to_string().contains("but 16463 came"));
    let mut masks = case.masks.clone();
    masks.context.pop();
    let error = net.forward_and_backward(Images::Floats(&images), &masks).unwrap_err();
    assert_eq!(error.exit_code(), 2);
}
