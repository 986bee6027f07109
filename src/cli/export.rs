//! `ijepa export`: a run's weights in the files that other programs read.

mod card;
mod results;

use super::draft::folder::{DraftFolder, vacant};
use super::encoder::{Encoder, opened};
use super::{print, say};
use ijepa::model::config::{ModelConfig, PIXELS};
use ijepa::model::positions::sine_cosine;
use ijepa::model::tensors::{Tensor, Tensors, head};
use ijepa::train::config::Config;
use ijepa::train::schedule::Schedule;
use ijepa::train::snapshot::{Progress, metadata};
use ijepa::train::start::{EXPORTED, Start};
use ijepa::train::tuned::Tuned;
use ijepa::weights::write::hub::{self, Processor};
use ijepa::weights::write::onnx;
use ijepa::weights::write::reference::{self, Moment};
use ijepa::weights::write::{safetensors, text};
use ijepa::{Error, Result};
use results::Results;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Write weights as Hugging Face, timm or PyTorch load them.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Folder of a run, one of the checkpoints in it, or any weights that `ijepa train --from` takes
    #[arg(long, value_name = "RUN")]
    weights: PathBuf,
    /// What to write
    #[arg(long, value_name = "FORMAT", value_enum)]
    to: To,
    /// Folder to write to; must be new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Which of the two encoders; pth and safetensors hold both
    #[arg(long, value_enum)]
    encoder: Option<Encoder>,
    /// probe.json of `ijepa probe --out`, or its folder, for the model card; may be repeated [default: those in the run's folder]
    #[arg(long, value_name = "F.json")]
    probe: Vec<PathBuf>,
    /// Configuration of weights that carry none
    #[arg(long, value_name = "F.yaml")]
    config: Option<PathBuf>,
    /// Of onnx: weights and products in 16 bits
    #[arg(long)]
    half: bool,
    /// Of onnx: weights in model.onnx.data beside the graph, as it is done for large models anyway
    #[arg(long)]
    beside: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    /// A folder that transformers' IJepaModel and AutoImageProcessor load
    Hf,
    /// A folder that timm.create_model("local-dir:DIR") loads
    Timm,
    /// A graph for onnxruntime and others: model.onnx, opset 17, any batch
    Onnx,
    /// The reference's checkpoint, which its training goes on from
    Pth,
    /// The three networks under the reference's names
    Safetensors,
}

const AFTER: &str = "\
A README.md beside the weights says what they are, how to load them and what they reached: losses, the monitor's verdict, \
and probes of `train --probe-every` and of `ijepa probe --out RUN/probe`.
example: ijepa export --weights runs/first --to hf --out exported";

pub fn run(args: Args) -> Result<()> {
    args.check()?;
    let (start, config) = opened(&args.weights, args.config.as_deref(), false)?;
    let subject = Subject::of(&args, &start, &config)?;
    let draft = DraftFolder::create(&args.out)?;
    subject.write(&args, draft.path()).map_err(|error| draft.named(error))?;
    draft.publish()?;
    print(&format!("wrote {}\n", args.out.display()))
}

impl Args {
    /// Whether a file of this kind holds all networks.
    fn all(&self) -> bool {
        matches!(self.to, To::Pth | To::Safetensors)
    }

    fn check(&self) -> Result<()> {
        if self.all() && self.encoder.is_some() {
            return Err(Error::usage(
                "--encoder chooses for hf, timm and onnx; pth and safetensors hold both encoders: leave it out",
            ));
        }
        if (self.half || self.beside) && self.to != To::Onnx {
            return Err(Error::usage("--half and --beside are for --to onnx: leave them out"));
        }
        vacant(&self.out)
    }
}

/// What is written: weights with all that is known of them.
struct Subject<'a> {
    start: &'a Start,
    config: &'a Config,
    /// Whether the configuration is theirs, not guessed.
    recorded: bool,
    progress: Progress,
    tuned: Option<&'a Tuned>,
    /// The prefix of the encoder's tensors, and its name for people.
    network: &'static str,
    which: &'static str,
    model: ModelConfig,
    tensors: Tensors,
    processor: Processor,
    results: Results,
}

impl<'a> Subject<'a> {
    fn of(args: &Args, start: &'a Start, config: &'a Config) -> Result<Subject<'a>> {
        let tuned = start.tuned();
        if tuned.is_some() && args.to == To::Pth {
            return Err(Error::usage(format!(
                "{} was fine-tuned, and the reference has no classifier: use --to hf, timm, onnx or safetensors",
                start.weights.origin
            )));
        }
        let progress = tuned.map(|(progress, _)| progress).or(start.progress());
        let (network, which) = match args.encoder {
            _ if tuned.is_some() => ("encoder", "fine-tuned"),
            Some(Encoder::Context) => ("encoder", "context"),
            _ => ("target_encoder", "target"),
        };
        let (model, mut tensors) = match args.all() && tuned.is_none() {
            true => {
                let (mut tensors, moments, notes) = start.everything(config)?;
                notes.iter().for_each(|note| say(note));
                tensors.extend(moments.into_iter().flatten());
                (config.model()?, tensors)
            }
            false => {
                let (model, fitted) = start.encoders(config)?;
                fitted.notes.iter().for_each(|note| say(note));
                (model, fitted.tensors)
            }
        };
        if let Some((_, tuned)) = tuned {
            add_head(start, network, (model.embed_dim, tuned.classes.len()), &mut tensors)?;
        }
        let crop = model.side()?;
        Ok(Subject {
            recorded: start.is_configured() || args.config.is_some(),
            progress: progress.cloned().unwrap_or_default(),
            tuned: tuned.map(|(_, tuned)| tuned),
            network,
            which,
            tensors: with_positions(tensors, &model),
            processor: Processor {
                short: config.eval_transform().short(crop),
                crop,
                mean: PIXELS[0],
                std: PIXELS[1],
            },
            model,
            results: Results::of(start, &args.probe)?,
            start,
            config,
        })
    }

    /// The weights in a folder, and their card.
    fn write(&self, args: &Args, out: &Path) -> Result<()> {
        let (model, tensors, network, processor) = (&self.model, &self.tensors, self.network, self.processor);
        let classes = self.tuned.map(|tuned| &tuned.classes[..]);
        match args.to {
            To::Hf => hub::hugging_face(out, model, tensors, network, processor, classes)?,
            To::Timm => hub::timm(out, model, tensors, network, processor, classes)?,
            To::Onnx => {
                let bytes: u64 = tensors.values().map(|tensor| tensor.values.len() as u64 * 4).sum();
                let options = onnx::Options {
                    half: args.half,
                    beside: args.beside || bytes > onnx::MOST_INSIDE,
                };
                onnx::onnx(out, model, tensors, network, options, classes)?;
            }
            To::Pth => {
                let heads = self.known().then_some(model.num_heads as u64);
                let moment = moment(self.start, self.config, heads)?;
                reference::checkpoint(&out.join(PTH), model, tensors, &moment)?;
            }
            To::Safetensors => self.own(&out.join(EXPORTED))?,
        }
        let about = card::About {
            which: self.which,
            // Nor is what is guessed a record of how they came to be.
            config: self.recorded.then_some(self.config),
            model,
            progress: &self.progress,
            short: processor.short,
            tuned: self.tuned,
            results: &self.results,
        };
        text(&out.join("README.md"), &about.card(args.to))
    }

    /// Whether the sizes are known: what is guessed of others' weights would be taken for known from then on.
    fn known(&self) -> bool {
        self.recorded || self.start.weights.architecture.heads.is_some()
    }

    /// A file of our own, which a run begins with.
    fn own(&self, path: &Path) -> Result<()> {
        // Of what was fine-tuned the encoder alone is its own; the head stands beside it.
        let list = self.tensors.iter().filter_map(|(name, tensor)| match self.tuned {
            Some(_) if !name.starts_with("encoder.") => None,
            Some(_) if name.starts_with("encoder.head.") => Some((name.replace("encoder.", ""), tensor)),
            _ => Some((name.clone(), tensor)).filter(|(name, _)| !moments(name)),
        });
        let list = list.map(|(name, tensor)| (name, tensor.shape.clone(), &tensor.values[..]));
        let carried = self.known().then(|| self.config.portable());
        let (key, text) = metadata(&self.progress, carried.as_ref(), self.tuned)?;
        safetensors(path, list, HashMap::from([(key.to_string(), text)]))
    }
}

/// Adds a classifier's last layer, of this width and so many classes.
fn add_head(start: &Start, network: &str, (width, classes): (usize, usize), tensors: &mut Tensors) -> Result<()> {
    for spec in head(width, classes) {
        let found = start.weights.read(&spec.name);
        let found = found.filter(|tensor| tensor.shape == spec.shape).ok_or_else(|| {
            let (origin, name) = (&start.weights.origin, &spec.name);
            Error::usage(format!(
                "{origin}: \"{name}\" is missing or not that of {classes} classes"
            ))
        })?;
        tensors.insert(format!("{network}.{}", spec.name), found);
    }
    Ok(())
}

const PTH: &str = "jepa-latest.pth.tar";

fn moments(name: &str) -> bool {
    name.starts_with("mean.") || name.starts_with("square.")
}

/// Others keep position embeddings with the weights.
fn with_positions(mut tensors: Tensors, model: &ModelConfig) -> Tensors {
    for (name, width) in [
        ("encoder.pos_embed", model.embed_dim),
        ("target_encoder.pos_embed", model.embed_dim),
        ("predictor.predictor_pos_embed", model.pred_emb_dim),
    ] {
        tensors.entry(name.to_string()).or_insert_with(|| Tensor {
            shape: vec![1, model.num_patches(), width],
            values: sine_cosine(width, model.grid()),
        });
    }
    tensors
}

/// What the reference's dictionary says beside tensors; the whole of where our run stands is in a text of its own.
fn moment(start: &Start, config: &Config, heads: Option<u64>) -> Result<Moment> {
    let batch_size = config.data.batch_size as u64;
    let optimization = &config.optimization;
    let Some(progress) = start.progress() else {
        let contents = start.weights.torch.as_ref();
        return Ok(Moment {
            epoch: contents.and_then(|contents| contents.epoch).unwrap_or(0),
            step: start.weights.adamw_steps.unwrap_or(0),
            loss: contents.and_then(|contents| contents.loss).unwrap_or(0.0),
            batch_size: contents.and_then(|contents| contents.batch_size).unwrap_or(batch_size),
            lr: contents.and_then(|contents| contents.lr).unwrap_or(optimization.lr),
            weight_decay: optimization.weight_decay,
            heads,
            texts: vec![],
        });
    };
    let schedule = Schedule::new(optimization, progress.iterations_per_epoch.max(1) as usize);
    let rates = schedule.at(progress.step.max(1) as usize);
    let (key, text) = metadata(progress, Some(&config.portable()), None)?;
    Ok(Moment {
        epoch: progress.epoch,
        step: progress.step,
        loss: progress.loss.unwrap_or(0.0),
        batch_size,
        lr: rates.lr,
        weight_decay: rates.wd,
        heads,
        texts: vec![(key.to_string(), text)],
    })
}
