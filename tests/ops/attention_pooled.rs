use crate::harness::{Bench, VARIANTS, f64s, random, sum_of};
use ijepa::cpu::attention as twin;
use ijepa::gpu::View;
use ijepa::ops::attention::pooled::{Pooled, Scratch, backward, forward, scratch};

/// Images, tokens, queries, channels: one of each, counts that are no fours, many tokens, wide ones.
const SHAPES: [[usize; 4]; 5] = [
    [1, 1, 1, 4],
    [3, 9, 2, 12],
    [2, 17, 3, 10],
    [5, 64, 6, 96],
    [2, 130, 5, 32],
];

fn tolerance(shape: &Pooled) -> f64 {
    2.0 * sum_of(shape.width) + 2.0 * sum_of(shape.tokens) + 4e-6
}

/// [pooled, panel, dqueries].
fn run(bench: &mut Bench, shape: Pooled, [queries, x, dpooled]: [&[f32]; 3]) -> [View; 3] {
    let Pooled {
        batch,
        tokens,
        queries: count,
        width,
    } = shape;
    let (vq, vx) = (bench.put(count, width, queries), bench.put(batch * tokens, width, x));
    let (pooled, stats) = (bench.poisoned(batch, count * width), bench.poisoned(batch * count, 2));
    let panels = [(); 3].map(|()| bench.poisoned(batch * count, shape.pitch()));
    forward(&mut bench.rec, shape, &vq, &vx, &pooled, [&panels[0], &stats]).unwrap();
    let (dpooled, dqueries) = (
        bench.put(batch, count * width, dpooled),
        bench.poisoned(1, count * width),
    );
    let (each, partial) = (
        bench.poisoned(batch, count * width),
        bench.scratch(scratch(bench.kind(), &shape)),
    );
    let [weights, panel, dpanel] = panels;
    let scratch = Scratch {
        panels: [&panel, &dpanel],
        each: &each,
        partial: &partial,
    };
    backward(&mut bench.rec, shape, &dpooled, [&vq, &vx, &stats], &dqueries, scratch).unwrap();
    [pooled, weights, dqueries]
}

#[test]
fn averages_weights_and_gradients_agree_with_f64() {
    for variant in VARIANTS {
        for [batch, tokens, queries, width] in SHAPES {
            let shape = Pooled {
                batch,
                tokens,
                queries,
                width,
            };
            let mut bench = Bench::new(variant, format!("pooled attention {shape:?}"));
            let (u, x, d) = (
                random(1, queries * width),
                random(2, batch * tokens * width),
                random(3, batch * queries * width),
            );
            let [pooled, weights, dqueries] = run(&mut bench, shape, [&u, &x, &d]);
            let (u, x, d) = (f64s(&u), f64s(&x), f64s(&d));
            let want = twin::pooled(&u, &x, batch, tokens, width);
            bench.check("pooled", &pooled, &want, tolerance(&shape));
            let want = twin::pooled_backward(&d, &u, &x, batch, tokens, width);
            bench.check("dqueries", &dqueries, &want, 4.0 * tolerance(&shape) + sum_of(batch));
            for row in bench.get(&weights).chunks(shape.pitch()) {
                let sum: f32 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-5, "{}: weights sum to {sum}", bench.label);
            }
        }
    }
}

/// The twin's gradient is the slope of the twin.
#[test]
fn the_gradient_is_the_slope() {
    let (batch, tokens, queries, width, h) = (2, 5, 2, 6, 1e-5);
    let (mut u, x, d) = (
        f64s(&random(4, queries * width)),
        f64s(&random(5, batch * tokens * width)),
        f64s(&random(6, batch * queries * width)),
    );
    let gradient = twin::pooled_backward(&d, &u, &x, batch, tokens, width);
    for at in 0..u.len() {
        let middle = u[at];
        let [low, high] = [-h, h].map(|step| {
            u[at] = middle + step;
            let pooled = twin::pooled(&u, &x, batch, tokens, width);
            pooled.iter().zip(&d).map(|(z, d)| z * d).sum::<f64>()
        });
        u[at] = middle;
        let slope = (high - low) / (2.0 * h);
        assert!((slope - gradient[at]).abs() < 1e-7, "{at}: {slope} {}", gradient[at]);
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let shape = Pooled {
        batch: 2,
        tokens: 6,
        queries: 3,
        width: 8,
    };
    let mut bench = Bench::new("", "pooled attention");
    let (u, x, pooled, panel, stats) = (
        bench.poisoned(3, 8),
        bench.poisoned(12, 8),
        bench.poisoned(2, 24),
        bench.poisoned(6, 8),
        bench.poisoned(6, 2),
    );
    let mut refused = |u: &View, x: &View, pooled: &View, panel: &View, stats: &View| {
        forward(&mut bench.rec, shape, u, x, pooled, [panel, stats]).is_err()
    };
    assert!(refused(&x, &x, &pooled, &panel, &stats), "12 queries");
    assert!(refused(&u, &u, &pooled, &panel, &stats), "3 tokens");
    assert!(refused(&u, &x, &panel, &panel, &stats), "pooled of 8 columns");
    assert!(refused(&u, &x, &pooled, &stats, &stats), "a panel of 2 columns");
    assert!(refused(&u, &x, &pooled, &panel, &panel), "stats of 8 columns");
    assert!(!refused(&u, &x, &pooled, &panel, &stats));
}
