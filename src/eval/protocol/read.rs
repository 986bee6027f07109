//! `probe.json` of `ijepa probe --out`, read back.

use super::{Choice, Method, Probe, Protocol};
use crate::eval::scores::Scores;
use crate::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// As far as it is asked for; the rest follows from it.
#[derive(Deserialize)]
struct Written {
    classes: Vec<String>,
    probes: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    features: String,
    method: String,
    fitted: usize,
    dims: usize,
    held_out: Option<f64>,
    chosen: Chosen,
    per_class: Vec<Class>,
    confusion: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Chosen {
    Neighbours { k: usize, centred: bool },
    Rates { rate: f64, decay: f64 },
}

#[derive(Deserialize)]
struct Class {
    images: u32,
}

/// More bytes than the name of a folder has.
const MOST_NAME: usize = 1024;

/// Letters of a value that a message repeats.
const MOST_SHOWN: usize = 40;

/// What JSON tells beside probes and classes.
const ABOUT: [&str; 8] = [
    "weights",
    "step",
    "data",
    "test",
    "encoder",
    "features",
    "label_fraction",
    "seed",
];

impl Protocol {
    /// What [`Protocol::json`] wrote; `origin` names it in messages.
    ///
    /// # Errors
    /// Usage, where the text is another.
    pub fn read(text: &str, origin: &str) -> Result<Protocol> {
        let refused = |why: String| Error::usage(format!("{origin} is no probe.json of `ijepa probe --out`: {why}"));
        // What is something else is seen before all of it is in memory as values.
        let mut json = serde_json::Deserializer::from_str(text);
        let Written { classes, probes } =
            serde_path_to_error::deserialize(&mut json).map_err(|e| refused(misplaced(&e)))?;
        let whole: Value = serde_json::from_str(text).map_err(|_| refused(NO_JSON.to_string()))?;
        let about = ABOUT.iter().filter_map(|&key| Some((key, whole.get(key)?.clone())));
        let about: Vec<_> = about.collect();
        for (key, value) in &about {
            right(key, value).map_err(refused)?;
        }
        if probes.is_empty() {
            return Err(refused("it has no probes".to_string()));
        }
        if let Some(long) = classes.iter().find(|name| name.len() > MOST_NAME) {
            return Err(refused(format!("the name of a class has {} bytes", long.len())));
        }
        let probes = probes.into_iter().map(|entry| entry.probe(&classes));
        let probes = probes.collect::<Result<_, _>>().map_err(refused)?;
        Ok(Protocol { probes, classes, about })
    }

    /// A text or a number of what JSON tells beside probes and classes; `None` where it is not told.
    pub fn told(&self, key: &str) -> Option<&Value> {
        let found = self.about.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    }
}

const NO_JSON: &str = "it is no JSON, or its end is missing";

/// Where something else stands than was written.
fn misplaced(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let inner = error.inner().to_string();
    if !error.inner().is_data() {
        return NO_JSON.to_string();
    }
    let place = match error.path().to_string() {
        path if path == "." => String::new(),
        path => format!("{path}: "),
    };
    match inner
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        Some(key) => format!("{place}\"{key}\" is missing"),
        None => format!("{place}this value is none that is written there"),
    }
}

/// That a value of [`ABOUT`] is one that is written there.
fn right(key: &str, value: &Value) -> Result<(), String> {
    let whole = || value.as_u64().is_some();
    let (fits, wanted) = match key {
        "step" => (whole() || value.is_null(), "a whole number or null"),
        "seed" => (whole(), "a whole number"),
        "label_fraction" => (
            value.as_f64().is_some_and(|share| share > 0.0 && share <= 1.0),
            "a share above 0 and at most 1",
        ),
        "encoder" => (value == "target" || value == "context", "\"target\" or \"context\""),
        "features" => (value == "last" || value == "last4", "\"last\" or \"last4\""),
        _ => (value.is_string() || value.is_null(), "a text or null"),
    };
    match fits {
        true => Ok(()),
        false => {
            let shown: String = value.to_string().chars().take(MOST_SHOWN).collect();
            Err(format!("{key} is {shown}, and {wanted} is wanted"))
        }
    }
}

impl Entry {
    /// Refuses numbers that no probe comes to.
    fn check(&self) -> Result<(), String> {
        let per_cent = |value: f64| (0.0..=100.0).contains(&value);
        let (k, rate, decay) = match self.chosen {
            Chosen::Neighbours { k, .. } => (k, 1.0, 0.0),
            Chosen::Rates { rate, decay } => (1, rate, decay),
        };
        for (fits, name, value, wanted) in [
            (k > 0, "chosen.k", k as f64, "1 or more"),
            (rate > 0.0, "chosen.rate", rate, "a rate above 0"),
            (decay >= 0.0, "chosen.decay", decay, "0 or more"),
            (self.fitted > 0, "fitted", self.fitted as f64, "1 or more"),
            (self.dims > 0, "dims", self.dims as f64, "1 or more"),
            (
                self.held_out.is_none_or(per_cent),
                "held_out",
                self.held_out.unwrap_or_default(),
                "0 to 100",
            ),
        ] {
            if !fits {
                return Err(format!("{name} is {value}, and {wanted} is wanted"));
            }
        }
        Ok(())
    }

    fn probe(self, classes: &[String]) -> Result<Probe, String> {
        self.check()?;
        let features = ["raw", "untrained", "learned"];
        let features = features.into_iter().find(|name| *name == self.features);
        let methods = [Method::Knn, Method::Linear, Method::Attentive];
        let method = methods.into_iter().find(|method| method.word() == self.method);
        let images: Vec<u32> = self.per_class.iter().map(|class| class.images).collect();
        if images.len() != classes.len() {
            return Err(format!("{} of {} classes have scores", images.len(), classes.len()));
        }
        Ok(Probe {
            features: features.ok_or_else(|| format!("features \"{}\" are not known", self.features))?,
            method: method.ok_or_else(|| format!("method \"{}\" is not known", self.method))?,
            scores: Scores::counted(&self.confusion, &images)?,
            choice: match self.chosen {
                Chosen::Neighbours { k, centred } => Choice::Neighbours { k, centred },
                Chosen::Rates { rate, decay } => Choice::Rates { rate, decay },
            },
            held_out: self.held_out,
            fitted: self.fitted,
            dims: self.dims,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol() -> Protocol {
        let scores = Scores::new(3, &[0, 0, 1, 2], &[Some(0), Some(1), Some(1), None]).unwrap();
        let probe = |features, method, choice| Probe {
            features,
            method,
            scores: scores.clone(),
            choice,
            held_out: Some(31.25),
            fitted: 40,
            dims: 16,
        };
        let rates = Choice::Rates { rate: 0.1, decay: 1e-4 };
        let knn = Choice::Neighbours { k: 20, centred: true };
        Protocol {
            probes: vec![
                probe("raw", Method::Knn, knn),
                probe("learned", Method::Attentive, rates),
            ],
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            about: vec![("data", "photos".into()), ("label_fraction", 0.1.into())],
        }
    }

    #[test]
    fn what_was_written_comes_back() {
        let (protocol, text) = (protocol(), protocol().json());
        let back = Protocol::read(&text, "f").unwrap();
        assert_eq!(back, protocol);
        assert_eq!(back.told("data").unwrap(), "photos");
        assert_eq!(back.told("test"), None);
    }

    #[test]
    fn other_texts_are_refused_with_a_sentence() {
        let text = protocol().json();
        let of = |from: &str, to: &str| text.replace(from, to);
        for (text, says) in [
            ("[1".to_string(), "[0]: this value is none that is written there"),
            ("{\"classes\": [".to_string(), "it is no JSON, or its end is missing"),
            ("{\"raw\":{\"knn\":1.0}}".to_string(), "\"classes\" is missing"),
            ("{\"classes\":[\"a\"],\"probes\":[]}".to_string(), "it has no probes"),
            (
                of("\"a\"", &format!("\"{}\"", "a".repeat(1025))),
                "the name of a class has 1025 bytes",
            ),
            (
                of("\"method\":\"attentive\"", "\"method\":\"guess\""),
                "method \"guess\" is not known",
            ),
            (of("\"classes\":[\"a\",", "\"classes\":["), "3 of 2 classes have scores"),
            (of("[[1,1,0]", "[[1,1]"), "is not square"),
            (of("[[1,1,0]", "[[1,2,0]"), "more answers than images"),
            (
                of("[[1,1,0]", "[[1,-1,0]"),
                "probes[0].confusion[0][1]: this value is none that is written there",
            ),
            (of("\"k\":20", "\"k\":0"), "chosen.k is 0, and 1 or more is wanted"),
            (
                of("\"k\":20", "\"k\":-1"),
                "probes[0].chosen: this value is none that is written there",
            ),
            (of("\"rate\":0.1", "\"rate\":-0.1"), "chosen.rate is -0.1"),
            (of("31.25", "131.25"), "held_out is 131.25, and 0 to 100 is wanted"),
            (of("\"fitted\":40", "\"fitted\":0"), "fitted is 0"),
            (
                of("\"label_fraction\":0.1", "\"label_fraction\":-1"),
                "label_fraction is -1, and a share above 0 and at most 1 is wanted",
            ),
            (
                of("\"data\":\"photos\"", "\"data\":[7]"),
                "data is [7], and a text or null is wanted",
            ),
            (
                of("\"images\":2", "\"images\":4294967295"),
                "more images than can be counted",
            ),
            (of("\"images\":", "\"images\":0,\"is\":"), "no images"),
        ] {
            let error = Protocol::read(&text, "f").unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let error = error.to_string();
            assert!(
                error.starts_with("f is no probe.json") && error.contains(says),
                "{says}: {error}"
            );
        }
    }
}
