//! The reference's checkpoint, `.pth.tar`: a dictionary that `torch.load(weights_only=True)` reads and its own training script
//! goes on from.

use super::pickle::Pickle;
use crate::model::config::ModelConfig;
use crate::model::tensors::{Spec, Tensor, Tensors, encoder, predictor};
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What stands in the dictionary beside tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Epochs that are completed, and steps that AdamW took.
    pub epoch: u64,
    pub step: u64,
    pub loss: f64,
    pub batch_size: u64,
    pub lr: f64,
    pub weight_decay: f64,
    /// Heads of the encoder and the predictor, where they are known: shapes do not tell.
    pub heads: Option<u64>,
    /// Texts of our own, which the reference does not look at.
    pub texts: Vec<(String, String)>,
}

/// A key of our own, which the reference does not look at.
pub const HEADS: &str = "num_heads";

/// One of the reference's four groups: parameters with their index, `None` for position embeddings, which have an index and
/// no state.
type Group = Vec<(usize, Option<Spec>)>;

/// Writes the three networks of `tensors`, and AdamW's state where they have it.
///
/// Errors: run, where a tensor is missing or the file can't be written.
pub fn checkpoint(path: &Path, model: &ModelConfig, tensors: &Tensors, moment: &Moment) -> Result<()> {
    let mut archive = Parts {
        storages: vec![],
        tensors,
    };
    let mut pickle = Pickle::new();
    let mut missing = None;
    pickle.dict(|p| {
        for (key, names) in [
            ("encoder", encoder_names(model, "encoder")),
            ("predictor", predictor_names(model)),
        ] {
            p.text(key);
            archive.state_dict(p, key, &names, &mut missing);
        }
        p.text("opt");
        archive.optimiser(p, model, moment, &mut missing);
        // As a new scaler's state: the reference's loader with bfloat16 asks for one, and begins at epoch 0 where there is none.
        p.text("scaler");
        p.dict(|p| {
            for (key, value) in [("scale", 65536.0), ("growth_factor", 2.0), ("backoff_factor", 0.5)] {
                p.text(key);
                p.float(value);
            }
            p.text("growth_interval");
            p.int(2000);
            p.text("_growth_tracker");
            p.int(0);
        });
        p.text("target_encoder");
        let names = encoder_names(model, "target_encoder");
        archive.state_dict(p, "target_encoder", &names, &mut missing);
        p.text("epoch");
        p.int(moment.epoch);
        p.text("loss");
        p.float(moment.loss);
        p.text("batch_size");
        p.int(moment.batch_size);
        p.text("world_size");
        p.int(1);
        p.text("lr");
        p.float(moment.lr);
        if let Some(heads) = moment.heads {
            p.text(HEADS);
            p.int(heads);
        }
        for (key, text) in &moment.texts {
            p.text(key);
            p.text(text);
        }
    });
    if let Some(name) = missing {
        return Err(Error::run(format!("there is no tensor \"{name}\" to write")));
    }
    let failed = |e: String| Error::run(format!("{} can't be written: {e}", path.display()));
    archive.write(path, pickle.end()).map_err(|e| failed(e.to_string()))
}

/// In the order of PyTorch's `state_dict`: a module's own tensors before those of its parts.
fn encoder_names(model: &ModelConfig, network: &str) -> Vec<String> {
    let mut names = vec![format!("{network}.pos_embed")];
    names.extend(
        encoder(model)
            .iter()
            .map(|spec| spec.name.replacen("encoder", network, 1)),
    );
    names
}

fn predictor_names(model: &ModelConfig) -> Vec<String> {
    let own = ["predictor.mask_token", "predictor.predictor_pos_embed"].map(String::from);
    let rest = predictor(model).into_iter().map(|spec| spec.name);
    own.clone()
        .into_iter()
        .chain(rest.filter(|name| !own.contains(name)))
        .collect()
}

/// Encoder decayed, predictor decayed, encoder rest, predictor rest; indices go on from group to group.
fn groups(model: &ModelConfig) -> [Group; 4] {
    let specs: Vec<Spec> = encoder(model).into_iter().chain(predictor(model)).collect();
    let mut next = 0;
    let mut group = |names: &[String], decayed: bool| {
        let mut group = vec![];
        for name in names {
            let spec = specs.iter().find(|spec| spec.name == *name).cloned();
            // Position embeddings have three axes.
            if spec.as_ref().is_none_or(Spec::decays) == decayed {
                group.push((next, spec));
                next += 1;
            }
        }
        group
    };
    let (encoder, predictor) = (encoder_names(model, "encoder"), predictor_names(model));
    [
        group(&encoder, true),
        group(&predictor, true),
        group(&encoder, false),
        group(&predictor, false),
    ]
}

/// Files of numbers that the pickle refers to.
struct Parts<'a> {
    storages: Vec<Storage<'a>>,
    tensors: &'a Tensors,
}

enum Storage<'a> {
    Tensor(&'a Tensor),
    Step(f32),
}

impl Parts<'_> {
    fn tensor(&mut self, p: &mut Pickle, name: &str, missing: &mut Option<String>) {
        match self.tensors.get(name) {
            Some(tensor) => {
                p.tensor(self.storages.len(), &tensor.shape);
                self.storages.push(Storage::Tensor(tensor));
            }
            None => {
                p.none();
                missing.get_or_insert(name.to_string());
            }
        }
    }

    fn state_dict(&mut self, p: &mut Pickle, network: &str, names: &[String], missing: &mut Option<String>) {
        let start = format!("{network}.");
        p.ordered(|p| {
            for name in names {
                let bare = name.strip_prefix(&start).unwrap_or(name);
                p.text(&format!("module.{bare}"));
                self.tensor(p, name, missing);
            }
        });
    }

    /// AdamW's `state_dict`.
    fn optimiser(&mut self, p: &mut Pickle, model: &ModelConfig, moment: &Moment, missing: &mut Option<String>) {
        let groups = groups(model);
        let has_state = moment.step > 0 && self.tensors.keys().any(|name| name.starts_with("mean."));
        p.dict(|p| {
            p.text("state");
            p.dict(|p| {
                let members = groups.iter().flatten().filter(|_| has_state);
                for (index, spec) in members.filter_map(|(index, spec)| Some((index, spec.as_ref()?))) {
                    p.int(*index as u64);
                    p.dict(|p| {
                        p.text("step");
                        p.tensor(self.storages.len(), &[]);
                        self.storages.push(Storage::Step(moment.step as f32));
                        for (key, kind) in [("exp_avg", "mean"), ("exp_avg_sq", "square")] {
                            p.text(key);
                            self.tensor(p, &format!("{kind}.{}", spec.name), missing);
                        }
                    });
                }
            });
            p.text("param_groups");
            p.list(|p| {
                for (i, group) in groups.iter().enumerate() {
                    group_settings(p, group, i < 2, moment);
                }
            });
        });
    }

    /// The archive as torch writes it: nothing compressed, numbers at multiples of 64 bytes.
    fn write(&self, path: &Path, pickle: Vec<u8>) -> zip::result::ZipResult<()> {
        let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut zip = ZipWriter::new(Quiet {
            file,
            at: 0,
            failed: false,
        });
        let plain = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .with_alignment(64);
        zip.start_file("archive/data.pkl", plain)?;
        zip.write_all(&pickle)?;
        zip.start_file("archive/byteorder", plain)?;
        zip.write_all(b"little")?;
        for (key, storage) in self.storages.iter().enumerate() {
            let step;
            let values = match storage {
                Storage::Tensor(tensor) => &tensor.values[..],
                Storage::Step(value) => {
                    step = [*value];
                    &step[..]
                }
            };
            let large = values.len() as u64 * 4 >= u32::MAX.into();
            zip.start_file(format!("archive/data/{key}"), plain.large_file(large))?;
            for some in values.chunks(1 << 16) {
                let bytes: Vec<u8> = some.iter().flat_map(|value| value.to_le_bytes()).collect();
                zip.write_all(&bytes)?;
            }
        }
        zip.start_file("archive/version", plain)?;
        zip.write_all(b"3\n")?;
        let file = zip.finish()?.file.into_inner().map_err(|e| e.into_error())?;
        Ok(file.sync_all()?)
    }
}

/// A file that fails once: what is dropped then would try to end the archive all the same, and print that it could not.
struct Quiet {
    file: BufWriter<File>,
    at: u64,
    failed: bool,
}

impl Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = match self.failed {
            true => bytes.len(),
            false => self.file.write(bytes).inspect_err(|_| self.failed = true)?,
        };
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self.failed {
            true => Ok(()),
            false => self.file.flush().inspect_err(|_| self.failed = true),
        }
    }
}

impl Seek for Quiet {
    fn seek(&mut self, place: SeekFrom) -> std::io::Result<u64> {
        self.at = match (place, self.failed) {
            (_, false) => self.file.seek(place).inspect_err(|_| self.failed = true)?,
            (SeekFrom::Start(at), true) => at,
            (SeekFrom::Current(by) | SeekFrom::End(by), true) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

fn group_settings(p: &mut Pickle, group: &Group, decayed: bool, moment: &Moment) {
    p.dict(|p| {
        p.text("lr");
        p.float(moment.lr);
        p.text("betas");
        p.tuple(|p| {
            p.float(0.9);
            p.float(0.999);
        });
        p.text("eps");
        p.float(1e-8);
        p.text("weight_decay");
        p.float(if decayed { moment.weight_decay } else { 0.0 });
        for key in ["amsgrad", "maximize", "capturable", "differentiable"] {
            p.text(key);
            p.bool(false);
        }
        for key in ["foreach", "fused"] {
            p.text(key);
            p.none();
        }
        if !decayed {
            p.text("WD_exclude");
            p.bool(true);
        }
        p.text("params");
        p.list(|p| group.iter().for_each(|(index, _)| p.int(*index as u64)));
    });
}
