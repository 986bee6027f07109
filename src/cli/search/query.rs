//! `ijepa search query`: the images of an index that are most like a given one.

use super::place::{Found, IndexArgs, ShowArgs, WEIGHTS};
use super::sheet::{Cell, Pictures, Section, Sheet, picture};
use crate::cli::adapter::AdapterArgs;
use crate::cli::encoder::{EncoderArgs, Read};
use crate::cli::{escaped, say};
use ijepa::data::decode;
use ijepa::data::image::Image;
use ijepa::eval::features::encode;
use ijepa::eval::search::index::Hit;
use ijepa::{Error, Result, ordinary};
use std::path::{Path, PathBuf};

/// Find the images that are most like one.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Images to look for
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    index: IndexArgs,
    /// The weights that made the index, where they lie elsewhere by now
    #[arg(long, value_name = "RUN")]
    weights: Option<PathBuf>,
    /// Images to name
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    most: u32,
    #[command(flatten)]
    encoder: EncoderArgs,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

const AFTER: &str = "\
Beside each name stands the cosine of the features less their mean: 1 for the same image, about 0 for any two.
example: ijepa search query cat.jpg --most 20 --html found.html";

pub fn run(mut args: Args) -> Result<()> {
    args.show.check()?;
    let found = args.index.read()?;
    let weights = args.weights.clone().or(found.settings.get(WEIGHTS).map(PathBuf::from));
    let weights =
        weights.ok_or_else(|| Error::usage("the index does not say where its weights are: name them by --weights"))?;
    args.encoder.take(found.settings.get("encoder").map(String::as_str));
    let mut read = args.encoder.read(&weights)?;
    same(&found, &read)?;
    read.notes.iter().for_each(|note| say(note));
    // One image is in memory at a time, and one batch of what is cut out of them.
    let batch = args.images.len().min(read.config.data.batch_size).max(1);
    let (mut net, mut pictures, mut hits) = (None, vec![], vec![]);
    for some in args.images.chunks(batch) {
        let mut pixels = vec![];
        for path in some {
            let image = decoded(path, read.config.data.max_pixels)?;
            pixels.extend(read.transform.apply(&image, read.model.image));
            if args.show.has_page() {
                pictures.push(picture(&image));
            }
        }
        let net = match &mut net {
            Some(net) => net,
            none => none.insert(read.open(&args.adapter, Some(batch as u32))?),
        };
        let features = pollster::block_on(encode(net, &pixels, some.len()))?;
        let nearest = |features: &[f32]| found.index.nearest(&found.index.query(features), args.most as usize);
        hits.extend(features.chunks_exact(found.index.width()).map(nearest));
    }
    show(&args, &found, &pictures, &hits)
}

/// Refuses weights that did not make the index.
fn same(found: &Found, read: &Read) -> Result<()> {
    let settings = read.settings();
    let differ = settings
        .iter()
        .filter(|(key, now)| found.settings.get(*key) != Some(now));
    let differ: Vec<String> = differ
        .map(|(key, now)| {
            let was = found.settings.get(*key).map_or("none", String::as_str);
            format!("{key} (then {was}, now {now})")
        })
        .collect();
    match differ.is_empty() {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "{} was made with other weights than {}: {}; name the same by --weights and --encoder, or make the index anew",
            found.path.display(),
            read.origin,
            differ.join(", ")
        ))),
    }
}

fn decoded(path: &Path, max_pixels: u64) -> Result<Image> {
    let most = max_pixels.saturating_mul(8).saturating_add(1 << 26);
    let shown = path.display();
    let bytes = ordinary::read(path, most).map_err(|e| Error::usage(format!("{shown} cannot be read: {e}")))?;
    decode::decode(&bytes, max_pixels).map_err(|reason| Error::usage(format!("{shown} {reason}: name an image")))
}

/// `asked_for`: pictures of the images that were asked for, if there is to be a page.
fn show(args: &Args, found: &Found, asked_for: &[Result<String, String>], hits: &[Vec<Hit>]) -> Result<()> {
    let asked: Vec<String> = args.images.iter().map(|path| path.display().to_string()).collect();
    let mut text = String::new();
    let mut json = vec![];
    for (asked, hits) in asked.iter().zip(hits) {
        text += &format!("{}\n", escaped(asked));
        let mut list = vec![];
        for hit in hits {
            text += &format!("{:8.3}  {}\n", hit.cosine, escaped(&found.path_of(hit.image)));
            list.push(serde_json::json!({
                "name": found.name(hit.image), "path": found.path_of(hit.image), "cosine": hit.cosine,
            }));
        }
        json.push(serde_json::json!({"query": asked, "hits": list}));
    }
    args.show.show(&text, &json.into(), || {
        let pictures = Pictures::of(found.folder());
        let section = |(i, hits): (usize, &Vec<Hit>)| {
            let mut cells = vec![Cell {
                name: asked[i].clone(),
                note: "query".to_string(),
                picture: asked_for[i].clone(),
                marked: true,
            }];
            cells.extend(hits.iter().map(|hit| Cell {
                name: found.name(hit.image).to_string(),
                note: format!("{:.3}", hit.cosine),
                picture: pictures.of_item(&found.index.items()[hit.image]),
                marked: false,
            }));
            let title = format!("Most like {}", asked[i]);
            Section { title, cells }
        };
        let sheet = Sheet {
            title: "What is most alike".to_string(),
            intro: format!(
                "Of {} images in {}. Numbers are cosines of their features less the mean: 1 for the same image, about 0 for any two.",
                found.index.len(),
                found.folder()
            ),
        };
        (sheet, hits.iter().enumerate().map(section).collect())
    })
}
