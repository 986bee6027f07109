//! `ijepa bench`: how fast the kernels of a training step are.

mod kernels;
mod matmul;
mod step;
mod timing;

use super::adapter::AdapterArgs;
use super::settings::Settings;
use ijepa::{Error, Result};

/// Time one product, or training steps, or each kernel of a step; the last line is JSON.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Product C[M,N] = A[M,K] B[K,N] in f32, by the kernel that a training step would take for this shape
    #[arg(long, value_name = "MxKxN", value_parser = matmul::sizes, conflicts_with_all = ["preset", "config", "kernels"])]
    matmul: Option<matmul::Sizes>,
    /// Each kernel of the training step by the GPU's own clock, instead of the step
    #[arg(long)]
    kernels: bool,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    adapter: AdapterArgs,
}

const AFTER: &str = "\
example: ijepa bench --matmul 4096x1152x384
         ijepa bench --preset nano
         ijepa bench --preset nano --kernels";

pub fn run(args: Args) -> Result<()> {
    if let Some(sizes) = args.matmul {
        return matmul::run(&args.adapter.open()?, sizes);
    }
    if args.settings.preset.is_none() && args.settings.config.is_none() {
        return Err(Error::usage(
            "nothing to time: give --matmul MxKxN, such as --matmul 4096x1152x384, or --preset NAME",
        ));
    }
    let config = args.settings.config("nano")?;
    config.validate()?;
    let mut bench = step::Bench::new(&args.adapter.open()?, &config)?;
    let name = args.settings.preset.as_deref().unwrap_or("own configuration");
    match args.kernels {
        true => kernels::run(&mut bench, name),
        false => bench.run(name),
    }
}
