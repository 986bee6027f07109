use crate::harness::{Bench, KINDS, VARIANTS, f64s, random, sum_of};
use ijepa::cpu::{gelu, matmul};
use ijepa::ops::matmul::{Batch, Epilogue, Form, Place, batched, product, way};
use ijepa::ops::tiles::TILES;
use ijepa::ops::ways::Way;

fn twin(form: Form, a: &[f32], b: &[f32], m: usize, k: usize, n: usize) -> Vec<f64> {
    match form {
        Form::Nn => matmul::nn(&f64s(a), &f64s(b), m, k, n),
        Form::Nt => matmul::nt(&f64s(a), &f64s(b), m, k, n),
        Form::Tn => matmul::tn(&f64s(a), &f64s(b), m, k, n),
    }
}

fn sizes(form: Form, m: usize, k: usize, n: usize) -> [usize; 4] {
    match form {
        Form::Nn => [m, k, k, n],
        Form::Nt => [m, k, n, k],
        Form::Tn => [k, m, k, n],
    }
}

/// Edges of the 16 x 32 and 64 x 64 tiles, of vec4, of K steps; two with sizes as constants (weights of 100,000: the
/// first in forms NN and NT, the second in TN).
const SHAPES: [[usize; 3]; 10] = [
    [1, 1, 1],
    [5, 147, 12],
    [17, 8, 36],
    [64, 64, 64],
    [65, 12, 68],
    [130, 33, 20],
    [33, 400, 252],
    [400, 33, 252],
    [65, 67, 39],
    [34, 131, 129],
];

#[test]
fn all_forms_agree_with_f64() {
    for variant in VARIANTS {
        for form in [Form::Nn, Form::Nt, Form::Tn] {
            for [m, k, n] in SHAPES {
                let mut bench = Bench::new(variant, format!("matmul {form:?} {m}x{k}x{n}"));
                let [ar, ac, br, bc] = sizes(form, m, k, n);
                let (a, b) = (random(1, ar * ac), random(2, br * bc));
                let (va, vb, vc) = (bench.put(ar, ac, &a), bench.put(br, bc, &b), bench.poisoned(m, n));
                product(&mut bench.rec, form, &va, &vb, &vc, Epilogue::Plain).unwrap();
                bench.check("c", &vc, &twin(form, &a, &b, m, k, n), sum_of(k));
            }
        }
    }
}

#[test]
fn epilogues_do_what_they_say() {
    for variant in VARIANTS {
        for [m, k, n] in [[19, 20, 36], [7, 5, 6], [35, 200, 44], [18, 193, 6], [35, 197, 39]] {
            let mut bench = Bench::new(variant, format!("matmul epilogues {m}x{k}x{n}"));
            let (a, w, bias, x) = (random(1, m * k), random(2, n * k), random(3, n), random(4, m * n));
            let (va, vw) = (bench.put(m, k, &a), bench.put(n, k, &w));
            let (vbias, vx) = (bench.put(1, n, &bias), bench.put(m, n, &x));
            let sums = twin(Form::Nt, &a, &w, m, k, n);
            let with_bias: Vec<f64> = sums
                .iter()
                .enumerate()
                .map(|(i, s)| s + f64::from(bias[i % n]))
                .collect();
            let tolerance = sum_of(k);

            let c = bench.poisoned(m, n);
            product(&mut bench.rec, Form::Nt, &va, &vw, &c, Epilogue::Bias(&vbias)).unwrap();
            bench.check("bias", &c, &with_bias, tolerance);

            let (c, pre) = (bench.poisoned(m, n), bench.poisoned(m, n));
            let epilogue = Epilogue::BiasGelu {
                bias: &vbias,
                pre: Some(&pre),
            };
            product(&mut bench.rec, Form::Nt, &va, &vw, &c, epilogue).unwrap();
            bench.check("pre", &pre, &with_bias, tolerance);
            bench.check("gelu", &c, &gelu::forward(&with_bias), tolerance + 2e-6);
            let kept = bench.get(&c);

            let c = bench.poisoned(m, n);
            let epilogue = Epilogue::BiasGelu {
                bias: &vbias,
                pre: None,
            };
            product(&mut bench.rec, Form::Nt, &va, &vw, &c, epilogue).unwrap();
            assert_eq!(
                bench.get(&c),
                kept,
                "the same bits, whether what was before is kept or not"
            );

            let c = bench.poisoned(m, n);
            let epilogue = Epilogue::BiasResidual { bias: &vbias, x: &vx };
            product(&mut bench.rec, Form::Nt, &va, &vw, &c, epilogue).unwrap();
            let want: Vec<f64> = with_bias.iter().zip(&x).map(|(s, x)| s + f64::from(*x)).collect();
            bench.check("residual", &c, &want, tolerance);

            let w = random(5, k * n);
            let vw = bench.put(k, n, &w);
            let sums = twin(Form::Nn, &a, &w, m, k, n);
            let c = bench.poisoned(m, n);
            product(
                &mut bench.rec,
                Form::Nn,
                &va,
                &vw,
                &c,
                Epilogue::GeluBackward { pre: &vx },
            )
            .unwrap();
            bench.check("gelu backward", &c, &gelu::backward(&sums, &f64s(&x)), tolerance + 2e-6);

            let c = bench.put(m, n, &x);
            product(&mut bench.rec, Form::Nn, &va, &vw, &c, Epilogue::Accumulate).unwrap();
            let want: Vec<f64> = sums.iter().zip(&x).map(|(s, x)| s + f64::from(*x)).collect();
            bench.check("accumulate", &c, &want, tolerance);
        }
    }
}

/// Heads inside packed rows, as attention has them: q, k `[B, N, 3, H, Dh]`; scores `[B, H, N, pitch]`.
#[test]
fn batches_with_strides_agree_with_f64() {
    let (images, heads) = (3, 2);
    for variant in VARIANTS {
        for (tokens, dim) in [(5, 8), (18, 4), (7, 6), (33, 34)] {
            let pitch = tokens_pitch(tokens);
            let width = 3 * heads * dim;
            let mut bench = Bench::new(variant, format!("batched matmul, {tokens} tokens, heads of {dim}"));
            let qkv = random(1, images * tokens * width);
            let packed = bench.put(images * tokens, width, &qkv);
            let scores = bench.put(
                images * heads * tokens,
                pitch,
                &vec![0f32; images * heads * tokens * pitch],
            );
            let of = |part: usize| Place {
                offset: part * heads * dim,
                row: width,
                outer: tokens * width,
                inner: dim,
            };
            let panel = Place {
                offset: 0,
                row: pitch,
                outer: heads * tokens * pitch,
                inner: tokens * pitch,
            };
            let (count, inner) = (images * heads, heads);
            let batch = Batch {
                count,
                inner,
                m: tokens,
                n: tokens,
                k: dim,
                a: of(0),
                b: of(1),
                c: panel,
            };
            batched(&mut bench.rec, Form::Nt, &batch, &packed, &packed, &scores).unwrap();
            let got = bench.get(&scores);

            // P·V with P's padding zeroed, and Pᵀ·V, from the scores just made.
            let mut p = got.clone();
            p.iter_mut()
                .enumerate()
                .filter(|(i, _)| i % pitch >= tokens)
                .for_each(|(_, v)| *v = 0.0);
            let vp = bench.put(images * heads * tokens, pitch, &p);
            let out_place = Place {
                offset: 0,
                row: heads * dim,
                outer: tokens * heads * dim,
                inner: dim,
            };
            let mut outs = vec![];
            for form in [Form::Nn, Form::Tn] {
                let out = bench.poisoned(images * tokens, heads * dim);
                let batch = Batch {
                    count,
                    inner,
                    m: tokens,
                    n: dim,
                    k: tokens,
                    a: panel,
                    b: of(2),
                    c: out_place,
                };
                batched(&mut bench.rec, form, &batch, &vp, &packed, &out).unwrap();
                outs.push(bench.get(&out));
            }
            for image in 0..images {
                for head in 0..heads {
                    let pick = |part: usize| -> Vec<f32> {
                        let at = |t: usize, d: usize| (image * tokens + t) * width + (part * heads + head) * dim + d;
                        (0..tokens * dim).map(|i| qkv[at(i / dim, i % dim)]).collect()
                    };
                    let panel: Vec<f32> = (0..tokens * tokens)
                        .map(|i| got[((image * heads + head) * tokens + i / tokens) * pitch + i % tokens])
                        .collect();
                    let label = format!("{} image {image} head {head}", bench.label);
                    let near = |name: &str, got: &[f32], want: &[f64]| {
                        crate::harness::compare(&format!("{label} {name}"), tokens, got, want, sum_of(tokens + dim))
                            .unwrap()
                    };
                    near(
                        "scores",
                        &panel,
                        &twin(Form::Nt, &pick(0), &pick(1), tokens, dim, tokens),
                    );
                    for (form, out) in [Form::Nn, Form::Tn].into_iter().zip(&outs) {
                        let at = |t: usize, d: usize| (image * tokens + t) * heads * dim + head * dim + d;
                        let part: Vec<f32> = (0..tokens * dim).map(|i| out[at(i / dim, i % dim)]).collect();
                        near("times v", &part, &twin(form, &panel, &pick(2), tokens, tokens, dim));
                    }
                }
            }
        }
    }
}

/// What the epilogues make of x alone: sums of zeros plus the bias x, and sums of one, over a fine grid.
#[test]
fn gelu_and_its_derivative_are_exact_to_a_millionth() {
    let n = 18_004;
    let x: Vec<f32> = (0..n).map(|i| (i as f32 / (n - 1) as f32 - 0.5) * 18.0).collect();
    // The rational functions are within 5e-7; Phi is rounded a few times at 6e-8 (WGSL allows a division 2.5 of that),
    // and multiplied with x. Measured on lavapipe: gelu 9.5e-7 (at 9, a unit in the last place), derivative 2.7e-7.
    let allowed = |x: f32| 5e-7 + 2e-7 * f64::from(x.abs());
    let near = |label: &str, got: &[f32], want: &[f64]| {
        let off = |i: usize| (f64::from(got[i]) - want[i]).abs();
        let worst = (0..n).max_by(|&i, &j| off(i).total_cmp(&off(j))).unwrap();
        println!("{label}: off by {:.1e} at {}", off(worst), x[worst]);
        for i in 0..n {
            assert!(
                off(i) <= allowed(x[i]),
                "{label}({}) is {}, f64 says {}",
                x[i],
                got[i],
                want[i]
            );
        }
    };
    for variant in VARIANTS {
        let mut bench = Bench::new(variant, "gelu");
        let (zeros, weight) = (bench.put(1, 4, &[0f32; 4]), bench.put(n, 4, &vec![0f32; 4 * n]));
        let (bias, pre, c) = (bench.put(1, n, &x), bench.poisoned(1, n), bench.poisoned(1, n));
        let epilogue = Epilogue::BiasGelu {
            bias: &bias,
            pre: Some(&pre),
        };
        product(&mut bench.rec, Form::Nt, &zeros, &weight, &c, epilogue).unwrap();
        assert_eq!(bench.get(&pre), x);
        near(&bench.label.clone(), &bench.get(&c), &gelu::forward(&f64s(&x)));

        let (one, ones) = (
            bench.put(1, 4, &[1f32, 0.0, 0.0, 0.0]),
            bench.put(4, n, &vec![1f32; 4 * n]),
        );
        let c = bench.poisoned(1, n);
        product(
            &mut bench.rec,
            Form::Nn,
            &one,
            &ones,
            &c,
            Epilogue::GeluBackward { pre: &pre },
        )
        .unwrap();
        let label = format!("{}: derivative", bench.label);
        near(&label, &bench.get(&c), &gelu::backward(&vec![1.0; n], &f64s(&x)));
    }
}

#[test]
fn lanes_of_both_kinds_agree_with_f64() {
    for kind in KINDS {
        for form in [Form::Nn, Form::Nt, Form::Tn] {
            let [m, k, n] = [37, 5, 13];
            let mut bench = Bench::open("any", Some(kind), format!("matmul {form:?} {m}x{k}x{n}"));
            let [ar, ac, br, bc] = sizes(form, m, k, n);
            let (a, b) = (random(1, ar * ac), random(2, br * bc));
            let (va, vb, vc) = (bench.put(ar, ac, &a), bench.put(br, bc, &b), bench.poisoned(m, n));
            product(&mut bench.rec, form, &va, &vb, &vc, Epilogue::Plain).unwrap();
            bench.check("c", &vc, &twin(form, &a, &b, m, k, n), sum_of(k));
        }
    }
}

/// 65,535 workgroups is the most in one dimension: sums beyond it are folded, batches go in parts.
#[test]
fn more_workgroups_than_a_dimension_has_agree_with_f64() {
    let (m, n) = (700, 755);
    let mut bench = Bench::open("any", Some(KINDS[0]), format!("matmul {m}x1x{n}"));
    let (a, b) = (random(1, m), random(2, n));
    let (va, vb, c) = (bench.put(m, 1, &a), bench.put(1, n, &b), bench.poisoned(m, n));
    product(&mut bench.rec, Form::Nn, &va, &vb, &c, Epilogue::Plain).unwrap();
    bench.check("c", &c, &twin(Form::Nn, &a, &b, m, 1, n), sum_of(1));

    let (inner, count, k) = (4, 70_000, 4);
    // Parts are the host's doing; a tile for each of these is seconds of a software driver's time.
    for variant in ["any", "broadcast"] {
        let mut bench = Bench::new(variant, format!("{count} products"));
        let (a, b) = (random(1, count * k), random(2, count * k));
        let (va, vb, c) = (
            bench.put(count, k, &a),
            bench.put(count, k, &b),
            bench.poisoned(count, 4),
        );
        let each_of = |values: usize| Place {
            offset: 0,
            row: 4,
            outer: inner * values,
            inner: values,
        };
        let batch = Batch {
            count,
            inner,
            m: 1,
            n: 1,
            k,
            a: each_of(k),
            b: each_of(k),
            c: each_of(4),
        };
        batched(&mut bench.rec, Form::Nt, &batch, &va, &vb, &c).unwrap();
        let got: Vec<f32> = bench.get(&c).iter().step_by(4).copied().collect();
        let want: Vec<f64> = (0..count)
            .flat_map(|i| twin(Form::Nt, &a[i * k..][..k], &b[i * k..][..k], 1, k, 1))
            .collect();
        bench.compare("c", 1, &got, &want, sum_of(k));
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for variant in VARIANTS {
        let mut bench = Bench::new(variant, "matmul twice");
        for form in [Form::Nn, Form::Nt, Form::Tn] {
            let [ar, ac, br, bc] = sizes(form, 130, 72, 68);
            let (a, b) = (
                bench.put(ar, ac, &random(1, ar * ac)),
                bench.put(br, bc, &random(2, br * bc)),
            );
            let bits = [(); 2].map(|()| {
                let c = bench.poisoned(130, 68);
                product(&mut bench.rec, form, &a, &b, &c, Epilogue::Plain).unwrap();
                bench.bits(&c)
            });
            assert_eq!(bits[0], bits[1], "{} {form:?}", bench.label);
        }
    }
}

#[test]
fn empty_products_and_tensors_that_do_not_fit_are_refused() {
    let mut bench = Bench::new("", "matmul");
    for [m, k, n] in [[0, 4, 4], [4, 0, 4], [4, 4, 0]] {
        let (a, b, c) = (bench.poisoned(m, k), bench.poisoned(k, n), bench.poisoned(m, n));
        assert!(product(&mut bench.rec, Form::Nn, &a, &b, &c, Epilogue::Plain).is_err());
    }
    let (a, b, c) = (bench.poisoned(4, 8), bench.poisoned(4, 12), bench.poisoned(4, 12));
    let error = product(&mut bench.rec, Form::Nn, &a, &b, &c, Epilogue::Plain)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "matmul nn: b is [4, 12], but the other tensors ask for [8, 12]");
}

/// A batch of two heads in each of two images, whose last matrix would end one row behind its view.
#[test]
fn batches_that_reach_beyond_a_view_are_refused() {
    let [count, inner, m, n, k] = [4, 2, 5, 8, 8];
    let place = |row, rows: usize| Place {
        offset: 0,
        row,
        outer: 2 * rows * row,
        inner: rows * row,
    };
    let batch = Batch {
        count,
        inner,
        m,
        n,
        k,
        a: place(k, m),
        b: place(k, n),
        c: place(n, m),
    };
    for variant in VARIANTS {
        let mut bench = Bench::new(variant, "matmul");
        let [a, b, c] = [m, n, m].map(|rows| bench.poisoned(count * rows, 8));
        batched(&mut bench.rec, Form::Nt, &batch, &a, &b, &c).unwrap();
        for (name, short) in [("a", m), ("b", n), ("c", m)] {
            let small = bench.poisoned(count * short - 1, 8);
            let pick = |own, view| if own == name { &small } else { view };
            let [a, b, c] = [pick("a", &a), pick("b", &b), pick("c", &c)];
            let error = batched(&mut bench.rec, Form::Nt, &batch, a, b, c)
                .unwrap_err()
                .to_string();
            assert!(error.contains(&format!("of {name} end at value")), "{error}");
        }
    }
}

/// Sizes that are no multiples of four keep the tiles of a subgroup of 8, but for what is too small to fill one.
#[test]
fn odd_sizes_keep_their_tiles() {
    let bench = Bench::new("broadcast", "");
    let gpu = bench.rec.gpu();
    let tiles = gpu.subgroup_width() == Some(8);
    for form in [Form::Nn, Form::Nt, Form::Tn] {
        let odd = way(gpu, None, form, 63, 65, 67);
        assert_eq!(odd == Way::Broadcast, tiles, "{form:?}: {odd}");
        assert_ne!(way(gpu, None, form, 31, 29, 30), Way::Broadcast, "{form:?}");
        // However many tokens there are: one is computed as many are.
        let [m, k] = if form == Form::Tn { [65, 1] } else { [1, 65] };
        assert_eq!(way(gpu, None, form, m, 67, k), odd, "{form:?}");
    }
}

/// Rows that begin anywhere in four values that are read at once, for each factor; behind a matrix lies what is no number.
#[test]
fn rows_may_begin_anywhere() {
    for form in [Form::Nn, Form::Nt, Form::Tn] {
        // Of K (NN, NT) or M (TN), and of N, beyond a multiple of four.
        for [first, second] in [[0, 1], [1, 2], [2, 3], [3, 0], [3, 1]] {
            let n = 36 + second;
            let [m, k] = match form {
                Form::Tn => [52 + first, 7],
                _ => [21, 40 + first],
            };
            let mut bench = Bench::new("broadcast", format!("matmul odd {form:?} {m}x{k}x{n}"));
            let [ar, ac, br, bc] = sizes(form, m, k, n);
            let (a, b) = (random(1, ar * ac), random(2, br * bc));
            let within = |rows: usize, cols: usize, values: &[f32]| {
                let gpu = bench.rec.gpu();
                let all = gpu.alloc("all", 1, rows * cols + 64).unwrap();
                gpu.write(&all, &vec![f32::NAN; rows * cols + 64]).unwrap();
                let part = all.part(64, rows, cols).unwrap();
                gpu.write(&part, values).unwrap();
                part
            };
            let (va, vb) = (within(ar, ac, &a), within(br, bc, &b));
            let vc = bench.poisoned(m, n);
            product(&mut bench.rec, form, &va, &vb, &vc, Epilogue::Plain).unwrap();
            bench.check("c", &vc, &twin(form, &a, &b, m, k, n), sum_of(k));
        }
    }
}

#[test]
fn no_number_of_rows_is_too_many_for_a_grid() {
    for (name, most) in [
        ("broadcast", 16 * 65_535),
        ("quad", 32 * 65_535),
        ("tile", 64 * 65_535),
        ("tile", 128 * 65_535),
    ] {
        let bench = Bench::new(name, "");
        for rows in [most, most + 1] {
            let taken = way(bench.rec.gpu(), None, Form::Nn, rows, 8, 8);
            let tile = match taken {
                Way::Any => continue, // folds its grid
                Way::Tile(number) => TILES[number].m as usize,
                Way::Broadcast => 16,
                Way::Quad => 32,
                Way::Fragments(..) => unreachable!("of f16 alone"),
            };
            assert!(rows.div_ceil(tile) <= 65_535, "{name}: {taken:?} for {rows} rows");
        }
    }
}

fn tokens_pitch(tokens: usize) -> usize {
    tokens.next_multiple_of(4)
}
