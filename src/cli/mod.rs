//! The commands: arguments to library calls, results to text.

mod adapter;
mod bench;
mod cut;
mod demo;
mod doctor;
mod draft;
mod embed;
mod encoder;
mod export;
mod finetune;
mod html;
mod info;
mod masks;
mod negative;
mod number;
mod pack;
mod picture;
mod probe;
mod progress;
mod replay;
mod report;
mod search;
mod settings;
mod sheet;
mod stop;
mod trace;
mod train;
mod tune;
mod visualize;
mod write;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use ijepa::{Error, Result};
use std::io::Write;
use std::process::ExitCode;

/// Learn image features without labels (I-JEPA), on any GPU.
#[derive(Parser)]
#[command(name = "ijepa", version, arg_required_else_help = true, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
example: ijepa demo                                      a first run of minutes
         ijepa train --data photos --out runs/first      on your own images
         ijepa probe --weights runs/first --data photos  what was learned
exit code: 0 done, 1 the run failed, 2 wrong use or configuration";

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Train(train::Args),
    Probe(probe::Args),
    Finetune(finetune::Args),
    Embed(embed::Args),
    Search(search::Args),
    Export(export::Args),
    Info(info::Args),
    Trace(trace::Args),
    Masks(masks::Args),
    Visualize(visualize::Args),
    Report(report::Args),
    Pack(pack::Args),
    Replay(replay::Args),
    Doctor(doctor::Args),
    Bench(bench::Args),
    Tune(tune::Args),
}

/// Runs the command of the process's arguments.
pub fn main() -> ExitCode {
    let matches = negative::read(Cli::command()).get_matches();
    let read = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.format(&mut Cli::command()).exit());
    let (name, outcome) = match read.command {
        Command::Demo(args) => ("demo", demo::run(args)),
        Command::Train(args) => ("train", train::run(args)),
        Command::Probe(args) => ("probe", probe::run(args)),
        Command::Finetune(args) => ("finetune", finetune::run(args)),
        Command::Embed(args) => ("embed", embed::run(args)),
        Command::Search(args) => ("search", search::run(args)),
        Command::Export(args) => ("export", export::run(args)),
        Command::Info(args) => ("info", info::run(args)),
        Command::Trace(args) => ("trace", trace::run(args)),
        Command::Masks(args) => ("masks", masks::run(args)),
        Command::Visualize(args) => ("visualize", visualize::run(args)),
        Command::Report(args) => ("report", report::run(args)),
        Command::Pack(args) => ("pack", pack::run(args)),
        Command::Replay(args) => ("replay", replay::run(args)),
        Command::Doctor(args) => ("doctor", doctor::run(args)),
        Command::Bench(args) => ("bench", bench::run(args)),
        Command::Tune(args) => ("tune", tune::run(args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do where even this cannot be written.
            let _ = writeln!(std::io::stderr(), "ijepa {name}: {}", escaped(&error.to_string()));
            ExitCode::from(error.exit_code() as u8)
        }
    }
}

/// Writes to standard output. A reader that has seen enough (`| head`) ends the output, not the command.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::run(format!("standard output could not be written: {e}")))
        }
        _ => Ok(()),
    }
}

/// One line, with line breaks, a terminal's commands and what turns the direction of writing as text: names out of files may
/// hold some.
fn escaped(line: &str) -> String {
    let escaped = |c: char| match html::is_hidden(c) {
        true => c.escape_default().collect(),
        false => String::from(c),
    };
    line.chars().map(escaped).collect()
}

/// A line on standard error. Nothing is left to do where that is closed.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", escaped(line));
}
