use crate::harness::{Bench, KINDS, f64s, random, sum_of};
use ijepa::cpu::gradient_norm as twin;
use ijepa::gpu::{Kind, View};
use ijepa::ops::gradient_norm::{check, scratch, sum_of_squares};

#[test]
fn the_norm_of_several_tensors_agrees_with_f64() {
    // One value, no multiple of four, several workgroups of both kinds (512 and 1,024 values), all together.
    // The last: more than 1,024 workgroups' worth, so that lanes do more.
    for lengths in [vec![1], vec![5, 96], vec![40_003, 12, 2052, 1], vec![2_200_000, 64]] {
        for kind in KINDS {
            let mut bench = Bench::of(kind, format!("gradient_norm of {lengths:?}"));
            let tensors: Vec<Vec<f32>> = lengths.iter().map(|&l| random(l as u64, l)).collect();
            let views: Vec<View> = tensors.iter().map(|t| bench.put(1, t.len(), t)).collect();
            let partial = bench.scratch(scratch(kind, lengths.len(), lengths.iter().sum()));
            let results = bench.poisoned(1, 4);
            let views: Vec<&View> = views.iter().collect();
            sum_of_squares(&mut bench.rec, &views, &partial, &results, 2).unwrap();
            let wide: Vec<Vec<f64>> = tensors.iter().map(|t| f64s(t)).collect();
            let squares = twin::sum_of_squares(&wide.iter().map(|t| t.as_slice()).collect::<Vec<_>>());
            let got = bench.get(&results);
            bench.compare(
                "sum of squares",
                1,
                &got[2..3],
                &[squares],
                sum_of(*lengths.iter().max().unwrap()),
            );
            assert!(
                [0, 1, 3].iter().all(|&i| got[i].is_nan()),
                "{}: other slots changed",
                bench.label
            );
        }
    }
}

/// `control` after checks of these results: loss, regularizer, and in slot 4 the sum of squares.
fn checked(bench: &mut Bench, steps: &[[f32; 3]], clip: Option<f64>) -> Vec<u32> {
    let control = bench.put(1, 4, &[0u32; 4]);
    for [loss, regularizer, squares] in steps {
        let results = bench.put(1, 6, &[f32::NAN, *loss, *regularizer, f32::NAN, *squares, f32::NAN]);
        check(&mut bench.rec, &results, 1, 4, clip, &control).unwrap();
    }
    bench.bits(&control)
}

const GOOD: [f32; 3] = [0.5, 0.0, 9.0];

#[test]
fn what_is_not_finite_stops_this_step_and_all_that_follow() {
    let mut bench = Bench::of(Kind::Software, "gradient_norm_check");
    assert_eq!(checked(&mut bench, &[GOOD], None), [0, 1f32.to_bits(), 0, 0]);
    // The largest finite values and the smallest are good.
    let edges = [[f32::MAX, -f32::MAX, f32::MAX], [f32::MIN_POSITIVE, 1e-45, 0.0]];
    assert_eq!(checked(&mut bench, &edges, None), [0, 1f32.to_bits(), 0, 0]);
    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in 0..3 {
            let mut step = GOOD;
            step[place] = bad;
            let control = checked(&mut bench, &[GOOD, step], Some(1.0));
            let [loss, regularizer, squares] = step.map(f64::from);
            assert_eq!(
                (control[0], twin::check(0, loss, regularizer, squares, Some(1.0)).0),
                (1, 1),
                "{bad} in place {place} of (loss, regularizer, sum of squares)"
            );
            assert!(f32::from_bits(control[1]).is_finite());
            let control = checked(&mut bench, &[step, GOOD, GOOD], Some(1.0));
            assert_eq!(
                control[0], 1,
                "{bad} in place {place} was forgotten by later good steps"
            );
        }
    }
}

#[test]
fn a_bad_gradient_is_seen_wherever_it_is() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "gradient_norm of a bad gradient");
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in [0, 1023, 2051] {
                let mut g = random(1, 2052);
                g[place] = bad;
                let (view, fine) = (bench.put(1, 2052, &g), bench.put(1, 5, &random(2, 5)));
                let partial = bench.scratch(scratch(kind, 2, 2057));
                let results = bench.put(1, 3, &[0f32; 3]);
                let control = bench.put(1, 4, &[0u32; 4]);
                sum_of_squares(&mut bench.rec, &[&view, &fine], &partial, &results, 2).unwrap();
                check(&mut bench.rec, &results, 0, 2, None, &control).unwrap();
                assert_eq!(bench.bits(&control)[0], 1, "{}: {bad} at {place}", bench.label);
            }
        }
    }
}

#[test]
fn clipping_brings_the_norm_down_to_the_limit_and_never_up() {
    let mut bench = Bench::of(Kind::Software, "gradient_norm_check");
    // The norm is 3; the square root and the division are each good to 1e-7 and more.
    for (clip, want) in [
        (Some(1.5), 0.5),
        (Some(0.3), 0.1),
        (Some(3.5), 1.0),
        (Some(3.0), 1.0),
        (None, 1.0),
    ] {
        let control = checked(&mut bench, &[GOOD], clip);
        let [loss, regularizer, squares] = GOOD.map(f64::from);
        let (flag, factor) = twin::check(0, loss, regularizer, squares, clip);
        assert!(flag == control[0] && (factor - want).abs() < 1e-15);
        bench.compare("factor", 1, &[f32::from_bits(control[1])], &[want], 4e-7);
    }
}

#[test]
fn slots_and_scratch_that_do_not_fit_are_refused() {
    let mut bench = Bench::of(Kind::Software, "gradient_norm");
    let (g, results, control) = (
        bench.poisoned(1, 5000),
        bench.poisoned(1, 4),
        bench.put(1, 4, &[0u32; 4]),
    );
    let (one, small, partial) = (
        bench.poisoned(1, 1),
        bench.poisoned(1, 4),
        bench.scratch(scratch(Kind::Software, 1, 5000)),
    );
    assert!(sum_of_squares(&mut bench.rec, &[&g], &small, &results, 0).is_err());
    assert!(sum_of_squares(&mut bench.rec, &[&g], &partial, &results, 4).is_err());
    // The regularizer stands behind the loss: slot 4 does not exist.
    assert!(check(&mut bench.rec, &results, 3, 0, None, &control).is_err());
    assert!(check(&mut bench.rec, &results, 0, 4, None, &control).is_err());
    assert!(check(&mut bench.rec, &results, 0, 2, None, &one).is_err());
}

#[test]
fn partial_sums_take_little_memory_whatever_the_number_of_gradients() {
    for kind in KINDS {
        // ViT-H's 660 million, and fewer, of which a plan's memory must hold the partial sums, too.
        let most = scratch(kind, 24, 660_000_000);
        assert!(most <= 1100 * 64, "{most} partial sums");
        for fewer in [1, 600_000, 2_100_000, 2_097_152, 300_000_000] {
            assert!(
                scratch(kind, 24, fewer) <= most,
                "{fewer} values need more partial sums than ViT-H"
            );
        }
    }
}
