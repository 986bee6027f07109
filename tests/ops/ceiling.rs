use crate::harness::{Bench, KINDS, f64s, random};
use ijepa::cpu::ceiling as twin;
use ijepa::ops::ceiling::{arithmetic, copy};

#[test]
fn a_copy_is_a_copy() {
    for kind in KINDS {
        for [rows, cols] in [[1, 1], [7, 5], [130, 36], [1, 20_000]] {
            let mut bench = Bench::of(kind, format!("ceiling copy [{rows}, {cols}]"));
            let x = random(1, rows * cols);
            let (from, to) = (bench.put(rows, cols, &x), bench.poisoned(rows, cols));
            copy(&mut bench.rec, &from, &to).unwrap();
            bench.check("y", &to, &f64s(&x), 0.0);
            let other = bench.poisoned(rows, cols + 1);
            assert!(copy(&mut bench.rec, &from, &other).is_err());
        }
    }
}

/// Chains that shrink: what rounding adds, they forget.
#[test]
fn chains_agree_with_f64() {
    for kind in KINDS {
        let lanes = kind.lanes() as usize;
        for (groups, rounds) in [(1, 0), (1, 1), (3, 7)] {
            let mut bench = Bench::of(kind, format!("ceiling arithmetic, {groups} groups, {rounds} rounds"));
            let y = bench.poisoned(groups * lanes, 4);
            arithmetic(&mut bench.rec, &y, rounds, (0.75, 0.5)).unwrap();
            let want = twin::arithmetic(groups, lanes, rounds as usize, 0.75, 0.5);
            bench.check("y", &y, &want, 1e-6);
            let narrow = bench.poisoned(8, 3);
            assert!(arithmetic(&mut bench.rec, &narrow, 1, (0.5, 0.5)).is_err());
        }
    }
}
