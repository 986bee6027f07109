//! `ijepa bench`: how fast this adapter could be, and how near the kernels of a training step come to that.

mod attention;
mod ceilings;
mod compare;
mod kernels;
mod matmul;
mod predict;
mod record;
mod report;
mod roofline;
mod rows;
mod step;
pub(super) mod timing;

use super::adapter::AdapterArgs;
use super::say;
use super::settings::{OPTIONS as MODEL, Settings};
use ijepa::Result;
use ijepa::ops::attention::Heads;
use std::path::PathBuf;

// What each measurement leaves unread, and so refuses. Whoever requires another option refuses what that one does: clap asks for
// nothing that would be refused at once.
const PRODUCT: [&str; 3] = ["form", "after", "operands"];
const ADAPTER: [&str; 4] = ["adapter", "backend", "variant", "memory"];
const FILES: [&str; 3] = ["compare", "of", "shares"];

/// Measure what the adapter can do at most, a training step, and each of its kernels beside the ceiling that binds it; the last
/// line is JSON.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Only one product C[M,N] of A[M,K] and B[K,N], by the kernel that a training step would take for this shape
    #[arg(long, value_name = "MxKxN", value_parser = matmul::sizes, allow_hyphen_values = true)]
    #[arg(conflicts_with_all = MODEL, conflicts_with_all = FILES)]
    #[arg(conflicts_with_all = ["attention", "step", "record", "svg", "predict", "memory"])]
    matmul: Option<matmul::Sizes>,
    #[command(flatten)]
    product: matmul::Product,
    /// Only attention, forward and backward, of B images with N tokens and H heads of D channels, beside a product's rate
    #[arg(long, value_name = "BxNxHxD", value_parser = attention::shape, allow_hyphen_values = true)]
    #[arg(conflicts_with_all = MODEL, conflicts_with_all = PRODUCT, conflicts_with_all = FILES)]
    #[arg(conflicts_with_all = ["step", "record", "svg", "predict", "memory"])]
    attention: Option<Heads>,
    /// Only the kernels that memory binds (norms, sums, gathers, the optimiser), on R rows of C, beside a copy of as much
    #[arg(long, value_name = "RxC", value_parser = rows::shape, allow_hyphen_values = true)]
    #[arg(conflicts_with_all = MODEL, conflicts_with_all = PRODUCT, conflicts_with_all = FILES)]
    #[arg(conflicts_with_all = ["step", "record", "svg", "predict", "matmul", "attention", "memory"])]
    rows: Option<rows::Shape>,
    /// Only training steps, one after the other as in a run
    #[arg(long, conflicts_with_all = PRODUCT, conflicts_with_all = FILES, conflicts_with_all = ["svg", "predict"])]
    step: bool,
    /// Also write what the steps are fed (weights, images, masks, rates), so that other programs can take the same steps
    #[arg(long, value_name = "FILE.safetensors", requires = "step")]
    #[arg(conflicts_with_all = PRODUCT, conflicts_with_all = FILES, conflicts_with_all = ["svg", "predict"])]
    record: Option<PathBuf>,
    /// Also draw the roofline picture: each kernel's rate below what memory and arithmetic allow
    #[arg(long, value_name = "FILE.svg")]
    #[arg(conflicts_with_all = PRODUCT, conflicts_with_all = FILES, conflicts_with_all = ["predict"])]
    svg: Option<PathBuf>,
    /// Say what changed between two measurements by more than their noise; measures nothing
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    #[arg(conflicts_with_all = MODEL, conflicts_with_all = PRODUCT, conflicts_with_all = ADAPTER)]
    #[arg(conflicts_with_all = ["predict", "of", "shares"])]
    compare: Vec<PathBuf>,
    /// Say what the step measured in --of should take on an adapter of these ceilings (and, where known, of units=U, those of f16 on
    /// matrix units, and dispatch=S); measures nothing. `same`: on its own
    #[arg(long, value_name = "flops=F,bandwidth=B", value_parser = predict::machine, requires = "of")]
    #[arg(conflicts_with_all = MODEL, conflicts_with_all = PRODUCT, conflicts_with_all = ADAPTER)]
    predict: Option<predict::Where>,
    /// A measurement, for --predict
    #[arg(long, value_name = "A", requires = "predict")]
    #[arg(conflicts_with_all = MODEL, conflicts_with_all = PRODUCT, conflicts_with_all = ADAPTER)]
    of: Option<PathBuf>,
    /// Other measurements, from which --predict takes how near each kernel comes to its ceiling, by the nearest of its shapes;
    /// a narrower and a wider network say most [default: that of --of]
    #[arg(long, value_name = "B", num_args = 1.., requires = "predict")]
    #[arg(conflicts_with_all = MODEL, conflicts_with_all = PRODUCT, conflicts_with_all = ADAPTER)]
    shares: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    adapter: AdapterArgs,
}

const AFTER: &str = "\
Without --preset or --config the model is nano. Ceilings are measured by shaders of their own: products and sums in \
registers, a copy that no cache holds. A kernel's share is of the nearer ceiling; its bytes are what it must read and write \
at least. Steps take the same batch and masks again and again; with --step eight batches take turns, as in a run.
example: ijepa bench --preset nano --svg roofline.svg > before.txt
         ijepa bench --compare before.txt after.txt
         ijepa bench --predict flops=82e12,bandwidth=1e12,dispatch=4e-6 \\
           --of before.txt
         ijepa bench --preset nano --step
         ijepa bench --step --preset nano --record case.safetensors
         ijepa bench --matmul 4096x1152x384
         ijepa bench --attention 32x64x4x16
         ijepa bench --rows 2048x96";

/// `4x9x2`: so many sizes of 1 to `most`, with an x between them.
fn sizes<const COUNT: usize>(text: &str, most: usize) -> Option<[usize; COUNT]> {
    let numbers: Option<Vec<usize>> = text
        .split('x')
        .map(|part| part.parse().ok().filter(|size| (1..=most).contains(size)))
        .collect();
    numbers?.try_into().ok()
}

pub fn run(args: Args) -> Result<()> {
    if !args.compare.is_empty() {
        return compare::run(&args.compare);
    }
    if let (Some(wanted), Some(of)) = (args.predict, &args.of) {
        let shares = match args.shares.as_slice() {
            [] => std::slice::from_ref(of),
            shares => shares,
        };
        return predict::run(wanted, of, shares);
    }
    if let Some(sizes) = args.matmul {
        return matmul::run(&args.adapter.open_for(args.product.bits(), &say)?, sizes, &args.product);
    }
    if let Some(shape) = args.attention {
        return attention::run(&args.adapter.open()?, shape);
    }
    if let Some(shape) = args.rows {
        return rows::run(&args.adapter.open()?, shape);
    }
    if let Some(path) = &args.record {
        record::possible(path)?;
    }
    if let Some(path) = &args.svg {
        roofline::possible(path)?;
    }
    let config = args.settings.config("nano")?;
    config.validate()?;
    let own = args.settings.config.is_some();
    let name = args
        .settings
        .preset
        .as_deref()
        .unwrap_or(if own { "own configuration" } else { "nano" });
    match args.step {
        true => {
            let gpu = args.adapter.open_for(config.bits(), &say)?;
            let mut bench = step::Bench::new(&gpu, &config)?;
            if let Some(path) = &args.record {
                record::record(path, &mut bench)?;
            }
            bench.run(name)
        }
        false => {
            let gpu = args.adapter.open_whole(config.bits(), &say)?;
            report::run(&gpu, &config, name, args.svg.as_deref())
        }
    }
}
