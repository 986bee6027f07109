//! Several fine-tunings beside each other.

use super::chart::{Line, over};
use super::compare::{differing, head, names};
use super::page::{charts, duration};
use super::tuned::{began, decided, epochs, scored, series, test, warnings};
use crate::cli::number::grouped;
use ijepa::Result;
use ijepa::train::epochs::{Epoch, Tuning};
use maud::{Markup, html};
use std::collections::BTreeMap;

pub fn page(all: &[Tuning]) -> Result<String> {
    let names = names(&all.iter().map(|tuning| &tuning.folder).collect::<Vec<_>>());
    let body = html! {
        h1 { "Classifiers compared" }
        p .faint { (names.join(", ")) }
        @for text in unlike(all) { div .warn { (text) } }
        @for (name, tuning) in names.iter().zip(all) {
            @for text in warnings(tuning) { div .warn { strong { (name) } ": " (text) } }
        }
        (summary(&names, all))
        (curves(&names, all)?)
        (classes(&names, all))
        (settings(&names, all))
    };
    Ok(super::page::page("Classifiers compared - ijepa report", body))
}

/// Why their accuracies are not to be compared, where they are not.
fn unlike(all: &[Tuning]) -> Vec<String> {
    let images = |tuning: &Tuning| Some((scored(tuning)?, test(tuning)?.images));
    let others = all.iter().any(|tuning| images(tuning) != images(&all[0]));
    let text = "Not all of them were scored on the same images: their accuracies and losses are of different things.";
    others.then(|| text.to_string()).into_iter().collect()
}

fn summary(names: &[String], all: &[Tuning]) -> Markup {
    let row = |what: &str, value: &dyn Fn(&Tuning) -> Option<String>| {
        html! { tr { th { (what) } @for tuning in all { td { (value(tuning).unwrap_or("–".to_string())) } } } }
    };
    html! {
        h2 { "In short" }
        div .wide { table {
            (head(names))
            (row("begun", &|tuning| Some(began(tuning).trim_start_matches("It began ").trim_end_matches('.').to_string())))
            (row("test accuracy", &|tuning| {
                let [low, high] = test(tuning)?.interval();
                Some(format!("{:.1} % ({low:.1} … {high:.1})", test(tuning)?.accuracy()))
            }))
            (row("test loss", &|tuning| Some(format!("{:.4}", test(tuning)?.mean_loss()))))
            (row("scored", &|tuning| Some(format!("{} images of {}", grouped(test(tuning)?.images), scored(tuning)?))))
            (row("training accuracy", &|tuning| Some(format!("{:.1} %", tuning.epochs.last()?.train[1]))))
            (row("training images", &|tuning| Some(grouped(tuning.state.as_ref()?.0.images))))
            (row("epochs", &|tuning| {
                let (done, of) = epochs(tuning);
                Some(format!("{}{}", grouped(done), of.map_or(String::new(), |of| format!(" of {}", grouped(of)))))
            }))
            (row("speed", &|tuning| tuning.speed().map(|speed| format!("{speed:.0} images/s"))))
            (row("all steps", &|tuning| tuning.seconds().map(duration)))
            (row("computed on", &|tuning| Some(tuning.state.as_ref()?.0.machine.as_ref()?.to_string())))
        } }
        p .faint { "Accuracies with Wilson's interval of 95 %: what the choice of test images leaves open." }
    }
}

fn curves(names: &[String], all: &[Tuning]) -> Result<Markup> {
    let drawn = |what: &str, value: &dyn Fn(&Epoch) -> Option<f64>| {
        let lines = names
            .iter()
            .zip(all)
            .map(|(name, tuning)| Line::new(name, series(tuning, value)));
        over("epoch", what, &lines.collect::<Vec<_>>(), true)
    };
    Ok(html! {
        h2 { "How they learned" }
        (charts(&[
            drawn("test accuracy, %", &|epoch| Some(epoch.test?[1]))?,
            drawn("test loss", &|epoch| Some(epoch.test?[0]))?,
            drawn("training accuracy, %", &|epoch| Some(epoch.train[1]))?,
            drawn("training loss", &|epoch| Some(epoch.train[0]))?,
        ]))
    })
}

/// Of those that were scored class by class, where all have the same classes.
fn classes(names: &[String], all: &[Tuning]) -> Markup {
    let classes = |tuning: &Tuning| tuning.state.as_ref().map(|(_, tuned)| tuned.classes.clone());
    let same = all
        .iter()
        .all(|tuning| classes(tuning) == classes(&all[0]) && tuning.scores.is_some());
    let listed = classes(&all[0]).filter(|_| same).unwrap_or_default();
    html! {
        @if !listed.is_empty() {
            h2 { "Class by class" }
            p .faint { "Per cent of the test images of a class that get it." }
            div .wide { table .numbers {
                (head(names))
                @for (class, name) in listed.iter().enumerate() {
                    tr {
                        td { (name) }
                        @for scores in all.iter().filter_map(|tuning| tuning.scores.as_ref()) {
                            td { (scores.class(class).accuracy.map_or("–".to_string(), |accuracy| format!("{accuracy:.1} %"))) }
                        }
                    }
                }
            } }
        }
    }
}

/// By name: one of them may lack what could not be read.
fn settings(names: &[String], all: &[Tuning]) -> Markup {
    let each: Vec<Vec<(String, String)>> = all.iter().map(decided).collect();
    let mut keys: Vec<&String> = vec![];
    for (key, _) in each.iter().flatten() {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let filled = |values: &Vec<(String, String)>| {
        let own: BTreeMap<&String, &String> = values.iter().map(|(key, value)| (key, value)).collect();
        let value = |key: &&String| {
            (
                (*key).clone(),
                own.get(*key).map_or("–".to_string(), |value| value.to_string()),
            )
        };
        keys.iter().map(value).collect()
    };
    differing(names, &each.iter().map(filled).collect::<Vec<_>>())
}
