//! Several runs beside each other.

use super::chart::{Line, chart};
use super::findings::Findings;
use super::one::{gaps, judgement, looked, rows, series, values};
use super::page::{charts, duration};
use super::probed;
use crate::cli::number::grouped;
use crate::cli::sheet::KINDS;
use ijepa::train::history::{History, Looked, name};
use ijepa::{Error, Result};
use maud::{Markup, html};
use std::path::PathBuf;

/// Refuses more runs than there are colours.
pub fn check(runs: usize) -> Result<()> {
    match runs > KINDS.len() {
        true => Err(Error::usage(format!(
            "{runs} runs are too many to tell apart: compare {} at most",
            KINDS.len()
        ))),
        false => Ok(()),
    }
}

pub fn page(histories: &[History], findings: &[Findings]) -> Result<String> {
    let names = names(&histories.iter().map(|history| &history.folder).collect::<Vec<_>>());
    let body = html! {
        h1 { "Runs compared" }
        p .faint { (names.join(", ")) }
        (warnings(&names, histories, findings))
        (summary(&names, histories))
        (curves(&names, histories)?)
        (probes(&names, findings))
        (probed::beside(&names, findings))
        (settings(&names, histories))
    };
    Ok(super::page::page("Runs compared - ijepa report", body))
}

/// The folders' own names, or their paths where two are the same.
pub fn names(folders: &[&PathBuf]) -> Vec<String> {
    let short: Vec<String> = folders.iter().map(|folder| name(folder)).collect();
    let distinct = short.iter().enumerate().all(|(i, name)| !short[..i].contains(name));
    match distinct {
        true => short,
        false => folders.iter().map(|folder| folder.display().to_string()).collect(),
    }
}

/// A head line with each run's name in its colour.
pub fn head(names: &[String]) -> Markup {
    html! { tr { th {} @for (i, name) in names.iter().enumerate() { th style=(format!("color:var(--k{i})")) { (name) } } } }
}

fn warnings(names: &[String], histories: &[History], findings: &[Findings]) -> Markup {
    let of = |(name, (history, findings)): (&String, (&History, &Findings))| {
        let left_out = findings.left_out.iter().map(|what| format!("Left out: {what}."));
        let all: Vec<String> = gaps(history).into_iter().chain(left_out).collect();
        (name.clone(), all)
    };
    let all = names.iter().zip(histories.iter().zip(findings)).map(of);
    html! {
        @for (name, texts) in all {
            @for text in texts { div .warn { strong { (name) } ": " (text) } }
        }
    }
}

fn summary(names: &[String], histories: &[History]) -> Markup {
    let row = |what: &str, value: &dyn Fn(&History) -> Option<String>| {
        html! { tr { th { (what) } @for history in histories { td { (value(history).unwrap_or("–".to_string())) } } } }
    };
    let first_and_last = |history: &History, value: fn(&Looked) -> Option<f64>, digits: usize| {
        let (first, last) = (value(history.looks.first()?)?, value(history.looks.last()?)?);
        Some(format!("{last:.digits$} (untrained {first:.digits$})"))
    };
    html! {
        h2 { "In short" }
        div .wide { table {
            (head(names))
            (row("monitor", &|history| judgement(history).map(|judgement| judgement.verdict.word().to_string())))
            (row("steps", &|history| {
                let of = history.progress.as_ref().map(|progress| format!(" of {}", grouped(progress.of))).unwrap_or_default();
                Some(format!("{}{of}", grouped(history.steps.len() as u64)))
            }))
            (row("last loss", &|history| history.steps.last().map(|step| format!("{:.4}", step.loss))))
            (row("effective rank", &|history| first_and_last(history, |look| Some(look.effective_rank), 1)))
            (row("deviation", &|history| first_and_last(history, |look| Some(look.deviation), 3)))
            (row("k-NN of the monitor, %", &|history| first_and_last(history, |look| look.neighbours, 1)))
            (row("speed", &|history| history.speed().map(|speed| format!("{speed:.0} images/s"))))
            (row("all steps", &|history| (!history.steps.is_empty()).then(|| duration(history.seconds()))))
            (row("computed on", &|history| Some(history.progress.as_ref()?.machine.as_ref()?.to_string())))
        } }
    }
}

fn curves(names: &[String], histories: &[History]) -> Result<Markup> {
    let lines = |points: &dyn Fn(&History) -> Vec<(f64, f64)>| -> Vec<Line> {
        let each = names.iter().zip(histories);
        each.map(|(name, history)| Line::new(name, points(history))).collect()
    };
    let watched =
        |what: &str, value: fn(&Looked) -> Option<f64>| chart(what, &lines(&|history| looked(history, value)), true);
    let drawn = [
        chart(
            "loss",
            &lines(&|history| series(history, |i| Some(history.steps[i].loss))),
            true,
        )?,
        chart(
            "learning rate",
            &lines(&|history| history.rates.iter().map(|at| (at.step as f64, at.lr)).collect()),
            true,
        )?,
        watched("effective rank of features", |look| Some(look.effective_rank))?,
        watched("deviation of features", |look| Some(look.deviation))?,
        watched("k-NN, % of the monitor's images", |look| look.neighbours)?,
        chart(
            "k-NN of the probes while it went, %",
            &lines(&|history| {
                let probes = history.probes.iter();
                probes.map(|at| (at.step as f64, at.row.knn)).collect()
            }),
            true,
        )?,
    ];
    Ok(html! {
        h2 { "How they learned" }
        p .faint { "Losses of runs with different settings say little about each other: each has targets of its own. Probes do." }
        (charts(&drawn))
    })
}

fn probes(names: &[String], findings: &[Findings]) -> Markup {
    let scored: Vec<_> = names.iter().zip(findings).enumerate().collect();
    html! {
        @if findings.iter().any(|findings| findings.table.is_some()) {
            h2 { "How good their features are" }
            p .faint { "Per cent of images whose class is told right from frozen features." }
            div .wide { table .numbers {
                tr {
                    th { "run" }
                    @for name in ["pixels", "untrained", "trained"] { th { "k-NN, " (name) } }
                    @for name in ["pixels", "untrained", "trained"] { th { "linear, " (name) } }
                    th style="text-align:left" { "images" }
                }
                @for (i, (name, findings)) in scored {
                    @if let Some((table, on)) = &findings.table {
                        tr {
                            td style=(format!("color:var(--k{i})")) { (name) }
                            @for (_, row) in rows(table) { td { (format!("{:.1}", row.knn)) } }
                            @for (_, row) in rows(table) { td { (format!("{:.1}", row.linear)) } }
                            td style="text-align:left" { (on) }
                        }
                    }
                }
            } }
        }
    }
}

fn settings(names: &[String], histories: &[History]) -> Markup {
    let of = |history: &History| {
        values(&history.config)
            .into_iter()
            .map(|(key, value)| (key.to_string(), value))
    };
    differing(
        names,
        &histories
            .iter()
            .map(|history| of(history).collect())
            .collect::<Vec<_>>(),
    )
}

/// The settings that are not the same in all; each run has the same keys in the same order.
pub fn differing(names: &[String], all: &[Vec<(String, String)>]) -> Markup {
    let differ = (0..all[0].len()).filter(|&key| all.iter().any(|values| values[key].1 != all[0][key].1));
    let differ: Vec<usize> = differ.collect();
    html! {
        h2 { "Settings that differ" }
        @if differ.is_empty() {
            p { "None." }
        } @else {
            div .wide { table {
                (head(names))
                @for key in differ {
                    tr { th { (all[0][key].0) } @for values in all { td { (values[key].1) } } }
                }
            } }
        }
    }
}
