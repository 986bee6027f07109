//! Kernels that are wrong on purpose: what the tests beside this file would say about them.

use crate::harness::{Bench, ELEMENTWISE, compare, f64s, random};
use ijepa::cpu;
use ijepa::gpu::{Access, Build, Cost, Grid, Kernel, Kind};

const ITEMS: u32 = COLS as u32 / 4;
/// Kernels with their params: rows, per_group, items; and count, per_lane, items, patches. In Items of four values.
const GATHER: (&str, [u32; 4]) = (include_str!("../../wgsl/gather.wgsl"), [ROWS as u32, 64, ITEMS, 0]);
const ADD_POSITIONS: (&str, [u32; 4]) = (
    include_str!("../../wgsl/add_positions.wgsl"),
    [ROWS as u32 * ITEMS, 64, ITEMS, ROWS as u32],
);
const ITEM: (&str, &str) = ("item_vec4", include_str!("../../wgsl/shared/item_vec4.wgsl"));
const READ_READ_WRITE: &[Access] = &[Access::Read, Access::Read, Access::Write];

const ROWS: usize = 7;
const COLS: usize = 12;

/// What the comparison says of a kernel from `source` with one piece of text replaced; the output starts as `start`.
fn verdict(
    name: &'static str,
    (source, params): (&str, [u32; 4]),
    (from, to): (&str, &str),
    start: &[f32],
    want: &[f64],
) -> Result<(), String> {
    assert_eq!(
        source.matches(from).count(),
        1,
        "{name}: the text to replace has changed"
    );
    // A name of its own: pipelines are kept by name.
    let kernel = Kernel {
        name,
        source: source.replace(from, to).leak(),
        bindings: READ_READ_WRITE,
        shared: &[&[ITEM]],
        constants: &[("LANES", &[8]), ("ROW_LANES", &[4])], // as gather has them
    };
    let mut bench = Bench::of(Kind::Software, name);
    let x = bench.put(ROWS, COLS, &random(1, ROWS * COLS));
    let (list, y) = (bench.put(ROWS, 1, &list()), bench.put(ROWS, COLS, start));
    let build = Build {
        shared: &[ITEM],
        constants: &[("LANES", 8), ("ROW_LANES", 4)],
    };
    let views = [&x, &list, &y];
    bench
        .rec
        .dispatch(&kernel, &build, &params, &views, Grid([1, 1, 1]), Cost::default())
        .unwrap();
    compare(name, COLS, &bench.get(&y), want, ELEMENTWISE)
}

fn list() -> Vec<u32> {
    (0..ROWS as u32).rev().collect()
}

#[test]
fn a_wrong_kernel_is_seen() {
    let want = cpu::gather::forward(&f64s(&random(1, ROWS * COLS)), &list(), COLS);
    let poison = [f32::NAN; ROWS * COLS];
    let same = ("y[to + i] = x[", "y[to + i] = x[");
    assert_eq!(verdict("gather, as it is", GATHER, same, &poison, &want), Ok(()));

    let flipped = ("y[to + i] = x[", "y[to + i] = -x[");
    let text = verdict("gather with a sign flipped", GATHER, flipped, &poison, &want).unwrap_err();
    assert!(text.contains("84 of 84 values"), "{text}");

    let short = (", params.rows)", ", params.rows - 1u)");
    let text = verdict("gather without its last row", GATHER, short, &poison, &want).unwrap_err();
    assert!(
        text.contains("[6, 0] is NaN") && text.contains("12 of 84 values"),
        "{text}"
    );

    let shifted = ("x[source + i]", "x[source + (i + 1u) % params.items]");
    verdict("gather with columns shifted", GATHER, shifted, &poison, &want).unwrap_err();

    let rounded = ("y[to + i] = x[", "y[to + i] = 1.00001 * x[");
    verdict("gather that is off by 1e-5", GATHER, rounded, &poison, &want).unwrap_err();
}

/// Only a start that isn't zero tells `+=` from `=`.
#[test]
fn a_kernel_that_overwrites_what_it_should_add_to_is_seen() {
    let start = random(2, ROWS * COLS);
    let want = cpu::add_positions::add_positions(&f64s(&random(1, ROWS * COLS)), &list(), &f64s(&start), COLS);
    let same = ("x[at] +=", "x[at] +=");
    assert_eq!(
        verdict("add_positions, as it is", ADD_POSITIONS, same, &start, &want),
        Ok(())
    );
    let overwrites = ("x[at] +=", "x[at] =");
    verdict(
        "add_positions that overwrites",
        ADD_POSITIONS,
        overwrites,
        &start,
        &want,
    )
    .unwrap_err();
}
