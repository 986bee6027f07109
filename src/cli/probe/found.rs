//! What `ijepa probe --out` has left, for a report and for a model card.

use ijepa::eval::protocol::Protocol;
use ijepa::{Error, Result, ordinary};
use std::path::{Path, PathBuf};

/// The file in the folder of `ijepa probe --out`.
pub const NAME: &str = "probe.json";
/// More bytes than it has: nine matrices of 2,000 classes.
const MOST_BYTES: u64 = 64 << 20;

/// The results of one `ijepa probe`.
pub struct Found {
    pub path: PathBuf,
    pub protocol: Protocol,
}

/// A file, or the one in a folder.
///
/// Errors: usage, where it is none.
pub fn read(path: &Path) -> Result<Found> {
    let path = match path.is_dir() {
        true => path.join(NAME),
        false => path.to_path_buf(),
    };
    let origin = path.display().to_string();
    let text = ordinary::text(&path, MOST_BYTES).map_err(|e| Error::usage(format!("{origin}: {e}")))?;
    let protocol = Protocol::read(&text, &origin)?;
    Ok(Found { path, protocol })
}

/// Those in a run's folder and in the folders in it, by their paths; and what could not be read: sentences.
pub fn of_run(folder: &Path) -> (Vec<Found>, Vec<String>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path().join(NAME)).collect();
    paths.push(folder.join(NAME));
    paths.retain(|path| path.is_file());
    paths.sort();
    let (mut found, mut gaps) = (vec![], vec![]);
    for path in paths {
        match read(&path) {
            Ok(one) => found.push(one),
            Err(e) => gaps.push(e.to_string()),
        }
    }
    (found, gaps)
}

impl Found {
    /// The step of the run at which its weights were, where that is another than `step`, and both are known.
    pub fn other_step(&self, step: Option<u64>) -> Option<u64> {
        let at = self.protocol.told("step")?.as_u64()?;
        step.is_some_and(|step| step != at).then_some(at)
    }

    /// The last part of a path that was given.
    fn named(&self, key: &str) -> Option<String> {
        let path = Path::new(self.protocol.told(key)?.as_str()?);
        Some(
            path.file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy()
                .into_owned(),
        )
    }

    /// The images that were scored: the set, without the folders that it lies in.
    pub fn scored(&self) -> String {
        let set = self.named("test").or(self.named("data"));
        set.unwrap_or("a set that is not recorded".to_string())
    }

    /// `, 10 % of the labels` where it was fitted on some of them.
    pub fn part_of_labels(&self) -> String {
        let share = self.protocol.told("label_fraction").and_then(serde_json::Value::as_f64);
        match share {
            Some(share) if share < 1.0 => format!(", {} % of the labels", (share * 1e4).round() / 1e2),
            _ => String::new(),
        }
    }

    /// Whether features are those of the last four blocks, and not of the last.
    pub fn of_four_blocks(&self) -> bool {
        self.protocol
            .told("features")
            .is_some_and(|features| features == "last4")
    }

    /// What was done, in a sentence without its end.
    pub fn said(&self) -> String {
        let first = self.protocol.probes.first();
        let (fitted, images) = first.map_or((0, 0), |probe| (probe.fitted, probe.scores.images()));
        let share = self.part_of_labels();
        let blocks = match self.of_four_blocks() {
            true => "features of the last four blocks",
            false => "features of the last block",
        };
        let encoder = match self.protocol.told("encoder").and_then(|value| value.as_str()) {
            Some("context") => "context encoder, ",
            _ => "",
        };
        let data = self.named("data").unwrap_or("a set that is not recorded".to_string());
        format!(
            "{encoder}{blocks}; fitted on {fitted} images of {data}{share}; scored on {images} images of {}",
            self.scored()
        )
    }
}
