//! `ijepa search duplicates`: pictures that are in a folder twice, in other sizes and formats, too.

use super::place::{Found, IndexArgs, ShowArgs};
use super::sheet::{Cell, Pictures, Section, Sheet};
use crate::cli::escaped;
use crate::cli::progress::{Loudness, Progress};
use ijepa::Result;
use ijepa::eval::Tell;
use ijepa::eval::search::groups::{self, Group, Pair};
use ijepa::eval::search::look::Look;
use rayon::prelude::*;
use std::collections::HashMap;

/// Find pictures that are there twice: copies, other sizes, other formats.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    index: IndexArgs,
    /// Cosine of features from which two images are compared [default: 0.6, or 0.95 with --pixels 0]
    #[arg(long, value_name = "COSINE", value_parser = cosine)]
    above: Option<f32>,
    /// Correlation of pixels from which they count as the same; 0: their features alone decide
    #[arg(long, value_name = "CORRELATION", default_value_t = PIXELS, value_parser = correlation)]
    pixels: f32,
    /// Groups that a page of --html shows
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    most: u32,
    #[command(flatten)]
    show: ShowArgs,
}

/// See `benches/RESULTS.md`: what copies reach, and what others do not.
const ABOVE: f32 = 0.6;
const ABOVE_ALONE: f32 = 0.95;
const PIXELS: f32 = 0.98;

/// Images of a group that a page shows: text and JSON have them all.
const CELLS: usize = 24;
/// Images that are read between two words on how far it is.
const AT_ONCE: usize = 256;

const AFTER: &str = "\
Images whose features have a cosine (less their mean) of at least --above are looked at again, 16 pixels wide and high: \
those of at least --pixels are one picture, in whatever size, format or brightness, and without up to a tenth of its margin. \
Best first, in groups that hang together by pairs. Nothing is removed: look before you do. --pixels 0 finds what is merely \
alike.
example: ijepa search duplicates --html duplicates.html";

fn cosine(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number > 0.0 && number <= 1.0 => Ok(number),
        _ => Err("a cosine above 0 and up to 1 is wanted, such as 0.95".to_string()),
    }
}

fn correlation(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("a correlation from 0 to 1 is wanted, such as 0.98".to_string()),
    }
}

pub fn run(args: Args) -> Result<()> {
    args.show.check()?;
    let found = args.index.read()?;
    let alone = args.pixels == 0.0;
    let above = args.above.unwrap_or(if alone { ABOVE_ALONE } else { ABOVE });
    let pictures = Pictures::of(found.folder());
    let mut progress = Progress::new(Loudness::Normal);
    let tell: Tell = &mut |done, of| progress.stage("neighbours of image", done, of);
    // The cosine of a row with itself is 1 but for rounding.
    let mut pairs = groups::pairs(&found.index, above.min(1.0 - 1e-5), tell);
    if !alone {
        pairs = looked_at(pairs, &found, &pictures, args.pixels, &mut progress);
    }
    progress.end_stages();
    let groups = groups::grouped(pairs, found.index.len());
    let by = Thresholds {
        above,
        pixels: (!alone).then_some(args.pixels),
    };
    args.show.show(&text(&found, &groups), &json(&found, &groups, by), || {
        let section = |group: &Group| {
            let cell = |&image: &usize| Cell {
                name: found.name(image).to_string(),
                note: format!("{} KB", found.index.items()[image].size.div_ceil(1000)),
                picture: pictures.of_item(&found.index.items()[image]),
                marked: false,
            };
            let more = match group.images.len().saturating_sub(CELLS) {
                0 => String::new(),
                more => format!(", the first {CELLS} and {more} more"),
            };
            Section {
                title: format!("{} images, {}{more}", group.images.len(), likeness(group)),
                cells: group.images.iter().take(CELLS).map(cell).collect(),
            }
        };
        let more = match groups.len().saturating_sub(args.most as usize) {
            0 => String::new(),
            more => format!(" {more} more groups are not shown."),
        };
        let sheet = Sheet {
            title: "Pictures that are there twice".to_string(),
            intro: format!(
                "{} groups among {} images in {}, of a cosine of {above} and more{}, best first.{more}",
                groups.len(),
                found.index.len(),
                found.folder(),
                by.pixels
                    .map_or(String::new(), |pixels| format!(" and pixels of {pixels}"))
            ),
        };
        (sheet, groups.iter().take(args.most as usize).map(section).collect())
    })
}

/// What the thresholds were.
#[derive(Clone, Copy)]
struct Thresholds {
    above: f32,
    pixels: Option<f32>,
}

/// The pairs whose pixels are as like each other as that. Files of the same bytes are; images that can't be read any more are told
/// of, and not taken for anything.
fn looked_at(pairs: Vec<Pair>, found: &Found, pictures: &Pictures, least: f32, progress: &mut Progress) -> Vec<Pair> {
    let items = found.index.items();
    let copy = |pair: &Pair| items[pair.images[0]].digest == items[pair.images[1]].digest;
    let mut images: Vec<usize> = pairs
        .iter()
        .filter(|pair| !copy(pair))
        .flat_map(|pair| pair.images)
        .collect();
    images.sort_unstable();
    images.dedup();
    let mut looks: HashMap<usize, Look> = HashMap::new();
    let mut gone = vec![];
    for some in images.chunks(AT_ONCE) {
        let seen = some
            .par_iter()
            .map(|&image| pictures.image(&items[image]).map(|image| Look::of(&image)));
        for (seen, &image) in seen.collect::<Vec<_>>().into_iter().zip(some) {
            match seen {
                Ok(look) => drop(looks.insert(image, look)),
                Err(why) => gone.push(format!("{} {why}", escaped(found.name(image)))),
            }
        }
        progress.stage("pixels of image", looks.len() + gone.len(), images.len());
    }
    if let Some(first) = gone.first() {
        let more = match gone.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        progress.say(&format!(
            "not compared: {first}{more}: bring the index up to date by `ijepa search index`"
        ));
    }
    let pixels = |pair: &Pair| match copy(pair) {
        true => Some(1.0),
        false => Some(looks.get(&pair.images[0])?.likeness(looks.get(&pair.images[1])?)),
    };
    let looked = pairs.into_par_iter().map(|pair| Pair {
        pixels: pixels(&pair),
        ..pair
    });
    looked
        .filter(|pair| pair.pixels.is_some_and(|pixels| pixels >= least))
        .collect()
}

/// "cosine 0.951 to 0.998, pixels 0.990 to 1.000"
fn likeness(group: &Group) -> String {
    let range = |word: &str, values: Vec<f32>| {
        let ends = [
            values.iter().copied().fold(1.0, f32::min),
            values.iter().copied().fold(-1.0, f32::max),
        ];
        let [low, high] = ends.map(|value| format!("{value:.3}"));
        match low == high {
            true => format!("{word} {high}"),
            false => format!("{word} {low} to {high}"),
        }
    };
    let cosines = range("cosine", group.pairs.iter().map(|pair| pair.cosine).collect());
    let pixels: Vec<f32> = group.pairs.iter().filter_map(|pair| pair.pixels).collect();
    match pixels.is_empty() {
        true => cosines,
        false => format!("{cosines}, {}", range("pixels", pixels)),
    }
}

fn text(found: &Found, groups: &[Group]) -> String {
    let mut text = match groups.len() {
        0 => format!("no duplicates among {} images\n", found.index.len()),
        1 => format!("1 group of duplicates among {} images\n", found.index.len()),
        count => format!("{count} groups of duplicates among {} images\n", found.index.len()),
    };
    for group in groups {
        text += &format!("\n{}\n", likeness(group));
        for &image in &group.images {
            text += &format!("  {}\n", escaped(&found.path_of(image)));
        }
    }
    text
}

fn json(found: &Found, groups: &[Group], by: Thresholds) -> serde_json::Value {
    let group = |group: &Group| {
        let images: Vec<String> = group.images.iter().map(|&image| found.path_of(image)).collect();
        let pairs = group.pairs.iter().map(|pair| {
            let [a, b] = pair.images.map(|image| found.path_of(image));
            serde_json::json!({"images": [a, b], "cosine": pair.cosine, "pixels": pair.pixels})
        });
        serde_json::json!({"images": images, "pairs": pairs.collect::<Vec<_>>()})
    };
    let groups: Vec<_> = groups.iter().map(group).collect();
    serde_json::json!({"above": by.above, "pixels": by.pixels, "groups": groups})
}
