//! The log's lines, in the reference's form, and the running means that stand in them.

use super::schedule::Rates;

/// A line is written every so many iterations, as in the reference, and when the loss is not finite.
pub const EVERY: usize = 10;

/// `%.2e` as C has it: an exponent with a sign and two digits.
pub fn scientific(value: f64) -> String {
    if !value.is_finite() {
        return format!("{value}").to_lowercase();
    }
    let text = format!("{value:.2e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// A running mean; zero before the first value.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mean {
    pub sum: f64,
    pub count: u64,
}

impl Mean {
    pub fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    pub fn value(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

/// Means since the epoch began; `EpochMeans::default()` begins one.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochMeans {
    pub loss: Mean,
    pub k_context: Mean,
    pub k_target: Mean,
    pub milliseconds: Mean,
}

impl EpochMeans {
    /// Takes in one step.
    pub fn add(&mut self, loss: f64, k_context: usize, k_target: usize, milliseconds: f64) {
        self.loss.add(loss);
        self.k_context.add(k_context as f64);
        self.k_target.add(k_target as f64);
        self.milliseconds.add(milliseconds);
    }

    /// `[epoch, itr] loss: … masks: … [wd: …] [lr: …] [mem: …] (… ms)`; epoch from 1, itr from 0, `mem` in MiB.
    pub fn line(&self, epoch: usize, itr: usize, rates: Rates, mem: f64) -> String {
        let (loss, ms) = (lower(self.loss.value(), 3), lower(self.milliseconds.value(), 1));
        let (a, b) = (self.k_context.value(), self.k_target.value());
        let (wd, lr, mem) = (scientific(rates.wd), scientific(rates.lr), scientific(mem));
        format!("[{epoch}, {itr:5}] loss: {loss} masks: {a:.1} {b:.1} [wd: {wd}] [lr: {lr}] [mem: {mem}] ({ms} ms)")
    }

    /// The last line of an epoch.
    pub fn average(&self) -> String {
        format!("avg. loss {}", lower(self.loss.value(), 3))
    }
}

/// Gradient norms of the encoder: of the first and the last block's qkv weight, then the smallest and the largest over
/// all its weights of two axes or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradStats {
    pub first: f64,
    pub last: f64,
    pub min: f64,
    pub max: f64,
}

impl GradStats {
    /// `[epoch, itr] grad_stats: [first last] (min, max)`.
    pub fn line(&self, epoch: usize, itr: usize) -> String {
        let [first, last, min, max] = [self.first, self.last, self.min, self.max].map(scientific);
        format!("[{epoch}, {itr:5}] grad_stats: [{first} {last}] ({min}, {max})")
    }
}

fn lower(value: f64, digits: usize) -> String {
    format!("{value:.digits$}").to_lowercase()
}
