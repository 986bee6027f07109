//! An encoder out of any weight file, ready to make features: what `embed` and `search` have in common.

use super::adapter::AdapterArgs;
use super::cut::{Cut, Wanted, positions_said};
use super::settings;
use ijepa::data::transform::EvalTransform;
use ijepa::model::config::ModelConfig;
use ijepa::model::ijepa::Ijepa;
use ijepa::model::needs::{Dims, largest_batch};
use ijepa::model::positions;
use ijepa::model::tensors::Tensors;
use ijepa::train::config::Config;
use ijepa::train::start::Start;
use ijepa::weights::fingerprint;
use ijepa::weights::fit::Fitted;
use ijepa::{Error, Result};
use std::path::{Path, PathBuf};

/// Which of the two is meant.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoder {
    Target,
    Context,
}

impl Encoder {
    pub fn word(self) -> &'static str {
        match self {
            Encoder::Target => "target",
            Encoder::Context => "context",
        }
    }

    /// Tensors whose target encoder, which is the one that encodes, is the one that is meant.
    pub fn as_target(self, mut tensors: Tensors) -> Tensors {
        if self == Encoder::Context {
            let own = tensors.iter().filter(|(name, _)| name.starts_with("encoder."));
            let own: Vec<_> = own
                .map(|(name, tensor)| (format!("target_{name}"), tensor.clone()))
                .collect();
            tensors.extend(own);
        }
        tensors
    }
}

/// Weights with their configuration: that of a file which was named, or their own.
///
/// Errors: usage, where either can't be read.
pub fn opened(weights: &Path, config: Option<&Path>, partial: bool) -> Result<(Start, Config)> {
    let start = Start::open(weights, partial)?;
    let config = match config {
        Some(file) => settings::file(file)?,
        None => start.config()?,
    };
    config.check_model()?;
    Ok((start, config))
}

/// How an encoder is taken from a file.
#[derive(clap::Args)]
pub struct EncoderArgs {
    /// Which of the two encoders, where the weights have both [default: target, or the one that made the index]
    #[arg(long, value_enum)]
    encoder: Option<Encoder>,
    /// Configuration of weights that carry none
    #[arg(long, value_name = "F.yaml")]
    config: Option<PathBuf>,
    /// Of the weights take what fits the configuration's encoder, and draw the rest anew
    #[arg(long)]
    partial: bool,
}

/// Weights that were read, before there is a GPU.
pub struct Read {
    pub config: Config,
    pub model: ModelConfig,
    pub transform: EvalTransform,
    /// The file, for messages.
    pub origin: String,
    pub which: Encoder,
    /// Of its tensors, see [`fingerprint`].
    pub fingerprint: String,
    /// What is to be said of it.
    pub notes: Vec<String>,
    tensors: Tensors,
}

impl EncoderArgs {
    /// Where none is named, the one of this word.
    pub fn take(&mut self, word: Option<&str>) {
        let both = [Encoder::Target, Encoder::Context];
        let known = both.into_iter().find(|encoder| Some(encoder.word()) == word);
        self.encoder = self.encoder.or(known);
    }

    /// Errors: usage, where the weights can't be read or fit no configuration.
    pub fn read(&self, weights: &Path) -> Result<Read> {
        let (start, config) = opened(weights, self.config.as_deref(), self.partial)?;
        let (model, fitted) = start.encoders(&config)?;
        let Fitted { tensors, notes, .. } = fitted;
        let which = self.encoder.unwrap_or(Encoder::Target);
        let mut tensors = which.as_target(tensors);
        let fingerprint = fingerprint::of_encoder(&tensors);
        // In memory as on the GPU, one is enough.
        if tensors.keys().any(|name| name.starts_with("target_encoder.")) {
            tensors.retain(|name, _| name.starts_with("target_"));
        }
        Ok(Read {
            model,
            transform: config.eval_transform(),
            config,
            origin: start.weights.origin.clone(),
            which,
            fingerprint,
            notes,
            tensors,
        })
    }
}

impl Read {
    /// For images of another size; what became of positions is noted.
    ///
    /// Errors: usage, where patches do not fill it, and for images that keep their own shapes.
    pub fn resize(&mut self, wanted: Wanted) -> Result<()> {
        let Wanted::Cut(size) = wanted else {
            return Err(Error::usage(
                "--size uncut: features in one file are of images of one size: give a side or WIDTHxHEIGHT",
            ));
        };
        Cut::new(Some(wanted), &self.model, self.transform)?;
        let (model, origin) = positions::resized(&mut self.tensors, &self.model, size)?;
        let how = positions_said(&self.model, &[size], origin);
        self.notes
            .extend(how.map(|how| format!("images of {size} pixels. {how}")));
        self.model = model;
        Ok(())
    }

    /// Onto the GPU, for `batch` images at once (the configuration's where it is not given), or as many as it has room for.
    ///
    /// Errors: usage, where it has no room for the weights.
    pub fn open(&mut self, adapter: &AdapterArgs, batch: Option<u32>) -> Result<Ijepa> {
        let gpu = adapter.open()?;
        let batch = batch.map_or(self.config.data.batch_size, |batch| batch as usize);
        let batch = largest_batch(gpu.kind(), &self.model, &Dims::encode(batch), gpu.most_bytes()).max(1);
        let tensors = std::mem::take(&mut self.tensors);
        Ijepa::encoder(&gpu, &self.model, &tensors, &self.origin, batch)
    }

    /// All that features depend on beside the images, in words.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let model = &self.model;
        let sizes = [model.depth, model.embed_dim, model.num_heads, model.patch];
        let image = match model.side() {
            Ok(side) => side.to_string(),
            Err(_) => model.image.to_string(),
        };
        let cut = match self.transform {
            EvalTransform::Margin => "margin",
            EvalTransform::Exact => "exact",
        };
        vec![
            ("weights", self.fingerprint.clone()),
            ("encoder", self.which.word().to_string()),
            (
                "model",
                format!("{}/{image}", sizes.map(|size| size.to_string()).join("/")),
            ),
            ("data.eval_transform", cut.to_string()),
        ]
    }
}
