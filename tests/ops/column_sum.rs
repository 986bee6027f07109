use crate::harness::{Bench, KINDS, f64s, random, sum_of};
use ijepa::cpu;
use ijepa::gpu::Kind;
use ijepa::ops::column_sum::{column_sum, scratch, sum};

/// Rows below, at and beyond one chunk (64 or 128) and several; columns for scalars and fours, more than one workgroup.
#[test]
fn sums_agree_with_f64() {
    for kind in KINDS {
        for rows in [1, 7, 64, 130, 257] {
            for cols in [1, 5, 12, 96, 300] {
                let mut bench = Bench::of(kind, format!("column_sum [{rows}, {cols}]"));
                // Around 1, so that no sum comes out near 0 while its terms are not.
                let x: Vec<f32> = random(1, rows * cols).iter().map(|v| v + 1.0).collect();
                let (vx, y) = (bench.put(rows, cols, &x), bench.poisoned(1, cols));
                let partial = bench.scratch(scratch(kind, rows, cols));
                column_sum(&mut bench.rec, &vx, &y, &partial).unwrap();
                let want = cpu::column_sum::column_sum(&f64s(&x), rows, cols);
                bench.check("y", &y, &want, sum_of(rows));
                let start = random(2, cols);
                let y = bench.put(1, cols, &start);
                sum(&mut bench.rec, &vx, &y, &partial, true).unwrap();
                let want: Vec<f64> = want.iter().zip(&start).map(|(w, &s)| w + f64::from(s)).collect();
                bench.check("y +=", &y, &want, sum_of(rows));
            }
        }
    }
}

#[test]
fn no_rows_sum_to_zero() {
    let mut bench = Bench::of(Kind::Software, "column_sum of nothing");
    let (x, y, partial) = (bench.poisoned(0, 12), bench.poisoned(1, 12), bench.scratch(0));
    column_sum(&mut bench.rec, &x, &y, &partial).unwrap();
    assert_eq!(bench.get(&y), [0.0; 12]);
}

#[test]
fn scratch_that_is_too_small_is_refused() {
    let mut bench = Bench::of(Kind::Software, "column_sum");
    let (x, y, partial) = (bench.poisoned(300, 12), bench.poisoned(1, 12), bench.poisoned(1, 4));
    assert!(column_sum(&mut bench.rec, &x, &y, &partial).is_err());
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "column_sum twice");
        let (x, y) = (bench.put(257, 96, &random(1, 257 * 96)), bench.poisoned(1, 96));
        let partial = bench.scratch(scratch(kind, 257, 96));
        let bits = [(); 2].map(|()| {
            column_sum(&mut bench.rec, &x, &y, &partial).unwrap();
            bench.bits(&y)
        });
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}
