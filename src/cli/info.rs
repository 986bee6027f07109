//! `ijepa info`: a configuration's networks, parameters, cost and memory.

use super::number::{grouped, mebibytes, prefixed};
use super::settings::Settings;
use ijepa::Result;
use ijepa::data::masks;
use ijepa::gpu::Kind;
use ijepa::model::memory::{self, Dims};
use ijepa::model::{config::ModelConfig, describe};
use ijepa::train::config::Config;
use ijepa::train::keys::KEYS;

/// Print the networks of a configuration, their parameters, FLOPs per image and memory for a step.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa info --preset base --patch 14")]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// List every configuration key with its type, default and meaning instead
    #[arg(long)]
    keys: bool,
}

/// Batches whose masks are drawn to see how long they get.
const BATCHES: u64 = 100;

pub fn run(args: Args) -> Result<()> {
    if args.keys {
        return super::print(&key_table());
    }
    let config = args.settings.config("base")?;
    config.check_model()?;
    config.masks().validate()?;
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

    let (longest, mean) = lengths(config);
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

    let parts = memory::report(Kind::Hardware, model, &longest);
    let (batch, context, target) = (longest.batch, longest.k_context, longest.k_target);
    out += &format!("\nMemory for a step of {batch} images (masks of up to {context} and {target} patches)\n");
    for (name, bytes) in &parts {
        out += &format!("  {name:<32} {:>15}\n", mebibytes(*bytes));
    }
    let total: u64 = parts.iter().map(|part| part.1).sum();
    out + &format!("  {:<32} {:>15}\n", "together", mebibytes(total))
}

/// The longest and the mean numbers of kept patches, over the first batches of a run.
fn lengths(config: &Config) -> (Dims, Dims) {
    let (settings, batch) = (config.masks(), config.data.batch_size);
    let dims = |k_context, k_target| Dims {
        num_enc: settings.num_enc_masks,
        num_pred: settings.num_pred_masks,
        k_context,
        k_target,
        ..Dims::encode(batch)
    };
    let (mut longest, mut sum) = ((0, 0), (0, 0));
    for number in 0..BATCHES {
        let drawn = masks::sample(&settings, config.meta.seed, number, batch);
        longest = (drawn.k_context.max(longest.0), drawn.k_target.max(longest.1));
        sum = (sum.0 + drawn.k_context, sum.1 + drawn.k_target);
    }
    let mean = |sum: usize| (sum as f64 / BATCHES as f64).round() as usize;
    (dims(longest.0, longest.1), dims(mean(sum.0), mean(sum.1)))
}

/// The table of keys in Markdown, as it stands in the documents.
fn key_table() -> String {
    let mut out = "| key | value | default | meaning |\n|---|---|---|---|\n".to_string();
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
