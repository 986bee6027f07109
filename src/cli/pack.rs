//! `ijepa pack`: the images of a folder or a tar as one file, which training reads without decoding.

use super::print;
use super::progress::{Loudness, Progress};
use super::stop::Stop;
use ijepa::data::decode::MAX_PIXELS;
use ijepa::data::pack::{Encoding, Scale, Source, Writer};
use ijepa::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

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
Folders in the images' names stay, and with them splits and labels: --data takes OUT wherever it takes SRC. At full size, as
pixels or png, training draws the very batches that it draws from SRC. Scaled images give others: choose N so that crops are not
enlarged, about twice data.crop_size. Images are never enlarged. OUT appears once it is complete.
example: ijepa pack photos photos.ijepa-pack --short 64
         ijepa train --data photos.ijepa-pack --preset nano --out runs/first
         ijepa pack imagenet.tar imagenet.ijepa-pack --short 448 --as jpeg --quality 92";

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
    let mut draft = Draft::create(&args.out)?;
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
    let size = bytes.div_ceil(1 << 20);
    print(&format!("wrote {}: {good} images, {size} MiB\n", args.out.display()))
}

/// Refuses to write over a file without --force, over a folder, and into what is read.
fn vacant(out: &Path, source: &str, force: bool) -> Result<()> {
    let shown = out.display();
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
        _ => {}
    }
    let whole = std::fs::canonicalize(folder_of(out)).map(|folder| folder.join(out.file_name().unwrap_or_default()));
    match (whole, std::fs::canonicalize(source)) {
        (Ok(out), Ok(source)) if out.starts_with(&source) => Err(Error::usage(format!(
            "{shown} would lie among the images that are read: choose an OUT outside of {}",
            source.display()
        ))),
        _ => Ok(()),
    }
}

/// The file while it is written, under another name; gone unless it is published.
struct Draft<'a> {
    file: File,
    path: PathBuf,
    out: &'a Path,
    published: bool,
}

impl Draft<'_> {
    fn create(out: &Path) -> Result<Draft<'_>> {
        let mut path = out.as_os_str().to_os_string();
        path.push(".tmp");
        let path = PathBuf::from(path);
        let refused =
            |e: std::io::Error| Error::usage(format!("{} cannot be written: {e}; choose another OUT", path.display()));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(refused)?;
        // What was left by a run that was killed is written over; what another run writes is not.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::usage(format!(
                "{} is being written by another ijepa: wait for it, or choose another OUT",
                out.display()
            )));
        }
        file.set_len(0).map_err(refused)?;
        Ok(Draft {
            file,
            path,
            out,
            published: false,
        })
    }

    /// Gives the file its name, once all of it is on the disk; how many bytes it has.
    fn publish(&mut self) -> std::io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        std::fs::rename(&self.path, self.out)?;
        self.published = true;
        // The new name is on the disk once the folder is, where folders can be opened at all.
        if let Ok(folder) = File::open(folder_of(self.out)) {
            let _ = folder.sync_all();
        }
        Ok(bytes)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.published {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The folder that a file lies in.
fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// What went wrong with the file; a full disk is the likeliest.
fn failed(out: &Path, error: std::io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room, or pack smaller images (--short, --as jpeg)",
        _ => "",
    };
    Error::run(format!("{}: {error}{advice}", out.display()))
}
