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
    /// The index [default: by DIR's name in this folder, such as photos.ijepa-index]
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
        None => index_of(&args.folder)?,
    };
    // Signals are heard before there is anything to remove.
    let stop = Stop::default();
    stop.listen();
    let draft = Draft::create(&out, ELSEWHERE)?;
    let mut read = args.encoder.read(&args.weights)?;
    let data = images(&args, &read)?;
    let settings = settings(&read, &args)?;
    let before = before(&args, &out, &settings)?;
    let fresh = before.is_none();
    let mut index = before.unwrap_or_else(|| Index::new(read.model.embed_dim));
    let mut progress = Progress::new(match args.quiet {
        true => Loudness::Quiet,
        false => Loudness::Normal,
    });
    read.notes.iter().for_each(|note| progress.say(note));

    let mut update = Update::of(&data, &index);
    update.look(&args, &mut read, (&data, &index), &mut progress, &stop)?;
    // One that was stopped before has no graph yet.
    let stopped = update.stopped();
    if fresh || stopped || update.changes() || index.is_due() {
        let bad = update.bad.first().cloned();
        update.apply(&mut index);
        if index.is_empty() {
            let why = bad.map_or("no file is one".to_string(), |(name, why)| format!("{name} {why}"));
            return Err(Error::run(format!(
                "{} has no image that can be read: {why}",
                args.folder
            )));
        }
        let stop = (!stopped).then_some(&stop);
        settle(&mut index, &settings, (&out, draft), stop, &progress)?;
    }
    progress.end();
    told(&update.bad, &progress);
    match stopped {
        true => Err(Error::run(format!(
            "stopped after {} of {} images, which {} keeps: the same command goes on",
            update.done,
            update.open.len(),
            out.display()
        ))),
        false => said(&args, &out, &index, &update.counts),
    }
}

/// The folder's images.
fn images(args: &Args, read: &Read) -> Result<Dataset> {
    let data = Dataset::open_all(&args.folder, 0, read.config.data.max_pixels)?;
    match data.bytes(0, 0) {
        Some(_) => Ok(data),
        None => Err(Error::usage(format!(
            "{} has no files of images: an index is made of a folder or a tar",
            args.folder
        ))),
    }
}

/// The index that is there, if it is to be brought up to date.
fn before(args: &Args, out: &Path, settings: &Settings) -> Result<Option<Index>> {
    if args.anew {
        return file::own(out).map(|_| None);
    }
    let Some((index, was)) = file::read(out)? else {
        return Ok(None);
    };
    same(out, &was, settings)?;
    Ok(Some(index))
}

/// What is found out about a folder before its index is changed.
struct Update {
    /// Images of the index by their paths, and by their bytes.
    old: HashMap<Vec<u8>, usize>,
    digests: HashMap<String, usize>,
    /// Which of the index stay.
    kept: Vec<bool>,
    /// Images of the folder to look into, by number, and how many of them that was done with.
    open: Vec<usize>,
    done: usize,
    made: Vec<(Item, Vec<f32>)>,
    /// With the image of the index whose bytes they have.
    known: Vec<(Item, usize)>,
    bad: Vec<(String, String)>,
    counts: Counts,
}

impl Update {
    /// What has the size and time that it had is taken for what it was.
    fn of(data: &Dataset, index: &Index) -> Update {
        let old: HashMap<Vec<u8>, usize> = (0..index.len()).map(|i| (index.items()[i].path(), i)).collect();
        let mut kept = vec![false; index.len()];
        let mut open = vec![];
        for image in 0..data.len() {
            let stamp = data.stamp(image);
            match old.get(&data.raw_name(image)) {
                Some(&was) if index.items()[was].size == stamp.size && index.items()[was].at == stamp.at => {
                    kept[was] = true
                }
                _ => open.push(image),
            }
        }
        Update {
            digests: (0..index.len()).map(|i| (index.items()[i].digest.clone(), i)).collect(),
            old,
            kept,
            open,
            done: 0,
            made: vec![],
            known: vec![],
            bad: vec![],
            counts: Counts::default(),
        }
    }

    /// Reads the images that are open, and encodes those of bytes that the index does not know; until Ctrl-C.
    fn look(
        &mut self,
        args: &Args,
        read: &mut Read,
        (data, index): (&Dataset, &Index),
        progress: &mut Progress,
        stop: &Stop,
    ) -> Result<()> {
        let mut net = None;
        let batch = args
            .batch
            .map_or(read.config.data.batch_size, |batch| batch as usize)
            .max(1);
        let open = std::mem::take(&mut self.open);
        for some in open.chunks(batch) {
            let looked: Vec<Looked> = some
                .par_iter()
                .map(|&image| look(data, image, read, &self.digests))
                .collect();
            let (items, pixels) = self.sorted(data, some, looked);
            if !items.is_empty() {
                let net = match &mut net {
                    Some(net) => net,
                    none => none.insert(read.open(&args.adapter, args.batch)?),
                };
                let features = pollster::block_on(encode(net, &pixels, items.len()))?;
                let features = features.chunks_exact(index.width()).map(<[f32]>::to_vec);
                self.made.extend(items.into_iter().zip(features));
            }
            self.done += some.len();
            progress.image(self.done as u64, open.len() as u64);
            if stop.flag().load(Ordering::Relaxed) {
                break;
            }
        }
        // What was not looked into any more stays as it was.
        for was in open[self.done..]
            .iter()
            .filter_map(|&image| self.old.get(&data.raw_name(image)))
        {
            self.kept[*was] = true;
        }
        self.open = open;
        Ok(())
    }

    /// Files that were looked into, to where they belong; those to be encoded, with their pixels.
    fn sorted(&mut self, data: &Dataset, images: &[usize], looked: Vec<Looked>) -> (Vec<Item>, Vec<u8>) {
        let (mut items, mut pixels) = (vec![], vec![]);
        for (looked, &image) in looked.into_iter().zip(images) {
            match looked {
                Looked::Known(item, was) => {
                    self.counts.moved += 1;
                    self.known.push((item, was));
                }
                Looked::New(item, cut) => {
                    match self.old.contains_key(&item.path()) {
                        true => self.counts.changed += 1,
                        false => self.counts.new += 1,
                    }
                    pixels.extend(cut);
                    items.push(item);
                }
                Looked::Bad(reason) => self.bad.push((data.name(image), reason)),
            }
        }
        (items, pixels)
    }

    fn stopped(&self) -> bool {
        self.done < self.open.len()
    }

    fn changes(&self) -> bool {
        !self.made.is_empty() || !self.known.is_empty() || self.kept.iter().any(|kept| !*kept)
    }

    /// Changes the index.
    fn apply(&mut self, index: &mut Index) {
        let (made, known) = (std::mem::take(&mut self.made), std::mem::take(&mut self.known));
        let there: HashSet<Vec<u8>> = { made.iter().map(|(item, _)| item.path()) }
            .chain(known.iter().map(|(item, _)| item.path()))
            .collect();
        let was = index.len();
        let gone = (0..was).filter(|&was| !self.kept[was] && !there.contains(&index.items()[was].path()));
        self.counts.gone = gone.count();
        known.into_iter().for_each(|(item, like)| index.add_like(item, like));
        index.retain(|image| image >= was || self.kept[image]);
        made.into_iter().for_each(|(item, features)| index.add(item, &features));
    }
}

/// Makes the graph where one is due, and writes the file; of what was stopped (no `stop`) without the graph.
fn settle(
    index: &mut Index,
    settings: &Settings,
    (out, mut draft): (&Path, Draft),
    stop: Option<&Stop>,
    progress: &Progress,
) -> Result<()> {
    let Some(stop) = stop else {
        index.centre_if_due();
        return save(index, settings, out, &mut draft);
    };
    if index.is_due() {
        if index.len() > MANY {
            // The graph takes minutes: who ends the program meanwhile has the features, and queries that compare all.
            save(index, settings, out, &mut draft)?;
            progress.say(&format!("making the graph of {} images", index.len()));
            stop.over();
            index.settle();
            draft = Draft::create(out, ELSEWHERE)?;
        } else {
            index.settle();
        }
    }
    save(index, settings, out, &mut draft)
}

fn save(index: &Index, settings: &Settings, out: &Path, draft: &mut Draft) -> Result<()> {
    let failed = |e: std::io::Error| Error::run(format!("{}: {e}", out.display()));
    let mut writer = BufWriter::with_capacity(1 << 20, &draft.file);
    file::write(index, settings, &mut writer).map_err(failed)?;
    writer.flush().map_err(failed)?;
    drop(writer);
    draft.publish().map(drop).map_err(failed)
}

/// The index where none is named: in this folder, where `query` and the others look for it, by the name of the images' folder.
fn index_of(folder: &str) -> Result<PathBuf> {
    let path = Path::new(folder);
    let whole = path.canonicalize();
    match path.file_name().or(whole.as_deref().ok().and_then(Path::file_name)) {
        Some(name) => {
            let mut name = name.to_os_string();
            name.push(".");
            name.push(ENDING);
            Ok(PathBuf::from(name))
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
