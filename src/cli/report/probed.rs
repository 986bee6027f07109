//! What `ijepa probe` has left in a run's folder: protocols with their intervals and confusion matrices.

use super::findings::Findings;
use super::page::figure;
use crate::cli::number::grouped;
use crate::cli::probe::confusion::sheet;
use crate::cli::probe::found::Found;
use crate::cli::sheet::Ground;
use ijepa::Result;
use ijepa::eval::protocol::{Method, Probe};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Of one run, whose last checkpoint is at this step.
pub fn one(found: &[Found], step: Option<u64>) -> Result<Markup> {
    let each = found.iter().map(|found| protocol(found, step));
    let each = each.collect::<Result<Vec<_>>>()?;
    Ok(html! {
        @if !each.is_empty() {
            h2 { "Probes by the paper's protocols" }
            p .faint { "Per cent of images whose class is told right from frozen features, with Wilson's interval of 95 %: what the \
                choice of test images leaves open." }
            @for protocol in &each { (protocol) }
        }
    })
}

fn protocol(found: &Found, step: Option<u64>) -> Result<Markup> {
    let protocol = &found.protocol;
    let learned = protocol.probes.iter().filter(|probe| probe.features == "learned");
    let pictures = learned.map(|probe| sheet(probe, &protocol.classes).svg(Ground::Page));
    let pictures = pictures.collect::<Result<Vec<_>>>()?;
    let other = found.step().filter(|at| step.is_some_and(|step| step != *at));
    Ok(html! {
        h3 { code { (found.path.display()) } }
        p .faint { (found.said()) "." }
        @if let Some(at) = other {
            div .warn { "These are of the weights at step " (grouped(at)) ", not of the last checkpoint." }
        }
        div .wide { table .numbers {
            tr { th { "features" } th { "method" } th { "accuracy" } th { "95 % interval" } th {} th { "chosen on held-out images" } }
            @for probe in &protocol.probes { (row(probe)) }
        } }
        @for svg in &pictures { (figure(svg)) }
    })
}

fn row(probe: &Probe) -> Markup {
    let [low, high] = probe.scores.interval();
    let accuracy = probe.scores.accuracy();
    let name = match probe.features {
        "raw" => "raw pixels",
        "untrained" => "untrained encoder",
        _ => "trained encoder",
    };
    html! {
        tr {
            td { (name) }
            td style="text-align:left" { (probe.method.title()) }
            td { (format!("{accuracy:.1} %")) }
            td { (format!("{low:.1} … {high:.1}")) }
            td style="text-align:left" { span .bar style=(format!("width:{:.1}px", accuracy.clamp(0.0, 100.0) * 1.6)) {} }
            td { (probe.choice) }
        }
    }
}

/// What each run's trained encoder reached by each method on the same images.
pub fn beside(names: &[String], findings: &[Findings]) -> Markup {
    let mut rows: BTreeMap<(String, usize), Vec<Option<String>>> = BTreeMap::new();
    for (run, findings) in findings.iter().enumerate() {
        for found in &findings.probed {
            for probe in found.protocol.probes.iter().filter(|probe| probe.features == "learned") {
                let [low, high] = probe.scores.interval();
                let text = format!("{:.1} % ({low:.1} … {high:.1})", probe.scores.accuracy());
                let methods = [Method::Knn, Method::Linear, Method::Attentive];
                let method = methods.iter().position(|method| *method == probe.method).unwrap_or(0);
                let row = rows.entry((found.said(), method)).or_insert(vec![None; names.len()]);
                row[run] = Some(text);
            }
        }
    }
    let title = |method: usize| [Method::Knn, Method::Linear, Method::Attentive][method].title();
    html! {
        @if !rows.is_empty() {
            h2 { "Probes by the paper's protocols" }
            p .faint { "By the trained encoders, with Wilson's interval of 95 %; – where a run's folder has no such probe." }
            div .wide { table .numbers {
                tr {
                    th { "method" }
                    @for (i, name) in names.iter().enumerate() { th style=(format!("color:var(--k{i})")) { (name) } }
                    th style="text-align:left" { "features and images" }
                }
                @for ((said, method), texts) in &rows {
                    tr {
                        td { (title(*method)) }
                        @for text in texts { td { (text.as_deref().unwrap_or("–")) } }
                        td style="text-align:left" { (said) }
                    }
                }
            } }
        }
    }
}
