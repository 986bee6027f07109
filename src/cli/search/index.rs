//! `ijepa search index`: a folder's images into an index; of one that is there, what is new, changed or gone.

use super::place::{ENDING, FOLDER, WEIGHTS};
use crate::cli::adapter::AdapterArgs;
use crate::cli::draft::Draft;
use crate::cli::encoder::{EncoderArgs, Read};
use crate::cli::print;
use crate::cli::progress::{Loudness, Progress};
use crate::cli::stop::Stop;
use ijepa::data::decode;
use ijepa::data::source::Dataset;
use ijepa::eval::features::encode;
use ijepa::eval::search::file::{self, Settings};
use ijepa::eval::search::index::{Index, Item};
use ijepa::{Error, Result};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Make an index of a folder's images, or bring it up to date.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Images: a folder or a tar, all of its splits
    #[arg(value_name = "DIR")]
    folder: String,
    /// Folder of a run, one of the checkpoints in it, or weights of the reference, of Hugging Face, timm or torch.save
    #[arg(long, value_name = "RUN")]
    weights: PathBuf,
    /// The index [default: DIR.ijepa-index]
    #[arg(long, value_name = "F")]
    index: Option<PathBuf>,
    /// Make it anew, whatever is in it
    #[arg(long)]
    anew: bool,
    /// Images that are encoded at once, or fewer where the adapter has no room [default: the configuration's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: Option<u32>,
    #[command(flatten)]
    encoder: EncoderArgs,
    /// What was done as one line of JSON instead of text
    #[arg(long)]
    json: bool,
    /// No progress, only errors
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

const AFTER: &str = "\
Only images that are new or have changed are encoded: files of other size or time are read, and those of other bytes encoded. What
is gone leaves the index. Files that are no images are passed over. The index knows which weights made it, and refuses others.
Ctrl-C keeps what was done. With 2000 images and more it has a graph (HNSW), which is made anew when a tenth has changed.
example: ijepa search index photos --weights runs/first";

const ELSEWHERE: &str = "name another one by --index";
/// Images of which the graph takes more than some seconds.
const MANY: usize = 20_000;

/// A file that was looked into.
enum Looked {
    /// Its bytes are those of an image that the index had.
    Known(Item, usize),
    New(Item, Vec<u8>),
    Bad(String),
}

/// How many images were what.
#[derive(Default)]
struct Counts {
    new: usize,
    changed: usize,
    /// Moved, copied, or touched alone: known by their bytes.
    moved: usize,
    gone: usize,
}

pub fn run(args: Args) -> Result<()> {
    let out = match &args.index {
        Some(path) => path.clone(),
        None => beside(&args.folder)?,
    };
    let mut draft = Draft::create(&out, ELSEWHERE)?;
    let mut read = args.encoder.read(&args.weights)?;
    let data = Dataset::open_all(&args.folder, 0, read.config.data.max_pixels)?;
    if data.bytes(0, 0).is_none() {
        return Err(Error::usage(format!(
            "{} has no files of images: an index is made of a folder or a tar",
            args.folder
        )));
    }
    let settings = settings(&read, &args)?;
    let before = match args.anew {
        true => file::own(&out).map(|_| None)?,
        false => file::read(&out)?,
    };
    if let Some((_, was)) = &before {
        same(&out, was, &settings)?;
    }
    let before = before.map(|(index, _)| index);
    let fresh = before.is_none();
    let mut index = before.unwrap_or_else(|| Index::new(read.model.embed_dim));
    let mut progress = Progress::new(match args.quiet {
        true => Loudness::Quiet,
        false => Loudness::Normal,
    });
    read.notes.iter().for_each(|note| progress.say(note));
    let stop = Stop::default();
    stop.listen();

    // What has the size and time that it had is taken for what it was.
    let old: HashMap<Vec<u8>, usize> = (0..index.len()).map(|i| (index.items()[i].path(), i)).collect();
    let digests: HashMap<String, usize> = (0..index.len()).map(|i| (index.items()[i].digest.clone(), i)).collect();
    let mut kept = vec![false; index.len()];
    let mut open: Vec<usize> = vec![];
    for image in 0..data.len() {
        let stamp = data.stamp(image);
        match old.get(&data.raw_name(image)) {
            Some(&was) if index.items()[was].size == stamp.size && index.items()[was].at == stamp.at => {
                kept[was] = true
            }
            _ => open.push(image),
        }
    }
    let mut counts = Counts::default();
    let mut bad: Vec<(String, String)> = vec![];
    let mut made: Vec<(Item, Vec<f32>)> = vec![];
    let mut known: Vec<(Item, usize)> = vec![];
    let mut net = None;
    let batch = args
        .batch
        .map_or(read.config.data.batch_size, |batch| batch as usize)
        .max(1);
    let mut done = 0;
    for some in open.chunks(batch) {
        let looked: Vec<Looked> = some
            .par_iter()
            .map(|&image| look(&data, image, &read, &digests))
            .collect();
        let mut pixels = vec![];
        let mut items = vec![];
        for (looked, &image) in looked.into_iter().zip(some) {
            match looked {
                Looked::Known(item, was) => {
                    counts.moved += 1;
                    known.push((item, was));
                }
                Looked::New(item, cut) => {
                    match old.contains_key(&item.path()) {
                        true => counts.changed += 1,
                        false => counts.new += 1,
                    }
                    pixels.extend(cut);
                    items.push(item);
                }
                Looked::Bad(reason) => bad.push((data.name(image), reason)),
            }
        }
        if !items.is_empty() {
            let net = match &mut net {
                Some(net) => net,
                none => none.insert(read.open(&args.adapter, args.batch)?),
            };
            let features = pollster::block_on(encode(net, &pixels, items.len()))?;
            let features = features.chunks_exact(index.width()).map(<[f32]>::to_vec);
            made.extend(items.into_iter().zip(features));
        }
        done += some.len();
        progress.image(done as u64, open.len() as u64);
        if stop.flag().load(Ordering::Relaxed) {
            break;
        }
    }
    // What was not looked into any more stays as it was.
    let stopped = done < open.len();
    for was in open[done..].iter().filter_map(|&image| old.get(&data.raw_name(image))) {
        kept[*was] = true;
    }
    let same = made.is_empty() && known.is_empty() && kept.iter().all(|kept| *kept);
    // One that was stopped before has no graph yet.
    if same && !fresh && !stopped && !index.is_due() {
        progress.end();
        told(&bad, &progress);
        return said(&args, &out, &index, &counts);
    }
    let there: HashSet<Vec<u8>> = { made.iter().map(|(item, _)| item.path()) }
        .chain(known.iter().map(|(item, _)| item.path()))
        .collect();
    let gone = (0..kept.len()).filter(|&was| !kept[was] && !there.contains(&index.items()[was].path()));
    counts.gone = gone.count();
    let was = index.len();
    known.into_iter().for_each(|(item, like)| index.add_like(item, like));
    index.retain(|image| image >= was || kept[image]);
    made.into_iter().for_each(|(item, features)| index.add(item, &features));
    if index.is_empty() {
        return Err(Error::run(format!(
            "{} has no image that can be read: {}",
            args.folder,
            bad.first()
                .map_or("no file is one".to_string(), |(name, why)| format!("{name} {why}"))
        )));
    }
    let save = |index: &Index, mut draft: Draft| {
        let failed = |e: std::io::Error| Error::run(format!("{}: {e}", out.display()));
        let mut writer = BufWriter::with_capacity(1 << 20, &draft.file);
        file::write(index, &settings, &mut writer).map_err(failed)?;
        writer.flush().map_err(failed)?;
        drop(writer);
        draft.publish().map_err(failed)
    };
    if stopped {
        index.centre_if_due();
    } else if index.is_due() {
        if index.len() > MANY {
            // The graph takes minutes: who ends the program meanwhile has the features, and queries that compare all.
            save(&index, draft)?;
            draft = Draft::create(&out, ELSEWHERE)?;
            progress.say(&format!("making the graph of {} images", index.len()));
        }
        index.settle();
    }
    save(&index, draft)?;
    progress.end();
    told(&bad, &progress);
    if stopped {
        return Err(Error::run(format!(
            "stopped after {done} of {} images, which {} keeps: the same command goes on",
            open.len(),
            out.display()
        )));
    }
    said(&args, &out, &index, &counts)
}

/// The index of a folder where none is named: beside it.
fn beside(folder: &str) -> Result<PathBuf> {
    let path = Path::new(folder);
    match path.file_name() {
        Some(name) => {
            let mut name = name.to_os_string();
            name.push(".");
            name.push(ENDING);
            Ok(path.with_file_name(name))
        }
        None => Err(Error::usage(format!(
            "{folder} has no name that its index could have: name one by --index F.{ENDING}"
        ))),
    }
}

fn settings(read: &Read, args: &Args) -> Result<Settings> {
    let whole = |path: &Path| {
        let whole = std::fs::canonicalize(path);
        whole.map_err(|e| Error::usage(format!("{} cannot be read: {e}", path.display())))
    };
    let mut settings: Settings = read
        .settings()
        .into_iter()
        .map(|(key, text)| (key.to_string(), text))
        .collect();
    settings.insert(FOLDER.into(), whole(Path::new(&args.folder))?.display().to_string());
    settings.insert(WEIGHTS.into(), whole(&args.weights)?.display().to_string());
    Ok(settings)
}

/// Refuses an index of other weights or of another folder. (Where the weights lie is no matter.)
fn same(out: &Path, was: &Settings, now: &Settings) -> Result<()> {
    let differ = now
        .iter()
        .filter(|(key, now)| *key != WEIGHTS && was.get(*key) != Some(now));
    let differ: Vec<String> = differ
        .map(|(key, now)| {
            format!(
                "{key} (then {}, now {now})",
                was.get(key).map_or("none", String::as_str)
            )
        })
        .collect();
    match differ.is_empty() {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "{} was made with another {}: name another --index, or add --anew to make it anew",
            out.display(),
            differ.join(", ")
        ))),
    }
}

fn look(data: &Dataset, image: usize, read: &Read, digests: &HashMap<String, usize>) -> Looked {
    let max_pixels = read.config.data.max_pixels;
    let most = max_pixels.saturating_mul(8).saturating_add(1 << 26);
    let stamp = data.stamp(image);
    let bytes = match data.bytes(image, most) {
        Some(Ok(bytes)) => bytes,
        Some(Err(reason)) => return Looked::Bad(reason),
        None => return Looked::Bad("has no file".to_string()),
    };
    let name = data.name(image);
    let item = Item {
        raw: Item::raw_of(&data.raw_name(image), &name),
        name,
        size: stamp.size,
        at: stamp.at,
        digest: blake3::hash(&bytes).to_hex()[..32].to_string(),
    };
    if let Some(&was) = digests.get(&item.digest) {
        return Looked::Known(item, was);
    }
    match decode::decode(&bytes, max_pixels) {
        Ok(decoded) => Looked::New(item, read.transform.apply(&decoded, read.model.image)),
        Err(reason) => Looked::Bad(reason),
    }
}

/// Files that were skipped; of many the first few.
fn told(bad: &[(String, String)], progress: &Progress) {
    const NAMED: usize = 5;
    if bad.is_empty() {
        return;
    }
    let named: Vec<String> = bad
        .iter()
        .take(NAMED)
        .map(|(name, why)| format!("{name} {why}"))
        .collect();
    let more = match bad.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    progress.say(&format!("skipped {} files: {}{more}", bad.len(), named.join(", ")));
}

fn said(args: &Args, out: &Path, index: &Index, counts: &Counts) -> Result<()> {
    let all = [
        ("new", counts.new),
        ("changed", counts.changed),
        ("moved", counts.moved),
        ("gone", counts.gone),
    ];
    if args.json {
        let mut json = serde_json::json!({"index": out.display().to_string(), "images": index.len()});
        all.iter().for_each(|(what, count)| json[*what] = (*count).into());
        return print(&format!("{json}\n"));
    }
    let some: Vec<String> = { all.iter() }
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    print(&match some.is_empty() {
        true => format!("{} is up to date: {} images\n", out.display(), index.len()),
        false => format!("wrote {}: {} images, {}\n", out.display(), index.len(), some.join(", ")),
    })
}
