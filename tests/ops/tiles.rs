//! Every configuration of `matmul_tile`, by itself.

use crate::harness::{Bench, f64s, random, sum_of};
use ijepa::cpu::{gelu, matmul};
use ijepa::gpu::{Tuned, View};
use ijepa::ops::matmul::{Epilogue, Form, Variant, may, product, product_by, way};
use ijepa::ops::tiles::{TILES, Tile};
use ijepa::ops::ways::{self, WAYS, Way};

/// One product that goes a little beyond a tile and a panel in each direction, by fours or ragged; what C and the tensor
/// beside it hold afterwards.
fn agrees(number: usize, form: Form, epilogue: usize, by_fours: bool) {
    let Tile { m, n, k, .. } = TILES[number];
    let over = |size: u32, fours: usize, ragged: usize| size as usize + if by_fours { fours } else { ragged };
    let (m, n, k) = (over(m, 4, 5), over(n, 8, 3), over(k, 4, 7));
    let way = Way::Tile(number);
    let mut bench = Bench::new("", format!("{way}, {form:?}, epilogue {epilogue}, {m}x{k}x{n}"));
    let (a, b, bias, x) = (random(1, m * k), random(2, n * k), random(3, n), random(4, m * n));
    let (wide_a, wide_b) = (f64s(&a), f64s(&b));
    let ([ar, ac, br, bc], sums) = match form {
        Form::Nn => ([m, k, k, n], matmul::nn(&wide_a, &wide_b, m, k, n)),
        Form::Nt => ([m, k, n, k], matmul::nt(&wide_a, &wide_b, m, k, n)),
        Form::Tn => ([k, m, k, n], matmul::tn(&wide_a, &wide_b, m, k, n)),
    };
    let (va, vb, vbias) = (bench.put(ar, ac, &a), bench.put(br, bc, &b), bench.put(1, n, &bias));
    let (vx, pre, poisoned) = (bench.put(m, n, &x), bench.poisoned(m, n), bench.poisoned(m, n));
    let plus = |left: &[f64], right: &dyn Fn(usize) -> f32| -> Vec<f64> {
        left.iter()
            .enumerate()
            .map(|(i, value)| value + f64::from(right(i)))
            .collect()
    };
    let with_bias = plus(&sums, &|i| bias[i % n]);
    let (fused, want): (Epilogue, Vec<f64>) = match epilogue {
        0 => (Epilogue::Plain, sums),
        1 => (Epilogue::Bias(&vbias), with_bias.clone()),
        2 | 6 => {
            let pre: Option<&View> = (epilogue == 2).then_some(&pre);
            (Epilogue::BiasGelu { bias: &vbias, pre }, gelu::forward(&with_bias))
        }
        3 => (
            Epilogue::BiasResidual { bias: &vbias, x: &vx },
            plus(&with_bias, &|i| x[i]),
        ),
        4 => (Epilogue::GeluBackward { pre: &vx }, gelu::backward(&sums, &f64s(&x))),
        _ => (Epilogue::Accumulate, plus(&sums, &|i| x[i])),
    };
    let c = match fused {
        Epilogue::Accumulate => bench.put(m, n, &x),
        _ => poisoned,
    };
    product_by(&mut bench.rec, way, form, [&va, &vb, &c], fused).unwrap();
    bench.check("c", &c, &want, sum_of(k) + 2e-6);
    if epilogue == 2 {
        bench.check("pre", &pre, &with_bias, sum_of(k));
    }
}

/// Loads follow the form, stores the epilogue, and both the Items: each form and each epilogue comes in fours and ragged.
fn all_agree(form: Form) {
    for number in 0..TILES.len() {
        for epilogue in 0..7 {
            agrees(number, form, epilogue, (form as usize + epilogue).is_multiple_of(2));
        }
    }
}

#[test]
fn every_configuration_agrees_with_f64_in_form_nn() {
    all_agree(Form::Nn);
}

#[test]
fn every_configuration_agrees_with_f64_in_form_nt() {
    all_agree(Form::Nt);
}

#[test]
fn every_configuration_agrees_with_f64_in_form_tn() {
    all_agree(Form::Tn);
}

/// What the adapter would not choose by itself is computed as it was found, unless a variant is asked for; other products are
/// left alone, and so is what a finding can't be.
#[test]
fn findings_decide_where_they_can() {
    let (m, k, n) = (40, 8, 12);
    let found = WAYS.iter().position(|way| *way == Way::Tile(7)).unwrap();
    let quad = WAYS.iter().position(|way| *way == Way::Quad).unwrap();
    let product_of = |m, n| ways::product(None, Form::Nt, m, n, k);
    let tuned = Tuned::from([
        (product_of(m, n), found),
        (product_of(m, 5), quad), // rows of C that are no multiple of four
        (product_of(m, 16), WAYS.len()),
    ]);
    for variant in ["", "any"] {
        let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into());
        let options = ijepa::gpu::Options {
            adapter: adapter.parse().unwrap(),
            variant: (!variant.is_empty()).then(|| variant.to_string()),
            ..Default::default()
        };
        let gpu = pollster::block_on(ijepa::gpu::Gpu::open(&options)).unwrap();
        let before = [n, 5, 16, 20].map(|n| way(&gpu, None, Form::Nt, m, n, k));
        gpu.tune(tuned.clone());
        let after = [n, 5, 16, 20].map(|n| way(&gpu, None, Form::Nt, m, n, k));
        assert_eq!(after[1..], before[1..], "{variant}");
        match variant {
            "" => assert_eq!(after[0], Way::Tile(7)),
            _ => assert_eq!(after[0], Way::Any),
        }
        assert_eq!(way(&gpu, None, Form::Nt, 64, n, k), after[0], "the same class of rows");
        assert_eq!(
            way(&gpu, None, Form::Nn, m, n, k),
            way(&gpu, None, Form::Nn, 65, n, k),
            "another form"
        );
        gpu.tune(Tuned::new());
        assert_eq!(way(&gpu, None, Form::Nt, m, n, k), after[0], "the first findings count");
        let again = pollster::block_on(gpu.again()).unwrap();
        assert_eq!(
            way(&again, None, Form::Nt, m, n, k),
            after[0],
            "so they do on the device after this"
        );

        let mut bench = Bench::new("", "found");
        bench.rec = ijepa::gpu::Recorder::new(&gpu);
        let (a, b) = (random(1, m * k), random(2, n * k));
        let (va, vb, c) = (bench.put(m, k, &a), bench.put(n, k, &b), bench.poisoned(m, n));
        product(&mut bench.rec, Form::Nt, &va, &vb, &c, Epilogue::Plain).unwrap();
        bench.check("c", &c, &matmul::nt(&f64s(&a), &f64s(&b), m, k, n), sum_of(k));
    }
}

#[test]
fn ways_that_a_shape_cannot_have_are_refused() {
    let mut bench = Bench::new("", "ways");
    let (a, b, c) = (
        bench.put(3, 5, &[1f32; 15]),
        bench.put(2, 5, &[1f32; 10]),
        bench.poisoned(3, 2),
    );
    for way in WAYS {
        let able = may(bench.rec.gpu(), way, None, Form::Nt, 3, 2, 5);
        assert_eq!(able, matches!(way.variant(), Variant::Any | Variant::Tile), "{way}");
        let result = product_by(&mut bench.rec, way, Form::Nt, [&a, &b, &c], Epilogue::Plain);
        assert_eq!(result.is_ok(), able, "{way}");
        if let Err(error) = result {
            assert!(error.to_string().contains("can't compute [3, 5] by [5, 2]"), "{error}");
        }
    }
    assert!(!may(bench.rec.gpu(), Way::Tile(TILES.len()), None, Form::Nt, 3, 2, 5));
}
