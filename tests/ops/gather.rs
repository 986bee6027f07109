use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random};
use ijepa::cpu::gather as twin;
use ijepa::gpu::Kind;
use ijepa::ops::gather::{backward, forward, invert};

/// Places in [0, rows) with repeats, in no order; row 0 is never listed where there are others.
fn list(length: usize, rows: usize) -> Vec<u32> {
    (0..length)
        .map(|i| {
            if rows == 1 {
                0
            } else {
                1 + (i * 7919 % (rows - 1)) as u32
            }
        })
        .collect()
}

/// [listed, rows of x, columns]: repeats, rows that are left out, no multiple of four, several workgroups, few Items and more
/// than a workgroup's lanes.
const SHAPES: [[usize; 3]; 7] = [
    [1, 1, 1],
    [7, 3, 5],
    [130, 64, 12],
    [257, 130, 96],
    [40, 257, 96],
    [600, 150, 4],
    [33, 9, 276],
];

#[test]
fn forward_and_backward_agree_with_f64() {
    for kind in KINDS {
        for [length, rows, cols] in SHAPES {
            let mut bench = Bench::of(kind, format!("gather {length} of [{rows}, {cols}]"));
            let (x, list) = (random(1, rows * cols), list(length, rows));
            let (vx, vlist, y) = (
                bench.put(rows, cols, &x),
                bench.put(length, 1, &list),
                bench.poisoned(length, cols),
            );
            forward(&mut bench.rec, &vx, &vlist, &y).unwrap();
            // A copy: nothing may be off.
            bench.check("y", &y, &twin::forward(&f64s(&x), &list, cols), 0.0);

            let dy = random(2, length * cols);
            let (starts, copies) = invert(&list, rows);
            let vdy = bench.put(length, cols, &dy);
            // Longer than needed, as in a plan for the longest batch.
            let mut longer = copies.clone();
            longer.extend([u32::MAX; 9]);
            let (starts, copies) = (bench.put(rows + 1, 1, &starts), bench.put(longer.len(), 1, &longer));
            let dx = bench.poisoned(rows, cols);
            backward(&mut bench.rec, &vdy, &starts, &copies, &dx).unwrap();
            let want = twin::backward(&f64s(&dy), &list, rows, cols);
            bench.check("dx", &dx, &want, ELEMENTWISE);
        }
    }
}

#[test]
fn a_list_turned_round_leads_back() {
    let (starts, copies) = invert(&[2, 0, 2, u32::MAX, 5, 2], 4);
    assert_eq!(starts, [0, 1, 1, 4, 4]);
    assert_eq!(copies, [1, 0, 2, 5]);
    assert_eq!(invert(&[], 2), (vec![0; 3], vec![]));
    assert_eq!(invert(&[7], 0), (vec![0], vec![]));
}

#[test]
fn empty_lists_make_nothing_and_give_no_gradient() {
    let mut bench = Bench::of(Kind::Software, "gather of nothing");
    let (x, y, none) = (
        bench.poisoned(3, 12),
        bench.poisoned(0, 12),
        bench.put::<u32>(0, 1, &[]),
    );
    forward(&mut bench.rec, &x, &none, &y).unwrap();
    let starts = bench.put(4, 1, &invert(&[], 3).0);
    let dx = bench.poisoned(3, 12);
    backward(&mut bench.rec, &y, &starts, &none, &dx).unwrap();
    assert_eq!(bench.get(&dx), [0.0; 36]);
}

#[test]
fn tensors_that_do_not_fit_are_refused_by_name() {
    let mut bench = Bench::of(Kind::Software, "gather");
    let (x, list, y) = (bench.poisoned(3, 8), bench.put(2, 1, &[0u32; 2]), bench.poisoned(3, 8));
    let error = forward(&mut bench.rec, &x, &list, &y).unwrap_err().to_string();
    assert_eq!(error, "gather: list is [2, 1], but the other tensors ask for [3, 1]");
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "gather backward twice");
        let (starts, copies) = invert(&list(257, 9), 9);
        let (dy, starts) = (bench.put(257, 96, &random(1, 257 * 96)), bench.put(10, 1, &starts));
        let copies = bench.put(copies.len(), 1, &copies);
        let bits = [(); 2].map(|()| {
            let dx = bench.poisoned(9, 96);
            backward(&mut bench.rec, &dy, &starts, &copies, &dx).unwrap();
            bench.bits(&dx)
        });
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}
