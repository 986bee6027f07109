use crate::harness::{Bench, f64s, random, sum_of};
use ijepa::cpu::reduce as twin;
use ijepa::gpu::Kind;
use ijepa::ops::reduce::reduce;

/// Fewer values than the 64 lanes, exactly as many, one more, many. `reduce` has one form for all adapters.
#[test]
fn sums_agree_with_f64_and_go_to_their_slot() {
    for count in [1, 5, 64, 65, 1000] {
        let mut bench = Bench::of(Kind::Software, format!("reduce {count}"));
        // Values around 1: the sum is not near 0. What lies behind `count` is not read.
        let mut partial: Vec<f32> = random(1, count).iter().map(|v| v + 1.0).collect();
        let want = twin::reduce(&f64s(&partial), -0.25);
        partial.extend([f32::NAN; 70]);
        let (view, results) = (bench.put(1, count + 70, &partial), bench.put(1, 3, &[7f32; 3]));
        reduce(&mut bench.rec, &view, count, -0.25, &results, 1).unwrap();
        let got = bench.get(&results);
        bench.compare("sum", 1, &got[1..2], &[want], sum_of(count));
        assert_eq!([got[0], got[2]], [7.0, 7.0]);
    }
}

#[test]
fn nothing_sums_to_zero_and_what_does_not_fit_is_refused() {
    let mut bench = Bench::of(Kind::Software, "reduce");
    let (partial, results) = (bench.poisoned(1, 8), bench.poisoned(1, 2));
    reduce(&mut bench.rec, &partial, 0, 1.0, &results, 0).unwrap();
    assert_eq!(bench.get(&results)[0], 0.0);
    assert!(reduce(&mut bench.rec, &partial, 9, 1.0, &results, 0).is_err());
    assert!(reduce(&mut bench.rec, &partial, 8, 1.0, &results, 2).is_err());
}

#[test]
fn the_same_input_gives_the_same_bits() {
    let mut bench = Bench::of(Kind::Software, "reduce twice");
    let (partial, results) = (bench.put(1, 5000, &random(1, 5000)), bench.poisoned(1, 2));
    for slot in 0..2 {
        reduce(&mut bench.rec, &partial, 5000, 1.0, &results, slot).unwrap();
    }
    let bits = bench.bits(&results);
    assert_eq!(bits[0], bits[1]);
}
