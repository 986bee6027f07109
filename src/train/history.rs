//! What a run has written down, read back: its configuration, CSV, monitor's table, log and checkpoints, of ours or of the
//! reference. A file that is missing or broken leaves a gap and is told; only the configuration must be there.

use super::checkpoint;
use super::config::Config;
use super::folder::{self, CONFIG, at};
use super::probe::Probed;
use super::snapshot::Progress;
use crate::eval::probe::Row;
use crate::{Result, ordinary};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Clone, Debug)]
pub struct History {
    pub folder: PathBuf,
    pub config: Config,
    /// One for each step, in order; step 1 is the first.
    pub steps: Vec<Taken>,
    /// What the log says of every tenth iteration or so.
    pub rates: Vec<Logged>,
    /// MiB that the log names last.
    pub memory: Option<f64>,
    pub looks: Vec<Looked>,
    /// Accuracies while it went, where they were asked for (`train --probe-every`).
    pub probes: Vec<Probed>,
    /// Lines of the log that are neither numbers of an iteration nor of an epoch.
    pub notes: Vec<String>,
    /// Where the run stands; `None` before its first checkpoint, and for runs of the reference.
    pub progress: Option<Progress>,
    pub checkpoints: Vec<Saved>,
    /// What could not be read: sentences.
    pub gaps: Vec<String>,
}

/// A row of the CSV.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taken {
    pub loss: f64,
    /// What the variance-covariance term added, where it is on.
    pub regularizer: Option<f64>,
    pub milliseconds: f64,
    /// Patches of a context and of a target.
    pub k_context: f64,
    pub k_target: f64,
}

/// Schedules at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logged {
    pub step: u64,
    pub lr: f64,
    pub weight_decay: f64,
}

/// A row of the monitor's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    pub step: u64,
    pub deviation: f64,
    pub effective_rank: f64,
    /// Per cent, where there are labels.
    pub neighbours: Option<f64>,
    pub verdict: String,
}

/// A file of weights in the run's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    pub name: String,
    pub bytes: u64,
}

/// More bytes than any of a run's tables has.
pub(super) const MOST_BYTES: u64 = 1 << 30;

impl History {
    /// Errors: usage, where the folder holds no run, or its configuration can't be read.
    pub fn read(path: &Path) -> Result<History> {
        let config = Config::from_yaml(&folder::config(path)?, &path.join(CONFIG).display().to_string())?;
        let mut gaps = vec![];
        let mut text = |name: &str| match ordinary::text(&path.join(name), MOST_BYTES) {
            Ok(text) => text,
            Err(e) => {
                gaps.push(format!("{name} could not be read: {e}"));
                String::new()
            }
        };
        let csv = text(&format!("{}_r0.csv", config.logging.write_tag));
        let (monitor, log) = match config.logging.monitor_every {
            0 => (String::new(), text("train.log")),
            _ => (text("monitor.csv"), text("train.log")),
        };
        let probes = match path.join("probe.csv").exists() {
            true => text("probe.csv"),
            false => String::new(),
        };
        let (steps, places) = steps(&csv);
        let (rates, memory, notes) = logged(&log, &places);
        Ok(History {
            looks: looks(&monitor),
            probes: probes_of(&probes),
            checkpoints: saved(path)?,
            progress: checkpoint::progress(path),
            folder: path.to_path_buf(),
            config,
            steps,
            rates,
            memory,
            notes,
            gaps,
        })
    }

    /// The folder's own name.
    pub fn name(&self) -> String {
        name(&self.folder)
    }

    /// Milliseconds of the step in the middle of all: the first ones make pipelines, and others are interrupted.
    pub fn pace(&self) -> Option<f64> {
        middle(self.steps.iter().map(|step| step.milliseconds).collect())
    }

    /// Images per second at that pace.
    pub fn speed(&self) -> Option<f64> {
        let images = self.config.data.batch_size as f64;
        self.pace().filter(|pace| *pace > 0.0).map(|pace| 1e3 * images / pace)
    }

    /// Seconds that all steps took.
    pub fn seconds(&self) -> f64 {
        self.steps.iter().map(|step| step.milliseconds / 1e3).sum()
    }
}

/// A folder's own name.
pub fn name(folder: &Path) -> String {
    let whole = std::path::absolute(folder).unwrap_or(folder.to_path_buf());
    let name = whole.file_name().unwrap_or(whole.as_os_str());
    name.to_string_lossy().into_owned()
}

pub(super) fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Rows of a table as values by their column's name; a row that was cut in the middle does not count.
pub(super) fn rows(text: &str) -> impl Iterator<Item = HashMap<&str, &str>> {
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let head: Vec<&str> = whole.lines().next().unwrap_or_default().split(',').collect();
    let rows = whole.lines().skip(1);
    // The reference writes its head again at each start.
    rows.map(move |row| head.iter().copied().zip(row.split(',')).collect::<HashMap<_, _>>())
        .filter(|row| row.iter().any(|(name, value)| name != value))
}

/// The steps, and which of them an epoch and an iteration are.
fn steps(csv: &str) -> (Vec<Taken>, HashMap<(u64, u64), u64>) {
    let (mut steps, mut places) = (vec![], HashMap::new());
    for row in rows(csv) {
        let value = |name: &str| row.get(name).and_then(|text| text.trim().parse::<f64>().ok());
        let (Some(epoch), Some(itr), Some(loss)) = (value("epoch"), value("itr"), value("loss")) else {
            continue;
        };
        steps.push(Taken {
            loss,
            regularizer: value("regularizer"),
            milliseconds: value("time (ms)").unwrap_or(0.0),
            k_context: value("mask-A").unwrap_or(0.0),
            k_target: value("mask-B").unwrap_or(0.0),
        });
        places.insert((epoch as u64, itr as u64), steps.len() as u64);
    }
    (steps, places)
}

fn looks(table: &str) -> Vec<Looked> {
    let look = |row: HashMap<&str, &str>| {
        let value = |name: &str| row.get(name)?.trim().parse::<f64>().ok();
        Some(Looked {
            step: value("step")? as u64,
            deviation: value("deviation")?,
            effective_rank: value("effective_rank")?,
            neighbours: value("knn"),
            verdict: row
                .get("verdict")
                .map(|word| word.trim().to_string())
                .unwrap_or_default(),
        })
    };
    rows(table).filter_map(look).collect()
}

fn probes_of(table: &str) -> Vec<Probed> {
    let probed = |row: HashMap<&str, &str>| {
        let value = |name: &str| row.get(name)?.trim().parse::<f64>().ok();
        let share = |name: &str| value(name).filter(|share| (0.0..=100.0).contains(share));
        let (knn, linear) = (share("knn")?, share("linear")?);
        Some(Probed {
            step: value("step")? as u64,
            row: Row { knn, linear },
            images: [value("fitted")? as usize, value("scored")? as usize],
        })
    };
    rows(table).filter_map(probed).collect()
}

fn logged(log: &str, places: &HashMap<(u64, u64), u64>) -> (Vec<Logged>, Option<f64>, Vec<String>) {
    let (mut rates, mut memory, mut notes) = (vec![], None, vec![]);
    for line in log.lines() {
        let place = line.strip_prefix('[').and_then(|rest| {
            let (place, rest) = rest.split_once(']')?;
            let (epoch, itr) = place.split_once(',')?;
            Some(((epoch.trim().parse().ok()?, itr.trim().parse().ok()?), rest))
        });
        let Some((place, rest)) = place else {
            if !line.starts_with("avg. loss") && !line.trim().is_empty() {
                notes.push(line.to_string());
            }
            continue;
        };
        let value = |name: &str| {
            let (_, after) = rest.split_once(&format!("[{name}: "))?;
            after.split_once(']')?.0.parse::<f64>().ok()
        };
        memory = value("mem").or(memory);
        if let (Some(&step), Some(lr), Some(weight_decay)) = (places.get(&place), value("lr"), value("wd")) {
            rates.push(Logged { step, lr, weight_decay });
        }
    }
    (rates, memory, notes)
}

/// Weights in a folder, by name; those of steps in the order of these.
pub(super) fn saved(path: &Path) -> Result<Vec<Saved>> {
    let mut found = vec![];
    for entry in std::fs::read_dir(path).map_err(at(path))? {
        let entry = entry.map_err(at(path))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if [".safetensors", ".pth.tar", ".pth"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            let bytes = entry.metadata().map_or(0, |file| file.len());
            found.push(Saved { name, bytes });
        }
    }
    let number = |saved: &Saved| {
        let digits = saved
            .name
            .split(|c: char| !c.is_ascii_digit())
            .find(|part| !part.is_empty());
        digits.and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(u64::MAX)
    };
    found.sort_by(|a, b| number(a).cmp(&number(b)).then(a.name.cmp(&b.name)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_log_are_read_as_far_as_they_are_whole() {
        let csv = "epoch,itr,loss,mask-A,mask-B,time (ms)\n1,0,0.5,20.0,6.0,100\n1,1,nan,20.0,6.0,90\n\
                   epoch,itr,loss,mask-A,mask-B,time (ms)\n2,0,0.25,21.0,7.0,80\n2,1,0.";
        let (steps, places) = steps(csv);
        let losses: Vec<f64> = steps.iter().map(|step| step.loss).collect();
        assert!(losses[0] == 0.5 && losses[1].is_nan() && losses[2] == 0.25 && losses.len() == 3);
        assert_eq!(
            (places[&(2, 0)], steps[2].k_target, steps[0].regularizer),
            (3, 7.0, None)
        );
        let log = "going on from step 2\n[1,     0] loss: 0.500 masks: 20.0 6.0 [wd: 4.00e-02] [lr: 1.00e-03] [mem: 5.64e+01] (1.0 ms)\n\
                   [1,     0] grad_stats: [1 2] (3, 4)\navg. loss 0.4\n[2,     0] loss: 0.2 masks: 1 1 [wd: 5.00e-02] [lr: 2.00e-03] [mem: 6.00e+01] (1 ms)\n";
        let (rates, memory, notes) = logged(log, &places);
        assert_eq!(
            (rates.len(), rates[1].step, rates[1].lr, memory),
            (2, 3, 0.002, Some(60.0))
        );
        assert_eq!(notes, ["going on from step 2"]);
        let looks =
            looks("step,deviation,effective_rank,knn,verdict\n0,0.2,9.5,29.69,undecided\n10,0.3,10,,healthy\nx,y\n");
        assert_eq!(
            (looks.len(), looks[1].neighbours, looks[1].verdict.as_str()),
            (2, None, "healthy")
        );
    }
}
