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
        let Written { classes, probes } = serde_json::from_str(text).map_err(|e| refused(e.to_string()))?;
        let whole: Value = serde_json::from_str(text).map_err(|e| refused(e.to_string()))?;
        let about = ABOUT.iter().filter_map(|&key| Some((key, whole.get(key)?.clone())));
        let about = about.collect();
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

impl Entry {
    fn probe(self, classes: &[String]) -> Result<Probe, String> {
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
            ("[1".to_string(), "invalid type"),
            ("{\"classes\": [".to_string(), "EOF"),
            ("{\"raw\":{\"knn\":1.0}}".to_string(), "missing field `classes`"),
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
            (of("[[1,1,0]", "[[1,-1,0]"), "invalid value"),
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
