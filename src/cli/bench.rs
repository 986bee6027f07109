//! `ijepa bench`: how fast the kernels of a training step are.

use super::adapter::AdapterArgs;
use ijepa::{Error, Result};

/// Time the kernels that a training step would take, and print GFLOP/s; the last line is JSON.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa bench --matmul 4096x1152x384")]
pub struct Args {
    /// Product C[M,N] = A[M,K] B[K,N] in f32
    #[arg(long, value_name = "MxKxN", value_parser = sizes)]
    matmul: Option<Sizes>,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Rows of A, columns of A, columns of B.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sizes {
    m: usize,
    k: usize,
    n: usize,
}

fn sizes(text: &str) -> Result<Sizes, String> {
    let numbers: Option<Vec<usize>> = text
        .split('x')
        .map(|part| part.parse().ok().filter(|&n| n > 0))
        .collect();
    match numbers.as_deref() {
        Some(&[m, k, n]) => Ok(Sizes { m, k, n }),
        _ => Err("write three sizes of 1 or more, such as 4096x1152x384".to_string()),
    }
}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::run("benchmarking is not built yet"))
}
