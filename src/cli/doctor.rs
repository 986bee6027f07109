//! `ijepa doctor`: adapters, known answers, a verdict.

use super::adapter::AdapterArgs;
use ijepa::{Error, Result};

/// List the adapters, test every kernel and one training step on the chosen one, and say whether it computes right.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa doctor --adapter software")]
pub struct Args {
    #[command(flatten)]
    adapter: AdapterArgs,
}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::run("the doctor is not built yet"))
}
