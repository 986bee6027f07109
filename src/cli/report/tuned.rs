//! The report of a fine-tuning: what it has written down. Nothing is computed for it.

use super::chart::{Line, drawable, over};
use super::one::values;
use super::page::{charts, duration, figure, tile};
use super::probed;
use crate::cli::number::{grouped, size};
use crate::cli::probe::confusion::sheet;
use crate::cli::probe::found::Found;
use crate::cli::sheet::Ground;
use ijepa::Result;
use ijepa::eval::scores::Scores;
use ijepa::model::describe;
use ijepa::train::config::Config;
use ijepa::train::epochs::{Epoch, Tuning};
use ijepa::train::tuned::{Score, heeds};
use maud::{Markup, html};
use std::path::Path;

/// Classes in a table at most.
const LISTED: usize = 200;

pub fn page(tuning: &Tuning, (found, gaps): (&[Found], &[String])) -> Result<String> {
    let step = tuning.state.as_ref().map(|(progress, _)| progress.step);
    let body = html! {
        h1 { "Classifier " (tuning.name()) }
        p .faint { (head(tuning)?) }
        p { (began(tuning)) }
        (tiles(tuning))
        @for text in warnings(tuning).into_iter().chain(gaps.iter().map(|gap| format!("Left out: {gap}."))) {
            div .warn { (text) }
        }
        (curves(tuning)?)
        (results(tuning)?)
        (probed::one(found, step)?)
        (machine(tuning))
        (checkpoints(tuning))
        (settings(tuning))
    };
    Ok(super::page::page(&format!("{} - ijepa report", tuning.name()), body))
}

fn head(tuning: &Tuning) -> Result<String> {
    let model = tuning.config.model()?;
    let (encoder, _) = describe::parameters(&model);
    let classes = tuning.state.as_ref().map_or(String::new(), |(_, tuned)| {
        format!(
            " and a linear layer of {} classes over the mean of its patches",
            grouped(tuned.classes.len() as u64)
        )
    });
    Ok(format!(
        "{}, trained with labels end to end: encoder {} wide, {} blocks, {} heads ({} parameters){classes}; images of {} pixels in \
         {} patches.",
        tuning.config.meta.model_name,
        model.embed_dim,
        model.depth,
        model.num_heads,
        grouped(encoder as u64),
        model.image,
        model.grid(),
    ))
}

/// What it began with and what it has learned from, in a sentence or two.
pub fn began(tuning: &Tuning) -> String {
    let scratch = tuning.state.as_ref().map(|(_, tuned)| tuned.settings.from_scratch);
    let sources = tuning.sources.as_ref();
    let weights = sources.and_then(|sources| Some((sources.weights.as_deref()?, sources.encoder.as_deref())));
    match (scratch, weights) {
        (Some(true), _) => format!(
            "It began from scratch, with weights drawn from seed {}.",
            tuning.config.meta.seed
        ),
        (_, Some((path, encoder))) => {
            let encoder = encoder.map_or(String::new(), |encoder| format!("the {encoder} encoder of "));
            format!("It began with {encoder}{}.", path.display())
        }
        _ => "What it began with is not recorded.".to_string(),
    }
}

/// The images that are scored, where there are some: the last part of the path.
pub fn scored(tuning: &Tuning) -> Option<String> {
    let sources = tuning.sources.as_ref()?;
    let path = Path::new(sources.test.as_ref().unwrap_or(&sources.data));
    Some(
        path.file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned(),
    )
}

pub fn test(tuning: &Tuning) -> Option<Score> {
    tuning.state.as_ref()?.1.test
}

/// Epochs that are done, and how many there will be.
pub fn epochs(tuning: &Tuning) -> (u64, Option<u64>) {
    let done = tuning.epochs.last().map_or(0, |epoch| epoch.epoch);
    let progress = tuning.state.as_ref().map(|(progress, _)| progress);
    (
        done,
        progress.map(|progress| progress.of.div_ceil(progress.iterations_per_epoch.max(1))),
    )
}

fn tiles(tuning: &Tuning) -> Markup {
    let (done, of) = epochs(tuning);
    let images = tuning
        .state
        .as_ref()
        .map(|(progress, _)| progress.images)
        .unwrap_or_default();
    html! {
        div .tiles {
            @if let Some(test) = test(tuning) {
                @let [low, high] = test.interval();
                (tile("test accuracy", &format!("{:.1} %", test.accuracy()), &format!("{low:.1} … {high:.1} with 95 % confidence")))
                (tile("test loss", &format!("{:.4}", test.mean_loss()), "cross-entropy"))
                (tile("test images", &grouped(test.images), &format!("{} right", grouped(test.right))))
            }
            @if let Some(last) = tuning.epochs.last() {
                (tile("training accuracy", &format!("{:.1} %", last.train[1]), "of images as they were changed, last epoch"))
            }
            (tile("epochs", &grouped(done), &of.map_or(String::new(), |of| format!("of {}", grouped(of)))))
            @if images > 0 { (tile("training images", &grouped(images), "")) }
            @if let Some(speed) = tuning.speed() {
                (tile("speed", &format!("{speed:.0} images/s"),
                    &tuning.seconds().map_or(String::new(), |seconds| format!("{} in all", duration(seconds)))))
            }
        }
    }
}

/// What a reader should know before believing the rest: sentences.
pub fn warnings(tuning: &Tuning) -> Vec<String> {
    let mut all = vec![];
    if let Some((progress, tuned)) = &tuning.state {
        let (step, of) = (progress.step, progress.of);
        if step < of {
            let last = tuning.epochs.last().map_or(0, |epoch| epoch.step);
            all.push(format!(
                "It is not at its end: its checkpoint is at step {step} of {of}. Test images were scored after step {last}."
            ));
        }
        if tuned.test.is_none() {
            all.push(
                "No images were scored: nothing tells how good it is on images that it was not trained on.".to_string(),
            );
        }
    }
    let values = |epoch: &Epoch| {
        [Some(epoch.train), epoch.test]
            .into_iter()
            .flatten()
            .flatten()
            .collect::<Vec<_>>()
    };
    let wild = tuning
        .epochs
        .iter()
        .flat_map(values)
        .filter(|value| !drawable(*value))
        .count();
    if wild > 0 {
        all.push(format!(
            "Values in its table that are not finite, or too large for any axis, are not drawn: there are {wild}."
        ));
    }
    all.extend(tuning.gaps.iter().map(|gap| format!("Left out: {gap}.")));
    all
}

/// Each epoch's value.
pub fn series(tuning: &Tuning, value: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
    let point = |epoch: &Epoch| Some((epoch.epoch as f64, value(epoch)?));
    tuning.epochs.iter().filter_map(point).collect()
}

fn curves(tuning: &Tuning) -> Result<Markup> {
    let both = |i: usize| {
        [
            Line::new("test", series(tuning, |epoch| Some(epoch.test?[i]))),
            Line::new("training", series(tuning, |epoch| Some(epoch.train[i]))),
        ]
    };
    let lr = [Line::new("learning rate", series(tuning, |epoch| Some(epoch.lr)))];
    let drawn = [
        over("epoch", "accuracy, %", &both(1), true)?,
        over("epoch", "loss", &both(0), true)?,
        over("epoch", "learning rate of the last layer", &lr, true)?,
    ];
    Ok(html! {
        h2 { "How it learned" }
        p .faint {
            "Training images are changed, cut, blended and their labels smoothed as the settings say, so that their loss is higher and \
             their accuracy lower than those of the same images as they are; test images are scored as they are, after each epoch. The \
             weights are those after the last step, whichever epoch was the best."
        }
        (charts(&drawn))
    })
}

fn results(tuning: &Tuning) -> Result<Markup> {
    let Some((test, (_, tuned))) = test(tuning).zip(tuning.state.as_ref()) else {
        return Ok(html! {});
    };
    let [low, high] = test.interval();
    let of = scored(tuning).map_or(String::new(), |name| format!(" of {name}"));
    let title = "Confusion matrix of the test images";
    Ok(html! {
        h2 { "How good it is" }
        p {
            strong { (format!("{:.1} %", test.accuracy())) }
            (format!(" of {} test images{of} get their own class; with 95 % confidence (Wilson's interval, for what the choice of test \
                images leaves open) it is between {low:.1} % and {high:.1} %.", grouped(test.images)))
            @if let Some(scores) = &tuning.scores {
                @let largest = (0..scores.classes()).map(|class| scores.class(class).images).max().unwrap_or(0);
                (format!(" Always naming the largest class would give {:.1} %.", 100.0 * largest as f64 / scores.images() as f64))
            }
        }
        @if let Some(scores) = &tuning.scores {
            (figure(&sheet(scores, &tuned.classes, title, "").svg(Ground::Page)?))
            (classes(scores, &tuned.classes))
        }
    })
}

/// A line for each class.
fn classes(scores: &Scores, names: &[String]) -> Markup {
    let mut order: Vec<usize> = (0..names.len()).collect();
    if order.len() > LISTED {
        let accuracy = |class: &usize| scores.class(*class).accuracy.unwrap_or(f64::INFINITY);
        order.sort_by(|a, b| accuracy(a).total_cmp(&accuracy(b)));
        order.truncate(LISTED);
    }
    let per_cent = |value: Option<f64>| value.map_or("–".to_string(), |value| format!("{value:.1} %"));
    html! {
        h3 { "Class by class" }
        @if order.len() < names.len() { p .faint { "The " (order.len()) " of " (grouped(names.len() as u64)) " that are told worst." } }
        div .wide { table .numbers {
            tr {
                th { "class" } th { "images" } th { "named right" } th {} th { "of those named so" }
                th style="text-align:left" { "named instead, most often" }
            }
            @for class in order {
                @let score = scores.class(class);
                tr {
                    td { (names[class]) }
                    td { (score.images) }
                    td { (per_cent(score.accuracy)) }
                    td style="text-align:left" {
                        span .bar style=(format!("width:{:.1}px", score.accuracy.unwrap_or(0.0).clamp(0.0, 100.0) * 1.6)) {}
                    }
                    td { (per_cent(score.precision)) }
                    td style="text-align:left" {
                        @if let Some((other, count)) = score.mistaken_for { (names[other]) " (" (count) ")" } @else { "–" }
                    }
                }
            }
        } }
    }
}

fn machine(tuning: &Tuning) -> Markup {
    let state = tuning.state.as_ref();
    let machine = state.and_then(|(progress, _)| progress.machine.as_ref());
    let batch = state.map(|(_, tuned)| tuned.settings.batch);
    let row = |name: &str, value: String| html! { tr { th { (name) } td { (value) } } };
    html! {
        h2 { "Machine and speed" }
        div .wide { table {
            @if let Some(machine) = machine { (row("computed on", machine.to_string())) }
            @if let Some((pace, batch)) = tuning.pace().zip(batch) {
                (row("a step", format!("{pace:.0} ms (in the epoch in the middle), {batch} images")))
            }
            @if let Some(speed) = tuning.speed() { (row("speed", format!("{speed:.1} images/s"))) }
            @if let Some(seconds) = tuning.seconds().filter(|_| !tuning.epochs.is_empty()) {
                (row("all steps", format!("{}, without scoring", duration(seconds))))
            }
            @if tuning.pace().is_none() { (row("speed", "not recorded".to_string())) }
            (row("arithmetic", "f32".to_string()))
            (row("program", concat!("ijepa ", env!("CARGO_PKG_VERSION"), " made this report").to_string()))
        } }
    }
}

fn checkpoints(tuning: &Tuning) -> Markup {
    let folder = tuning.folder.display();
    let complete = tuning
        .state
        .as_ref()
        .is_some_and(|(progress, _)| progress.step >= progress.of);
    html! {
        @if !tuning.checkpoints.is_empty() {
            h2 { "Weights" }
            div .wide { table .numbers {
                tr { th { "file" } th { "size" } }
                @for saved in &tuning.checkpoints { tr { td { code { (saved.name) } } td { (size(saved.bytes)) } } }
            } }
            p .faint {
                @if !complete { "Go on: " code { "ijepa finetune --resume " (folder) } " · " }
                "use: " code { "ijepa export --weights " (folder) " --to hf --out …" }
            }
        }
    }
}

/// What decided it beside weights and images, by names: the recipe, then what it heeds of the configuration.
pub fn decided(tuning: &Tuning) -> Vec<(String, String)> {
    let sources = tuning.sources.as_ref();
    let scratch = tuning
        .state
        .as_ref()
        .is_some_and(|(_, tuned)| tuned.settings.from_scratch);
    let weights = sources.and_then(|sources| Some(sources.weights.as_ref()?.display().to_string()));
    let weights = match (scratch, weights) {
        (true, Some(path)) => Some(format!("drawn, in the sizes of {path}")),
        (true, None) => Some("drawn".to_string()),
        (false, weights) => weights,
    };
    let encoder = sources.and_then(|sources| sources.encoder.clone()).filter(|_| !scratch);
    let test = sources.map(|sources| sources.test.clone().unwrap_or("test/ of data".to_string()));
    let mut all: Vec<(String, String)> = [
        ("weights", weights),
        ("encoder", encoder),
        ("data", sources.map(|sources| sources.data.clone())),
        ("test", test),
    ]
    .map(|(name, value)| (name.to_string(), value.unwrap_or("–".to_string())))
    .into();
    all.extend(tuning.state.iter().flat_map(|(_, tuned)| tuned.settings.values()));
    all.extend(heeded(&tuning.config));
    all
}

fn heeded(config: &Config) -> Vec<(String, String)> {
    let all = values(config).into_iter().filter(|(path, _)| heeds(path));
    let given = all.filter(|(path, value)| !(path.starts_with("meta.model.") && value == "null"));
    given.map(|(path, value)| (path.to_string(), value)).collect()
}

fn settings(tuning: &Tuning) -> Markup {
    html! {
        h2 { "Settings" }
        p .faint { "What each means: " code { "ijepa finetune --help" } "; with a point in its name: " code { "ijepa info --keys" } "." }
        div .settings {
            @for (name, value) in decided(tuning) { div { span { (name) } span { (value) } } }
        }
    }
}
