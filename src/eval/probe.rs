//! The table that says whether an encoder has learned: neighbours and a linear fit on its features, beside those on raw
//! pixels and on the untrained encoder.

use super::knn::knn_accuracy;
use super::ridge::ridge_accuracy;
use super::samples::Samples;
use crate::Result;
use std::fmt;

/// Scores of one kind of features, in per cent of the test images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// 20 nearest neighbours, see [`super::knn`].
    pub knn: f64,
    /// Ridge regression, see [`super::ridge`].
    pub linear: f64,
}

/// Fits on `train`, scores on `test`.
///
/// # Errors
/// Where the two have different numbers of channels.
pub fn score(train: &Samples, test: &Samples) -> Result<Row> {
    Ok(Row {
        knn: knn_accuracy(train, test)?.accuracy,
        linear: ridge_accuracy(train, test)?.accuracy,
    })
}

/// What was learned, beside what was there without learning. Every row is made by the same rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbeTable {
    /// The pixels themselves.
    pub raw: Row,
    /// The encoder as the run's own initialisation drew it.
    pub untrained: Row,
    /// The run's target encoder.
    pub learned: Row,
}

impl ProbeTable {
    fn rows(&self) -> [(&'static str, Row); 3] {
        [
            ("raw", self.raw),
            ("untrained", self.untrained),
            ("learned", self.learned),
        ]
    }

    /// One line, in per cent: `{"raw":{"knn":15.6,"linear":11.0},"untrained":{...},"learned":{...}}`.
    pub fn json(&self) -> String {
        let hundredths = |per_cent: f64| (per_cent * 100.0).round() / 100.0;
        let rows = self.rows().map(|(name, row)| {
            let row = serde_json::json!({"knn": hundredths(row.knn), "linear": hundredths(row.linear)});
            (name.to_string(), row)
        });
        serde_json::Value::Object(rows.into_iter().collect()).to_string()
    }
}

/// A head line and three rows, each with k-NN and then linear.
impl fmt::Display for ProbeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12}{:>9}{:>11}", "features", "k-NN %", "linear %")?;
        for (name, row) in self.rows() {
            write!(f, "\n{name:<12}{:>9.1}{:>11.1}", row.knn, row.linear)?;
        }
        Ok(())
    }
}
