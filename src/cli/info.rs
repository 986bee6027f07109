//! `ijepa info`: a configuration's networks, parameters, cost and memory.

use super::number::{grouped, mebibytes, prefixed};
use super::settings::Settings;
use ijepa::Result;
use ijepa::gpu::Kind;
use ijepa::model::needs::{self, Dims};
use ijepa::model::{config::ModelConfig, describe};
use ijepa::train::config::Config;
use ijepa::train::keys::KEYS;
use ijepa::train::plan;

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

pub fn run(args: Args) -> Result<()> {
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
