//! The CSV of a run, in the reference's form: others' tools read it.

use std::fmt;

/// One row: one iteration. `Display` gives the line without its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// From 1.
    pub epoch: usize,
    /// Iteration within the epoch, from 0.
    pub itr: usize,
    /// The smooth-L1 part of this step's loss.
    pub loss: f64,
    /// K_e, the column `mask-A`.
    pub k_context: usize,
    /// K_p, the column `mask-B`.
    pub k_target: usize,
    pub milliseconds: f64,
    /// What the variance-covariance term added, where it is on.
    pub regularizer: Option<f64>,
}

/// The first line, without its end. Written once: the reference writes it again at each start.
pub fn header(regularizer: bool) -> &'static str {
    if regularizer {
        "epoch,itr,loss,mask-A,mask-B,time (ms),regularizer"
    } else {
        "epoch,itr,loss,mask-A,mask-B,time (ms)"
    }
}

impl fmt::Display for Row {
    /// `%d,%d,%.5f,%.5f,%.5f,%d`, and `%.5f` for the regularizer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (epoch, itr, time) = (self.epoch, self.itr, self.milliseconds as i64);
        let (a, b) = (self.k_context as f64, self.k_target as f64);
        write!(f, "{epoch},{itr},{},{a:.5},{b:.5},{time}", decimals(self.loss))?;
        match self.regularizer {
            Some(value) => write!(f, ",{}", decimals(value)),
            None => Ok(()),
        }
    }
}

/// `%.5f`; C writes `nan` and `inf` small.
fn decimals(value: f64) -> String {
    format!("{value:.5}").to_lowercase()
}

/// The header and the first `rows` rows of a CSV, with their line ends: what stays when a run goes on from a checkpoint
/// written after that many steps. A row that was cut in the middle does not count.
pub fn first_rows(text: &str, rows: usize) -> &str {
    let end = text
        .match_indices('\n')
        .nth(rows)
        .map(|(at, _)| at)
        .or_else(|| text.rfind('\n'));
    end.map_or("", |at| &text[..=at])
}
