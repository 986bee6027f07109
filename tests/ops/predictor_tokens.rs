use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random};
use ijepa::cpu::predictor_tokens as twin;
use ijepa::gpu::Kind;
use ijepa::ops::column_sum::{column_sum, scratch};
use ijepa::ops::predictor_tokens::{MASK_TOKEN, Rows, forward};
use ijepa::ops::{gather, predictor_tokens};

/// `rows` places: context rows repeated (a context for each target block), then mask tokens.
fn lists(rows: usize, context: usize, patches: usize) -> (Vec<u32>, Vec<u32>) {
    let mask = |r: usize| r % 5 > 2;
    let source = (0..rows).map(|r| if mask(r) { MASK_TOKEN } else { (r * 3 % context) as u32 });
    (source.collect(), (0..rows).map(|r| (r * 7 % patches) as u32).collect())
}

/// [rows, context rows, patches, columns]
const SHAPES: [[usize; 4]; 4] = [[1, 1, 1, 1], [7, 3, 4, 5], [130, 20, 36, 12], [257, 40, 64, 96]];

#[test]
fn tokens_agree_with_f64() {
    assert_eq!(MASK_TOKEN, twin::MASK);
    for kind in KINDS {
        for [rows, context, patches, cols] in SHAPES {
            let mut bench = Bench::of(kind, format!("predictor_tokens [{rows}, {cols}]"));
            let (x, token, positions) = (random(1, context * cols), random(2, cols), random(3, patches * cols));
            let (source, place) = lists(rows, context, patches);
            let (vx, vtoken) = (bench.put(context, cols, &x), bench.put(1, cols, &token));
            let (vpositions, y) = (bench.put(patches, cols, &positions), bench.poisoned(rows, cols));
            let (vsource, vplace) = (bench.put(rows, 1, &source), bench.put(rows, 1, &place));
            let lists = Rows {
                source: &vsource,
                place: &vplace,
            };
            forward(&mut bench.rec, &vx, &vtoken, &vpositions, lists, &y).unwrap();
            let want = twin::forward(&f64s(&x), &f64s(&token), &f64s(&positions), &source, &place);
            bench.check("y", &y, &want, ELEMENTWISE);
        }
    }
}

/// The gradient is gather's to the context and column_sum's, over the gathered mask rows, to the mask token.
#[test]
fn gradients_by_gather_and_column_sum_agree_with_f64() {
    for kind in KINDS {
        for [rows, context, _, cols] in SHAPES {
            let mut bench = Bench::of(kind, format!("predictor_tokens backward [{rows}, {cols}]"));
            let (source, _) = lists(rows, context, 1);
            let dy: Vec<f32> = random(4, rows * cols).iter().map(|v| 2.5 * v + 1.0).collect();
            let (dcontext, dtoken) = twin::backward(&f64s(&dy), &source, context);
            let vdy = bench.put(rows, cols, &dy);
            let (starts, copies) = gather::invert(&source, context);
            let (starts, copies) = (bench.put(context + 1, 1, &starts), bench.put(copies.len(), 1, &copies));
            let dx = bench.poisoned(context, cols);
            gather::backward(&mut bench.rec, &vdy, &starts, &copies, &dx).unwrap();
            bench.check("dcontext", &dx, &dcontext, ELEMENTWISE);

            let masks: Vec<u32> = (0..rows as u32).filter(|&r| source[r as usize] == MASK_TOKEN).collect();
            let list = bench.put(masks.len(), 1, &masks);
            let (of_masks, sum) = (bench.poisoned(masks.len(), cols), bench.poisoned(1, cols));
            gather::forward(&mut bench.rec, &vdy, &list, &of_masks).unwrap();
            let partial = bench.scratch(scratch(kind, masks.len(), cols));
            column_sum(&mut bench.rec, &of_masks, &sum, &partial).unwrap();
            bench.check("dmask_token", &sum, &dtoken, ELEMENTWISE);
        }
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused_by_name() {
    let mut bench = Bench::of(Kind::Software, "predictor_tokens");
    let (x, token, y) = (bench.poisoned(3, 8), bench.poisoned(1, 12), bench.poisoned(2, 8));
    let list = bench.put(2, 1, &[0u32; 2]);
    let rows = Rows {
        source: &list,
        place: &list,
    };
    let error = predictor_tokens::forward(&mut bench.rec, &x, &token, &x, rows, &y)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "predictor_tokens: mask_token is [1, 12], but the other tensors ask for [1, 8]"
    );
}
