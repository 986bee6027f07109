//! `ijepa trace`: one iteration, with each tensor's shape on its way.

use super::adapter::AdapterArgs;
use super::print;
use super::settings::Settings;
use ijepa::data::Split;
use ijepa::data::loader::{Loader, LoaderConfig};
use ijepa::data::masks::{self, Masks};
use ijepa::data::source::Dataset;
use ijepa::model::ijepa::{Ijepa, Images, Terms};
use ijepa::model::init;
use ijepa::model::needs::{self, Dims};
use ijepa::model::shapes::shapes;
use ijepa::train::config::Config;
use ijepa::train::log::EpochMeans;
use ijepa::train::plan;
use ijepa::train::schedule::Schedule;
use ijepa::train::trainer::{grad_stats, measured};
use ijepa::{Error, Result};
use std::sync::Arc;
use std::time::Instant;

/// Run one iteration and print each tensor's shape on its way, line by line, then what the log says of it.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Images: a folder, a tar or a packed set [default: generated ones]
    #[arg(long, value_name = "PATH")]
    data: Option<String>,
    /// Print the shapes without computing; needs no GPU
    #[arg(long)]
    dry_run: bool,
    /// Length of an epoch in batches, for the schedules [default: the data's, or 8 without --data]
    #[arg(long, value_name = "N")]
    iterations_per_epoch: Option<usize>,
    #[command(flatten)]
    adapter: AdapterArgs,
}

const AFTER: &str = "\
example: ijepa trace --preset base --patch 14 --batch 128 --dry-run
         ijepa trace --preset nano";

/// Length of an epoch where there is no data.
const ITERATIONS: usize = 8;

pub fn run(args: Args) -> Result<()> {
    let config = args.settings.config("base")?;
    match args.dry_run {
        true => config.check_shapes()?,
        false => config.validate()?,
    }
    if args.iterations_per_epoch == Some(0) {
        return Err(Error::usage("--iterations-per-epoch is 0: it must be 1 or more"));
    }
    let model = config.model()?;
    let source = args.data.as_deref().unwrap_or("generated:glyphs");
    let data = match &args.data {
        None if args.dry_run => None,
        _ => Some(Dataset::open(
            source,
            Split::Train,
            config.meta.seed,
            config.data.max_pixels,
        )?),
    };
    if let Some(data) = &data {
        data.require(config.data.batch_size)?;
    }
    let of_data = args
        .data
        .as_ref()
        .and(data.as_ref())
        .map(|data| data.len() / config.data.batch_size);
    let per_epoch = args.iterations_per_epoch.or(of_data).unwrap_or(ITERATIONS);
    let head = |dims: &Dims| {
        let shapes = shapes(&model, dims);
        format!("INFO:root:Epoch 1\nitr: 0\nunsupervised_loader length {per_epoch}\n{shapes}")
    };
    let Some(data) = data.filter(|_| !args.dry_run) else {
        return print(&head(&dims(&config)));
    };
    let batch = config.data.batch_size;
    let drawn = masks::sample(&config.masks(), config.meta.seed, 0, batch);

    // Memory first: what does not fit is refused before anything is printed.
    let gpu = args.adapter.open()?;
    let weights = init::draw(&model, config.meta.init, config.meta.seed);
    let terms = Terms {
        variance: config.meta.variance_weight,
        covariance: config.meta.covariance_weight,
        clip: config.optimization.clip_grad,
    };
    let of = |batch: usize| {
        let mut config = config.clone();
        config.data.batch_size = batch;
        dims(&config)
    };
    plan::require(&gpu, &model, batch, of)?;
    let dims = of(batch);
    let mut net = Ijepa::new(&gpu, &model, &weights, "the drawn weights", terms, dims)?;
    drop(weights);
    print(&head(&dims))?;
    let images = images(&config, data)?;
    let lines = step(&mut net, &config, &images, &drawn, per_epoch)?;
    print(&lines)
}

/// The lengths that the first batch draws, and nothing to spare.
fn dims(config: &Config) -> Dims {
    let (k_context, k_target) = plan::lengths(config, 1).longest;
    Dims {
        num_enc: config.mask.num_enc_masks,
        num_pred: config.mask.num_pred_masks,
        k_context,
        k_target,
        recompute: config.optimization.checkpoint_activations,
        bits: config.bits(),
        ..Dims::encode(config.data.batch_size)
    }
}

/// The first batch of a run over the data.
fn images(config: &Config, data: Dataset) -> Result<Vec<u8>> {
    let loader = LoaderConfig {
        batches: config.batches(),
        first_step: 0,
        last_step: 1,
        threads: 0,
    };
    match Loader::start(Arc::new(data), loader)?.next() {
        Some(batch) => Ok(batch?.images),
        None => Err(Error::run("the data gave no batch")),
    }
}

/// Takes the step; the log's two lines, as the reference's logger writes them.
fn step(net: &mut Ijepa, config: &Config, images: &[u8], drawn: &Masks, per_epoch: usize) -> Result<String> {
    let names = measured(&net.config);
    net.measure(&names)?;
    let rates = Schedule::new(&config.optimization, per_epoch).at(1);
    let began = Instant::now();
    let pending = net.step(Images::Bytes(images), drawn, rates.step(1))?;
    let outcome = pollster::block_on(pending.outcome())?;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    let mut means = EpochMeans::default();
    means.add(outcome.loss.into(), drawn.k_context, drawn.k_target, milliseconds);
    let parts = needs::report(net.gpu().kind(), &net.config, &net.dims());
    let mib = parts.iter().map(|(_, bytes)| bytes).sum::<u64>() as f64 / (1 << 20) as f64;
    let stats = grad_stats(&names, &outcome.measured);
    let lines = format!(
        "INFO:root:{}\nINFO:root:{}\n",
        means.line(1, 0, rates, mib),
        stats.line(1, 0)
    );
    match outcome.finite {
        true => Ok(lines),
        false => Err(Error::run(format!(
            "the step is not finite (loss {}); `ijepa doctor` checks this adapter",
            outcome.loss
        ))),
    }
}
