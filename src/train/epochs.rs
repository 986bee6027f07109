//! What fine-tuning writes down beside its weights: a row for each epoch, and which class was taken for which. All of it is read
//! back here; a file that is missing or broken leaves a gap and is told, and only the configuration must be there.

use super::checkpoint::LATEST;
use super::config::Config;
use super::finetune::{MOST_SOURCES, SOURCES, Sources};
use super::folder::{self, CONFIG};
use super::history::{self, MOST_BYTES, Saved};
use super::snapshot::Progress;
use super::start::Start;
use super::tuned::{Score, Tuned};
use crate::eval::scores::Scores;
use crate::{Error, Result, ordinary};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A row for each epoch.
pub const CSV: &str = "finetune.csv";
pub const HEADER: &str = "epoch,step,lr,train loss,train accuracy,test loss,test accuracy,time (ms)\n";
/// The confusion matrix of the test images, when they were looked at last.
pub const SCORES: &str = "scores.json";
/// More bytes than that has.
const MOST_SCORES: u64 = 64 << 20;
/// Classes with which there is one: of more it would be larger than the weights.
pub const MOST_CLASSES: usize = 2_000;

/// A row. `Display` gives the line without its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub epoch: u64,
    /// Steps until its end.
    pub step: u64,
    /// Learning rate of its last step.
    pub lr: f64,
    /// Mean loss, of smoothed and blended targets, and per cent that was right of images as they were trained on.
    pub train: [f64; 2],
    /// The same of test images, as they are.
    pub test: Option<[f64; 2]>,
    /// Of a step on average, without scoring; `None` in older tables.
    pub milliseconds: Option<f64>,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([loss, accuracy], lr) = (self.train, self.lr);
        write!(f, "{},{},{lr:.3e},{loss:.5},{accuracy:.2},", self.epoch, self.step)?;
        match self.test {
            Some([loss, accuracy]) => write!(f, "{loss:.5},{accuracy:.2},")?,
            None => write!(f, ",,")?,
        }
        match self.milliseconds {
            Some(milliseconds) => write!(f, "{milliseconds:.1}"),
            None => Ok(()),
        }
    }
}

fn epochs(table: &str) -> Vec<Epoch> {
    let epoch = |row: std::collections::HashMap<&str, &str>| {
        let value = |name: &str| row.get(name)?.trim().parse::<f64>().ok();
        let pair = |of: &str| Some([value(&format!("{of} loss"))?, value(&format!("{of} accuracy"))?]);
        Some(Epoch {
            epoch: value("epoch")? as u64,
            step: value("step")? as u64,
            lr: value("lr")?,
            train: pair("train")?,
            test: pair("test"),
            milliseconds: value("time (ms)"),
        })
    };
    history::rows(table).filter_map(epoch).collect()
}

#[derive(Serialize, Deserialize)]
struct Matrix {
    /// After which step.
    step: u64,
    classes: Vec<String>,
    /// Row by true class, column by named class.
    confusion: Vec<Vec<u32>>,
}

/// The text of [`SCORES`].
pub fn matrix(scores: &Scores, classes: &[String], step: u64) -> Result<String> {
    let rows = scores.counts().chunks(classes.len().max(1));
    let matrix = Matrix {
        step,
        classes: classes.to_vec(),
        confusion: rows.map(<[u32]>::to_vec).collect(),
    };
    let text = serde_json::to_string(&matrix).map_err(|e| Error::run(format!("{SCORES}: {e}")))?;
    Ok(text + "\n")
}

/// The matrix in a folder, which is to be the one of this score and these classes. Errors: why it is not to be had, in words.
fn scores(folder: &Path, classes: &[String], test: &Score) -> Result<Scores, String> {
    if classes.len() > MOST_CLASSES {
        return Err(format!(
            "the confusion matrix: of more than {MOST_CLASSES} classes none is written"
        ));
    }
    let text = ordinary::text(&folder.join(SCORES), MOST_SCORES).map_err(|e| match e.kind() {
        ErrorKind::NotFound => {
            format!("the confusion matrix: there is no {SCORES}, which earlier versions did not write")
        }
        _ => format!("the confusion matrix: {SCORES} could not be read: {e}"),
    })?;
    let broken = |why: String| format!("the confusion matrix: {SCORES} is damaged: {why}");
    let matrix: Matrix = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
    let images = |row: &Vec<u32>| u32::try_from(row.iter().map(|&count| u64::from(count)).sum::<u64>()).ok();
    let images: Option<Vec<u32>> = matrix.confusion.iter().map(images).collect();
    let images = images.ok_or_else(|| broken("it has more images than can be counted".to_string()))?;
    let scores = Scores::counted(&matrix.confusion, &images).map_err(broken)?;
    let same = (scores.right() as u64, scores.images() as u64) == (test.right, test.images);
    match matrix.classes == classes && same {
        true => Ok(scores),
        false => Err(format!(
            "the confusion matrix: {SCORES} is of step {}, and not of the weights in {LATEST}",
            matrix.step
        )),
    }
}

/// Whether `ijepa finetune` made this folder.
pub fn is_tuned(folder: &Path) -> bool {
    folder.join(CSV).exists() || folder.join(SOURCES).exists()
}

/// All that is written down about a fine-tuning.
pub struct Tuning {
    pub folder: PathBuf,
    /// Of the encoder and of how images are cut; what it says of training without labels is that of the weights it began with.
    pub config: Config,
    pub sources: Option<Sources>,
    /// Where its last checkpoint stands, and what that says of itself.
    pub state: Option<(Progress, Tuned)>,
    pub epochs: Vec<Epoch>,
    /// Of the test images, when they were looked at last.
    pub scores: Option<Scores>,
    pub checkpoints: Vec<Saved>,
    /// What could not be read: sentences without their end.
    pub gaps: Vec<String>,
}

impl Tuning {
    /// Errors: usage, where the folder has no configuration that can be read.
    pub fn read(path: &Path) -> Result<Tuning> {
        let config = Config::from_yaml(&folder::config(path)?, &path.join(CONFIG).display().to_string())?;
        let mut gaps = vec![];
        let table = ordinary::text(&path.join(CSV), MOST_BYTES).unwrap_or_else(|e| {
            gaps.push(format!("{CSV} could not be read: {e}"));
            String::new()
        });
        let sources = ordinary::read(&path.join(SOURCES), MOST_SOURCES).map_err(|e| e.to_string());
        let sources = sources.and_then(|text| serde_json::from_slice(&text).map_err(|e| e.to_string()));
        let sources = sources.map_err(|e| gaps.push(format!("{SOURCES} could not be read: {e}")));
        let state = match Start::open(path, false).map(|start| start.tuned().cloned()) {
            Ok(Some(state)) => Some(state),
            Ok(None) => {
                gaps.push(format!("{LATEST} is no checkpoint of `ijepa finetune`"));
                None
            }
            Err(e) => {
                gaps.push(e.to_string());
                None
            }
        };
        let test = state.as_ref().and_then(|(_, tuned)| Some((tuned, tuned.test?)));
        let scores = test.map(|(tuned, test)| scores(path, &tuned.classes, &test));
        let scores = scores.and_then(|scores| scores.map_err(|why| gaps.push(why)).ok());
        Ok(Tuning {
            folder: path.to_path_buf(),
            config,
            sources: sources.ok(),
            state,
            epochs: epochs(&table),
            scores,
            checkpoints: history::saved(path)?,
            gaps,
        })
    }

    /// The folder's own name.
    pub fn name(&self) -> String {
        history::name(&self.folder)
    }

    /// Milliseconds of a step, in the epoch in the middle of all.
    pub fn pace(&self) -> Option<f64> {
        history::middle(self.epochs.iter().filter_map(|epoch| epoch.milliseconds).collect())
    }

    /// Images per second at that pace.
    pub fn speed(&self) -> Option<f64> {
        let (_, tuned) = self.state.as_ref()?;
        let pace = self.pace().filter(|pace| *pace > 0.0)?;
        Some(1e3 * tuned.settings.batch as f64 / pace)
    }

    /// Seconds that the steps of all epochs took; `None` where that is not known of each.
    pub fn seconds(&self) -> Option<f64> {
        let before = [0].into_iter().chain(self.epochs.iter().map(|epoch| epoch.step));
        let each = self.epochs.iter().zip(before);
        let seconds =
            |(epoch, before): (&Epoch, u64)| Some(epoch.step.saturating_sub(before) as f64 * epoch.milliseconds? / 1e3);
        each.map(seconds).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Epoch {
        Epoch {
            epoch: 2,
            step: 14,
            lr: 5e-4,
            train: [2.25, 12.5],
            test: Some([2.125, 20.0]),
            milliseconds: Some(41.5),
        }
    }

    #[test]
    fn rows_are_read_as_they_were_written() {
        let without = Epoch {
            test: None,
            milliseconds: None,
            ..row()
        };
        for wanted in [row(), without] {
            assert_eq!(epochs(&format!("{HEADER}{wanted}\n")), [wanted]);
        }
        // Of an older version, and cut in the middle.
        let older = "epoch,step,lr,train loss,train accuracy,test loss,test accuracy\n1,7,1e-3,2.5,10,2.25,20\n2,14";
        let [epoch] = epochs(older)[..] else { panic!() };
        assert_eq!((epoch.test, epoch.milliseconds), (Some([2.25, 20.0]), None));
    }

    #[test]
    fn a_matrix_is_that_of_the_score_or_none() {
        let place = tempfile::tempdir().unwrap();
        let classes = ["a", "b"].map(String::from);
        let wanted = Scores::new(2, &[0, 0, 1], &[Some(0), Some(1), Some(1)]).unwrap();
        let score = |right| Score {
            right,
            images: 3,
            loss: 0.0,
        };
        let read = |test| scores(place.path(), &classes, &test);
        assert!(read(score(2)).unwrap_err().contains("there is no scores.json"));
        let write = |text: &str| std::fs::write(place.path().join(SCORES), text).unwrap();
        write(&matrix(&wanted, &classes, 9).unwrap());
        assert_eq!(read(score(2)).unwrap(), wanted);
        assert!(
            read(score(1))
                .unwrap_err()
                .contains("is of step 9, and not of the weights")
        );
        for broken in [
            "",
            "[]",
            "{\"step\": 9, \"classes\": [], \"confusion\": [[4294967295, 1]]}",
        ] {
            write(broken);
            assert!(read(score(2)).unwrap_err().contains("is damaged"), "{broken}");
        }
    }
}
