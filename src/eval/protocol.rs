//! The protocols that features are judged by in papers, one after the other on the same features: k-NN, a linear probe and an
//! attentive probe, each with settings chosen on a held-out part of the training images, and scored once on the test images.

mod read;

use super::Tell;
use super::attentive;
use super::comparison::Encoded;
use super::knn;
use super::linear::{Linear, linear};
use super::scores::Scores;
use crate::gpu::Gpu;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::fmt;

/// How features are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// [`super::knn::chosen`]
    Knn,
    /// [`super::linear`]
    Linear,
    /// [`super::attentive`]
    Attentive,
}

impl Method {
    /// The word that `--method` takes, and the key in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Method::Knn => "knn",
            Method::Linear => "linear",
            Method::Attentive => "attentive",
        }
    }

    /// Its name in tables and pictures.
    pub fn title(self) -> &'static str {
        match self {
            Method::Knn => "k-NN",
            Method::Linear => "linear",
            Method::Attentive => "attentive",
        }
    }
}

/// The settings that a method chose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// Neighbours, and whether the training mean was subtracted.
    Neighbours { k: usize, centred: bool },
    /// Learning rate and weight decay.
    Rates { rate: f64, decay: f64 },
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Neighbours { k, centred } => {
                let centred = if *centred { ", centred" } else { "" };
                write!(f, "k {k}{centred}")
            }
            Choice::Rates { rate, decay } => write!(f, "rate {rate}, decay {decay}"),
        }
    }
}

/// What one method says of one kind of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// `raw`, `untrained` or `learned`.
    pub features: &'static str,
    pub method: Method,
    pub scores: Scores,
    pub choice: Choice,
    /// Per cent of the held-out training images with that choice, where there were any.
    pub held_out: Option<f64>,
    /// Training images that it was fitted on.
    pub fitted: usize,
    /// Values of an image's features, or of a patch's.
    pub dims: usize,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub methods: Vec<Method>,
    /// Neighbours, where they are not to be chosen.
    pub k: Option<usize>,
    /// Draws held-out parts, batches and first weights.
    pub seed: u64,
}

impl Plan {
    /// Every method on these features (named `features`), whose labels are places in a list of `classes` classes. `tell` hears
    /// which method is how far.
    ///
    /// # Errors
    /// Usage, where there are fewer than two classes, a test image's class has no training image, or k is larger than the set.
    pub async fn run(
        &self,
        gpu: &Gpu,
        features: &'static str,
        encoded: &Encoded,
        classes: &[String],
        tell: &mut dyn FnMut(Method, usize, usize),
    ) -> Result<Vec<Probe>> {
        known(encoded, classes)?;
        let mut probes = vec![];
        for &method in &self.methods {
            let tell: Tell = &mut |done, of| tell(method, done, of);
            probes.push(self.probe(gpu, features, encoded, classes, method, tell).await?);
        }
        Ok(probes)
    }

    async fn probe(
        &self,
        gpu: &Gpu,
        features: &'static str,
        encoded: &Encoded,
        classes: &[String],
        method: Method,
        tell: Tell<'_>,
    ) -> Result<Probe> {
        let (train, test) = (&encoded.train, &encoded.test);
        let (mut fitted, mut dims, mut truth) = (train.labels().len(), train.features.dims(), test.labels());
        let (named, choice, held_out) = match method {
            Method::Knn => {
                let knn::Chosen {
                    k,
                    centred,
                    held_out,
                    named,
                } = knn::chosen(train, test, self.k, self.seed, tell)?;
                (named, Choice::Neighbours { k, centred }, held_out)
            }
            Method::Linear => {
                let Linear {
                    rate,
                    decay,
                    held_out,
                    named,
                } = linear(gpu, train, test, self.seed, tell).await?;
                (named, Choice::Rates { rate, decay }, held_out)
            }
            Method::Attentive => {
                let Some([train, test]) = &encoded.tokens else {
                    return Err(Error::run(
                        "the attentive probe needs patch features, and none were kept",
                    ));
                };
                let found = attentive::attentive(gpu, train, test, self.seed, tell).await?;
                let choice = Choice::Rates {
                    rate: found.rate,
                    decay: attentive::DECAY,
                };
                (fitted, dims, truth) = (train.len(), train.shape()[1], test.labels());
                (found.named, choice, found.held_out)
            }
        };
        Ok(Probe {
            features,
            method,
            scores: Scores::new(classes.len(), truth, &named)?,
            choice,
            held_out,
            fitted,
            dims,
        })
    }
}

/// Refuses what tells no classes apart.
fn known(encoded: &Encoded, classes: &[String]) -> Result<()> {
    if classes.len() < 2 {
        return Err(Error::usage(format!(
            "the images have {}: a probe needs two or more to tell apart",
            match classes.first() {
                Some(class) => format!("one class alone, \"{class}\""),
                None => "no classes".to_string(),
            }
        )));
    }
    let mut fitted = vec![false; classes.len()];
    for &label in encoded.train.labels() {
        fitted[label as usize] = true;
    }
    match encoded.test.labels().iter().find(|&&label| !fitted[label as usize]) {
        None => Ok(()),
        Some(&label) => Err(Error::usage(format!(
            "class \"{}\" has images to score, but none to fit on that can be read",
            classes[label as usize]
        ))),
    }
}

/// All probes of a run, for people and for scripts.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    pub probes: Vec<Probe>,
    pub classes: Vec<String>,
    /// What else JSON tells: how features were made.
    pub about: Vec<(&'static str, Value)>,
}

impl Protocol {
    /// One line. `raw`, `untrained` and `learned` have each method's accuracy in per cent, as the short table has; `probes` has
    /// everything: intervals, choices, classes, confusion matrices (row by true class, column by named class).
    pub fn json(&self) -> String {
        let mut object = serde_json::Map::new();
        for name in ["raw", "untrained", "learned"] {
            let own = self.probes.iter().filter(|probe| probe.features == name);
            let accuracies = own.map(|probe| {
                (
                    probe.method.word().to_string(),
                    json!(hundredths(probe.scores.accuracy())),
                )
            });
            object.insert(name.to_string(), Value::Object(accuracies.collect()));
        }
        for (name, value) in &self.about {
            object.insert(name.to_string(), value.clone());
        }
        object.insert("classes".to_string(), json!(self.classes));
        let probes = self.probes.iter().map(|probe| probe.json(&self.classes));
        object.insert("probes".to_string(), Value::Array(probes.collect()));
        Value::Object(object).to_string()
    }

    /// The probe of the learned features by this method.
    pub fn learned(&self, method: Method) -> Option<&Probe> {
        let learned = |probe: &&Probe| probe.features == "learned" && probe.method == method;
        self.probes.iter().find(learned)
    }

    /// A head line, and a line for each class: what each method makes of it with the learned features.
    pub fn per_class(&self) -> String {
        let learned: Vec<&Probe> = self.probes.iter().filter(|probe| probe.features == "learned").collect();
        let width = self
            .classes
            .iter()
            .map(|class| class.chars().count())
            .max()
            .unwrap_or(0)
            .clamp(5, 40);
        let mut text = format!("{:<width$}{:>8}", "class", "images");
        for probe in &learned {
            text += &format!("{:>12}", format!("{} %", probe.method.title()));
        }
        text += "  named instead";
        for (class, name) in self.classes.iter().enumerate() {
            let short: String = name.chars().take(width).collect();
            let images = learned.first().map_or(0, |probe| probe.scores.class(class).images);
            text += &format!("\n{short:<width$}{images:>8}");
            for probe in &learned {
                let accuracy = probe.scores.class(class).accuracy;
                text += &format!(
                    "{:>12}",
                    accuracy.map_or("-".to_string(), |accuracy| format!("{accuracy:.1}"))
                );
            }
            if let Some((other, count)) = learned.last().and_then(|probe| probe.scores.class(class).mistaken_for) {
                text += &format!("  {} ({count})", self.classes[other]);
            }
        }
        text
    }
}

impl Probe {
    fn json(&self, classes: &[String]) -> Value {
        let scores = &self.scores;
        let [low, high] = scores.interval();
        let rounded = |per_cent: Option<f64>| per_cent.map(hundredths);
        let mut object = json!({
            "features": self.features,
            "method": self.method.word(),
            "accuracy": hundredths(scores.accuracy()),
            "interval": {"low": hundredths(low), "high": hundredths(high), "level": 95, "kind": "wilson"},
            "right": scores.right(),
            "images": scores.images(),
            "fitted": self.fitted,
            "dims": self.dims,
            "held_out": rounded(self.held_out),
        });
        let per_class = classes.iter().enumerate().map(|(class, name)| {
            let own = scores.class(class);
            json!({
                "class": name,
                "images": own.images,
                "accuracy": rounded(own.accuracy),
                "precision": rounded(own.precision),
                "mistaken_for": own.mistaken_for.map(|(other, _)| &classes[other]),
            })
        });
        let confusion: Vec<&[u32]> = scores.counts().chunks(scores.classes()).collect();
        let chosen = match self.choice {
            Choice::Neighbours { k, centred } => json!({"k": k, "centred": centred, "temperature": knn::TEMPERATURE}),
            Choice::Rates { rate, decay } => json!({"rate": rate, "decay": decay}),
        };
        object["chosen"] = chosen;
        object["per_class"] = per_class.collect();
        object["confusion"] = json!(confusion);
        object
    }
}

fn hundredths(per_cent: f64) -> f64 {
    (per_cent * 100.0).round() / 100.0
}

/// A head line and a line for each probe.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<12}{:<11}{:>10}{:>18}  chosen on held-out images",
            "features", "method", "accuracy %", "95 % interval"
        )?;
        for probe in &self.probes {
            let [low, high] = probe.scores.interval();
            write!(
                f,
                "\n{:<12}{:<11}{:>10.1}{:>18}  {}",
                probe.features,
                probe.method.title(),
                probe.scores.accuracy(),
                format!("{low:.1} ... {high:.1}"),
                probe.choice
            )?;
        }
        Ok(())
    }
}
