//! The configurations of `matmul_tile`, and which of them a product takes by the kind of adapter and by the shape alone.

use super::matmul::{self, Batch};
use super::shape::Item;
use crate::gpu::{Gpu, Kernel, MOST_WORKGROUPS};

/// A workgroup makes `m` x `n` sums of C from panels of `k`, each lane `rows` x `columns` of them; all are multiples of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    pub m: u32,
    pub n: u32,
    pub k: u32,
    pub rows: u32,
    pub columns: u32,
    /// vec4 between two rows of a panel that hold nothing: 1, or 0 where workgroup memory (16 KiB) has no room for them.
    pub pad: u32,
}

const fn tile([m, n, k]: [u32; 3], [rows, columns]: [u32; 2], pad: u32) -> Tile {
    Tile {
        m,
        n,
        k,
        rows,
        columns,
        pad,
    }
}

/// At most 256 lanes and 16 KiB of workgroup memory each, as plain WebGPU allows. New ones go to the end, into
/// [`BY_ONE`], [`BY_FOUR`] and `ops::KERNELS`, too.
pub const TILES: [Tile; 8] = [
    tile([128, 128, 8], [8, 8], 1),
    tile([128, 128, 16], [8, 8], 0),
    tile([128, 64, 16], [8, 8], 1),
    tile([128, 64, 16], [8, 4], 1),
    tile([64, 64, 16], [8, 4], 1),
    tile([64, 64, 16], [4, 4], 1),
    tile([64, 32, 16], [4, 4], 1),
    tile([32, 32, 16], [4, 4], 1),
];

/// One for each configuration and Item, with its numbers as constants.
pub(super) static BY_ONE: [Kernel; TILES.len()] = [
    Numbered::<0>::BY_ONE,
    Numbered::<1>::BY_ONE,
    Numbered::<2>::BY_ONE,
    Numbered::<3>::BY_ONE,
    Numbered::<4>::BY_ONE,
    Numbered::<5>::BY_ONE,
    Numbered::<6>::BY_ONE,
    Numbered::<7>::BY_ONE,
];
pub(super) static BY_FOUR: [Kernel; TILES.len()] = [
    Numbered::<0>::BY_FOUR,
    Numbered::<1>::BY_FOUR,
    Numbered::<2>::BY_FOUR,
    Numbered::<3>::BY_FOUR,
    Numbered::<4>::BY_FOUR,
    Numbered::<5>::BY_FOUR,
    Numbered::<6>::BY_FOUR,
    Numbered::<7>::BY_FOUR,
];

pub(super) fn kernel(number: usize, item: Item) -> &'static Kernel {
    match item {
        Item::Scalar => &BY_ONE[number],
        Item::Vec4 => &BY_FOUR[number],
    }
}

struct Numbered<const NUMBER: usize>;

impl<const NUMBER: usize> Numbered<NUMBER> {
    const TILE: Tile = TILES[NUMBER];
    const BY_ONE: Kernel = Kernel {
        shared: matmul::BY_ONE,
        ..Self::BY_FOUR
    };
    const BY_FOUR: Kernel = Kernel {
        name: "matmul_tile",
        source: include_str!("../../wgsl/matmul_tile.wgsl"),
        bindings: matmul::BINDINGS,
        shared: matmul::BY_FOUR,
        constants: &[
            ("FORM", &[0, 1, 2]),
            matmul::EPILOGUE,
            ("TILE_M", &[Self::TILE.m]),
            ("TILE_N", &[Self::TILE.n]),
            ("TILE_K", &[Self::TILE.k]),
            ("ROWS", &[Self::TILE.rows]),
            ("COLUMNS", &[Self::TILE.columns]),
            ("PAD", &[Self::TILE.pad]),
        ],
    };
}

impl Tile {
    pub(super) fn constants(&self) -> [(&'static str, u32); 6] {
        [
            ("TILE_M", self.m),
            ("TILE_N", self.n),
            ("TILE_K", self.k),
            ("ROWS", self.rows),
            ("COLUMNS", self.columns),
            ("PAD", self.pad),
        ]
    }

    /// Workgroups for one matrix: along N, along M.
    pub(super) fn grid(&self, batch: &Batch) -> [usize; 2] {
        [batch.n.div_ceil(self.n as usize), batch.m.div_ceil(self.m as usize)]
    }

    pub(super) fn holds(&self, batch: &Batch) -> bool {
        self.grid(batch).iter().all(|&groups| groups <= MOST_WORKGROUPS)
    }
}

/// What an adapter starts from: configurations in the order in which they are tried, and how many workgroups fill it.
///
/// None of this was measured on a GPU yet (2026-11), it only follows from what they are: larger tiles compute more for each value
/// that they read, and a discrete GPU has some hundred processors, an integrated one some ten. `ijepa tune` measures. On a
/// software driver `--variant tile` alone comes here, for tests; that the tile is small saves compiling.
fn candidates(kind: wgpu::DeviceType) -> (&'static [usize], usize) {
    match kind {
        wgpu::DeviceType::DiscreteGpu => (&[0, 2, 4, 6, 7], 128),
        // Browsers don't say what theirs is, nor do virtual machines.
        wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => (&[4, 6, 7], 16),
        wgpu::DeviceType::Cpu => (&[5], 0),
    }
}

/// The first configuration of the adapter's that has enough tiles to fill it and computes at most a quarter more beyond the
/// edges than the smallest does; else the smallest. `None` where no grid holds the shape.
pub(super) fn standard(gpu: &Gpu, batch: &Batch) -> Option<usize> {
    let (numbers, enough) = candidates(gpu.info().device_type);
    pick(numbers, enough, batch)
}

fn pick(numbers: &[usize], enough: usize, batch: &Batch) -> Option<usize> {
    let groups = |number: usize| TILES[number].grid(batch).iter().product::<usize>();
    let covered = |number: usize| groups(number) as u64 * u64::from(TILES[number].m * TILES[number].n);
    let mut fitting = numbers.iter().copied().filter(|&number| TILES[number].holds(batch));
    let smallest = fitting.clone().next_back()?;
    let good =
        |number: &usize| groups(*number) * batch.count >= enough && covered(*number) * 4 <= covered(smallest) * 5;
    Some(fitting.find(good).unwrap_or(smallest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(count: usize, m: usize, n: usize) -> Batch {
        let place = Default::default();
        let (inner, k) = (1, 64);
        Batch {
            count,
            inner,
            m,
            n,
            k,
            a: place,
            b: place,
            c: place,
        }
    }

    #[test]
    fn configurations_stay_within_plain_limits() {
        for tile in &TILES {
            let Tile {
                m,
                n,
                k,
                rows,
                columns,
                pad,
            } = *tile;
            assert!([m, n, k, rows, columns].iter().all(|size| size % 4 == 0), "{tile:?}");
            assert_eq!((m % rows, n % columns), (0, 0), "{tile:?}");
            assert!(m / rows * (n / columns) <= 256, "{tile:?}");
            assert!(k * (m + n + 8 * pad) * 4 <= 16_384, "{tile:?}");
        }
    }

    #[test]
    fn small_products_get_small_tiles_and_edges_are_not_wasted() {
        let (discrete, enough) = candidates(wgpu::DeviceType::DiscreteGpu);
        let picked = |batch| {
            let Tile { m, n, .. } = TILES[pick(discrete, enough, &batch).unwrap()];
            [m, n]
        };
        assert_eq!(picked(batch(1, 32_768, 3072)), [128, 128]);
        assert_eq!(picked(batch(1, 2048, 3072)), [128, 128], "384 tiles");
        assert_eq!(
            picked(batch(1, 2048, 384)),
            [64, 64],
            "192 tiles; 96 and 48 would be too few"
        );
        assert_eq!(picked(batch(1, 256, 96)), [32, 32], "never enough");
        assert_eq!(
            picked(batch(1, 100_000, 64)),
            [128, 64],
            "half of a wider tile would be empty"
        );
        assert_eq!(
            picked(batch(2000, 256, 32)),
            [64, 32],
            "a batch counts, and heads are narrow"
        );
        let huge = batch(1, 128 * MOST_WORKGROUPS + 1, 8);
        assert_eq!(pick(discrete, enough, &huge), None, "no grid holds so many rows");
    }
}
