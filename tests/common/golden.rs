//! The golden cases of tests/golden: what was recorded, and `compare.py`'s verdict on a replay of it.
//! Included by test crates with `#[path = "../common/golden.rs"] mod golden;`.
#![allow(dead_code)] // each test crate uses a part

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ijepa::data::image::Size;
use ijepa::data::masks::Masks;
use ijepa::model::config::ModelConfig;
use safetensors::{Dtype, SafeTensors};

/// All four; two of them with the variance and covariance terms.
pub const CASES: [&str; 4] = ["nano", "multi", "nano-reg", "multi-reg"];
/// As recorded: `Y.yaml` says so in its head.
pub const ITERATIONS_PER_EPOCH: usize = 5;

/// A tensor as stored, widened to f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// By name, as in the file.
pub type File = BTreeMap<String, Tensor>;

/// Path of a file in tests/golden.
pub fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

/// Reads a whole safetensors file of F32, F64 or I32 tensors.
pub fn read(path: &Path) -> File {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tensors = File::new();
    for (name, view) in file.tensors() {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => data
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
                .collect(),
            Dtype::F64 => data
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
                .collect(),
            Dtype::I32 => data
                .chunks_exact(4)
                .map(|b| f64::from(i32::from_le_bytes(b.try_into().unwrap())))
                .collect(),
            other => panic!("{}: {name} is {other:?}", path.display()),
        };
        tensors.insert(
            name,
            Tensor {
                shape: view.shape().to_vec(),
                values,
            },
        );
    }
    tensors
}

/// One golden case.
pub struct Case {
    pub name: &'static str,
    /// The configuration in the reference's keys.
    pub yaml: String,
    pub input: File,
    pub expected: File,
}

/// Reads case `name`, one of `CASES`. The cases with terms replay the input of those without.
pub fn load(name: &'static str) -> Case {
    Case {
        name,
        yaml: std::fs::read_to_string(path(&format!("{name}.yaml"))).expect("a golden case has its configuration"),
        input: read(&path(&format!("{}.input.safetensors", name.trim_end_matches("-reg")))),
        expected: read(&path(&format!("{name}.expected.safetensors"))),
    }
}

impl Case {
    /// The number behind `key:` in the YAML, which has each of these keys once.
    fn number(&self, key: &str) -> Option<f64> {
        let line = self
            .yaml
            .lines()
            .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':'))?;
        Some(
            line.trim()
                .parse()
                .unwrap_or_else(|_| panic!("{}.yaml: {key} is {line}", self.name)),
        )
    }

    pub fn config(&self) -> ModelConfig {
        let size = |key| self.number(key).expect(key) as usize;
        ModelConfig {
            image: Size::square(size("crop_size")),
            patch: size("patch_size"),
            embed_dim: size("embed_dim"),
            depth: size("depth"),
            num_heads: size("num_heads"),
            mlp_ratio: self.number("mlp_ratio").expect("mlp_ratio"),
            pred_emb_dim: size("pred_emb_dim"),
            pred_depth: size("pred_depth"),
        }
    }

    /// `meta.variance_weight` and `meta.covariance_weight`; 0 where they are absent.
    pub fn terms(&self) -> (f64, f64) {
        (
            self.number("variance_weight").unwrap_or(0.0),
            self.number("covariance_weight").unwrap_or(0.0),
        )
    }

    /// Steps recorded.
    pub fn steps(&self) -> usize {
        (0..)
            .take_while(|step| self.input.contains_key(&format!("step.{step}.images")))
            .count()
    }

    /// Initial `encoder.*` and `predictor.*`, position embeddings included.
    pub fn weights(&self) -> BTreeMap<String, Vec<f64>> {
        let weights = self.input.iter().filter(|(name, _)| !name.starts_with("step."));
        weights
            .map(|(name, tensor)| (name.clone(), tensor.values.clone()))
            .collect()
    }

    /// [B, 3, crop, crop], normalised.
    pub fn images(&self, step: usize) -> &[f64] {
        &self.input[&format!("step.{step}.images")].values
    }

    pub fn masks(&self, step: usize) -> Masks {
        let kind = |kind: &str| -> Vec<&Tensor> {
            let name = |k: usize| format!("step.{step}.masks_{kind}.{k}");
            (0..).map_while(|k| self.input.get(&name(k))).collect()
        };
        let all = |masks: &[&Tensor]| {
            masks
                .iter()
                .flat_map(|mask| mask.values.iter().map(|v| *v as u32))
                .collect()
        };
        let (context, targets) = (kind("enc"), kind("pred"));
        Masks {
            batch: context[0].shape[0],
            num_enc: context.len(),
            num_pred: targets.len(),
            k_context: context[0].shape[1],
            k_target: targets[0].shape[1],
            context: all(&context),
            targets: all(&targets),
        }
    }

    /// A number of the expected file: `step.0.lr`, `step.2.loss`, ...
    pub fn scalar(&self, name: &str) -> f64 {
        self.expected[name].values[0]
    }

    /// `compare` against this case.
    pub fn compare(&self, result: &BTreeMap<String, Vec<f64>>) -> Result<Report, String> {
        compare(&self.input, &self.expected, result)
    }
}

/// The limits of compare.py. Kinds: relative L2 of numbers, activations and gradients, of the weights' and the
/// target's change, and the projection of the error on the initial weights (`decay`).
pub const LIMITS: [(&str, f64); 9] = [
    ("lr", 1e-6),
    ("wd", 1e-6),
    ("momentum", 1e-6),
    ("loss", 3e-6),
    ("activation", 4e-6),
    ("grad", 2e-5),
    ("change", 3e-3),
    ("target_change", 3e-2),
    ("decay", 1e-5),
];

/// How far a result is, per kind: the worst figure and the tensor that has it.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    pub worst: BTreeMap<&'static str, (f64, String)>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let kinds: Vec<String> = self
            .worst
            .iter()
            .map(|(kind, (far, _))| format!("{kind} {far:.1e}"))
            .collect();
        f.write_str(&kinds.join(", "))
    }
}

fn norm(x: impl Iterator<Item = f64>) -> f64 {
    x.map(|x| x * x).sum::<f64>().sqrt()
}

fn relative(got: &[f64], expected: &[f64]) -> f64 {
    norm(got.iter().zip(expected).map(|(g, e)| g - e)) / (norm(expected.iter().copied()) + 1e-30)
}

fn minus(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x - y).collect()
}

/// What `compare.py INPUT EXPECTED RESULT` says, line by line. `Err` lists every tensor that is past its limit,
/// missing, or of another size; NaN is past every limit.
pub fn compare(input: &File, expected: &File, result: &BTreeMap<String, Vec<f64>>) -> Result<Report, String> {
    let (mut report, mut bad) = (Report::default(), Vec::new());
    for (name, wanted) in expected {
        let Some(got) = result.get(name) else {
            bad.push(format!("{name} missing"));
            continue;
        };
        if got.len() != wanted.values.len() {
            bad.push(format!("{name}: {} values for {:?}", got.len(), wanted.shape));
            continue;
        }
        let initial = name
            .strip_prefix("final.")
            .map(|name| input[&name.replace("target_encoder.", "encoder.")].values.clone());
        // The gradient of the key bias is 0 in exact arithmetic, so its slice is rounding noise.
        let d = if name.ends_with("attn.qkv.bias") {
            got.len() / 3
        } else {
            0
        };
        let cut = |x: &[f64]| [&x[..d], &x[2 * d..]].concat();
        let (g, e) = (cut(got), cut(&wanted.values));

        let mut note = |kind: &'static str, far: f64| {
            let limit = LIMITS
                .iter()
                .find(|(name, _)| *name == kind)
                .expect("a kind has its limit")
                .1;
            if far.is_nan() || far > limit {
                bad.push(format!("{name} {kind} {far:.2e} > {limit:.0e}"));
            }
            if report.worst.get(kind).is_none_or(|(worst, _)| far > *worst) {
                report.worst.insert(kind, (far, name.clone()));
            }
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        match initial {
            Some(_) if name.contains("pos_embed") => note("change", relative(&g, &e)),
            Some(w) => {
                let w = cut(&w);
                let kind = if name.contains("target_encoder") {
                    "target_change"
                } else {
                    "change"
                };
                note(kind, relative(&minus(&g, &w), &minus(&e, &w)));
                let projection: f64 = minus(&g, &e).iter().zip(&w).map(|(error, w)| error * w).sum();
                note("decay", projection.abs() / w.iter().map(|w| w * w).sum::<f64>());
            }
            None => note(
                match last {
                    "lr" => "lr",
                    "wd" => "wd",
                    "momentum" => "momentum",
                    "loss" => "loss",
                    _ if name.contains(".grad.") => "grad",
                    _ => "activation",
                },
                relative(&g, &e),
            ),
        }
    }
    if bad.is_empty() {
        Ok(report)
    } else {
        Err(format!("FAIL {}, {report}\n{}", bad.len(), bad.join("\n")))
    }
}
