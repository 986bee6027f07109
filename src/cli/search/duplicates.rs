//! `ijepa search duplicates`: pictures that are in a folder twice, in other sizes and formats, too.

use super::place::{Found, IndexArgs, ShowArgs};
use super::sheet::{Cell, Pictures, Section, Sheet};
use crate::cli::escaped;
use crate::cli::progress::{Loudness, Progress};
use ijepa::Result;
use ijepa::eval::Tell;
use ijepa::eval::search::groups::{Group, duplicates};

/// Find pictures that are there twice: copies, other sizes, other formats.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    index: IndexArgs,
    /// Cosine of features from which two images count as the same
    #[arg(long, value_name = "COSINE", default_value_t = ABOVE, value_parser = cosine)]
    above: f32,
    /// Groups that a page of --html shows
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    most: u32,
    #[command(flatten)]
    show: ShowArgs,
}

/// See `benches/RESULTS.md`: what copies reach, and what others do not.
const ABOVE: f32 = 0.95;

/// Images of a group that a page shows: text and JSON have them all.
const CELLS: usize = 24;

const AFTER: &str = "\
Images whose features have a cosine (less their mean) of at least --above, best first, in groups that hang together by \
pairs. Nothing is removed: look before you do. A lower --above finds more that is merely alike.
example: ijepa search duplicates --above 0.9 --html duplicates.html";

fn cosine(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number > 0.0 && number <= 1.0 => Ok(number),
        _ => Err("a cosine above 0 and up to 1 is wanted, such as 0.95".to_string()),
    }
}

pub fn run(args: Args) -> Result<()> {
    args.show.check()?;
    let found = args.index.read()?;
    let mut progress = Progress::new(Loudness::Normal);
    let tell: Tell = &mut |done, of| progress.stage("neighbours of image", done, of);
    // The cosine of a row with itself is 1 but for rounding.
    let groups = duplicates(&found.index, args.above.min(1.0 - 1e-5), tell);
    progress.end_stages();
    args.show
        .show(&text(&found, &groups), &json(&found, &groups, args.above), || {
            let pictures = Pictures::of(found.folder());
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
                    title: format!("{} images, {}{more}", group.images.len(), cosines(group)),
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
                    "{} groups among {} images in {}, of a cosine of {} and more, best first.{more}",
                    groups.len(),
                    found.index.len(),
                    found.folder(),
                    args.above
                ),
            };
            (sheet, groups.iter().take(args.most as usize).map(section).collect())
        })
}

fn cosines(group: &Group) -> String {
    let ends = [group.pairs.last(), group.pairs.first()].map(|pair| pair.map_or(0.0, |pair| pair.cosine));
    let [low, high] = ends.map(|cosine| format!("{cosine:.3}"));
    match low == high {
        true => format!("cosine {high}"),
        false => format!("cosine {low} to {high}"),
    }
}

fn text(found: &Found, groups: &[Group]) -> String {
    let mut text = match groups.len() {
        0 => format!("no duplicates among {} images\n", found.index.len()),
        1 => format!("1 group of duplicates among {} images\n", found.index.len()),
        count => format!("{count} groups of duplicates among {} images\n", found.index.len()),
    };
    for group in groups {
        text += &format!("\n{}\n", cosines(group));
        for &image in &group.images {
            text += &format!("  {}\n", escaped(&found.path_of(image)));
        }
    }
    text
}

fn json(found: &Found, groups: &[Group], above: f32) -> serde_json::Value {
    let group = |group: &Group| {
        let images: Vec<String> = group.images.iter().map(|&image| found.path_of(image)).collect();
        let pairs = group.pairs.iter().map(|pair| {
            let [a, b] = pair.images.map(|image| found.path_of(image));
            serde_json::json!({"images": [a, b], "cosine": pair.cosine})
        });
        serde_json::json!({"images": images, "pairs": pairs.collect::<Vec<_>>()})
    };
    let groups: Vec<_> = groups.iter().map(group).collect();
    serde_json::json!({"above": above, "groups": groups})
}
