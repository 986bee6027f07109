//! `ijepa export`: a run's weights in the files that other programs read.

use super::encoder::Encoder;
use super::{print, say, settings};
use ijepa::model::config::{ModelConfig, PIXELS};
use ijepa::model::positions::sine_cosine;
use ijepa::model::tensors::{Tensor, Tensors};
use ijepa::train::config::Config;
use ijepa::train::schedule::Schedule;
use ijepa::train::snapshot::{Progress, metadata};
use ijepa::train::start::{EXPORTED, Start};
use ijepa::weights::write::hub::{self, Processor, timm_name};
use ijepa::weights::write::onnx;
use ijepa::weights::write::reference::{self, Moment};
use ijepa::weights::write::{safetensors, text};
use ijepa::{Error, Result};
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
A README.md beside the weights says what they are and how to load them.
example: ijepa export --weights runs/first --to hf --out exported";

pub fn run(args: Args) -> Result<()> {
    let out = &args.out;
    let both = matches!(args.to, To::Pth | To::Safetensors);
    if both && args.encoder.is_some() {
        return Err(Error::usage(
            "--encoder chooses for hf, timm and onnx; pth and safetensors hold both encoders: leave it out",
        ));
    }
    if (args.half || args.beside) && args.to != To::Onnx {
        return Err(Error::usage("--half and --beside are for --to onnx: leave them out"));
    }
    if out.exists() && std::fs::read_dir(out).map_or(true, |mut entries| entries.next().is_some()) {
        return Err(Error::usage(format!(
            "{} is there already and is no empty folder: choose another --out",
            out.display()
        )));
    }
    let start = Start::open(&args.weights, false)?;
    let config = match &args.config {
        Some(file) => settings::file(file)?,
        None => start.config()?,
    };
    config.check_model()?;
    let progress = start.progress().cloned().unwrap_or_default();
    let (network, which) = match args.encoder {
        Some(Encoder::Context) => ("encoder", "context"),
        _ => ("target_encoder", "target"),
    };
    let (model, tensors) = match both {
        true => {
            let (mut tensors, moments, notes) = start.everything(&config)?;
            notes.iter().for_each(|note| say(note));
            tensors.extend(moments.into_iter().flatten());
            (config.model()?, tensors)
        }
        false => {
            let (model, fitted) = start.encoders(&config)?;
            fitted.notes.iter().for_each(|note| say(note));
            (model, fitted.tensors)
        }
    };
    let tensors = with_positions(tensors, &model);
    let short = config.eval_transform().short(model.crop);
    let processor = Processor {
        short,
        crop: model.crop,
        mean: PIXELS[0],
        std: PIXELS[1],
    };
    std::fs::create_dir_all(out)
        .map_err(|e| Error::usage(format!("{} can't be made: {e}; choose another --out", out.display())))?;
    let recorded = start.is_configured() || args.config.is_some();
    match args.to {
        To::Hf => hub::hugging_face(out, &model, &tensors, network, processor)?,
        To::Timm => hub::timm(out, &model, &tensors, network, processor)?,
        To::Onnx => {
            let bytes: u64 = tensors.values().map(|tensor| tensor.values.len() as u64 * 4).sum();
            let options = onnx::Options {
                half: args.half,
                beside: args.beside || bytes > onnx::MOST_INSIDE,
            };
            onnx::onnx(out, &model, &tensors, network, options)?;
        }
        To::Pth => {
            let moment = moment(&start, &config)?;
            reference::checkpoint(&out.join(PTH), &model, &tensors, &moment)?;
        }
        To::Safetensors => {
            let list = tensors.iter().filter(|(name, _)| !moments(name));
            let list = list.map(|(name, tensor)| (name.clone(), tensor.shape.clone(), &tensor.values[..]));
            // What is guessed of others' weights would be taken for known from then on.
            let known = recorded || start.weights.architecture.heads.is_some();
            let carried = known.then(|| config.portable());
            let (key, text) = metadata(&progress, carried.as_ref())?;
            let texts = HashMap::from([(key.to_string(), text)]);
            safetensors(&out.join(EXPORTED), list, texts)?;
        }
    }
    // Nor is it a record of how they came to be.
    let card = card(args.to, which, recorded.then_some(&config), &model, &progress, short);
    text(&out.join("README.md"), &card)?;
    print(&format!("wrote {}\n", out.display()))
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
fn moment(start: &Start, config: &Config) -> Result<Moment> {
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
            texts: vec![],
        });
    };
    let schedule = Schedule::new(optimization, progress.iterations_per_epoch.max(1) as usize);
    let rates = schedule.at(progress.step.max(1) as usize);
    let (key, text) = metadata(progress, Some(&config.portable()))?;
    Ok(Moment {
        epoch: progress.epoch,
        step: progress.step,
        loss: progress.loss.unwrap_or(0.0),
        batch_size,
        lr: rates.lr,
        weight_decay: rates.wd,
        texts: vec![(key.to_string(), text)],
    })
}

/// The model card.
fn card(
    to: To,
    which: &str,
    config: Option<&Config>,
    model: &ModelConfig,
    progress: &Progress,
    short: usize,
) -> String {
    let ModelConfig {
        crop,
        patch,
        embed_dim,
        depth,
        num_heads,
        ..
    } = model;
    let (library, use_it) = match to {
        To::Hf => (
            "library_name: transformers\n",
            "```python\nfrom transformers import AutoImageProcessor, IJepaModel\n\nprocessor = AutoImageProcessor.from_pretrained(\"DIR\")\n\
             model = IJepaModel.from_pretrained(\"DIR\").eval()\n\
             features = model(**processor(image, return_tensors=\"pt\")).last_hidden_state.mean(dim=1)\n```\n"
                .to_string(),
        ),
        To::Timm => {
            let by_name = match timm_name(model) {
                (name, true) => format!("# or timm.create_model(\"{name}\", num_classes=0, checkpoint_path=\"DIR/model.safetensors\")\n"),
                _ => String::new(),
            };
            (
                "library_name: timm\n",
                format!(
                    "```python\nimport timm\n\nmodel = timm.create_model(\"local-dir:DIR\", pretrained=True).eval()\n{by_name}\
                     features = model(images)  # [n, {embed_dim}]\n```\n"
                ),
            )
        }
        To::Onnx => (
            "",
            format!(
                "```python\nimport onnxruntime\n\nmodel = onnxruntime.InferenceSession(\"DIR/model.onnx\")\n\
                 features, patches = model.run(None, {{\"pixel_values\": images}})  # [n, {embed_dim}], normalised images [n, 3, {crop}, {crop}]\n```\n"
            ),
        ),
        To::Pth => (
            "",
            format!(
                "The dictionary of the reference implementation (facebookresearch/ijepa): its `load_checkpoint` goes on from it, and \
                 `torch.load(\"{PTH}\", weights_only=True)` reads it.\n"
            ),
        ),
        To::Safetensors => (
            "",
            "The three networks under the reference's names: `encoder.`, `target_encoder.` (use this one), `predictor.`.\n".to_string(),
        ),
    };
    let networks = match to {
        To::Hf | To::Timm | To::Onnx => format!("the {which} encoder"),
        _ => "context encoder, target encoder and predictor".to_string(),
    };
    let data = config.and_then(|config| Path::new(config.data.root_path.as_deref()?).file_name());
    let data = data.map_or("not recorded".to_string(), |name| {
        format!("`{}`", name.to_string_lossy())
    });
    let images = match progress.images {
        0 => String::new(),
        images => format!(", {images} images"),
    };
    let batch = config.map_or(0, |config| config.data.batch_size);
    let loss = progress.loss.map(|loss| format!("; last loss {loss:.4}"));
    let trained = match progress.step {
        0 => "not trained by this program".to_string(),
        step => format!(
            "{step} of {} steps in batches of {batch}{}",
            progress.of,
            loss.unwrap_or_default()
        ),
    };
    let settings = config.map(|config| format!("\n## Settings\n\n```yaml\n{}```\n", config.portable().to_yaml()));
    let settings = settings.unwrap_or_default();
    format!(
        "---\n{library}tags:\n- ijepa\n- self-supervised\npipeline_tag: image-feature-extraction\n---\n\n\
         # I-JEPA weights\n\n\
         Features learned without labels by I-JEPA (Assran et al., CVPR 2023), written by `ijepa export`: {networks}.\n\n\
         | | |\n|---|---|\n\
         | encoder | ViT, {embed_dim} wide, {depth} blocks, {num_heads} heads, patch {patch}, no class token |\n\
         | images | short side to {short} pixels (bilinear), central {crop} x {crop}, ImageNet's mean and deviation |\n\
         | data | {data}{images} |\n\
         | training | {trained} |\n\n\
         Features of an image are the mean of its patches after the last norm.\n\n\
         {use_it}{settings}"
    )
}
