use crate::harness::{Bench, KINDS, VARIANTS, f64s, random, sum_of};
use ijepa::cpu::attention as twin;
use ijepa::gpu::{Kind, View};
use ijepa::ops::attention::{Heads, backward, forward, panel, ways, weights};

/// Scores are sums of `dim` products, outputs of `tokens`; exp is good to 4e-6 where its argument is large (some 10
/// here), which both passes carry along.
fn tolerance(shape: &Heads) -> f64 {
    2.0 * sum_of(shape.dim) + 2.0 * sum_of(shape.tokens) + 4e-6
}

struct Case {
    shape: Heads,
    qkv: Vec<f32>,
    dout: Vec<f32>,
    out: Vec<f64>,
    lse: Vec<f64>,
    dqkv: Vec<f64>,
}

impl Case {
    fn of([batch, tokens, heads, dim]: [usize; 4]) -> Case {
        let shape = Heads {
            batch,
            tokens,
            heads,
            dim,
        };
        let width = heads * dim;
        let qkv = random(1, batch * tokens * 3 * width);
        let dout: Vec<f32> = random(2, batch * tokens * width).iter().map(|v| 2.5 * v).collect();
        let (out, lse) = twin::forward(&f64s(&qkv), batch, tokens, heads, dim);
        let dqkv = twin::backward(&f64s(&dout), &f64s(&qkv), batch, tokens, heads, dim);
        Case {
            shape,
            qkv,
            dout,
            out,
            lse,
            dqkv,
        }
    }

    /// Forward and backward with panels of so many values; what they made: out, stats, dqkv.
    fn run(&self, bench: &mut Bench, panels: [usize; 2]) -> [View; 3] {
        let Heads {
            batch,
            tokens,
            heads,
            dim,
        } = self.shape;
        let (rows, width) = (batch * tokens, heads * dim);
        let (qkv, dout) = (
            bench.put(rows, 3 * width, &self.qkv),
            bench.put(rows, width, &self.dout),
        );
        let (out, stats) = (bench.poisoned(rows, width), bench.poisoned(rows * heads, 2));
        let dqkv = bench.poisoned(rows, 3 * width);
        // Not `bench.scratch`: a larger panel would hold more heads than the case wants.
        let panels = panels.map(|values| bench.poisoned(1, values));
        forward(&mut bench.rec, self.shape, &qkv, &out, &stats, &panels[0]).unwrap();
        panels.iter().for_each(|p| bench.poison(p));
        let [p, dp] = &panels;
        backward(&mut bench.rec, self.shape, [&dout, &out], &qkv, &stats, &dqkv, [p, dp]).unwrap();
        [out, stats, dqkv]
    }

    fn check(&self, bench: &mut Bench, panels: [usize; 2]) {
        let [out, stats, dqkv] = self.run(bench, panels);
        let tolerance = tolerance(&self.shape);
        bench.check("out", &out, &self.out, tolerance);
        let lse: Vec<f32> = bench.get(&stats).chunks(2).map(|s| s[0] - s[1].ln()).collect();
        bench.compare("max - log(1 / sum)", self.shape.tokens, &lse, &self.lse, tolerance);
        bench.check("dqkv", &dqkv, &self.dqkv, 2.0 * tolerance);
    }
}

fn values_of_heads(shape: &Heads, heads: usize) -> usize {
    heads * shape.tokens * shape.tokens.next_multiple_of(4)
}

/// One token, tokens that are no multiple of 4 (padding), whole tiles; heads that are no multiple of 4 (6) or of 16.
/// Head dims of the published encoders and predictors (24, 32, 64, 80, 88, 128) among them.
const SHAPES: [[usize; 4]; 10] = [
    [3, 1, 2, 8],
    [2, 5, 3, 16],
    [3, 18, 2, 24],
    [2, 18, 2, 6],
    [1, 64, 2, 80],
    [2, 66, 3, 8],
    [1, 21, 3, 32],
    [1, 17, 2, 64],
    [1, 10, 2, 88],
    [2, 7, 1, 128],
];

#[test]
fn attention_and_its_gradient_agree_with_f64() {
    for shape in SHAPES {
        let case = Case::of(shape);
        for variant in VARIANTS {
            let mut bench = Bench::new(variant, format!("attention [images, tokens, heads, dim] {shape:?}"));
            let values = panel(bench.kind(), &case.shape);
            case.check(&mut bench, [values; 2]);
        }
    }
}

#[test]
fn lanes_that_share_a_row_agree_with_f64() {
    for shape in SHAPES {
        let case = Case::of(shape);
        for kind in KINDS {
            let mut bench = Bench::of(kind, format!("attention [images, tokens, heads, dim] {shape:?}"));
            let values = panel(kind, &case.shape);
            case.check(&mut bench, [values; 2]);
        }
    }
}

/// Heads of the sizes that adapters with subgroups of 8 do in one kernel; tokens around its blocks of 2 to 64.
#[test]
fn one_kernel_for_all_of_it_agrees_with_f64() {
    for dim in [8, 16, 32, 64] {
        for (batch, tokens, heads) in [
            (2, 1, 3),
            (3, 3, 1),
            (1, 17, 2),
            (2, 33, 3),
            (1, 64, 4),
            (2, 65, 1),
            (1, 128, 2),
            (1, 130, 2),
        ] {
            let case = Case::of([batch, tokens, heads, dim]);
            let label = format!(
                "attention [images, tokens, heads, dim] {:?}",
                [batch, tokens, heads, dim]
            );
            let mut bench = Bench::new("", label);
            let gpu = bench.rec.gpu();
            if gpu.kind() == Kind::Software && gpu.subgroup_width() == Some(8) {
                let backward = if dim < 64 { "one kernel" } else { "panels" };
                assert_eq!(ways(gpu, &case.shape), ["one kernel", backward], "{}", bench.label);
            }
            let values = panel(bench.kind(), &case.shape);
            case.check(&mut bench, [values; 2]);
        }
    }
}

/// Where adapters have subgroups of 8, panels of a gradient are one kernel's: products and a softmax were three.
#[test]
fn panels_of_a_gradient_are_made_by_one_kernel() {
    for (dim, kernels) in [(64, 4), (12, 4), (6, 6)] {
        let case = Case::of([1, 17, 2, dim]);
        let mut bench = Bench::new("", format!("dispatches for heads of {dim}"));
        let gpu = bench.rec.gpu();
        if gpu.kind() != Kind::Software || gpu.subgroup_width() != Some(8) {
            return;
        }
        let forward = if dim == 64 { 1 } else { 3 };
        let values = panel(bench.kind(), &case.shape);
        let before = bench.rec.dispatches;
        case.run(&mut bench, [values; 2]);
        assert_eq!(bench.rec.dispatches - before, forward + kernels, "{}", bench.label);
    }
}

/// Nothing about keys or queries of other images, heads or blocks gets in: with all other rows NaN, a head is the same.
#[test]
fn a_head_reads_no_other() {
    for dim in [8, 16, 32, 64] {
        let (tokens, heads) = (37, 3);
        let mut case = Case::of([3, tokens, heads, dim]);
        let at = |image: usize, part: usize, head: usize, token: usize| {
            (((image * tokens + token) * 3 + part) * heads + head) * dim
        };
        let (image, head) = (1, 1);
        let mut alone = vec![f32::NAN; case.qkv.len()];
        for part in 0..3 {
            for token in 0..tokens {
                let start = at(image, part, head, token);
                alone[start..start + dim].copy_from_slice(&case.qkv[start..start + dim]);
            }
        }
        case.qkv = alone;
        let mut bench = Bench::new("", format!("a head of {dim} among NaN"));
        let values = panel(bench.kind(), &case.shape);
        let [out, _, dqkv] = case.run(&mut bench, [values; 2]);
        let (got, gradient) = (bench.get(&out), bench.get(&dqkv));
        let rows = |values: &[f64]| -> Vec<f64> {
            let start = |token: usize| ((image * tokens + token) * heads + head) * dim;
            (0..tokens)
                .flat_map(|t| values[start(t)..start(t) + dim].to_vec())
                .collect()
        };
        let got: Vec<f32> = rows(&f64s(&got)).iter().map(|&v| v as f32).collect();
        bench.compare("out", dim, &got, &rows(&case.out), tolerance(&case.shape));
        for part in 0..3 {
            let of_head = |token: usize| at(image, part, head, token)..at(image, part, head, token) + dim;
            let got: Vec<f32> = (0..tokens).flat_map(|t| gradient[of_head(t)].to_vec()).collect();
            let want: Vec<f64> = (0..tokens).flat_map(|t| case.dqkv[of_head(t)].to_vec()).collect();
            // Relative to the whole tensor's deviation, as elsewhere, which one part's may be a fraction of.
            bench.compare("dqkv", dim, &got, &want, 8.0 * tolerance(&case.shape));
        }
    }
}

/// Panels of whole images, of some heads of one image, of one head; and with a rest that holds no whole head.
#[test]
fn panels_of_any_size_give_the_same() {
    for [tokens, dim] in [[8, 12], [18, 12], [18, 8]] {
        let case = Case::of([3, tokens, 4, dim]);
        for heads in [1, 3, 4, 5, 8, 11] {
            let mut bench = Bench::new(
                "",
                format!("attention, {tokens} tokens, panels of {heads} heads of {dim}"),
            );
            case.check(&mut bench, [values_of_heads(&case.shape, heads) + 4 * tokens; 2]);
        }
    }
}

/// A plan's panels serve several shapes, so that either may be the larger one.
#[test]
fn panels_of_different_sizes_are_filled_no_further_than_the_smaller() {
    let case = Case::of([3, 18, 4, 12]);
    let [few, many] = [2, 9].map(|heads| values_of_heads(&case.shape, heads));
    for variant in VARIANTS {
        for panels in [[many, few], [few, many]] {
            let mut bench = Bench::new(variant, format!("attention with panels of {panels:?} values"));
            case.check(&mut bench, panels);
        }
    }
}

#[test]
fn large_scores_do_not_overflow() {
    for dim in [8, 12, 16, 32, 64] {
        large_scores(dim);
    }
}

fn large_scores(dim: usize) {
    let mut case = Case::of([1, 18, 2, dim]);
    // Scores of some +-600: exp of them is beyond f32, exp of their distance to the highest isn't.
    case.qkv.iter_mut().for_each(|v| *v *= 16.0);
    let (
        qkv,
        Heads {
            batch,
            tokens,
            heads,
            dim,
        },
    ) = (f64s(&case.qkv), case.shape);
    case.out = twin::forward(&qkv, batch, tokens, heads, dim).0;
    for kind in KINDS {
        let mut bench = Bench::of(kind, "attention with large scores");
        let [out, ..] = case.run(&mut bench, [values_of_heads(&case.shape, 2); 2]);
        // A score of 600 has an absolute rounding error of 3e-5, which exp makes relative.
        bench.check("out", &out, &case.out, 3e-4);
    }
}

/// What is kept relative to a maximum follows it when it must: little by little, at every key, or never after the first.
#[test]
fn scores_that_rise_or_fall_from_key_to_key_agree_with_f64() {
    for (dim, rise) in [8, 16, 32, 64]
        .iter()
        .flat_map(|&dim| [0.5, 3.0, -3.0].map(|rise| (dim, rise)))
    {
        let (tokens, heads) = (37, 2);
        let mut case = Case::of([1, tokens, heads, dim]);
        for (row, values) in case.qkv.chunks_mut(dim).enumerate() {
            let (token, part) = (row / heads / 3, row / heads % 3);
            match part {
                0 => values[0] = 1.0,
                1 => values[0] = rise * token as f32 * (dim as f32).sqrt(),
                _ => {}
            }
        }
        let lse;
        (case.out, lse) = twin::forward(&f64s(&case.qkv), 1, tokens, heads, dim);
        case.dqkv = twin::backward(&f64s(&case.dout), &f64s(&case.qkv), 1, tokens, heads, dim);
        for kind in KINDS {
            let mut bench = Bench::of(
                kind,
                format!("attention, scores of {dim} channels that rise by {rise} a key"),
            );
            let [out, stats, dqkv] = case.run(&mut bench, [values_of_heads(&case.shape, 2); 2]);
            // Scores of up to 110 are rounded by some 1e-5, which exp makes relative.
            bench.check("out", &out, &case.out, 6e-5);
            let got: Vec<f32> = bench.get(&stats).chunks(2).map(|s| s[0] - s[1].ln()).collect();
            bench.compare("max - log(1 / sum)", tokens, &got, &lse, 6e-5);
            // dq and dk are differences of large values here; dv has the same weights in it, and none of these. Both passes round
            // scores in their own way, and what weights are off by adds up over queries.
            let width = heads * dim;
            let dv = |row: usize| row * 3 * width + 2 * width..(row + 1) * 3 * width;
            let (got, want) = (bench.get(&dqkv), &case.dqkv);
            let got: Vec<f32> = (0..tokens).flat_map(|row| got[dv(row)].to_vec()).collect();
            let want: Vec<f64> = (0..tokens).flat_map(|row| want[dv(row)].to_vec()).collect();
            bench.compare("dv", width, &got, &want, 5.0 * 6e-5);
        }
    }
}

/// Scores of 1e11 are known to a thousand only, and both passes round them in their own way: gradients mean little then, but
/// they are finite, since no weight is more than one.
#[test]
fn scores_beyond_all_measure_leave_gradients_finite() {
    for variant in VARIANTS {
        for (tokens, dim) in [(16, 8), (16, 16), (40, 16), (16, 32), (16, 64), (9, 6)] {
            let mut case = Case::of([2, tokens, 2, dim]);
            case.qkv.iter_mut().for_each(|v| *v *= 2e5);
            let mut bench = Bench::new(
                variant,
                format!("attention, {tokens} tokens, heads of {dim}, scores of 1e11"),
            );
            let values = panel(bench.kind(), &case.shape);
            let [out, _, dqkv] = case.run(&mut bench, [values; 2]);
            for view in [out, dqkv] {
                assert!(bench.get(&view).iter().all(|v| v.is_finite()), "{}", bench.label);
            }
        }
    }
}

#[test]
fn a_panel_that_holds_no_head_is_refused() {
    let mut bench = Bench::of(Kind::Software, "attention");
    let shape = Heads {
        batch: 1,
        tokens: 18,
        heads: 1,
        dim: 12,
    };
    let (qkv, out, stats) = (bench.poisoned(18, 36), bench.poisoned(18, 12), bench.poisoned(18, 2));
    let small = bench.poisoned(1, 100);
    let error = forward(&mut bench.rec, shape, &qkv, &out, &stats, &small).unwrap_err();
    assert!(error.to_string().contains("can't hold the 18 x 18 scores"), "{error}");
}

#[test]
fn shapes_without_content_never_panic() {
    for [batch, tokens, heads, dim] in [[0, 5, 2, 8], [1, 0, 2, 8], [1, 5, 0, 8], [1, 5, 2, 0]] {
        let mut bench = Bench::of(Kind::Software, "attention of nothing");
        let shape = Heads {
            batch,
            tokens,
            heads,
            dim,
        };
        let (rows, width) = (batch * tokens, heads * dim);
        let (qkv, dqkv) = (bench.poisoned(rows, 3 * width), bench.poisoned(rows, 3 * width));
        let (out, stats) = (bench.poisoned(rows, width), bench.poisoned(rows * heads, 2));
        let panels = [(); 2].map(|()| bench.poisoned(1, panel(Kind::Software, &shape)));
        // An error or nothing to do: both are answers.
        let _ = forward(&mut bench.rec, shape, &qkv, &out, &stats, &panels[0]);
        let _ = backward(
            &mut bench.rec,
            shape,
            [&out, &out],
            &qkv,
            &stats,
            &dqkv,
            [&panels[0], &panels[1]],
        );
        bench.get(&out);
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    let cases = [[3, 18, 4, 8], [1, 70, 3, 32]].map(Case::of);
    for (case, kind) in cases.iter().flat_map(|case| KINDS.map(|kind| (case, kind))) {
        let mut bench = Bench::of(kind, "attention twice");
        let bits = [(); 2].map(|()| {
            case.run(&mut bench, [values_of_heads(&case.shape, 5); 2])
                .map(|view| bench.bits(&view))
        });
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}

#[test]
fn the_weights_to_look_at_are_those_of_the_softmax() {
    for (variant, kind) in VARIANTS
        .map(|v| (v, None))
        .into_iter()
        .chain(KINDS.map(|k| ("", Some(k))))
    {
        for [batch, tokens, heads, dim] in [[1, 7, 3, 8], [2, 16, 2, 16], [1, 33, 1, 5]] {
            let mut bench = Bench::open(variant, kind, format!("weights {:?}", [batch, tokens, heads, dim]));
            let shape = Heads {
                batch,
                tokens,
                heads,
                dim,
            };
            let qkv = random(3, batch * tokens * 3 * heads * dim);
            let rows = batch * tokens;
            let given = bench.put(rows, 3 * heads * dim, &qkv);
            let maps = bench.poisoned(rows * heads, shape.pitch());
            let stats = bench.poisoned(rows * heads, 2);
            weights(&mut bench.rec, shape, &given, &maps, &stats).unwrap();
            let all = bench.get(&maps);
            let kept: Vec<f32> = all
                .chunks(shape.pitch())
                .flat_map(|row| &row[..tokens])
                .copied()
                .collect();
            let twin = twin::weights(&f64s(&qkv), batch, tokens, heads, dim);
            bench.compare("weights", tokens, &kept, &twin, tolerance(&shape));
        }
    }
}
