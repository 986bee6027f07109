//! The report of one run.

use super::chart::{Line, chart, drawable};
use super::findings::Findings;
use super::page::{charts, duration, figure, list, tile};
use super::probed;
use crate::cli::number::{grouped, size};
use ijepa::Result;
use ijepa::eval::monitor::{Judgement, Measurement, Verdict, judge};
use ijepa::eval::probe::{ProbeTable, Row};
use ijepa::model::describe;
use ijepa::train::config::Config;
use ijepa::train::history::{History, Looked};
use ijepa::train::keys::KEYS;
use ijepa::train::probe::Probed;
use maud::{Markup, html};

pub fn page(history: &History, findings: &Findings) -> Result<String> {
    let judgement = judgement(history);
    let body = html! {
        h1 { "Run " (history.name()) }
        p .faint { (head(history)?) }
        @if let Some(judgement) = &judgement { (verdict(judgement)) }
        (tiles(history, findings))
        (warnings(history, findings, judgement.as_ref()))
        (curves(history)?)
        @if let Some((table, on)) = &findings.table { (probes(table, on)) }
        (probed::one(&findings.probed, history.progress.as_ref().map(|progress| progress.step))?)
        (pictures(history, findings))
        (machine(history))
        (checkpoints(history))
        @if !history.notes.is_empty() {
            h2 { "Notes from the log" }
            (notes(&history.notes))
        }
        (settings(&history.config))
    };
    Ok(super::page::page(&format!("{} - ijepa report", history.name()), body))
}

/// Lines of the log that are shown at most, and characters of each.
const LINES: usize = 40;
const CHARACTERS: usize = 400;

/// The last lines of the log, and how many there are.
fn notes(all: &[String]) -> Markup {
    let short = |line: &String| match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.clone(),
    };
    let last: Vec<String> = all[all.len().saturating_sub(LINES)..].iter().map(short).collect();
    html! {
        @if all.len() > last.len() { p .faint { "The last " (last.len()) " of " (grouped(all.len() as u64)) " lines." } }
        (list(&last))
    }
}

/// The network and the images in a sentence.
fn head(history: &History) -> Result<String> {
    let (config, model) = (&history.config, history.config.model()?);
    let (encoder, predictor) = describe::parameters(&model);
    let data = config
        .data_path()
        .unwrap_or_else(|_| "images that its settings do not name".to_string());
    Ok(format!(
        "I-JEPA, {}: encoder {} wide, {} blocks, {} heads ({} parameters), predictor {} wide, {} blocks ({}); images of {} \
         pixels in {} patches, from {data}.",
        config.meta.model_name,
        model.embed_dim,
        model.depth,
        model.num_heads,
        grouped(encoder as u64),
        model.pred_emb_dim,
        model.pred_depth,
        grouped(predictor as u64),
        model.image,
        model.grid(),
    ))
}

fn measurement(look: &Looked) -> Measurement {
    Measurement {
        step: look.step,
        deviation: look.deviation,
        effective_rank: look.effective_rank,
        neighbours: look.neighbours,
    }
}

/// What the monitor makes of its last look.
pub fn judgement(history: &History) -> Option<Judgement> {
    let (first, last) = (history.looks.first()?, history.looks.last()?);
    let of = history.progress.as_ref().map_or(last.step, |progress| progress.of);
    (first.step == 0 && last.step > 0).then(|| judge(&measurement(first), &measurement(last), of))
}

fn verdict(judgement: &Judgement) -> Markup {
    let class = match judgement.verdict {
        Verdict::Healthy => "good",
        Verdict::Collapsing => "bad",
        Verdict::TooEarly => "faint",
    };
    html! { p { "Collapse monitor: " strong class=(class) { (judgement.words) } } }
}

fn tiles(history: &History, findings: &Findings) -> Markup {
    let steps = history.steps.len();
    let of = history
        .progress
        .as_ref()
        .map(|progress| format!("of {}", grouped(progress.of)));
    let seen = (steps * history.config.data.batch_size) as u64;
    let passes = history.progress.as_ref().filter(|progress| progress.images > 0);
    let passes = passes.map(|progress| format!("{:.1} times each", seen as f64 / progress.images as f64));
    html! {
        div .tiles {
            (tile("steps", &grouped(steps as u64), &of.unwrap_or_default()))
            (tile("images seen", &grouped(seen), &passes.unwrap_or_default()))
            @if let Some(last) = history.steps.last() {
                (tile("last loss", &format!("{:.4}", last.loss), "smooth L1"))
            }
            @if let Some((table, _)) = &findings.table {
                (tile("k-NN", &format!("{:.1} %", table.learned.knn), &format!("untrained {:.1} %, pixels {:.1} %",
                    table.untrained.knn, table.raw.knn)))
                (tile("linear", &format!("{:.1} %", table.learned.linear), &format!("untrained {:.1} %, pixels {:.1} %",
                    table.untrained.linear, table.raw.linear)))
            }
            @if let (Some(first), Some(last)) = (history.looks.first(), history.looks.last()) {
                (tile("effective rank", &format!("{:.1}", last.effective_rank),
                    &format!("untrained {:.1}", first.effective_rank)))
            }
            @if let Some(speed) = history.speed() {
                (tile("speed", &format!("{speed:.0} images/s"), &format!("{} in all", duration(history.seconds()))))
            }
        }
    }
}

/// What a reader should know before believing the rest.
fn warnings(history: &History, findings: &Findings, judgement: Option<&Judgement>) -> Markup {
    let mut all = vec![];
    if let Some(progress) = history.progress.as_ref().filter(|progress| progress.step < progress.of) {
        let (step, of) = (progress.step, progress.of);
        all.push(format!(
            "The run is not at its end: its last checkpoint is at step {step} of {of}."
        ));
    }
    if history.checkpoints.is_empty() {
        all.push("There are no weights: the run was stopped before its first checkpoint.".to_string());
    }
    let broken = history.steps.iter().filter(|step| !step.loss.is_finite()).count();
    if broken > 0 {
        all.push(format!("The loss of {broken} steps is not finite."));
    }
    match judgement.map(|judgement| judgement.verdict) {
        Some(Verdict::Collapsing) => all.push(
            "Features are collapsing: images become hard to tell apart. Try a lower learning rate, or the \
             variance-covariance term (meta.variance_weight, meta.covariance_weight)."
                .to_string(),
        ),
        None => all.push(
            "The collapse monitor has not looked at this run, or not twice: nothing tells whether it learns."
                .to_string(),
        ),
        _ => {}
    }
    if let Some((table, _)) = &findings.table {
        let better = [
            ("the untrained encoder's features", table.untrained.knn),
            ("raw pixels", table.raw.knn),
        ];
        let better = better.iter().filter(|(_, knn)| table.learned.knn < *knn);
        let better: Vec<&str> = better.map(|(name, _)| *name).collect();
        if !better.is_empty() {
            let better = better.join(" and by ");
            all.push(format!(
                "Neighbours by the trained features are worse than by {better}."
            ));
        }
    }
    all.extend(history.config.notices());
    all.extend(gaps(history));
    all.extend(findings.left_out.iter().map(|what| format!("Left out: {what}.")));
    html! { @for text in &all { div .warn { (text) } } }
}

/// What could not be read of a run's records, and what of them has no place in a chart.
pub fn gaps(history: &History) -> Vec<String> {
    let steps = history
        .steps
        .iter()
        .flat_map(|step| [Some(step.loss), step.regularizer]);
    let rates = history.rates.iter().flat_map(|at| [Some(at.lr), Some(at.weight_decay)]);
    let looks = history.looks.iter();
    let looks = looks.flat_map(|look| [Some(look.deviation), Some(look.effective_rank), look.neighbours]);
    let probes = history
        .probes
        .iter()
        .flat_map(|at| [Some(at.row.knn), Some(at.row.linear)]);
    let all = steps.chain(rates).chain(looks).chain(probes).flatten();
    let wild = match all.filter(|value| !drawable(*value)).count() {
        0 => None,
        count => Some(format!(
            "Values in its tables that are not finite, or too large for any axis, are not drawn: there are {count}."
        )),
    };
    history.gaps.iter().cloned().chain(wild).collect()
}

/// Each step's value.
pub fn series(history: &History, value: impl Fn(usize) -> Option<f64>) -> Vec<(f64, f64)> {
    let step = |i: usize| Some((i as f64 + 1.0, value(i)?));
    (0..history.steps.len()).filter_map(step).collect()
}

/// Each look's value.
pub fn looked(history: &History, value: impl Fn(&Looked) -> Option<f64>) -> Vec<(f64, f64)> {
    let look = |look: &Looked| Some((look.step as f64, value(look)?));
    history.looks.iter().filter_map(look).collect()
}

fn curves(history: &History) -> Result<Markup> {
    let end = history.steps.len() as f64;
    let loss = [
        Line::new("smooth-L1 loss", series(history, |i| Some(history.steps[i].loss))),
        Line::new("regularizer", series(history, |i| history.steps[i].regularizer)),
    ];
    let lr = [Line::new(
        "learning rate",
        history.rates.iter().map(|at| (at.step as f64, at.lr)),
    )];
    let wd = [Line::new(
        "weight decay",
        history.rates.iter().map(|at| (at.step as f64, at.weight_decay)),
    )];
    let watched = |name: &str, value: fn(&Looked) -> Option<f64>| -> Result<Option<String>> {
        let points = looked(history, value);
        let Some(&(_, first)) = points.first() else {
            return Ok(None);
        };
        chart(
            name,
            &[
                Line::new("target encoder", points),
                Line::level("untrained", first, end),
            ],
            true,
        )
    };
    let accuracy = |value: fn(&Probed) -> f64| history.probes.iter().map(move |at| (at.step as f64, value(at)));
    let probes = [
        Line::new("k-NN", accuracy(|at| at.row.knn)),
        Line::new("linear", accuracy(|at| at.row.linear)),
    ];
    let drawn = [
        chart("loss", &loss, true)?,
        chart("learning rate", &lr, true)?,
        watched("effective rank of features", |look| Some(look.effective_rank))?,
        watched("deviation of features", |look| Some(look.deviation))?,
        watched("k-NN, % of the monitor's images", |look| look.neighbours)?,
        chart("probes while it went, % of few images", &probes, true)?,
        chart("weight decay", &wd, true)?,
    ];
    Ok(html! {
        h2 { "How it learned" }
        p .faint {
            "A falling loss is no sign of learning here: where it works, the loss rises again after its first fall, as targets say \
             more. Effective rank counts the directions that features use, deviation how far images differ in them; both are of the \
             target encoder on a small fixed set of images, beside the encoder as it was drawn."
        }
        (charts(&drawn))
    })
}

/// The three rows of a table with what they are.
pub fn rows(table: &ProbeTable) -> [(&'static str, Row); 3] {
    [
        ("raw pixels", table.raw),
        ("untrained encoder", table.untrained),
        ("trained encoder", table.learned),
    ]
}

fn probes(table: &ProbeTable, on: &str) -> Markup {
    let bar = |value: f64| html! { span .bar style=(format!("width:{:.1}px", value.clamp(0.0, 100.0) * 1.6)) {} };
    html! {
        h2 { "How good its features are" }
        p .faint { "Per cent of images whose class is told right from frozen features. " (on) "." }
        div .wide { table .numbers {
            tr { th { "features" } th { "k-NN" } th {} th { "linear" } th {} }
            @for (name, row) in rows(table) {
                tr {
                    td { (name) }
                    td { (format!("{:.1} %", row.knn)) }
                    td style="text-align:left" { (bar(row.knn)) }
                    td { (format!("{:.1} %", row.linear)) }
                    td style="text-align:left" { (bar(row.linear)) }
                }
            }
        } }
    }
}

fn pictures(history: &History, findings: &Findings) -> Markup {
    let config = &history.config;
    html! {
        @if findings.features.is_some() || findings.attention.is_some() { h2 { "What it sees" } }
        @if let Some(svg) = &findings.features {
            h3 { "Features as colours" }
            p .faint { "Three principal components of the patch features of some images as red, green and blue. Alike colours: alike \
                features." }
            (figure(svg))
        }
        @if let Some(svg) = &findings.attention {
            h3 { "Attention" }
            p .faint { "The target encoder's last block, averaged over the patches that look. " (crate::cli::visualize::attention::EXPLAINED) }
            (figure(svg))
        }
        @if let Some(svg) = &findings.neighbours {
            h3 { "Nearest neighbours" }
            p .faint { "Images whose mean patch features are nearest to those of the first in each row. Framed: of the same class." }
            (figure(svg))
        }
        @if let Some(svg) = &findings.masks {
            h2 { "Masks" }
            p .faint {
                "As the first batch draws them: the context encoder sees the context, and the predictor guesses the target encoder's \
                 features of each target block. Seed " (config.meta.seed) "."
            }
            (figure(svg))
        }
    }
}

fn machine(history: &History) -> Markup {
    let machine = history.progress.as_ref().and_then(|progress| progress.machine.as_ref());
    let batch = history.config.data.batch_size;
    let row = |name: &str, value: String| html! { tr { th { (name) } td { (value) } } };
    html! {
        h2 { "Machine and speed" }
        div .wide { table {
            @if let Some(machine) = machine { (row("computed on", machine.to_string())) }
            @if let Some(pace) = history.pace() { (row("a step", format!("{pace:.0} ms (the one in the middle), {batch} images"))) }
            @if let Some(speed) = history.speed() { (row("speed", format!("{speed:.1} images/s"))) }
            @if !history.steps.is_empty() { (row("all steps", duration(history.seconds()))) }
            @if let Some(memory) = history.memory { (row("memory of a step", format!("{memory:.0} MiB, as planned"))) }
            (row("arithmetic", match history.config.bits() {
                Some(bits) => format!("linear layers in {}, all else in f32", format!("{bits:?}").to_lowercase()),
                None => "f32".to_string(),
            }))
            (row("program", concat!("ijepa ", env!("CARGO_PKG_VERSION"), " made this report").to_string()))
        } }
    }
}

fn checkpoints(history: &History) -> Markup {
    html! {
        @if !history.checkpoints.is_empty() {
            h2 { "Checkpoints" }
            div .wide { table .numbers {
                tr { th { "file" } th { "size" } }
                @for saved in &history.checkpoints { tr { td { code { (saved.name) } } td { (size(saved.bytes)) } } }
            } }
            p .faint { "Go on: " code { "ijepa train --resume " (history.folder.display()) } " · use: "
                code { "ijepa embed --weights " (history.folder.display()) " --data …" } }
        }
    }
}

/// Every key with its value, as text.
pub fn values(config: &Config) -> Vec<(&'static str, String)> {
    let mut copy = config.clone();
    KEYS.iter().map(|key| (key.path, key.text(&mut copy))).collect()
}

fn settings(config: &Config) -> Markup {
    let defaults = values(&Config::default());
    let all = values(config);
    let pairs = all
        .iter()
        .zip(&defaults)
        .filter(|((path, value), _)| !(path.starts_with("meta.model.") && value == "null"));
    html! {
        h2 { "Settings" }
        p .faint { "All of them; bold where they are not those of a file that leaves the key out. What each means: "
            code { "ijepa info --keys" } "." }
        div .settings {
            @for ((path, value), (_, default)) in pairs {
                div { span { (path) } span .set[value != default] { (value) } }
            }
        }
    }
}
