use crate::harness::{Bench, KINDS, f64s, random};
use ijepa::cpu::largest as twin;
use ijepa::ops::largest::{self, factors};

#[track_caller]
fn check(bench: &mut Bench, rows: usize, cols: usize, x: &[f32]) {
    let partial = bench.scratch(largest::scratch(bench.kind(), rows * cols));
    let (vx, out) = (bench.put(rows, cols, x), bench.poisoned(1, 8));
    factors(&mut bench.rec, &vx, &partial, &out).unwrap();
    let factor = twin::factor(&f64s(x)) as f32;
    let mut want = [factor; 8];
    want[..4].fill(1.0 / factor);
    assert_eq!(bench.get(&out), want, "{}", bench.label);
}

#[test]
fn the_largest_value_is_brought_below_two_to_the_fifteenth() {
    for kind in KINDS {
        for [rows, cols] in [[1, 1], [3, 5], [64, 96], [1, 5001], [700, 800]] {
            let mut bench = Bench::of(kind, format!("largest [{rows}, {cols}]"));
            let mut x = random(1, rows * cols);
            check(&mut bench, rows, cols, &x);
            // Wherever it stands, of either sign.
            for (place, value) in [(0, -3e9), (rows * cols - 1, 1e-9), (rows * cols / 2, -1e-30)] {
                x.fill(1e-38);
                x[place] = value;
                check(&mut bench, rows, cols, &x);
            }
        }
    }
}

#[test]
fn edges_are_kept() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "largest of edges");
        for x in [
            0.0,
            -0.0,
            1e-45,
            1.1754944e-38,
            f32::MAX,
            32768.0,
            32767.998,
            16384.0,
            1.0,
            -0.99999994,
        ] {
            check(&mut bench, 1, 3, &[0.0, x, 0.0]);
        }
        for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            check(&mut bench, 1, 5, &[0.0, 3.0, x, 0.0, -70.0]);
        }
    }
}
