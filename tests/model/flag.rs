//! Steps that are not finite, and clipping.

use crate::case::{Case, bits, gpu, rates};
use ijepa::model::ijepa::{Ijepa, Images, Outcome, Terms};
use ijepa::model::tensors::Tensors;

fn step(net: &mut Ijepa, case: &Case, images: &[f32], t: u64) -> Outcome {
    let pending = net.step(Images::Floats(images), &case.masks, rates(t)).unwrap();
    pollster::block_on(pending.outcome()).unwrap()
}

fn tensors(net: &mut Ijepa) -> Tensors {
    pollster::block_on(net.tensors(true)).unwrap()
}

#[test]
fn a_step_that_is_not_finite_changes_nothing_nor_does_any_after_it() {
    let case = Case::small(Terms {
        variance: 0.2,
        covariance: 0.1,
        clip: None,
    });
    let good = case.floats();
    for poison in [f32::NAN, f32::NEG_INFINITY] {
        let mut bad = good.clone();
        bad[17] = poison;
        let mut net = case.net(&gpu("", None), case.dims());
        assert!(step(&mut net, &case, &good, 1).finite);
        let before = tensors(&mut net);
        let outcome = step(&mut net, &case, &bad, 2);
        assert!(!outcome.finite, "an image with {poison}");
        assert!(bits(&tensors(&mut net)) == bits(&before), "{poison} changed weights");
        for t in 3..5 {
            assert!(!step(&mut net, &case, &good, t).finite, "the flag went away by itself");
        }
        assert!(
            bits(&tensors(&mut net)) == bits(&before),
            "a step after {poison} changed weights"
        );

        net.clear_flag().unwrap();
        assert!(step(&mut net, &case, &good, 2).finite);
        let after = tensors(&mut net);
        assert!(bits(&after) != bits(&before));
        // As if nothing had been: what was not finite left no trace in any buffer.
        let mut clean = case.net(&gpu("", None), case.dims());
        step(&mut clean, &case, &good, 1);
        step(&mut clean, &case, &good, 2);
        assert!(bits(&after) == bits(&tensors(&mut clean)), "{poison} left a trace");
    }
}

#[test]
fn a_flag_outlives_a_new_plan() {
    let case = Case::small(Terms::default());
    let mut bad = case.floats();
    bad[0] = f32::NAN;
    let mut net = case.net(&gpu("", None), case.dims());
    assert!(!step(&mut net, &case, &bad, 1).finite);
    let before = tensors(&mut net);
    let longer = Case {
        masks: crate::case::masks(3, case.config.num_patches(), [3, 1, 2, 8, 8]),
        ..Case::small(Terms::default())
    };
    assert!(!step(&mut net, &longer, &case.floats(), 2).finite);
    assert!(bits(&tensors(&mut net)) == bits(&before));
}

#[test]
fn clipping_scales_all_gradients_by_one_factor() {
    let with = |clip: Option<f64>| {
        let case = Case::small(Terms {
            clip,
            ..Terms::default()
        });
        let mut net = case.net(&gpu("", None), case.dims());
        let norm = step(&mut net, &case, &case.floats(), 1).gradient_norm;
        (norm, tensors(&mut net))
    };
    let (norm, free) = with(None);
    let (same, loose) = with(Some(f64::from(norm) * 1.01));
    assert_eq!(norm, same, "the norm is the one before clipping");
    assert!(bits(&free) == bits(&loose), "a norm within the limit is clipped");
    let (_, tight) = with(Some(f64::from(norm) / 8.0));
    // AdamW's means after the first step are a tenth of what it was given.
    for (name, free) in free.iter().filter(|(name, _)| name.starts_with("mean.")) {
        for (f, t) in free.values.iter().zip(&tight[name].values) {
            assert!((f / 8.0 - t).abs() <= 2e-6 * f.abs() + 1e-12, "{name}: {t} for {f} / 8");
        }
    }
}
