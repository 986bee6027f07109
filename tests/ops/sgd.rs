use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random};
use ijepa::cpu::sgd as twin;
use ijepa::gpu::Kind;
use ijepa::ops::sgd::{Step, sgd};

/// Rates from 0 to some, decays from some to 0.
fn settings(heads: usize) -> Vec<f32> {
    (0..heads)
        .flat_map(|head| [0.1 * head as f32, 0.3 / (1 + head) as f32])
        .collect()
}

#[test]
fn steps_agree_with_f64_head_by_head() {
    for kind in KINDS {
        for (heads, rows, cols) in [(1, 1, 1), (3, 21, 5), (5, 10, 12), (6, 60, 96), (2, 2, 10_002)] {
            for decays in [true, false] {
                let mut bench = Bench::of(
                    kind,
                    format!("sgd of {heads} heads in [{rows}, {cols}], decays: {decays}"),
                );
                let length = rows * cols;
                let (g, p, v, settings) = (random(1, length), random(2, length), random(3, length), settings(heads));
                let (vg, vs) = (bench.put(rows, cols, &g), bench.put(heads, 2, &settings));
                let (vp, vv) = (bench.put(rows, cols, &p), bench.put(rows, cols, &v));
                let pairs: Vec<[f64; 2]> = settings.chunks(2).map(|s| [s[0].into(), s[1].into()]).collect();
                let (mut p, mut v) = (f64s(&p), f64s(&v));
                // Two steps: the second starts from the first's velocity.
                for schedule in [1.0, 0.25] {
                    let (momentum, g) = (0.9, f64s(&g));
                    let step = Step {
                        momentum,
                        schedule,
                        decays,
                    };
                    sgd(&mut bench.rec, step, &vg, &vs, &vp, &vv).unwrap();
                    let theirs = twin::Step {
                        momentum,
                        schedule,
                        decays,
                    };
                    twin::sgd(theirs, &g, &pairs, &mut p, &mut v);
                }
                bench.check("weights", &vp, &p, 2.0 * ELEMENTWISE);
                bench.check("velocity", &vv, &v, 2.0 * ELEMENTWISE);
            }
        }
    }
}

/// A head whose rate is too high must not spoil its neighbours.
#[test]
fn a_head_that_is_not_finite_stays_alone() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "sgd with a broken head");
        let (heads, each) = (3, 20);
        let mut g = random(1, heads * each);
        g[each..2 * each].fill(f32::INFINITY);
        let vg = bench.put(heads, each, &g);
        let vs = bench.put(heads, 2, &settings(heads));
        let (vp, vv) = (
            bench.put(heads, each, &random(2, heads * each)),
            bench.put(heads, each, &vec![0f32; heads * each]),
        );
        let step = Step {
            momentum: 0.9,
            schedule: 1.0,
            decays: true,
        };
        for _ in 0..2 {
            sgd(&mut bench.rec, step, &vg, &vs, &vp, &vv).unwrap();
        }
        let finite: Vec<bool> = bench.get(&vp).iter().map(|value| value.is_finite()).collect();
        let wanted: Vec<bool> = (0..heads * each).map(|at| at / each != 1).collect();
        assert_eq!(finite, wanted, "{}", bench.label);
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "sgd twice");
        let (g, settings) = (bench.put(12, 96, &random(1, 1152)), bench.put(4, 2, &settings(4)));
        let step = Step {
            momentum: 0.9,
            schedule: 0.5,
            decays: true,
        };
        let bits = [(); 2].map(|()| {
            let (p, v) = (bench.put(12, 96, &random(2, 1152)), bench.put(12, 96, &random(3, 1152)));
            sgd(&mut bench.rec, step, &g, &settings, &p, &v).unwrap();
            [bench.bits(&p), bench.bits(&v)]
        });
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let mut bench = Bench::of(Kind::Software, "sgd");
    let step = Step {
        momentum: 0.9,
        schedule: 1.0,
        decays: true,
    };
    let (p, other, three, five) = (
        bench.poisoned(6, 4),
        bench.poisoned(6, 5),
        bench.poisoned(3, 2),
        bench.poisoned(5, 2),
    );
    let velocity = bench.poisoned(6, 4);
    assert!(sgd(&mut bench.rec, step, &other, &three, &p, &velocity).is_err());
    assert!(sgd(&mut bench.rec, step, &p, &three, &p, &other).is_err());
    let error = sgd(&mut bench.rec, step, &velocity, &five, &p, &velocity).unwrap_err();
    assert!(error.to_string().contains("5 heads can't share 24 values"), "{error}");
    let none = bench.poisoned(0, 2);
    assert!(sgd(&mut bench.rec, step, &velocity, &none, &p, &velocity).is_err());
}
