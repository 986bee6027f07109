//! `ijepa bench`: how fast the kernels of a training step are.

mod matmul;
mod timing;

use super::adapter::AdapterArgs;
use ijepa::{Error, Result};

/// Time the kernels that a training step would take, and print GFLOP/s; the last line is JSON.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa bench --matmul 4096x1152x384")]
pub struct Args {
    /// Product C[M,N] = A[M,K] B[K,N] in f32
    #[arg(long, value_name = "MxKxN", value_parser = matmul::sizes)]
    matmul: Option<matmul::Sizes>,
    #[command(flatten)]
    adapter: AdapterArgs,
}

pub fn run(args: Args) -> Result<()> {
    match args.matmul {
        Some(sizes) => matmul::run(&args.adapter.open()?, sizes),
        None => Err(Error::usage(
            "nothing to time: give --matmul MxKxN, such as --matmul 4096x1152x384",
        )),
    }
}
