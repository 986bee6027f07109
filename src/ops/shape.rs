//! What every kernel's host code needs: shapes checked by name, Items, and how lanes share rows.

use crate::gpu::{Gpu, Grid, Kind, Shared, View};
use crate::{Error, Result};

pub(crate) const SCALAR: Shared = ("item_scalar", include_str!("../../wgsl/shared/item_scalar.wgsl"));
pub(crate) const VEC4: Shared = ("item_vec4", include_str!("../../wgsl/shared/item_vec4.wgsl"));
const ROW_ALONE: Shared = ("row_alone", include_str!("../../wgsl/shared/row_alone.wgsl"));
const ROW_TOGETHER: Shared = ("row_together", include_str!("../../wgsl/shared/row_together.wgsl"));

/// What kernels name as their possible pipelines: either Item, either way to share rows, lanes of either kind of
/// adapter, a choice of yes or no.
pub(crate) const ITEMS: &[Shared] = &[SCALAR, VEC4];
pub(crate) const ROWS: &[Shared] = &[ROW_ALONE, ROW_TOGETHER];
pub(crate) const LANES: (&str, &[u32]) = ("LANES", &[8, 64]);
pub(crate) const YES_OR_NO: &[u32] = &[0, 1];

/// Checks that a view is `[rows, cols]`; the sentence names the operation and the tensor.
pub(crate) fn expect(op: &str, name: &str, view: &View, rows: usize, cols: usize) -> Result<()> {
    if (view.rows, view.cols) == (rows, cols) {
        return Ok(());
    }
    Err(Error::run(format!(
        "{op}: {name} is [{}, {}], but the other tensors ask for [{rows}, {cols}]",
        view.rows, view.cols
    )))
}

/// What a lane handles at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Scalar,
    Vec4,
}

impl Item {
    /// Four values, where every one of these lengths is a multiple of four.
    pub fn of(lengths: &[usize]) -> Item {
        if lengths.iter().all(|length| length.is_multiple_of(4)) {
            Item::Vec4
        } else {
            Item::Scalar
        }
    }

    pub fn width(self) -> usize {
        match self {
            Item::Scalar => 1,
            Item::Vec4 => 4,
        }
    }

    /// `length` values counted in Items.
    pub fn count(self, length: usize) -> u32 {
        (length / self.width()) as u32
    }

    pub fn shared(self) -> Shared {
        match self {
            Item::Scalar => SCALAR,
            Item::Vec4 => VEC4,
        }
    }
}

/// How lanes share the rows of a matrix in kernels that reduce along rows.
pub(crate) struct RowLanes {
    pub shared: Shared,
    /// Rows of a workgroup.
    pub rows: usize,
}

/// A lane a row on drivers that run shaders on the processor, 64 lanes a row on GPUs.
pub(crate) fn row_lanes(gpu: &Gpu) -> RowLanes {
    match gpu.kind() {
        Kind::Software => RowLanes {
            shared: ROW_ALONE,
            rows: 8,
        },
        Kind::Hardware => RowLanes {
            shared: ROW_TOGETHER,
            rows: 1,
        },
    }
}

/// How many lanes may share a row in kernels of [`each_row`].
pub(crate) const EACH_ROW: (&str, &[u32]) = ("ROW_LANES", &[1, 2, 4, 8, 16, 32, 64]);

/// How the lanes of a kernel share its rows, where nothing is added up along them.
pub(crate) struct EachRow {
    pub grid: Grid,
    /// Rows of a workgroup.
    pub per_group: u32,
    /// Lanes that share a row: as many as it has Items, where a workgroup has them; a power of two.
    pub row_lanes: u32,
}

/// With as many Items a lane as in [`each`], or a whole row's.
pub(crate) fn each_row(kind: Kind, rows: usize, items: u32) -> EachRow {
    let lanes = kind.lanes();
    let row_lanes = items.max(1).next_power_of_two().min(lanes);
    let of_lane = (per_lane(kind) / items.div_ceil(row_lanes).max(1)).max(1);
    let per_group = lanes / row_lanes * of_lane;
    EachRow {
        grid: Grid::linear(rows.div_ceil(per_group as usize)),
        per_group,
        row_lanes,
    }
}

/// How the lanes of an element-wise kernel share `count` Items.
pub(crate) struct Each {
    pub grid: Grid,
    pub count: u32,
    /// Lanes of a workgroup.
    pub lanes: u32,
    /// Items that a lane handles in its loop: many where a workgroup is dear.
    pub per_lane: u32,
}

pub(crate) fn each(kind: Kind, count: u32) -> Each {
    spread(kind, count, per_lane(kind))
}

/// Workgroups of a kernel that leaves a partial sum in each lane: `reduce` adds them all in a single one.
const MOST_GROUPS: u32 = 1024;

/// As [`each`] for such a kernel, with `all` Items in its one or more dispatches: where there are many, a lane does more.
pub(crate) fn each_sum(kind: Kind, count: u32, all: u32) -> Each {
    spread(
        kind,
        count,
        per_lane(kind).max(all.div_ceil(kind.lanes() * MOST_GROUPS)),
    )
}

/// Partial sums of [`each_sum`] for `all` Items or fewer, in one dispatch; each dispatch more may add a workgroup's lanes.
pub(crate) fn most_partials(kind: Kind, all: usize) -> usize {
    let lanes = kind.lanes() as usize;
    all.div_ceil(lanes * per_lane(kind) as usize).min(MOST_GROUPS as usize) * lanes
}

fn per_lane(kind: Kind) -> u32 {
    match kind {
        Kind::Software => 64,
        Kind::Hardware => 4,
    }
}

fn spread(kind: Kind, count: u32, per_lane: u32) -> Each {
    let lanes = kind.lanes();
    Each {
        grid: Grid::linear(count.div_ceil(lanes * per_lane) as usize),
        count,
        lanes,
        per_lane,
    }
}

impl Each {
    /// Values that kernels with a partial sum for each lane write.
    pub fn partials(&self) -> usize {
        (self.grid.0[0] * self.grid.0[1] * self.lanes) as usize
    }
}
