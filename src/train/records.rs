//! What a run writes while it goes: CSV, log, TensorBoard events, the monitor's table. All of it grows in the run's
//! folder and is cut back to a checkpoint when the run goes on.

use super::checkpoint::Books;
use super::csv::{self, Row};
use super::folder::{Folder, at};
use super::log::{EVERY, EpochMeans};
use super::probe::{self, Probed};
use super::tensorboard::{self, Events};
use super::trainer::Step;
use crate::eval::monitor::{self, Judgement, Measurement};
use crate::{Error, Result, ordinary};
use std::io;
use std::time::SystemTime;

/// Everything that a run records, with the state that goes into a checkpoint.
pub struct Records {
    folder: Folder,
    csv: String,
    events: String,
    means: EpochMeans,
    /// MiB, for the log's `mem`.
    memory: f64,
    regularized: bool,
}

const LOG: &str = "train.log";
const MONITOR: &str = "monitor.csv";
const PROBE: &str = "probe.csv";

/// The part of a table that stays when a run goes on from a step.
type Cut = fn(&str, usize) -> &str;

impl Records {
    /// Cuts what is there back to what it was after `step` steps, or begins each file where there is none. `books`: as
    /// the checkpoint of that step has them; where they are lost, the log and the events keep all they have.
    pub fn open(
        mut folder: Folder,
        tag: &str,
        regularized: bool,
        memory: f64,
        (step, books): (u64, Option<&Books>),
    ) -> Result<Records> {
        let csv = format!("{tag}_r0.csv");
        let old = events_file(&folder)?;
        let tables = [
            (csv.as_str(), csv::header(regularized), csv::first_rows as Cut),
            (MONITOR, monitor::CSV_HEADER, monitor::rows_until as Cut),
        ];
        for name in [LOG].into_iter().chain(old.as_deref()) {
            match books {
                _ if step == 0 => folder.cut(name, 0)?,
                Some(books) => folder.cut(name, books.lengths.get(name).copied().unwrap_or(0))?,
                None => {}
            }
        }
        let probes = (PROBE, probe::CSV_HEADER, monitor::rows_until as Cut);
        let probed = folder.path().join(PROBE).exists(); // else its first row begins it
        for (name, header, cut) in tables.into_iter().chain(probed.then_some(probes)) {
            let path = folder.path().join(name);
            let text = match path.exists() && step > 0 {
                true => ordinary::text(&path, u64::MAX).map_err(|e| {
                    let path = path.display();
                    Error::usage(format!("{path}: {e}: move it away, and the run begins a new one"))
                })?,
                false => String::new(),
            };
            let kept = cut(&text, step as usize).len();
            folder.cut(name, kept as u64)?;
            let head = if kept == 0 {
                format!("{header}\n")
            } else {
                String::new()
            };
            folder.append(name, head.as_bytes())?;
        }
        folder.append(LOG, b"")?;
        let events = match old.filter(|name| folder.path().join(name).exists()) {
            Some(name) => {
                folder.append(&name, b"")?;
                name
            }
            None => {
                let (name, mut bytes) = (tensorboard::file_name(unix() as u64), vec![]);
                Events::new(&mut bytes, unix()).map_err(at(folder.path()))?;
                folder.append(&name, &bytes)?;
                name
            }
        };
        Ok(Records {
            folder,
            csv,
            events,
            means: books.map(|books| books.means).unwrap_or_default(),
            memory,
            regularized,
        })
    }

    /// What the log gives as `mem` from here on, in MiB.
    pub fn memory(&mut self, mib: f64) {
        self.memory = mib;
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A line of the log.
    pub fn note(&mut self, line: &str) -> Result<()> {
        self.folder.append(LOG, format!("{line}\n").as_bytes())
    }

    /// Records a step: a CSV row, events, every tenth iteration the log's two lines, at an epoch's end its mean. Gives
    /// back the log's lines.
    pub fn step(&mut self, step: &Step, milliseconds: f64, last_of_epoch: bool) -> Result<Vec<String>> {
        if step.iteration == 0 {
            self.means = EpochMeans::default();
        }
        self.means.add(step.loss, step.k_context, step.k_target, milliseconds);
        let (epoch, itr) = (step.epoch as usize + 1, step.iteration as usize);
        let row = Row {
            epoch,
            itr,
            loss: step.loss,
            k_context: step.k_context,
            k_target: step.k_target,
            milliseconds,
            regularizer: self.regularized.then_some(step.regularizer),
        };
        self.folder.append(&self.csv.clone(), format!("{row}\n").as_bytes())?;
        let mut values = vec![
            ("train/loss", step.loss),
            ("train/gradient_norm", step.gradient_norm),
            ("schedule/lr", step.rates.lr),
            ("schedule/weight_decay", step.rates.wd),
            ("schedule/momentum", step.rates.momentum),
            ("masks/context", step.k_context as f64),
            ("masks/target", step.k_target as f64),
        ];
        if self.regularized {
            values.push(("train/regularizer", step.regularizer));
        }
        self.scalars(step.step, &values)?;
        let mut lines = vec![];
        if itr.is_multiple_of(EVERY) || !step.loss.is_finite() {
            lines.push(self.means.line(epoch, itr, step.rates, self.memory));
            lines.extend(step.stats.map(|stats| stats.line(epoch, itr)));
        }
        if last_of_epoch {
            lines.push(self.means.average());
        }
        for line in &lines {
            self.note(line)?;
        }
        Ok(lines)
    }

    /// Records what the monitor saw.
    pub fn monitor(&mut self, now: &Measurement, judgement: &Judgement) -> Result<()> {
        self.folder
            .append(MONITOR, format!("{}\n", monitor::csv_row(now, judgement)).as_bytes())?;
        let mut values = vec![
            ("monitor/deviation", now.deviation),
            ("monitor/effective_rank", now.effective_rank),
        ];
        values.extend(now.neighbours.map(|knn| ("monitor/knn", knn)));
        self.scalars(now.step, &values)
    }

    /// Records what a probe gave.
    pub fn probe(&mut self, probed: &Probed) -> Result<()> {
        let head = match self.folder.path().join(PROBE).exists() {
            true => String::new(),
            false => format!("{}\n", probe::CSV_HEADER),
        };
        self.folder
            .append(PROBE, format!("{head}{}\n", probed.csv_row()).as_bytes())?;
        let row = probed.row;
        self.scalars(probed.step, &[("probe/knn", row.knn), ("probe/linear", row.linear)])
    }

    /// What a checkpoint has to know of these files.
    pub fn books(&self) -> Result<Books> {
        Ok(Books {
            means: self.means,
            lengths: self.folder.lengths()?,
        })
    }

    fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let mut bytes = vec![];
        let write = Events::append(&mut bytes).scalars(unix(), step, values);
        write.map_err(at(self.folder.path()))?;
        self.folder.append(&self.events.clone(), &bytes)
    }
}

/// The event file of a run that goes on.
fn events_file(folder: &Folder) -> Result<Option<String>> {
    let list = std::fs::read_dir(folder.path()).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut names: Vec<String> = list
        .map_err(at(folder.path()))?
        .iter()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("events.out.tfevents."))
        .collect();
    names.sort();
    Ok(names.pop())
}

fn unix() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map(|d| d.as_secs_f64()).unwrap_or(0.0)
}
