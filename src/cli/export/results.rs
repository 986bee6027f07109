//! What a run has reached, for its model card: losses, the collapse monitor, probes, and figures that Hugging Face's page shows.

use crate::cli::probe::found::{self, Found};
use crate::cli::report::judgement;
use crate::cli::{escaped, say};
use ijepa::eval::protocol::Probe;
use ijepa::train::finetune::{MOST_SOURCES, SOURCES, Sources};
use ijepa::train::folder::CONFIG;
use ijepa::train::history::{History, Taken};
use ijepa::train::start::Start;
use ijepa::train::tuned::Tuned;
use ijepa::{Error, Result, ordinary};
use serde_json::json;
use std::path::{Path, PathBuf};

/// See the module.
pub struct Results {
    /// The run's folder, or the weights' own name.
    name: String,
    /// The run's records, up to the checkpoint; not those of fine-tuning.
    history: Option<History>,
    /// The images that a classifier was scored on, where that is known.
    scored: Option<String>,
    probed: Vec<Found>,
}

impl Results {
    /// Of the run that the weights are a checkpoint of, and of `ijepa probe`: what was named, or else what lies in the run's
    /// folder of these very weights.
    ///
    /// Errors: usage, where a file that was named is none, or is of the weights at another step.
    pub fn of(start: &Start, named: &[PathBuf]) -> Result<Results> {
        let folder = start.path.parent().unwrap_or(Path::new(""));
        let name = |path: &Path| {
            let whole = std::path::absolute(path).ok();
            let last = whole.as_deref().and_then(Path::file_name);
            last.map_or("ijepa".to_string(), |name| name.to_string_lossy().into_owned())
        };
        let progress = start.tuned().map(|(progress, _)| progress).or(start.progress());
        let step = progress.map(|progress| progress.step);
        let mut probed: Vec<Found> = named.iter().map(|path| found::read(path)).collect::<Result<_>>()?;
        if let Some((found, at)) = probed.iter().find_map(|found| Some((found, found.other_step(step)?))) {
            return Err(Error::usage(format!(
                "{} is of the weights at step {at}, and these are at {}: probe these, or leave it out",
                found.path.display(),
                step.unwrap_or_default()
            )));
        }
        let Some(step) = step.filter(|step| *step > 0 && folder.join(CONFIG).exists()) else {
            return Ok(Results {
                name: name(&start.path),
                history: None,
                scored: None,
                probed,
            });
        };
        if named.is_empty() {
            probed = own(folder, step);
        }
        let history = match start.tuned() {
            None => Some(up_to(History::read(folder)?, step)),
            Some(_) => None,
        };
        Ok(Results {
            name: name(folder),
            history,
            scored: start.tuned().and_then(|_| scored(folder)),
            probed,
        })
    }

    /// A section of the card; nothing where there is nothing to tell.
    pub fn section(&self) -> String {
        let mut rows = vec![];
        if let Some(history) = &self.history {
            rows.extend(losses(history));
            if let (Some(judged), Some(first), Some(last)) =
                (judgement(history), history.looks.first(), history.looks.last())
            {
                let neighbours = match (first.neighbours, last.neighbours) {
                    (Some(first), Some(last)) => format!(", k-NN {last:.1} % (untrained {first:.1} %)"),
                    _ => String::new(),
                };
                let verdict = format!(
                    "{} at step {}: effective rank {:.1} (untrained {:.1}), deviation {:.3} (untrained {:.3}){neighbours}",
                    judged.verdict.word(),
                    last.step,
                    last.effective_rank,
                    first.effective_rank,
                    last.deviation,
                    first.deviation
                );
                rows.push(("collapse monitor", verdict));
            }
            if let Some(last) = history.probes.last() {
                let [fitted, scored] = last.images;
                let text = format!(
                    "k-NN {:.1} %, linear {:.1} % at step {}: frozen features of {scored} images, fitted on {fitted}",
                    last.row.knn, last.row.linear, last.step
                );
                rows.push(("probes while it went", text));
            }
        }
        let mut text = String::new();
        if !rows.is_empty() || !self.probed.is_empty() {
            text += "\n## Results\n";
        }
        if !rows.is_empty() {
            text += "\n| | |\n|---|---|\n";
            rows.iter()
                .for_each(|(name, value)| text += &format!("| {name} | {value} |\n"));
        }
        self.probed.iter().for_each(|found| text += &table(found));
        text
    }

    /// `model-index` of the card's head, which Hugging Face shows beside it; nothing where there are no figures.
    pub fn index(&self, tuned: Option<&Tuned>, data: Option<&str>) -> String {
        let mut results = vec![];
        if let Some(test) = tuned.and_then(|tuned| tuned.test) {
            let images = format!("{} test images", test.images);
            results.push(result(
                "Classification",
                (self.scored.as_deref().or(data), &images),
                vec![("Accuracy".into(), test.accuracy())],
            ));
        }
        for found in &self.probed {
            let learned = found.protocol.probes.iter().filter(|probe| probe.features == "learned");
            let labels = found.part_of_labels();
            let blocks = if found.of_four_blocks() {
                ", last four blocks"
            } else {
                ""
            };
            let metric = |probe: &Probe| {
                (
                    format!("Accuracy, {} probe{blocks}{labels}", probe.method.title()),
                    probe.scores.accuracy(),
                )
            };
            let metrics: Vec<_> = learned.map(metric).collect();
            let images = found.protocol.probes.first().map_or(0, |probe| probe.scores.images());
            let images = format!("{images} test images");
            results.push(result("Frozen features", (Some(&found.scored()), &images), metrics));
        }
        // Fewer images say less: they stand there where nothing else does.
        let last = self.history.as_ref().and_then(|history| history.probes.last());
        if let Some(last) = last.filter(|_| results.is_empty()) {
            let images = format!("{} images, while training", last.images[1]);
            let metrics = vec![
                ("Accuracy, k-NN probe".to_string(), last.row.knn),
                ("Accuracy, linear probe".to_string(), last.row.linear),
            ];
            results.push(result("Frozen features", (data, &images), metrics));
        }
        match results.is_empty() {
            true => String::new(),
            false => format!(
                "model-index:\n- name: {}\n  results:\n{}",
                quoted(&self.name),
                results.concat()
            ),
        }
    }
}

fn losses(history: &History) -> Option<(&'static str, String)> {
    let last = history.steps.last()?;
    let per_epoch = history.progress.as_ref()?.iterations_per_epoch.max(1) as usize;
    let some = &history.steps[history.steps.len().saturating_sub(per_epoch)..];
    let mean = some.iter().map(|step: &Taken| step.loss).sum::<f64>() / some.len() as f64;
    let text = format!(
        "{} at the last step, {} on average over the last {} (smooth L1 of features that go on changing: of other \
         settings it says little)",
        figure(last.loss),
        figure(mean),
        some.len()
    );
    Some(("loss", text))
}

fn figure(loss: f64) -> String {
    match loss.is_finite() {
        true => format!("{loss:.4}"),
        false => "not finite".to_string(),
    }
}

/// What fine-tuning in a folder scores its classifier on, without the folders that it lies in.
fn scored(folder: &Path) -> Option<String> {
    let text = ordinary::text(&folder.join(SOURCES), MOST_SOURCES).ok()?;
    let Sources { data, test, .. } = serde_json::from_str(&text).ok()?;
    let set = test.unwrap_or(data);
    Some(Path::new(&set).file_name()?.to_string_lossy().into_owned())
}

/// What `ijepa probe` has left in a run's folder of the weights at this step.
fn own(folder: &Path, step: u64) -> Vec<Found> {
    let (mut probed, gaps) = found::of_run(folder);
    gaps.iter()
        .for_each(|gap| say(&format!("left out of the model card: {gap}")));
    probed.retain(|found| {
        let other = found.other_step(Some(step));
        if let Some(at) = other {
            let path = found.path.display();
            say(&format!(
                "left out of the model card: {path} is of the weights at step {at}, and these are at {step}"
            ));
        }
        other.is_none()
    });
    probed
}

/// The records as they were at a step.
fn up_to(mut history: History, step: u64) -> History {
    history.steps.truncate(step as usize);
    history.looks.retain(|look| look.step <= step);
    history.probes.retain(|probed| probed.step <= step);
    history
}

fn table(found: &Found) -> String {
    let row = |probe: &Probe| {
        let [low, high] = probe.scores.interval();
        let name = match probe.features {
            "raw" => "raw pixels",
            "untrained" => "untrained encoder",
            _ => "these weights",
        };
        format!(
            "| {name} | {} | {:.1} % | {low:.1} to {high:.1} | {} |\n",
            probe.method.title(),
            probe.scores.accuracy(),
            probe.choice
        )
    };
    let rows: String = found.protocol.probes.iter().map(row).collect();
    format!(
        "\nProbes by `ijepa probe`: {}.\n\n| features | method | accuracy | 95 % interval | chosen on held-out images |\n|---|---|---|---|---|\n{rows}",
        super::card::clean(&found.said())
    )
}

fn result(task: &str, (set, images): (Option<&str>, &str), metrics: Vec<(String, f64)>) -> String {
    let set = match set {
        Some(set) => format!("{set}, {images}"),
        None => images.to_string(),
    };
    let metric = |(name, value): (String, f64)| {
        format!(
            "    - type: accuracy\n      name: {}\n      value: {:.2}\n",
            quoted(&name),
            value
        )
    };
    let metrics: String = metrics.into_iter().map(metric).collect();
    format!(
        "  - task:\n      type: image-classification\n      name: {}\n    dataset:\n      type: imagefolder\n      name: {}\n    \
         metrics:\n{metrics}",
        quoted(task),
        quoted(&set)
    )
}

/// A text of YAML, which takes those of JSON.
fn quoted(text: &str) -> String {
    json!(escaped(text)).to_string()
}
