//! What `ijepa probe` has left in a run's folder: protocols with their intervals and confusion matrices.

use super::findings::Findings;
use super::page::charts;
use crate::cli::number::grouped;
use crate::cli::probe::confusion::of_probe;
use crate::cli::probe::found::Found;
use crate::cli::sheet::Ground;
use ijepa::Result;
use ijepa::eval::protocol::{Method, Probe};
use maud::{Markup, html};

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
    let pictures = learned.map(|probe| of_probe(probe, &protocol.classes).svg(Ground::Page).map(Some));
    let pictures = pictures.collect::<Result<Vec<_>>>()?;
    let other = found.other_step(step);
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
        (charts(&pictures))
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

/// What each run's trained encoder reached by each method, images by images.
pub fn beside(names: &[String], findings: &[Findings]) -> Markup {
    let mut said: Vec<String> = vec![];
    for found in findings.iter().flat_map(|findings| &findings.probed) {
        if !said.contains(&found.said()) {
            said.push(found.said());
        }
    }
    html! {
        @if !said.is_empty() {
            h2 { "Probes by the paper's protocols" }
            p .faint { "Per cent of images whose class the trained encoders' features tell right, with Wilson's interval of 95 %; – \
                where a run's folder has no such probe." }
        }
        @for said in &said {
            p .faint { (said) "." }
            div .wide { table .numbers {
                tr { th { "method" } @for (i, name) in names.iter().enumerate() { th style=(format!("color:var(--k{i})")) { (name) } } }
                @for method in [Method::Knn, Method::Linear, Method::Attentive] {
                    @let texts: Vec<_> = findings.iter().map(|findings| reached(findings, said, method)).collect();
                    @if texts.iter().any(Option::is_some) {
                        tr {
                            td { (method.title()) }
                            @for text in &texts { td style="white-space:nowrap" { (text.as_deref().unwrap_or("–")) } }
                        }
                    }
                }
            } }
        }
    }
}

fn reached(findings: &Findings, said: &str, method: Method) -> Option<String> {
    let found = findings.probed.iter().find(|found| found.said() == said)?;
    let probe = found.protocol.learned(method)?;
    let [low, high] = probe.scores.interval();
    Some(format!("{:.1} % ({low:.1} … {high:.1})", probe.scores.accuracy()))
}
