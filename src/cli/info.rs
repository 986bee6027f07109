//! `ijepa info`: a configuration's networks, parameters, cost and memory.

use super::escaped;
use super::number::{grouped, mebibytes, prefixed};
use super::settings::Settings;
use ijepa::Result;
use ijepa::gpu::Kind;
use ijepa::model::needs::{self, Dims};
use ijepa::model::{config::ModelConfig, describe};
use ijepa::train::config::Config;
use ijepa::train::keys::KEYS;
use ijepa::train::plan;
use ijepa::train::start::Start;
use std::path::PathBuf;

/// Print the networks of a configuration, their parameters, FLOPs per image and memory for a step; or what a weight file is.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Say what this weight file or folder is instead: of ijepa, the reference, Hugging Face, timm or torch.save
    #[arg(value_name = "FILE", conflicts_with_all = SETTINGS)]
    #[arg(conflicts_with = "keys")]
    file: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// List every configuration key with its type, default and meaning instead
    #[arg(long, conflicts_with_all = SETTINGS)]
    keys: bool,
}

/// One by one: the message names those that were given.
const SETTINGS: [&str; 7] = [
    "config",
    "preset",
    "patch",
    "batch",
    "seed",
    "checkpoint_activations",
    "set",
];

const AFTER: &str = "\
example: ijepa info --preset base --patch 14
         ijepa info IN1K-vit.h.14-300e.pth.tar";

pub fn run(args: Args) -> Result<()> {
    if let Some(file) = &args.file {
        return super::print(&weights_text(&Start::open(file, false)?));
    }
    if args.keys {
        return super::print(&key_table());
    }
    let config = args.settings.config("base")?;
    config.check_shapes()?;
    super::print(&text(&config, &config.model()?))
}

fn text(config: &Config, model: &ModelConfig) -> String {
    let mut out = String::new();
    for (name, architecture) in describe::architectures(model) {
        out += &format!("{name}\n\n{architecture}\n");
    }
    let (encoder, predictor) = describe::parameters(model);
    let of = |count: usize| grouped(count as u64);
    out += "Parameters\n";
    out += &format!("  context encoder   {:>15}  trained\n", of(encoder));
    out += &format!("  predictor         {:>15}  trained\n", of(predictor));
    out += &format!(
        "  target encoder    {:>15}  moving average of the context encoder\n\n",
        of(encoder)
    );

    // A run of any length: the plan is made from its first batches.
    let planned = plan::dims(config, u64::MAX);
    let (k_context, k_target) = plan::lengths(config, u64::MAX).mean;
    let mean = Dims {
        k_context: k_context.round() as usize,
        k_target: k_target.round() as usize,
        ..planned
    };
    let flops = describe::flops(model, &mean);
    let (patches, kept, guessed) = (model.num_patches(), mean.k_context, mean.k_target);
    out += "FLOPs per image (a multiplication and its addition are two)\n";
    let sequences = mean.num_pred * mean.num_enc;
    for (name, value, note) in [
        (
            "target encoder",
            flops.target,
            format!("forward, {patches} patches; what encoding costs after training"),
        ),
        (
            "context encoder",
            flops.context,
            format!("forward, {} x {kept} patches", mean.num_enc),
        ),
        (
            "predictor",
            flops.predictor,
            format!("forward, {sequences} x ({kept} + {guessed}) tokens"),
        ),
        (
            "training step",
            flops.step(),
            "target + 3 x (context + predictor)".to_string(),
        ),
    ] {
        out += &format!("  {name:<17} {:>15}  {note}\n", prefixed(value));
    }

    let parts = needs::report(Kind::Hardware, model, &planned);
    let (batch, context, target) = (planned.batch, planned.k_context, planned.k_target);
    out += &format!("\nMemory for a step of {batch} images on a GPU (masks of up to {context} and {target} patches)\n");
    for (name, bytes) in &parts {
        out += &format!("  {name:<32} {:>15}\n", mebibytes(*bytes));
    }
    let total: u64 = parts.iter().map(|part| part.1).sum();
    out + &format!("  {:<32} {:>15}\n", "together", mebibytes(total))
}

/// What a weight file is.
fn weights_text(start: &Start) -> String {
    let (weights, found) = (&start.weights, &start.weights.architecture);
    let mut lines = vec![format!("{} is {}", start.path.display(), weights.format.name())];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<17} {text}"));
    let named = found.name().map(|name| format!("{name}, ")).unwrap_or_default();
    let heads = found
        .heads
        .map_or("heads unknown".to_string(), |heads| format!("{heads} heads"));
    let crop = found.grid.map(|grid| format!(", crop {}", grid * found.patch));
    let (width, depth, hidden, patch) = (found.embed_dim, found.depth, found.hidden, found.patch);
    line(
        "encoder",
        format!(
            "{named}{width} wide, {depth} blocks, {heads}, MLP {hidden}, patch {patch}{}",
            crop.unwrap_or_default()
        ),
    );
    if let Some((width, depth)) = found.predictor {
        line("predictor", format!("{width} wide, {depth} blocks"));
    }
    for (name, network) in [
        ("context encoder", "encoder"),
        ("target encoder", "target_encoder"),
        ("predictor", "predictor"),
    ] {
        let text = match weights.parameters(network) {
            0 => "not in it".to_string(),
            count => format!("{} parameters", grouped(count)),
        };
        line(name, text);
    }
    let tuned = start.tuned();
    let progress = tuned.map(|(progress, _)| progress).or(start.progress());
    let steps = progress.map(|progress| progress.step).or(weights.adamw_steps);
    match (weights.has_moments(), steps) {
        (true, Some(steps)) => line("AdamW's state", format!("in it, after {} steps", grouped(steps))),
        (true, None) => line("AdamW's state", "in it".to_string()),
        (false, _) => line("AdamW's state", "not in it".to_string()),
    }
    if let Some((_, tuned)) = tuned {
        line("classifier", format!("{} classes", grouped(tuned.classes.len() as u64)));
    }
    if let Some(progress) = progress {
        let loss = progress
            .loss
            .map(|loss| format!(", loss {loss:.4}"))
            .unwrap_or_default();
        let (step, of, epoch) = (progress.step, progress.of, progress.epoch);
        line("run", format!("at step {step} of {of}, epoch {epoch}{loss}"));
    }
    if let Some(contents) = &weights.torch {
        let whole = |name: &str, value: Option<u64>| value.map(|value| format!("{name} {value}"));
        let number = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.4}"));
        let known = [
            whole("epoch", contents.epoch),
            number("loss", contents.loss),
            whole("batch size", contents.batch_size),
            whole("world size", contents.world_size),
            contents.lr.map(|lr| format!("lr {lr:e}")),
        ];
        let known: Vec<String> = known.into_iter().flatten().collect();
        if !known.is_empty() {
            line("run", known.join(", "));
        }
    }
    let (bytes, types) = weights.stored();
    line("stored", format!("{} as {}", mebibytes(bytes), types.join(", ")));
    lines.extend(weights.remarks.iter().map(|remark| format!("  {remark}")));
    if !weights.unknown.is_empty() {
        let some: Vec<&str> = weights.unknown.iter().take(4).map(String::as_str).collect();
        let count = weights.unknown.len();
        lines.push(format!(
            "  without a meaning here: {count} tensors, such as {}",
            some.join(", ")
        ));
    }
    lines.iter().map(|line| escaped(line) + "\n").collect()
}

/// What stands above the table of keys: `docs/configuration.md` is this very output.
const HEAD: &str = "\
# Every configuration key

In a YAML file by section and name, or on the command line by `--set key=value`. Defaults are those of a file that leaves
the key out; presets set their own. `(own)` marks keys that the reference's files don't have.
Printed by `ijepa info --keys`.

| key | value | default | meaning |
|---|---|---|---|
";

/// The table of keys, in Markdown.
fn key_table() -> String {
    let mut out = HEAD.to_string();
    let mut defaults = Config::default();
    for key in KEYS {
        let own = if key.official { "" } else { " (own)" };
        let idle = key
            .no_meaning
            .map(|why| format!("; has no meaning here: {why}"))
            .unwrap_or_default();
        let (path, kind, value, meaning) = (key.path, key.kind(), key.text(&mut defaults), key.meaning);
        out += &format!("| `{path}`{own} | {kind} | `{value}` | {meaning}{idle} |\n");
    }
    out
}
