//! `ijepa report`: a run, or several beside each other, as one HTML file.

mod chart;
mod compare;
mod findings;
mod one;
mod page;
mod probed;

use super::adapter::AdapterArgs;
use super::{print, say, write};
use findings::Findings;
use ijepa::data::Split;
use ijepa::data::source::Dataset;
use ijepa::eval::probe::ProbeTable;
use ijepa::gpu::Gpu;
use ijepa::train::finetune;
use ijepa::train::history::History;
use ijepa::{Error, Result};
pub use one::judgement;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Write all there is to say about a run to one HTML file: settings, curves, pictures, probes; or compare several runs.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Folder of a run; of several, to compare them
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// File to write; an earlier report there is replaced [default: report.html in the run's folder; of several runs, here]
    #[arg(long, value_name = "F.html")]
    out: Option<PathBuf>,
    /// Images to look at with the run's weights, and to score them with [default: the run's own data]
    #[arg(long, value_name = "PATH")]
    data: Option<String>,
    /// Images to score probes with, and to look at [default: the test/ or val/ of --data]
    #[arg(long, value_name = "PATH")]
    test: Option<String>,
    /// Images that probes are fitted on and scored with at most, of each
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(50..=50_000))]
    most: u32,
    /// Only what the run has written down: no pictures, no probes, no GPU
    #[arg(long)]
    records_only: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

const AFTER: &str = "\
The file needs no network and no scripts. What could not be had, such as pictures where the run's images are gone, is left out,
and the report says so.
example: ijepa report runs/first
         ijepa report runs/first runs/second --out both.html";

/// The file in a run's folder.
pub const NAME: &str = "report.html";

pub fn run(args: Args) -> Result<()> {
    let out = match (&args.out, &args.runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.join(NAME),
        (None, _) => PathBuf::from(NAME),
    };
    compare::check(args.runs.len())?;
    args.runs.iter().try_for_each(|run| of_training(run))?;
    let histories = args
        .runs
        .iter()
        .map(|run| History::read(run))
        .collect::<Result<Vec<_>>>()?;
    ours(&out)?;
    let mut gpu = None;
    let mut all = vec![];
    for history in &histories {
        let mut findings = match args.records_only {
            true => Findings::none("--records-only"),
            false => {
                if gpu.is_none() {
                    gpu = Some(args.adapter.open_tuned(&say).map_err(without_gpu)?);
                }
                let gpu = gpu.as_ref().ok_or_else(|| Error::run("no adapter is open"))?;
                say(&format!("looking at {}", history.folder.display()));
                let pictures = histories.len() == 1;
                looked_at(gpu, history, &args, pictures)?
            }
        };
        findings.read(history);
        all.push(findings);
    }
    let html = match &all[..] {
        [findings] => one::page(&histories[0], findings)?,
        _ => compare::page(&histories, &all)?,
    };
    write::whole(&out, html.as_bytes())?;
    print(&format!("report: {}\n", out.display()))
}

/// Errors: usage, where `ijepa finetune` made the folder.
fn of_training(run: &Path) -> Result<()> {
    match run.join(finetune::CSV).exists() {
        false => Ok(()),
        true => Err(Error::usage(format!(
            "{} was made by `ijepa finetune`, and a report is about a run of `ijepa train`: its losses and accuracies are in {}",
            run.display(),
            run.join(finetune::CSV).display()
        ))),
    }
}

/// The report of a run that was just trained and scored, into its folder; the file.
pub fn of_demo(gpu: &Gpu, folder: &Path, test: &Dataset, table: &ProbeTable) -> Result<PathBuf> {
    let history = History::read(folder)?;
    let mut findings = Findings::default();
    findings.look(gpu, &history, test);
    findings.table = Some((
        *table,
        "the generated set: fitted on train/, scored on test/".to_string(),
    ));
    let out = folder.join(NAME);
    write::whole(&out, one::page(&history, &findings)?.as_bytes())?;
    Ok(out)
}

/// What the weights give on images: pictures, and probes where these have classes.
fn looked_at(gpu: &Gpu, history: &History, args: &Args, pictures: bool) -> Result<Findings> {
    let mut findings = Findings::default();
    let config = &history.config;
    // Images that are named must be there; those that the run remembers may be gone.
    let source = match (&args.data, config.data_path()) {
        (Some(path), _) => path.clone(),
        (None, Ok(path)) => path,
        (None, Err(e)) => {
            findings.left_out.push(format!("everything that needs images: {e}"));
            return Ok(findings);
        }
    };
    let open = |path: &str, split| Dataset::open(path, split, config.meta.seed, config.data.max_pixels);
    let scored = args.test.as_deref().unwrap_or(&source);
    let (train, test) = match (open(&source, Split::Train), open(scored, Split::Test)) {
        (Ok(train), Ok(test)) => (train, test),
        (Err(e), _) if args.data.is_some() => return Err(e),
        (_, Err(e)) if args.data.is_some() || args.test.is_some() => return Err(e),
        (Err(e), _) | (_, Err(e)) => {
            findings.left_out.push(format!("everything that needs images: {e}"));
            return Ok(findings);
        }
    };
    if pictures {
        findings.look(gpu, history, &test);
    }
    findings.score(gpu, history, (&train, &test), args.most as usize);
    findings
        .left_out
        .extend([&train, &test].iter().filter_map(|data| data.bad().summary()));
    Ok(findings)
}

/// An adapter's error with the way out that this command has.
fn without_gpu(error: Error) -> Error {
    let way = "--records-only makes a report without a GPU, of what the run has written down";
    match error {
        Error::Usage(text) => Error::usage(format!("{text}; {way}")),
        Error::Run(text) => Error::run(format!("{text}; {way}")),
    }
}

/// Bytes of a file in which the mark of a report stands.
const HEAD: u64 = 4096;

/// Refuses a place where there is a file that is no report.
fn ours(out: &Path) -> Result<()> {
    let refuse = |why: &str| Err(Error::usage(format!("{} {why}: choose another --out", out.display())));
    if out.is_dir() {
        return refuse("is a folder");
    }
    write::possible(out, "choose another --out")?;
    if !out.exists() {
        return Ok(());
    }
    let mut start = vec![];
    if let Ok(file) = ijepa::ordinary::open(out) {
        // What cannot be read has no mark.
        let _ = file.take(HEAD).read_to_end(&mut start);
    }
    match page::is_ours(&String::from_utf8_lossy(&start)) {
        true => Ok(()),
        false => refuse("exists already, and is no report of ijepa"),
    }
}
