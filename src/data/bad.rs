//! The record of files that were skipped.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Files of a data set that turned out bad, with the reason. Shared by all threads of a run.
#[derive(Debug)]
pub struct BadFiles {
    /// The data set, as the user named it.
    source: String,
    /// Files in all, good and bad.
    total: usize,
    files: Mutex<BTreeMap<String, String>>,
}

/// Names in one sentence before "and N more".
const NAMED: usize = 5;

impl BadFiles {
    /// An empty record for `total` files.
    pub(super) fn new(source: &str, total: usize) -> Self {
        BadFiles {
            source: source.to_string(),
            total,
            files: Mutex::default(),
        }
    }

    /// Adds a file and its reason ("is empty"); one that is known already is not counted again. An error once a tenth of
    /// the data set's files have turned out bad.
    pub fn record(&self, name: &str, reason: &str) -> Result<()> {
        self.files()
            .entry(name.to_string())
            .or_insert_with(|| reason.to_string());
        self.check()
    }

    /// The error that stops a run, once a tenth of the data set's files have turned out bad.
    pub fn check(&self) -> Result<()> {
        if !self.too_many(self.count()) {
            return Ok(());
        }
        Err(Error::run(format!(
            "{} of the {} files in {} cannot be used, a tenth or more: {}; remove or replace them, or name other data",
            self.count(),
            self.total,
            self.source,
            self.first()
        )))
    }

    /// Whether that many bad files stop a run.
    pub(super) fn too_many(&self, bad: usize) -> bool {
        bad > 0 && bad * 10 >= self.total
    }

    /// Bad files so far.
    pub fn count(&self) -> usize {
        self.files().len()
    }

    /// Names and reasons, by name.
    pub fn list(&self) -> Vec<(String, String)> {
        self.files()
            .iter()
            .map(|(name, reason)| (name.clone(), reason.clone()))
            .collect()
    }

    /// "skipped 2 of 400 files in photos: a.jpg is empty, b.jpg is truncated"; `None` if none was.
    pub fn summary(&self) -> Option<String> {
        let count = self.count();
        let all = self.named(usize::MAX);
        (count > 0).then(|| format!("skipped {count} of {} files in {}: {all}", self.total, self.source))
    }

    /// The first few, and how many more there are.
    pub(super) fn first(&self) -> String {
        self.named(NAMED)
    }

    fn named(&self, most: usize) -> String {
        let files = self.files();
        let named: Vec<String> = files
            .iter()
            .take(most)
            .map(|(name, reason)| format!("{name} {reason}"))
            .collect();
        let more = match files.len() - named.len() {
            0 => String::new(),
            left => format!(" and {left} more"),
        };
        named.join(", ") + &more
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // Each change is one insertion, so a thread that panicked elsewhere leaves nothing half done.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
