//! `ijepa pack`: the images of a folder or a tar as one file, which training reads without decoding.

use super::draft::{Draft, folder_of};
use super::number::size;
use super::print;
use super::progress::{Loudness, Progress};
use super::stop::Stop;
use ijepa::data::decode::MAX_PIXELS;
use ijepa::data::pack::{Encoding, Scale, Source, Writer};
use ijepa::{Error, Result};
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf, is_separator};

/// Write images into one file, decoded and scaled, that training reads many times as fast as photos.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Images: a folder, a tar or a packed set
    #[arg(value_name = "SRC")]
    source: String,
    /// File to write, such as photos.ijepa-pack
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Scale images down until the shorter side has N pixels [default: full size]
    #[arg(long, value_name = "N", conflicts_with = "within", value_parser = clap::value_parser!(u32).range(1..))]
    short: Option<u32>,
    /// Scale images down until they fit into N x N pixels [default: full size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    within: Option<u32>,
    /// How images are kept: pixels are read quickest, png loses nothing either, jpeg is smallest
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t = Form::Pixels)]
    form: Form,
    /// Quality of --as jpeg, 1 to 100 [default: 90]
    #[arg(long, value_name = "Q", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// Skip images that claim more pixels than this
    #[arg(long, value_name = "N", default_value_t = MAX_PIXELS)]
    max_pixels: u64,
    /// Replace OUT where it is there already
    #[arg(long)]
    force: bool,
    /// No progress, only errors
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Pixels,
    Jpeg,
    Png,
}

const AFTER: &str = "\
Folders in the images' names stay, and with them splits and labels: --data takes OUT wherever it takes SRC. At full size, as \
pixels or png, training draws the very batches that it draws from SRC. Scaled images give others: choose N so that crops are \
not enlarged, about twice data.crop_size. Images are never enlarged. OUT appears once it is complete.
example: ijepa pack photos photos.ijepa-pack --short 64
         ijepa train --data photos.ijepa-pack --preset nano --out runs/first
         ijepa pack imagenet.tar imagenet.ijepa-pack --short 448 \\
           --as jpeg --quality 92";

/// Quality of JPEG where none is given.
const QUALITY: u8 = 90;

pub fn run(args: Args) -> Result<()> {
    let encoding = match (args.form, args.quality) {
        (Form::Jpeg, quality) => Encoding::Jpeg(quality.unwrap_or(QUALITY)),
        (_, Some(_)) => {
            return Err(Error::usage(
                "--quality belongs to --as jpeg: add that, or leave it out",
            ));
        }
        (Form::Pixels, None) => Encoding::Pixels,
        (Form::Png, None) => Encoding::Png,
    };
    let scale = match (args.short, args.within) {
        (Some(side), _) => Scale::Short(side),
        (None, Some(side)) => Scale::Within(side),
        (None, None) => Scale::Full,
    };
    vacant(&args.out, &args.source, args.force)?;
    let source = Source::open(&args.source, args.max_pixels)?;
    let stop = Stop::default();
    stop.listen();
    let mut progress = Progress::new(match args.quiet {
        true => Loudness::Quiet,
        false => Loudness::Normal,
    });
    let mut draft = Draft::create(&args.out, "choose another OUT")?;
    let failed = |error| failed(&args.out, error);
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, &draft.file)).map_err(failed)?;
    let mut done = 0;
    let good = source.pack(scale, encoding, stop.flag(), |name, image| {
        done += 1;
        progress.image(done, source.len() as u64);
        writer.add(name, &image).map_err(failed)
    })?;
    writer.finish().map_err(failed)?;
    vacant(&args.out, &args.source, args.force)?; // another program may have been quicker
    let bytes = draft.publish().map_err(failed)?;
    progress.end();
    if let Some(summary) = source.bad().summary() {
        progress.say(&summary);
    }
    match args.quiet {
        true => Ok(()),
        false => print(&format!(
            "wrote {}: {good} images, {}\n",
            args.out.display(),
            size(bytes)
        )),
    }
}

/// Refuses what names no file, to write over a file without --force, over a folder, and into what is read.
fn vacant(out: &Path, source: &str, force: bool) -> Result<()> {
    let shown = out.display();
    let name = shown.to_string();
    match std::fs::symlink_metadata(out) {
        Ok(found) if found.is_dir() => {
            return Err(Error::usage(format!(
                "{shown} is a folder: name a file to write, such as {}",
                out.join("images.ijepa-pack").display()
            )));
        }
        Ok(_) if !force => {
            return Err(Error::usage(format!(
                "{shown} exists already: choose another OUT, or add --force to replace it"
            )));
        }
        Err(_) if name.strip_suffix('.').unwrap_or(&name).ends_with(is_separator) => {
            let whole = name.trim_end_matches('.').trim_end_matches(is_separator);
            return Err(Error::usage(format!(
                "{shown} ends as a folder does, and there is none: name a file to write, such as {whole}.ijepa-pack"
            )));
        }
        _ => {}
    }
    let out = &ijepa::ordinary::behind_links(out).unwrap_or(out.to_path_buf());
    let whole = std::fs::canonicalize(folder_of(out)).map(|folder| folder.join(out.file_name().unwrap_or_default()));
    match (whole, std::fs::canonicalize(source)) {
        (Ok(out), Ok(source)) if out.starts_with(&source) => Err(Error::usage(format!(
            "{shown} would lie among the images that are read: choose an OUT outside of {}",
            source.display()
        ))),
        _ => Ok(()),
    }
}

/// What went wrong with the file; a full disk is the likeliest.
fn failed(out: &Path, error: std::io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room, or pack smaller images (--short, --as jpeg)",
        _ => "",
    };
    Error::run(format!("{}: {error}{advice}", out.display()))
}
