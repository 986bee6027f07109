//! `ijepa trace`: one iteration, with each tensor's shape on its way.

use super::adapter::AdapterArgs;
use super::settings::Settings;
use ijepa::data::masks;
use ijepa::model::memory::Dims;
use ijepa::model::shapes::shapes;
use ijepa::train::config::Config;
use ijepa::{Error, Result};

/// Run one iteration and print each tensor's shape on its way, line by line.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa trace --preset base --patch 14 --batch 128 --dry-run")]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Print the shapes without computing; needs no GPU
    #[arg(long)]
    dry_run: bool,
    /// Length of an epoch in batches, for the schedules
    #[arg(long, value_name = "N", default_value_t = 8)]
    iterations_per_epoch: usize,
    #[command(flatten)]
    adapter: AdapterArgs,
}

pub fn run(args: Args) -> Result<()> {
    let config = args.settings.config("base")?;
    config.validate()?;
    if !args.dry_run {
        args.adapter.open()?;
        return Err(Error::run(
            "computing is not built yet: add --dry-run for the shapes alone",
        ));
    }
    super::print(&head(&config, args.iterations_per_epoch)?)
}

/// Everything up to the log lines: what is known before anything is computed.
fn head(config: &Config, iterations_per_epoch: usize) -> Result<String> {
    let settings = config.masks();
    let drawn = masks::sample(&settings, config.meta.seed, 0, config.data.batch_size);
    let dims = Dims {
        num_enc: drawn.num_enc,
        num_pred: drawn.num_pred,
        k_context: drawn.k_context,
        k_target: drawn.k_target,
        ..Dims::encode(drawn.batch)
    };
    let shapes = shapes(&config.model()?, &dims);
    Ok(format!(
        "INFO:root:Epoch 1\nitr: 0\nunsupervised_loader length {iterations_per_epoch}\n{shapes}"
    ))
}
