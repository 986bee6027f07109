//! Random draws that depend on what they are for and on nothing else: every draw of a run comes from a stream keyed by
//! a word, the seed and two numbers (epoch and image, say), so that threads, resuming and machines cannot change it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One stream of draws. The sequence is part of the project's promise: the same bytes on every platform.
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of `word` (at most 8 bytes) for `seed` and the numbers `a` and `b`.
    pub fn keyed(word: &str, seed: u64, a: u64, b: u64) -> Self {
        let mut key = [0u8; 32];
        let word = &word.as_bytes()[..word.len().min(8)];
        key[..word.len()].copy_from_slice(word);
        key[8..16].copy_from_slice(&seed.to_le_bytes());
        key[16..24].copy_from_slice(&a.to_le_bytes());
        key[24..32].copy_from_slice(&b.to_le_bytes());
        Draw(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// Uniform in {0 ... n-1}; 0 for n = 0. Uneven by less than n / 2^64.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.0.next_u64() as u128 * n as u128) >> 64) as usize
    }

    /// Two independent draws of the standard normal distribution (Box and Muller), by `libm` so that bits agree.
    pub fn normals(&mut self) -> [f64; 2] {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        let angle = core::f64::consts::TAU * self.unit();
        [radius * libm::cos(angle), radius * libm::sin(angle)]
    }

    /// The numbers 0 ... n-1 in random order (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}
