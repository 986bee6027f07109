//! `ijepa report`: a run, or several beside each other, as one HTML file.

mod chart;
mod compare;
mod findings;
mod one;
mod page;
mod probed;
mod tuned;
mod tunings;

use super::adapter::AdapterArgs;
use super::probe::found;
use super::{print, say, write};
use findings::Findings;
use ijepa::data::Split;
use ijepa::data::source::Dataset;
use ijepa::eval::probe::ProbeTable;
use ijepa::gpu::Gpu;
use ijepa::train::epochs::{self, Tuning};
use ijepa::train::folder;
use ijepa::train::history::History;
use ijepa::{Error, Result};
pub use one::judgement;
use std::path::{Path, PathBuf};

/// Write all there is to say about a run or a classifier to one HTML file: settings, curves, pictures, results; or compare several.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Folder of a run of `ijepa train` or of `ijepa finetune`; several of one kind, to compare them
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
The file needs no network and no scripts. What could not be had, such as pictures where the run's images are gone, is left \
out, and the report says so. Of what `ijepa finetune` made it has accuracy, curves, confusion matrix and classes, from its \
records alone.
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
    if args.of_tuning()? {
        return of_tunings(&args, &out);
    }
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

impl Args {
    /// Whether the report is about what `ijepa finetune` made.
    ///
    /// Errors: usage, where some was made so and some was not, or is asked to be looked at with images.
    fn of_tuning(&self) -> Result<bool> {
        let (tuned, trained): (Vec<&PathBuf>, Vec<&PathBuf>) = self.runs.iter().partition(|run| epochs::is_tuned(run));
        if let (Some(tuned), Some(trained)) = (tuned.first(), trained.first()) {
            folder::config(trained)?; // what holds no run at all is told so
            return Err(Error::usage(format!(
                "{} was made by `ijepa finetune` and {} was not: a loss with labels and one without have nothing to compare, so give \
                 runs of one kind",
                tuned.display(),
                trained.display()
            )));
        }
        let flag = match (&self.data, &self.test) {
            (Some(_), _) => Some("--data"),
            (None, Some(_)) => Some("--test"),
            (None, None) => None,
        };
        match (tuned.first(), flag) {
            (Some(tuned), Some(flag)) => Err(Error::usage(format!(
                "{} was made by `ijepa finetune`, whose report is made of its records: leave out {flag}",
                tuned.display()
            ))),
            (tuned, _) => Ok(tuned.is_some()),
        }
    }
}

/// One or several fine-tunings.
fn of_tunings(args: &Args, out: &Path) -> Result<()> {
    let tunings = args
        .runs
        .iter()
        .map(|run| Tuning::read(run))
        .collect::<Result<Vec<_>>>()?;
    ours(out)?;
    let html = match &tunings[..] {
        [tuning] => {
            let (found, gaps) = found::of_run(&tuning.folder);
            tuned::page(tuning, (&found, &gaps))?
        }
        _ => tunings::page(&tunings)?,
    };
    write::whole(out, html.as_bytes())?;
    print(&format!("report: {}\n", out.display()))
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
const HEAD: usize = 4096;

/// Refuses a place where there is a file that is no report.
fn ours(out: &Path) -> Result<()> {
    let refuse = |why: &str| Err(Error::usage(format!("{} {why}: choose another --out", out.display())));
    if out.is_dir() {
        return refuse("is a folder");
    }
    let is_ours = |start: &[u8]| page::is_ours(&String::from_utf8_lossy(&start[..start.len().min(HEAD)]));
    write::only_over(out, "report of ijepa", is_ours, "choose another --out")?;
    write::possible(out, "choose another --out")
}
