//! What must be equal to the bit: the same input twice, a plan that grew, bytes and floats.

use crate::case::{Case, bits, gpu, masks};
use ijepa::data::masks::Masks;
use ijepa::gpu::Kind;
use ijepa::model::ijepa::{Ijepa, Images, Terms};
use ijepa::model::needs::{Dims, Need, Part, needs};
use ijepa::ops::cast::Bits;
use ijepa::train::config::Config;
use ijepa::train::plan;

const TERMS: Terms = Terms {
    variance: 0.2,
    covariance: 0.05,
    clip: Some(0.5),
};

#[test]
fn the_same_input_gives_the_same_bits() {
    let case = Case::small(TERMS);
    let steps = [&case.masks; 3];
    let first = case.train(&mut case.net(&gpu("", None), case.dims()), &steps);
    let second = case.train(&mut case.net(&gpu("", None), case.dims()), &steps);
    assert!(bits(&first) == bits(&second));
    let two = case.train(&mut case.net(&gpu("", None), case.dims()), &steps[1..]);
    assert!(bits(&first) != bits(&two), "a third step changed nothing");
}

#[test]
fn a_plan_that_grew_gives_the_bits_of_one_that_was_large_enough() {
    let case = Case::small(TERMS);
    let patches = case.config.num_patches();
    let (longer, longest) = (masks(5, patches, [3, 1, 2, 7, 3]), masks(6, patches, [3, 1, 2, 6, 9]));
    let steps: [&Masks; 4] = [&case.masks, &longer, &longest, &case.masks];
    let enough = Dims {
        k_context: 11,
        k_target: 9,
        ..case.dims()
    };
    let mut large = case.net(&gpu("", None), enough);
    let mut grows = case.net(&gpu("", None), case.dims());
    assert!(large.holds(&longest) && grows.holds(&case.masks) && !grows.holds(&longer));
    let (large_bits, grown_bits) = (case.train(&mut large, &steps), case.train(&mut grows, &steps));
    assert_eq!(large.dims(), enough, "one plan was enough");
    let grown = grows.dims();
    assert_eq!(
        (grown.k_context, grown.k_target),
        (8, 10),
        "what was needed, a tenth more, and no less than before"
    );
    assert!(bits(&large_bits) == bits(&grown_bits));
}

#[test]
fn a_plan_grows_with_the_batch_and_the_number_of_masks() {
    let mut case = Case::small(TERMS);
    let dims = case.dims();
    let mut small = case.net(
        &gpu("", None),
        Dims {
            batch: 1,
            num_pred: 1,
            ..dims
        },
    );
    let grown = case.train(&mut small, &[&case.masks]);
    let fresh = case.train(&mut case.net(&gpu("", None), dims), &[&case.masks]);
    assert!(bits(&grown) == bits(&fresh));
    // And a smaller batch than planned needs no plan of its own.
    case.masks = masks(9, case.config.num_patches(), [2, 1, 2, 5, 3]);
    case.bytes.truncate(2 * case.config.image.values());
    let mut roomy = case.net(&gpu("", None), dims);
    let roomy_bits = case.train(&mut roomy, &[&case.masks]);
    assert_eq!(roomy.dims(), dims);
    let exact = case.train(&mut case.net(&gpu("", None), case.dims()), &[&case.masks]);
    assert!(bits(&roomy_bits) == bits(&exact));
}

/// Bytes are normalised on the GPU by one rounding more or less than the reference's floats: 1e-6 on the pixels.
#[test]
fn bytes_give_what_floats_give() {
    let case = Case::small(Terms::default());
    let floats = case.floats();
    let mut nets = [true, false].map(|float_images| {
        let dims = Dims {
            float_images,
            ..case.dims()
        };
        case.net(&gpu("", None), dims)
    });
    let images = [Images::Floats(&floats), Images::Bytes(&case.bytes)];
    let mut results = vec![];
    for (net, images) in nets.iter_mut().zip(images) {
        net.forward_and_backward(images, &case.masks).unwrap();
        let mut tensors = pollster::block_on(net.activations(&case.masks)).unwrap();
        tensors.extend(pollster::block_on(net.gradients()).unwrap());
        results.push(tensors);
    }
    for (name, floats) in &results[0] {
        let bytes = &results[1][name];
        let size = floats.values.iter().fold(0f32, |size, v| size.max(v.abs()));
        let limit = if name.ends_with("attn.qkv.bias") { 1e-5 } else { 2e-6 } * size.max(1e-3);
        for (i, (f, b)) in floats.values.iter().zip(&bytes.values).enumerate() {
            assert!((f - b).abs() <= limit, "{name}[{i}]: {b} from bytes, {f} from floats");
        }
    }
}

#[test]
fn encoding_is_the_target_encoders_pass() {
    let case = Case::small(Terms::default());
    let mut net = case.net(
        &gpu("", None),
        Dims {
            float_images: false,
            ..case.dims()
        },
    );
    net.forward_and_backward(Images::Bytes(&case.bytes), &case.masks)
        .unwrap();
    let seen = pollster::block_on(net.activations(&case.masks)).unwrap();
    let alone = pollster::block_on(net.encode(Images::Bytes(&case.bytes), 3)).unwrap();
    assert_eq!(seen["target_encoder_out"].values, alone);
    // One that has nothing else gives the same bits, and refuses to learn.
    let mut encoder = Ijepa::encoder(&gpu("", None), &case.config, &case.tensors, "a test", 2).unwrap();
    let image = case.config.image.values();
    let two = pollster::block_on(encoder.encode(Images::Bytes(&case.bytes[image..]), 2)).unwrap();
    assert_eq!(
        two,
        alone[alone.len() / 3..],
        "an image's features hang on no other image"
    );
    let three = pollster::block_on(encoder.encode(Images::Bytes(&case.bytes), 3));
    assert!(three.unwrap_err().to_string().contains("planned for 2"));
    let step = encoder.forward_and_backward(Images::Bytes(&case.bytes), &case.masks);
    assert!(step.unwrap_err().to_string().contains("its target encoder alone"));
    let held = pollster::block_on(encoder.tensors(true)).unwrap();
    let all_targets = held
        .keys()
        .all(|name| name.starts_with("target_") || name.ends_with("pos_embed"));
    assert!(all_targets && held.len() > 3);
}

#[test]
fn blocks_that_are_computed_again_give_the_same_bits() {
    let case = Case::small(TERMS);
    let steps = [&case.masks; 3];
    let ways = [
        ("", None, None),
        ("any", Some(Kind::Hardware), None),
        // What layers read is kept in 16 bits then, and what that was rounded from is each block's to write over.
        ("", None, Some(Bits::Bf16)),
        ("", None, Some(Bits::F16)),
    ];
    for (variant, kind, halves) in ways {
        let run = |recompute: bool| {
            let dims = Dims {
                recompute,
                bits: halves,
                ..case.dims()
            };
            case.train(&mut case.net(&gpu(variant, kind), dims), &steps)
        };
        assert!(bits(&run(false)) == bits(&run(true)), "{variant:?} {halves:?}");
    }
}

/// Of a step's activations those of the encoder are what depth multiplies.
#[test]
fn at_depth_twelve_activations_take_a_third_or_less() {
    let share = activations(true, None) as f64 / activations(false, None) as f64;
    println!("activations with recomputation: {share:.3} of those without");
    assert!(share < 1.0 / 3.0, "{share}");
}

/// The norms' outputs and GELU's are kept in 16 bits alone: 3 of the 16 widths that a block keeps for each row.
#[test]
fn activations_in_16_bits_take_five_sixths() {
    let share = activations(false, Some(Bits::Bf16)) as f64 / activations(false, None) as f64;
    println!("activations in 16 bits: {share:.3} of those in f32");
    assert!(share < 5.0 / 6.0, "{share}");
}

/// Bytes of `base`'s activations at a usual length of masks.
fn activations(recompute: bool, halves: Option<Bits>) -> u64 {
    let config = Config::preset("base").unwrap();
    let dims = Dims {
        recompute,
        bits: halves,
        ..plan::dims(&config, 100)
    };
    let list = needs(Kind::Hardware, &config.model().unwrap(), &dims);
    let activations = list
        .iter()
        .filter(|need| matches!(need.part, Part::ContextEncoder | Part::Predictor));
    activations.map(Need::bytes).sum()
}
