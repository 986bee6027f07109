//! `ijepa info`: a configuration's networks, parameters, cost and memory.

use super::escaped;
use super::number::{grouped, prefixed, size};
use super::settings::{OPTIONS, Settings};
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
    #[arg(value_name = "FILE", conflicts_with_all = OPTIONS)]
    #[arg(conflicts_with = "keys")]
    file: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// List every configuration key with its type, default and meaning instead
    #[arg(long, conflicts_with_all = OPTIONS)]
    keys: bool,
}

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

    // The plan is made from a run's first batches, of which there may be few.
    let steps = config.optimization.steps.map_or(u64::MAX, |steps| steps as u64);
    let planned = plan::dims(config, steps);
    let (k_context, k_target) = plan::lengths(config, steps).mean;
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
        out += &format!("  {name:<32} {:>15}\n", size(*bytes));
    }
    let total = |parts: &[(&str, u64)]| size(parts.iter().map(|part| part.1).sum());
    out += &format!("  {:<32} {:>15}\n", "together", total(&parts));
    // What `train` says where there is no GPU.
    let parts = needs::report(Kind::Software, model, &planned);
    out + &format!("  {:<32} {:>15}\n", "together, on a software driver", total(&parts))
}

/// What a weight file is.
fn weights_text(start: &Start) -> String {
    let (weights, found) = (&start.weights, &start.weights.architecture);
    let mut lines = vec![format!("{} is {}", start.path.display(), weights.format.name())];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<17} {text}"));
    let named = found.name().map(|name| format!("{name}, ")).unwrap_or_default();
    // Shapes do not tell all: the configuration in or beside the file does, where it is of this very encoder.
    let configured = start
        .is_configured()
        .then(|| start.config().ok()?.model().ok())
        .flatten();
    let own = configured
        .filter(|model| (model.embed_dim, model.depth, model.patch) == (found.embed_dim, found.depth, found.patch));
    let heads = found.heads.or(own.as_ref().map(|model| model.num_heads));
    let heads = heads.map_or("heads unknown".to_string(), |heads| format!("{heads} heads"));
    let crop = found.grid.map(|grid| grid * found.patch);
    let crop = crop.or(own.as_ref().and_then(|model| model.side().ok()));
    let crop = crop.map(|crop| format!(", crop {crop}"));
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
    let classes = tuned.map(|(_, tuned)| (tuned.classes.len(), &tuned.classes));
    let head = weights.head.as_ref().map(|(rows, names)| (*rows, names));
    if let Some((count, names)) = classes.or(head) {
        line("classifier", classes_text(count, names));
    }
    if let Some(progress) = progress {
        let loss = progress
            .loss
            .map(|loss| format!(", loss {loss:.4}"))
            .unwrap_or_default();
        // That of the step which was taken last, from 1: as the run itself tells and writes it.
        let per_epoch = progress.iterations_per_epoch;
        let epoch = (progress.step > 0 && per_epoch > 0).then(|| (progress.step - 1) / per_epoch + 1);
        let epoch = epoch.map_or(String::new(), |epoch| format!(", epoch {epoch}"));
        line(
            "run",
            format!("at step {} of {}{epoch}{loss}", progress.step, progress.of),
        );
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
    line("stored", format!("{} as {}", size(bytes), types.join(", ")));
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

/// How many there are, and the first of their names.
fn classes_text(count: usize, names: &[String]) -> String {
    const MOST: usize = 20;
    let some: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    let colon = if some.is_empty() { "" } else { ": " };
    let more = if names.len() > MOST { ", ..." } else { "" };
    format!("{} classes{colon}{}{more}", grouped(count as u64), some.join(", "))
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
