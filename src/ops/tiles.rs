//! The configurations of `matmul_tile`, and which of them a product takes: by the kind of adapter and by the shape, unless
//! `ijepa tune` has found a better one. Without its findings the choice is a function of adapter and shape alone.

use super::matmul::{BINDINGS, Batch, EPILOGUE, Form, GELU, SHARED, Variant};
use super::shape::{SCALAR, VEC4};
use crate::gpu::{Gpu, Kernel, MOST_WORKGROUPS, Product};

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

/// At most 256 lanes and 16 KiB of workgroup memory each, as plain WebGPU allows. New ones go to the end, into [`KERNELS`]
/// and `ops::KERNELS`, too.
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

/// One pipeline for each, with its numbers as constants.
pub(super) static KERNELS: [Kernel; TILES.len()] = [
    Numbered::<0>::KERNEL,
    Numbered::<1>::KERNEL,
    Numbered::<2>::KERNEL,
    Numbered::<3>::KERNEL,
    Numbered::<4>::KERNEL,
    Numbered::<5>::KERNEL,
    Numbered::<6>::KERNEL,
    Numbered::<7>::KERNEL,
];

struct Numbered<const NUMBER: usize>;

impl<const NUMBER: usize> Numbered<NUMBER> {
    const TILE: Tile = TILES[NUMBER];
    const KERNEL: Kernel = Kernel {
        name: "matmul_tile",
        source: include_str!("../../wgsl/matmul_tile.wgsl"),
        bindings: BINDINGS,
        shared: &[&[SCALAR, VEC4], &[GELU], &[SHARED]],
        constants: &[
            ("FORM", &[0, 1, 2]),
            EPILOGUE,
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

/// What computes a product: a variant, and the number of the configuration in [`TILES`] where that has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Any,
    Broadcast,
    Quad,
    Tile(usize),
}

/// Every way there is. Findings of `ijepa tune` count them by their places here, and name them in files.
pub const WAYS: [Way; 3 + TILES.len()] = {
    let mut ways = [Way::Any; 3 + TILES.len()];
    ways[1] = Way::Broadcast;
    ways[2] = Way::Quad;
    let mut number = 0;
    while number < TILES.len() {
        ways[3 + number] = Way::Tile(number);
        number += 1;
    }
    ways
};

impl Way {
    pub fn variant(self) -> Variant {
        match self {
            Way::Any => Variant::Any,
            Way::Broadcast => Variant::Broadcast,
            Way::Quad => Variant::Quad,
            Way::Tile(_) => Variant::Tile,
        }
    }
}

/// `broadcast`, `tile 128x64x16 8x4`
impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.variant().name())?;
        if let Way::Tile(number) = self {
            let Tile {
                m, n, k, rows, columns, ..
            } = TILES[*number];
            write!(f, " {m}x{n}x{k} {rows}x{columns}")?;
        }
        Ok(())
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

/// A product under which `ijepa tune` keeps what it finds. What counts tokens (M of A·B and A·Bᵀ, K of Aᵀ·B) changes from batch to
/// batch, and is rounded up to a power of two.
pub fn product(form: Form, m: usize, n: usize, k: usize) -> Product {
    let (m, k) = match form {
        Form::Nn | Form::Nt => (m.next_power_of_two(), k),
        Form::Tn => (m, k.next_power_of_two()),
    };
    let form = form as u8;
    Product { form, m, n, k }
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
    fn configurations_stay_within_plain_limits_and_have_names_of_their_own() {
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
        let names: std::collections::BTreeSet<String> = WAYS.iter().map(Way::to_string).collect();
        assert_eq!(names.len(), WAYS.len());
        assert!(
            names.contains("tile 128x64x16 8x4") && names.contains("quad"),
            "{names:?}"
        );
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

    #[test]
    fn tokens_are_rounded_up_and_weights_are_not() {
        let of = |form, m, n, k| {
            let Product { m, n, k, .. } = product(form, m, n, k);
            [m, n, k]
        };
        assert_eq!(of(Form::Nt, 1025, 96, 384), [2048, 96, 384]);
        assert_eq!(of(Form::Nn, 1024, 96, 384), [1024, 96, 384]);
        assert_eq!(of(Form::Tn, 96, 384, 1025), [96, 384, 2048]);
    }
}
