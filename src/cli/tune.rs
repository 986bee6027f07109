//! `ijepa tune`: which kernels compute a model's matrix products quickest here, found by trying them.

pub mod cache;
mod contest;

use super::adapter::AdapterArgs;
use super::bench::timing::rounded;
use super::print;
use super::progress::{Loudness, Progress};
use super::settings::Settings;
use super::stop::Stop;
use contest::Outcome;
use ijepa::data::masks;
use ijepa::gpu::{Gpu, Product};
use ijepa::model::needs::Dims;
use ijepa::model::products::{Products, products};
use ijepa::ops::cast::Bits;
use ijepa::ops::ways::{self, Way};
use ijepa::train::config::Config;
use ijepa::train::plan;
use ijepa::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Find the quickest kernels for a model's matrix products on this GPU, and use them from now on; the last line is JSON.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Time that it may take
    #[arg(long, value_name = "N", default_value_t = 60.0, value_parser = seconds)]
    seconds: f64,
    /// File in which findings are kept [default: IJEPA_TUNE, or tune.json in ijepa's folder among the user's caches]
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// Remove what was found: from now on kernels are chosen by adapter and shape again
    #[arg(long, conflicts_with_all = ["seconds", "preset", "config"])]
    forget: bool,
    /// No progress, only the table and what is missing in it
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    adapter: AdapterArgs,
}

const AFTER: &str = "\
Without --preset or --config the model is nano; findings for several models stay side by side, and so do those for f32, for \
bf16 (--set meta.use_bfloat16=true) and for f16 (--set meta.use_float16=true), where matrix units take part. Products that \
cost most come first; each way to compute one is checked against f64, then timed in turn with the default, and kept only \
where its slowest round beats the default's fastest. `train`, `bench`, `probe` and `demo` read the file at their start; \
IJEPA_TUNE names another, and empty none; --variant is stronger. Ctrl-C ends it early and keeps what was found. It holds for \
this adapter, driver and version of ijepa. A run that goes on with other findings than it began with may differ in the last \
digits.
example: ijepa tune --preset small --batch 128
         ijepa tune --preset nano --seconds 20 --cache here.json
         IJEPA_TUNE=here.json ijepa bench --preset nano --step
         ijepa tune --forget";

/// Batches whose masks say which sizes come.
const BATCHES: u64 = 8;

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.1..=86_400.0).contains(number));
    number.ok_or_else(|| "a number of seconds from 0.1 to 86400 is wanted".to_string())
}

/// What was asked for and what came of it.
struct Row {
    products: Products,
    outcome: Outcome,
}

pub fn run(args: Args) -> Result<()> {
    let path = cache::path(args.cache.as_deref()).ok_or_else(|| {
        Error::usage(format!(
            "nowhere to keep what is found ({} is empty, or there is no cache folder): name a file by --cache",
            cache::VARIABLE
        ))
    })?;
    if args.forget {
        return forget(&path);
    }
    let config = args.settings.config("nano")?;
    config.validate()?;
    if args.adapter.fixed() {
        return Err(Error::usage("--variant leaves nothing to choose: leave it out"));
    }
    let bits = config.bits();
    let loudness = if args.quiet { Loudness::Quiet } else { Loudness::Normal };
    let mut progress = Progress::new(loudness);
    let gpu = args.adapter.open_untuned(bits, &|line| progress.say(line))?;
    let list = sizes(&gpu, &config)?;
    let stop = Stop::default();
    stop.listen();
    let draft = cache::Findings::create(&path)?;
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(args.seconds);
    let mut rows = vec![];
    let outcome = contests(&gpu, bits, &list, (end, &stop), &mut progress, &mut rows);
    progress.end();
    let stopped = stop.over();
    // What was found before one failed (a device may be lost) is kept.
    draft.write(&gpu, &found(bits, &rows))?;
    let info = gpu.info();
    let tuned = rows.iter().filter(|row| row.outcome.winner.is_some()).count();
    print(&table(&rows))?;
    outcome?;
    let left = list.len() - rows.len();
    if left > 0 {
        let products = list.len();
        progress.warn(&match stopped {
            true => format!("stopped before {left} of {products} products were measured"),
            false => format!("the time was too short for {left} of {products} products: give more --seconds"),
        });
    }
    let show = path.display();
    print(&format!(
        "{tuned} of {} products are quicker in another way than the default on {}; kept in {show}\n",
        rows.len(),
        info.name
    ))?;
    let line = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"), "adapter": info.name, "backend": info.backend.to_string(),
        "driver": info.driver_info, "operands": cache::operands(bits), "seconds": rounded(began.elapsed().as_secs_f64()), "cache": show.to_string(),
        "measured": rows.len(), "tuned": tuned, "left": left, "products": rows.iter().map(Row::json).collect::<Vec<_>>(),
    });
    print(&format!("{line}\n"))
}

fn forget(path: &Path) -> Result<()> {
    let (show, was) = (path.display(), cache::forget(path)?);
    match was {
        true => print(&format!(
            "removed {show}: kernels are chosen by adapter and shape again\n"
        ))?,
        false => print(&format!("there is no {show}: nothing was kept\n"))?,
    }
    let line = serde_json::json!({"cache": show.to_string(), "removed": was});
    print(&format!("{line}\n"))
}

/// The products of a model's steps as this adapter takes them (in parts, where memory asks for it), the dearest first: one for
/// each class of sizes that findings are kept under.
fn sizes(gpu: &Gpu, config: &Config) -> Result<Vec<Products>> {
    let (model, planned) = (config.model()?, plan::fitting(gpu, config, BATCHES)?);
    let mut classes: BTreeMap<Product, Products> = BTreeMap::new();
    for number in 0..BATCHES {
        let drawn = masks::sample(&config.masks(), config.meta.seed, number, planned.batch);
        let dims = Dims {
            k_context: drawn.k_context,
            k_target: drawn.k_target,
            ..planned
        };
        for one in products(&model, &dims) {
            let kept = classes.entry(product(config.bits(), &one)).or_insert(one);
            if one.flops() > kept.flops() {
                *kept = one;
            }
        }
    }
    let mut list: Vec<Products> = classes.into_values().collect();
    list.sort_by(|a, b| b.flops().total_cmp(&a.flops()));
    Ok(list)
}

fn product(bits: Option<Bits>, one: &Products) -> Product {
    ways::product(bits, one.form, one.m, one.n, one.k)
}

/// Adds a row for each product that is measured before the `end`, or before somebody asks to stop.
fn contests(
    gpu: &Gpu,
    bits: Option<Bits>,
    list: &[Products],
    (end, stop): (Instant, &Stop),
    progress: &mut Progress,
    rows: &mut Vec<Row>,
) -> Result<()> {
    for (i, products) in list.iter().enumerate() {
        if Instant::now() >= end || stop.flag().load(Ordering::Relaxed) {
            break;
        }
        progress.product(i as u64, list.len() as u64, name(products));
        let products = *products;
        if let Some(outcome) = contest::run(gpu, bits, &products, end, list.len() - i)? {
            for way in &outcome.wrong {
                progress.warn(&format!(
                    "{way} computes {} wrongly here, and is left out",
                    name(&products)
                ));
            }
            rows.push(Row { products, outcome });
        }
    }
    Ok(())
}

/// Each product that was measured, with the way that is quicker than the default, if one is.
fn found(bits: Option<Bits>, rows: &[Row]) -> BTreeMap<Product, Option<Way>> {
    let winner = |row: &Row| row.outcome.winner.map(|winner| winner.way);
    rows.iter()
        .map(|row| (product(bits, &row.products), winner(row)))
        .collect()
}

/// `nt 2048x96x384`: M x K x N, as `ijepa bench --matmul` takes them.
fn name(products: &Products) -> String {
    let Products { form, m, n, k, .. } = *products;
    format!("{} {m}x{k}x{n}", cache::FORMS[form as usize])
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<20} {:>5} {:>9}  {:<22} {:>9}  {:<22} {:>6}\n",
        "product M x K x N", "times", "ms", "default", "ms", "quickest", "gain"
    );
    for row in rows {
        let Outcome { default, winner, .. } = &row.outcome;
        text += &format!(
            "{:<20} {:>5} {:>9.3}  {:<22} ",
            name(&row.products),
            row.products.times,
            default.timing.best * 1e3,
            default.way.to_string(),
        );
        text += &match winner {
            None => format!("{:>9}  {:<22}\n", "", "the default"),
            Some(winner) => format!(
                "{:>9.3}  {:<22} {:>5.2}x\n",
                winner.timing.best * 1e3,
                winner.way.to_string(),
                default.timing.best / winner.timing.best
            ),
        };
    }
    text
}

impl Row {
    fn json(&self) -> serde_json::Value {
        let Outcome {
            default,
            winner,
            tried,
            wrong,
        } = &self.outcome;
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        let quickest = winner.unwrap_or(*default);
        serde_json::json!({
            "product": name(&self.products), "times": self.products.times, "tried": tried, "wrong": wrong,
            "default": default.way.to_string(), "default_ms": default.timing.best * 1e3,
            "default_ms_slowest": default.timing.worst * 1e3,
            "way": quickest.way.to_string(), "ms": quickest.timing.best * 1e3, "ms_slowest": quickest.timing.worst * 1e3,
        })
    }
}
