//! The kernels of matmul's variant `broadcast`: tiles of 16 x 32 by a subgroup of 8, and what their pipelines know beforehand.

use super::matmul::{BINDINGS, BY_FOUR, BY_ONE, EPILOGUE, F32, Form, OPERANDS_BY_FOUR};
use super::shape::{Item, YES_OR_NO};
use crate::gpu::{Kernel, Shared};

/// Rows and columns of C that a workgroup makes.
pub(super) const TILE: [usize; 2] = [16, 32];

/// How tiles of values in fours are stored; behind what all variants have in front of them.
pub(super) const ROWS: Shared = ("matmul_rows", include_str!("../../wgsl/shared/matmul_rows.wgsl"));
const IN_FOURS: &[&[Shared]] = &[BY_FOUR[0], BY_FOUR[1], BY_FOUR[2], BY_FOUR[3], &[ROWS]];

pub(super) static BROADCAST: Kernel = Kernel {
    name: "matmul_broadcast",
    source: include_str!("../../wgsl/matmul_broadcast.wgsl"),
    bindings: BINDINGS,
    shared: IN_FOURS,
    constants: &[
        ("FORM", &[0, 1]),
        EPILOGUE,
        ("FIXED_N", &[]),
        ("FIXED_K", &[]),
        ("TAIL", YES_OR_NO),
        ("LATE", YES_OR_NO),
    ],
};
pub(super) static BROADCAST_TN: Kernel = Kernel {
    name: "matmul_broadcast_tn",
    source: include_str!("../../wgsl/matmul_broadcast_tn.wgsl"),
    bindings: BINDINGS,
    shared: IN_FOURS,
    constants: &[
        ("FORM", &[2]),
        EPILOGUE,
        ("FIXED_M", &[]),
        ("FIXED_N", &[]),
        ("TAIL", YES_OR_NO),
        ("LATE", YES_OR_NO),
    ],
};
pub(super) static BROADCAST_ODD: Kernel = Kernel {
    name: "matmul_broadcast_odd",
    source: include_str!("../../wgsl/matmul_broadcast_odd.wgsl"),
    bindings: BINDINGS,
    shared: OPERANDS_BY_FOUR,
    constants: &[
        ("FORM", &[0, 1, 2]),
        EPILOGUE,
        ("FIXED_M", &[]),
        ("FIXED_N", &[]),
        ("FIXED_K", &[]),
    ],
};

pub(super) static BROADCAST_VALUES: Kernel = Kernel {
    name: "matmul_broadcast_values",
    source: include_str!("../../wgsl/matmul_broadcast_values.wgsl"),
    bindings: BINDINGS,
    shared: &[BY_ONE[0], &[F32], BY_ONE[2], BY_ONE[3]],
    constants: &[("FORM", &[0, 1, 2]), ("EPILOGUE", &[0])],
};

/// Weights of this many values and more get pipelines with their sizes as constants: a sixth faster on the software
/// driver, but each costs a fraction of a second to compile.
const WORTH_CONSTANTS: usize = 100_000;
/// Terms of a sum from which `LATE` pays (measured: at 192 a tenth, at 96 it costs as much).
const LONG: usize = 192;

/// The kernel for values in fours or not, of `packed` matrices or a batch with strides.
pub(super) fn kernel(form: Form, item: Item, packed: bool) -> &'static Kernel {
    match (item, form) {
        (Item::Scalar, _) if packed => &BROADCAST_ODD,
        (Item::Scalar, _) => &BROADCAST_VALUES,
        (_, Form::Tn) => &BROADCAST_TN,
        _ => &BROADCAST,
    }
}

/// The constants of [`kernel`] for values in fours, behind FORM and EPILOGUE, for C `[m, n]` of sums of `k` terms, of `packed` matrices
/// or not, which are `followed` by an epilogue or stored as they are.
pub(super) fn constants(form: Form, [m, n, k]: [usize; 3], packed: bool, followed: bool) -> Vec<(&'static str, u32)> {
    // K of form TN and M of the others count tokens, which change from batch to batch; a weight's sizes stay.
    let (first, second, weight) = match form {
        Form::Tn => (("FIXED_M", m), ("FIXED_N", n), m * n),
        _ => (("FIXED_N", n), ("FIXED_K", k), n * k),
    };
    let fixed = |(name, size): (&'static str, usize)| {
        (
            name,
            if packed && weight >= WORTH_CONSTANTS {
                size as u32
            } else {
                0
            },
        )
    };
    vec![
        fixed(first),
        fixed(second),
        ("TAIL", (!k.is_multiple_of(4)).into()),
        ("LATE", (followed && k >= LONG).into()),
    ]
}

/// The same for packed matrices of widths that are no multiples of four: where rows begin hangs on them, so they are always constants.
pub(super) fn odd_constants(form: Form, [m, n, k]: [usize; 3]) -> [(&'static str, u32); 3] {
    let [m, k] = match form {
        Form::Tn => [m, 0],
        _ => [0, k],
    };
    [("FIXED_M", m as u32), ("FIXED_N", n as u32), ("FIXED_K", k as u32)]
}
