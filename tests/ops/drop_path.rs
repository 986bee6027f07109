use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random};
use ijepa::cpu::drop_path as twin;
use ijepa::gpu::Kind;
use ijepa::ops::drop_path::{backward, forward};

/// [sequences, tokens, columns]
const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [3, 7, 5], [5, 26, 12], [2, 257, 96]];

/// Every second sequence is dropped.
fn scales(sequences: usize) -> Vec<f32> {
    let scale = |i: usize| if i % 2 == 1 { 0.0 } else { 1.25 };
    (0..sequences).map(scale).collect()
}

#[test]
fn branches_and_their_gradient_agree_with_f64() {
    for kind in KINDS {
        for [sequences, tokens, cols] in SHAPES {
            let mut bench = Bench::of(kind, format!("drop_path [{sequences} * {tokens}, {cols}]"));
            let rows = sequences * tokens;
            let (branch, shortcut, scales) = (random(1, rows * cols), random(2, rows * cols), scales(sequences));
            let (vbranch, vshortcut) = (bench.put(rows, cols, &branch), bench.put(rows, cols, &shortcut));
            // Longer than needed, as in a plan for a larger batch.
            let mut longer = scales.clone();
            longer.extend([f32::NAN; 9]);
            let vscales = bench.put(longer.len(), 1, &longer).shaped(sequences, 1).unwrap();
            let y = bench.poisoned(rows, cols);
            forward(&mut bench.rec, &vbranch, &vscales, &vshortcut, &y).unwrap();
            let want = twin::forward(&f64s(&branch), &f64s(&scales), &f64s(&shortcut));
            bench.check("y", &y, &want, ELEMENTWISE);
            let dbranch = bench.poisoned(rows, cols);
            backward(&mut bench.rec, &vbranch, &vscales, &dbranch).unwrap();
            let want = twin::backward(&f64s(&branch), &f64s(&scales));
            bench.check("dbranch", &dbranch, &want, ELEMENTWISE);
        }
    }
}

#[test]
fn scales_that_are_not_one_for_each_sequence_are_refused() {
    let mut bench = Bench::of(Kind::Software, "drop_path");
    let (x, y, three) = (bench.poisoned(8, 4), bench.poisoned(8, 4), bench.poisoned(3, 1));
    let error = forward(&mut bench.rec, &x, &three, &x, &y).unwrap_err().to_string();
    assert_eq!(
        error,
        "drop_path: scales [3, 1] for 8 rows: one for each sequence is wanted"
    );
    let (two, short) = (bench.poisoned(2, 1), bench.poisoned(4, 4));
    assert!(forward(&mut bench.rec, &x, &two, &short, &y).is_err());
    assert!(backward(&mut bench.rec, &x, &two, &short).is_err());
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "drop_path twice");
        let (x, scales) = (
            bench.put(257 * 3, 96, &random(1, 257 * 3 * 96)),
            bench.put(3, 1, &scales(3)),
        );
        let bits = [(); 2].map(|()| {
            let y = bench.poisoned(257 * 3, 96);
            backward(&mut bench.rec, &x, &scales, &y).unwrap();
            bench.bits(&y)
        });
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}
