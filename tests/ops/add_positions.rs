use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random};
use ijepa::cpu::add_positions as twin;
use ijepa::gpu::Kind;
use ijepa::ops::add_positions::add_positions;

/// [rows, patches, columns]; the list counts through images, so that its numbers go beyond the patches.
const SHAPES: [[usize; 3]; 5] = [[1, 1, 1], [7, 4, 5], [130, 36, 12], [257, 64, 96], [257, 49, 5]];

#[test]
fn positions_of_each_image_agree_with_f64() {
    for kind in KINDS {
        for [rows, patches, cols] in SHAPES {
            let mut bench = Bench::of(kind, format!("add_positions [{rows}, {cols}] of {patches}"));
            let (x, positions) = (random(1, rows * cols), random(2, patches * cols));
            let list: Vec<u32> = (0..rows).map(|r| (r * 5) as u32).collect();
            let places: Vec<u32> = list.iter().map(|r| r % patches as u32).collect();
            let (vx, vlist) = (bench.put(rows, cols, &x), bench.put(rows, 1, &list));
            let vpositions = bench.put(patches, cols, &positions);
            add_positions(&mut bench.rec, &vpositions, &vlist, &vx).unwrap();
            let want = twin::add_positions(&f64s(&positions), &places, &f64s(&x), cols);
            bench.check("x", &vx, &want, ELEMENTWISE);
        }
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused_and_none_change_nothing() {
    let mut bench = Bench::of(Kind::Software, "add_positions");
    let (x, wide, none) = (bench.poisoned(3, 8), bench.poisoned(4, 12), bench.poisoned(0, 8));
    let (list, empty) = (bench.put(3, 1, &[0u32; 3]), bench.put::<u32>(0, 1, &[]));
    assert!(add_positions(&mut bench.rec, &wide, &list, &x).is_err());
    assert!(add_positions(&mut bench.rec, &x, &empty, &x).is_err());
    add_positions(&mut bench.rec, &x, &empty, &none).unwrap();
    // No position at all for rows that ask for one.
    assert!(add_positions(&mut bench.rec, &none, &list, &x).is_err());
}
