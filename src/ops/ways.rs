//! The ways in which a product can be computed, and which it is: by the adapter and the shape alone, unless `ijepa tune` has found
//! a quicker one.

use super::cast::Bits;
use super::fragments;
use super::matmul::{Batch, Form, Place, Variant, packed};
use super::tiles::{self, TILES, Tile};
use crate::gpu::{Gpu, Kind, MOST_WORKGROUPS, Product, Units};

/// What computes a product: a variant, and the number of the configuration in [`TILES`] where that has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Any,
    Broadcast,
    Quad,
    Tile(usize),
    /// Matrix units with so many rows and columns of fragments a subgroup, for operands in f16: `ops::fragments`.
    Fragments(Units, u32),
}

/// Every way that asks nothing of the operands.
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

/// Every way to multiply operands of these bits (`None`: f32) here. Findings of `ijepa tune` count them by their places, and name
/// them in files.
pub fn ways(gpu: &Gpu, bits: Option<Bits>) -> impl Iterator<Item = Way> + use<> {
    let units = gpu.units().filter(|_| bits == Some(Bits::F16));
    WAYS.into_iter().chain(units.into_iter().flat_map(fragments::ways))
}

impl Way {
    pub fn variant(self) -> Variant {
        match self {
            Way::Any => Variant::Any,
            Way::Broadcast => Variant::Broadcast,
            Way::Quad => Variant::Quad,
            Way::Tile(_) => Variant::Tile,
            Way::Fragments(..) => Variant::Fragments,
        }
    }
}

/// `broadcast`, `tile 128x64x16 8x4`, `fragments 16x16 4x4`
impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.variant().name())?;
        if let Way::Fragments(units, count) = self {
            write!(f, " {}x{0} {count}x{count}", units.side)?;
        }
        if let Way::Tile(number) = self {
            let Tile {
                m, n, k, rows, columns, ..
            } = TILES[*number];
            write!(f, " {m}x{n}x{k} {rows}x{columns}")?;
        }
        Ok(())
    }
}

/// The variant that `matmul::product` takes for these sizes.
pub fn variant(gpu: &Gpu, form: Form, m: usize, n: usize, k: usize) -> Variant {
    way(gpu, None, form, m, n, k).variant()
}

/// The way in which packed operands of these bits (`None`: f32) are multiplied: what `ijepa tune` found where it did and
/// `--variant` has no other say.
pub fn way(gpu: &Gpu, bits: Option<Bits>, form: Form, m: usize, n: usize, k: usize) -> Way {
    let found = gpu
        .tuned(&product(bits, form, m, n, k))
        .and_then(|number| ways(gpu, bits).nth(number));
    match found {
        Some(way) if gpu.variant().is_none() && may(gpu, way, bits, form, m, n, k) => way,
        _ => default_way(gpu, bits, form, m, n, k),
    }
}

/// The way that adapter and shape alone decide.
pub fn default_way(gpu: &Gpu, bits: Option<Bits>, form: Form, m: usize, n: usize, k: usize) -> Way {
    let batch = packed(form, m, n, k);
    match fragments::units(gpu, bits, form, &batch) {
        Some(units) => Way::Fragments(units, fragments::count(units, &batch)),
        None => choose(gpu, form, &batch),
    }
}

/// Whether this adapter can compute a product of packed matrices in this way.
pub fn may(gpu: &Gpu, way: Way, bits: Option<Bits>, form: Form, m: usize, n: usize, k: usize) -> bool {
    let batch = packed(form, m, n, k);
    match way {
        Way::Fragments(units, _) => fragments::units(gpu, bits, form, &batch) == Some(units),
        _ => able(gpu, way, form, &batch),
    }
}

/// The way for this adapter and these shapes; `--variant` overrides the adapter's say, and what can't do a shape gives
/// way to what can.
pub fn choose(gpu: &Gpu, form: Form, batch: &Batch) -> Way {
    let wanted = match (gpu.variant(), gpu.kind()) {
        (Some("any"), _) => Variant::Any,
        (Some("tile"), _) => Variant::Tile,
        (Some("broadcast"), _) => Variant::Broadcast,
        (Some("quad"), _) => Variant::Quad,
        (_, Kind::Hardware) => Variant::Tile,
        (_, Kind::Software) if gpu.subgroup_width() == Some(4) => Variant::Quad,
        (_, Kind::Software) => Variant::Broadcast,
    };
    match wanted {
        Variant::Broadcast if able(gpu, Way::Broadcast, form, batch) => Way::Broadcast,
        Variant::Quad if able(gpu, Way::Quad, form, batch) => Way::Quad,
        Variant::Any => Way::Any,
        Variant::Broadcast | Variant::Quad if gpu.kind() == Kind::Software => Way::Any,
        _ => tiles::standard(gpu, batch).map_or(Way::Any, Way::Tile),
    }
}

fn able(gpu: &Gpu, way: Way, form: Form, batch: &Batch) -> bool {
    let grid_holds = |rows: usize| batch.m.div_ceil(rows) <= MOST_WORKGROUPS;
    let width = gpu.subgroup_width();
    match way {
        Way::Broadcast => width == Some(8) && (by_four(form, batch) || worth(form, batch)) && grid_holds(16),
        // A quad is four lanes of a subgroup of whatever width.
        Way::Quad => width.is_some_and(|width| width >= 4) && by_four(form, batch) && grid_holds(32),
        Way::Tile(number) => TILES.get(number).is_some_and(|tile| tile.holds(batch)),
        // Of f16 alone: [`may`].
        Way::Fragments(..) => false,
        // It alone folds its grid, so that no number of rows is too many for it.
        Way::Any => true,
    }
}

/// Whether matrices whose rows begin anywhere are large enough for tiles of 16 x 32: few values leave lanes idle, and pipelines take
/// their time to compile. By a layer's widths alone: what an image gives must not hang on how many there are.
fn worth(form: Form, batch: &Batch) -> bool {
    let widths = match form {
        Form::Nn | Form::Nt => [batch.n, batch.k],
        Form::Tn => [batch.m, batch.n],
    };
    widths.iter().all(|&width| width >= 32) && batch.n.div_ceil(32) <= MOST_WORKGROUPS
}

/// Four values at a time: strides must be multiples of four, and ragged ends need padding.
pub(super) fn by_four(form: Form, batch: &Batch) -> bool {
    let fits = |p: &Place| [p.offset, p.row, p.outer, p.inner].iter().all(|v| v.is_multiple_of(4));
    let padded = |length: usize, row: usize| length.next_multiple_of(4) <= row;
    let ends = match form {
        Form::Nn => batch.n.is_multiple_of(4) && padded(batch.k, batch.a.row),
        Form::Nt => batch.k.is_multiple_of(4) && padded(batch.n, batch.c.row),
        Form::Tn => batch.n.is_multiple_of(4) && padded(batch.m, batch.a.row),
    };
    ends && fits(&batch.a) && fits(&batch.b) && fits(&batch.c)
}

/// A product under which `ijepa tune` keeps what it finds. What counts tokens (M of A·B and A·Bᵀ, K of Aᵀ·B) changes from batch to
/// batch, and is rounded up to a power of two.
pub fn product(bits: Option<Bits>, form: Form, m: usize, n: usize, k: usize) -> Product {
    let (m, k) = match form {
        Form::Nn | Form::Nt => (m.next_power_of_two(), k),
        Form::Tn => (m, k.next_power_of_two()),
    };
    let bits = match bits {
        None => 0,
        Some(Bits::Bf16) => 1,
        Some(Bits::F16) => 2,
    };
    let form = form as u8;
    Product { bits, form, m, n, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_have_names_of_their_own() {
        let names: std::collections::BTreeSet<String> = WAYS.iter().map(Way::to_string).collect();
        assert_eq!(names.len(), WAYS.len());
        assert!(
            names.contains("tile 128x64x16 8x4") && names.contains("quad"),
            "{names:?}"
        );
    }

    #[test]
    fn tokens_are_rounded_up_and_weights_are_not() {
        let of = |form, m, n, k| {
            let Product { m, n, k, .. } = product(None, form, m, n, k);
            [m, n, k]
        };
        assert_eq!(of(Form::Nt, 1025, 96, 384), [2048, 96, 384]);
        assert_eq!(of(Form::Nn, 1024, 96, 384), [1024, 96, 384]);
        assert_eq!(of(Form::Tn, 96, 384, 1025), [96, 384, 2048]);
    }
}
