use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random, sum_of};
use ijepa::cpu::mean_pool as twin;
use ijepa::gpu::Kind;
use ijepa::ops::mean_pool::{backward, forward};

/// [sequences, tokens, columns]
const SHAPES: [[usize; 3]; 5] = [[1, 1, 1], [3, 7, 5], [130, 4, 12], [2, 257, 96], [5, 16, 300]];

#[test]
fn means_and_their_gradient_agree_with_f64() {
    for kind in KINDS {
        for [sequences, tokens, cols] in SHAPES {
            let mut bench = Bench::of(kind, format!("mean_pool [{sequences} * {tokens}, {cols}]"));
            // Around 1, so that no mean comes out near 0 while its terms are not.
            let x: Vec<f32> = random(1, sequences * tokens * cols).iter().map(|v| v + 1.0).collect();
            let (vx, y) = (bench.put(sequences * tokens, cols, &x), bench.poisoned(sequences, cols));
            forward(&mut bench.rec, &vx, &y).unwrap();
            bench.check("y", &y, &twin::forward(&f64s(&x), tokens, cols), sum_of(tokens));
            let dy = random(2, sequences * cols);
            let (vdy, dx) = (
                bench.put(sequences, cols, &dy),
                bench.poisoned(sequences * tokens, cols),
            );
            backward(&mut bench.rec, &vdy, &dx).unwrap();
            bench.check("dx", &dx, &twin::backward(&f64s(&dy), tokens, cols), ELEMENTWISE);
        }
    }
}

#[test]
fn rows_that_are_no_sequences_are_refused() {
    let mut bench = Bench::of(Kind::Software, "mean_pool");
    let (x, y, none) = (bench.poisoned(7, 8), bench.poisoned(3, 8), bench.poisoned(0, 8));
    assert!(forward(&mut bench.rec, &x, &y).is_err() && backward(&mut bench.rec, &y, &x).is_err());
    let error = forward(&mut bench.rec, &x, &none).unwrap_err().to_string();
    assert_eq!(
        error,
        "mean_pool: 7 rows are no sequences of which 0 means can be taken"
    );
    let narrow = bench.poisoned(7, 4);
    assert!(forward(&mut bench.rec, &x, &narrow).is_err());
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "mean_pool twice");
        let x = bench.put(257 * 3, 96, &random(1, 257 * 3 * 96));
        let bits = [(); 2].map(|()| {
            let y = bench.poisoned(3, 96);
            forward(&mut bench.rec, &x, &y).unwrap();
            bench.bits(&y)
        });
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}
