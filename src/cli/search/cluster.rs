//! `ijepa search cluster`: images that belong together.

use super::place::{Found, IndexArgs, ShowArgs};
use super::sheet::{Cell, Pictures, Section, Sheet};
use crate::cli::{escaped, say};
use ijepa::Result;
use ijepa::eval::search::cluster::{Clusters, spherical};

/// Sort images into groups of what looks alike.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    index: IndexArgs,
    /// Clusters [default: the root of half the number of images, at most 100]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clusters: Option<u32>,
    /// Seed of the first centres
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Images of each cluster that text and --html show, the most central first
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    most: u32,
    #[command(flatten)]
    show: ShowArgs,
}

const AFTER: &str = "\
Spherical k-means on the features less their mean. The largest cluster comes first; beside its size stands the mean cosine of its
images with its centre. JSON lists all images of each.
example: ijepa search cluster --clusters 20 --html clusters.html";

pub fn run(args: Args) -> Result<()> {
    args.show.check()?;
    let found = args.index.read()?;
    let images = found.index.len();
    let count = args.clusters.map_or_else(
        || ((images as f64 / 2.0).sqrt().round() as usize).clamp(1, 100),
        |k| k as usize,
    );
    let rows: Vec<&[f32]> = (0..images).map(|image| found.index.row(image)).collect();
    let clusters = spherical(&rows, count, args.seed);
    let made = clusters.rows.len();
    if let Some(asked) = args.clusters.filter(|&asked| made < asked as usize) {
        say(&format!(
            "{made} clusters instead of {asked}: no image is left for more"
        ));
    }
    let most = args.most as usize;
    args.show.show(&text(&found, &clusters, most), &json(&found, &clusters), || {
        let pictures = Pictures::of(found.folder());
        let section = |i: usize| {
            let cell = |&image: &usize| Cell {
                name: found.name(image).to_string(),
                note: String::new(),
                picture: pictures.of_item(&found.index.items()[image]),
                marked: false,
            };
            Section {
                title: title(&clusters, i),
                cells: clusters.rows[i].iter().take(most).map(cell).collect(),
            }
        };
        let sheet = Sheet {
            title: "What belongs together".to_string(),
            intro: format!(
                "{images} images in {} in {} clusters (spherical k-means), the largest first, each with its {most} most central images.",
                found.folder(),
                clusters.rows.len()
            ),
        };
        (sheet, (0..clusters.rows.len()).map(section).collect())
    })
}

fn title(clusters: &Clusters, i: usize) -> String {
    let count = clusters.rows[i].len();
    format!(
        "Cluster {}: {count} images, mean cosine {:.2}",
        i + 1,
        clusters.tightness[i]
    )
}

fn text(found: &Found, clusters: &Clusters, most: usize) -> String {
    let mut text = String::new();
    for (i, rows) in clusters.rows.iter().enumerate() {
        text += &format!("{}\n", title(clusters, i));
        for &image in rows.iter().take(most) {
            text += &format!("  {}\n", escaped(&found.path_of(image)));
        }
    }
    text
}

fn json(found: &Found, clusters: &Clusters) -> serde_json::Value {
    let cluster = |(rows, tightness): (&Vec<usize>, &f32)| {
        let images: Vec<String> = rows.iter().map(|&image| found.path_of(image)).collect();
        serde_json::json!({"cosine": tightness, "images": images})
    };
    let all = clusters.rows.iter().zip(&clusters.tightness);
    serde_json::json!({"clusters": all.map(cluster).collect::<Vec<_>>()})
}
