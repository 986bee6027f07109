use crate::harness::{Bench, KINDS, UNITS, f64s, random};
use ijepa::cpu::ceiling as twin;
use ijepa::ops::ceiling::{arithmetic, copy, fragments};

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

/// What stands in for matrix units here; their values are exact in f16, and so are these sums in f32.
#[test]
fn fragments_agree_with_f64() {
    for (groups, count, rounds) in [(1, 2, 0), (1, 2, 1), (3, 2, 5)] {
        let mut bench = Bench::new(UNITS, format!("ceiling fragments, {count} x {count}, {rounds} rounds"));
        let side = bench.rec.gpu().units().unwrap().side as usize;
        let y = bench.poisoned(4 * groups, side * side);
        fragments(&mut bench.rec, &y, count, rounds, (0.5, 0.25)).unwrap();
        let want = twin::fragments(side, count as usize, rounds as usize, 0.5, 0.25);
        bench.check("y", &y, &want.repeat(4 * groups), 0.0);
        let narrow = bench.poisoned(4 * groups, side);
        assert!(fragments(&mut bench.rec, &narrow, count, 1, (0.5, 0.5)).is_err());
        let odd = bench.poisoned(4 * groups + 1, side * side);
        assert!(fragments(&mut bench.rec, &odd, count, 1, (0.5, 0.5)).is_err());
    }
    let mut without = Bench::new("any", "no matrix units");
    let y = without.poisoned(4, 64);
    assert!(fragments(&mut without.rec, &y, 2, 1, (0.5, 0.5)).is_err());
}
