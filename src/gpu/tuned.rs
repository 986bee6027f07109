//! What was found to be quickest on a device: handed over once, before it computes. Whoever hands it over has measured.

use super::Gpu;
use std::collections::HashMap;

/// A matrix product, as far as the choice of its kernel goes; what bits, form and sizes mean is `ops::ways`' to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Product {
    pub bits: u8,
    pub form: u8,
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// Products with the number of the way in which this device computes them best (`ops::ways::ways`).
pub type Tuned = HashMap<Product, usize>;

impl Gpu {
    /// From now on these products are computed so. The first call counts: results stay the same to the bit as long as the
    /// device lives, and on the one that takes its place ([`Gpu::again`]).
    pub fn tune(&self, tuned: Tuned) {
        self.inner.tuned.get_or_init(|| tuned);
    }

    /// This device, with what was found on another one, opened on the same adapter before.
    pub fn tuned_as(self, other: &Gpu) -> Gpu {
        if let Some(tuned) = other.inner.tuned.get() {
            self.tune(tuned.clone());
        }
        if let Some(right) = other.inner.units_trusted.get() {
            self.trust_units(*right);
        }
        self
    }

    /// How this product is computed best, where that was found.
    pub fn tuned(&self, product: &Product) -> Option<usize> {
        self.inner.tuned.get()?.get(product).copied()
    }
}
