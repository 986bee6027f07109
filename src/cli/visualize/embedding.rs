//! `ijepa visualize embedding`: a data set as a map.

use super::Out;
use super::look::{Images, Look};
use crate::cli::say;
use crate::cli::sheet::{Anchor, GAP, MARGIN, Sheet, TEXT, words};
use ijepa::eval::map::{self, EPOCHS, LEAST, PERPLEXITY};
use ijepa::eval::samples::Features;
use ijepa::{Error, Result};
use std::collections::BTreeMap;

/// Draw a data set as a map: images whose features are alike lie together (t-SNE), with thumbnails and with classes.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    look: Look,
    /// About how many neighbours an image is to have
    #[arg(long, value_name = "X", default_value_t = PERPLEXITY)]
    perplexity: f32,
    #[command(flatten)]
    out: Out,
}

const AFTER: &str = "\
Features are patches averaged. Without --count 1000 images are taken of each set.
example: ijepa visualize embedding --weights runs/first photos.tar --count 500 \\
           --out map.png";

/// Images that are taken where nothing is said.
const IMAGES: u32 = 1000;
/// Side of a map, and of a thumbnail on it.
const MAP: f64 = 760.0;
const THUMBNAIL: f64 = 30.0;
/// Thumbnails that stand side by side on it, with a gap between them.
const ACROSS: usize = 24;
/// Colours for ten classes that colour-blind eyes tell apart: Paul Tol's "muted", and a grey.
const CLASSES: [[u8; 3]; 10] = [
    [51, 34, 136],
    [136, 204, 238],
    [68, 170, 153],
    [17, 119, 51],
    [153, 153, 51],
    [221, 204, 119],
    [204, 102, 119],
    [136, 34, 85],
    [170, 68, 153],
    [110, 110, 110],
];

pub fn run(mut args: Args) -> Result<()> {
    args.out.check()?;
    args.look.set_count(IMAGES);
    let seen = args.look.open(LEAST..=usize::MAX, false)?;
    let (count, width) = (seen.images.count(), seen.model.embed_dim);
    let gpu = args.look.gpu()?;
    say(&format!("encoding {count} images"));
    let features = Features::new(seen.pooled(&gpu)?, width)?;
    say("laying them out");
    let most = (count - 1) as f32 / 3.0;
    // The default suits most sets; a small one has fewer neighbours to give.
    let perplexity = match args.perplexity == PERPLEXITY {
        true => PERPLEXITY.min(most),
        false => args.perplexity,
    };
    let places = map::places(&features, perplexity, EPOCHS)?;
    let mut said = seen.said.clone();
    said.push(format!(
        "t-SNE of the mean patch features of {count} images: perplexity {perplexity:.0}, {EPOCHS} rounds, begun from two \
         principal components. Who lies together is alike; how far groups lie apart means little."
    ));
    let classes = seen.images.labels.as_ref().filter(|_| seen.images.classes.len() > 1);
    let maps = if classes.is_some() { 2.0 } else { 1.0 };
    let mut sheet = Sheet::titled("Map of a data set", &said, maps * (MAP + GAP));
    let top = sheet.next();
    let places = scaled(
        &places,
        (MARGIN + THUMBNAIL / 2.0, top + THUMBNAIL / 2.0),
        MAP - THUMBNAIL,
    );
    let shown = thumbnails(&mut sheet, &seen.images, &places, (MARGIN, top));
    sheet.frame((MARGIN, top), (MAP, MAP), [150, 150, 150], 1.0);
    if let Some(labels) = classes {
        let across = MAP + 2.0 * GAP;
        sheet.frame((MARGIN + across, top), (MAP, MAP), [150, 150, 150], 1.0);
        class_map(&mut sheet, (&seen.images.classes, labels), &places, across)?;
    }
    let under = (MARGIN, top + MAP + TEXT + 4.0);
    sheet.label(
        under,
        MAP,
        &format!("{shown} of {count} images are drawn, moved by half a thumbnail at most: none covers another"),
    );
    args.out.save(&sheet, &format!("a map of {count} images"))
}

/// Places within a square, both axes by the same measure.
fn scaled(places: &[[f32; 2]], (left, top): (f64, f64), side: f64) -> Vec<(f64, f64)> {
    let range = |axis: usize| {
        let values = || places.iter().map(move |place| f64::from(place[axis]));
        (
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
        )
    };
    let ((x0, x1), (y0, y1)) = (range(0), range(1));
    let scale = side / (x1 - x0).max(y1 - y0).max(f64::MIN_POSITIVE);
    let place = |place: &[f32; 2]| {
        let middle = |value: f32, (low, high): (f64, f64)| (f64::from(value) - (low + high) / 2.0) * scale + side / 2.0;
        (left + middle(place[0], (x0, x1)), top + middle(place[1], (y0, y1)))
    };
    places.iter().map(place).collect()
}

/// In each cell of the map, whose upper left corner is at `corner`, the image that is nearest to its middle; how many there are.
fn thumbnails(sheet: &mut Sheet, images: &Images, places: &[(f64, f64)], corner: (f64, f64)) -> usize {
    let chosen = chosen(places, corner);
    for (&(column, row), &image) in &chosen {
        let middle = middle((column, row), corner);
        let image = images.image(image);
        let scale = THUMBNAIL / image.width.max(image.height) as f64;
        let size = (image.width as f64 * scale, image.height as f64 * scale);
        sheet.picture((middle.0 - size.0 / 2.0, middle.1 - size.1 / 2.0), size, image);
    }
    chosen.len()
}

const CELL: f64 = MAP / ACROSS as f64;

fn middle((column, row): (usize, usize), (left, top): (f64, f64)) -> (f64, f64) {
    (left + (column as f64 + 0.5) * CELL, top + (row as f64 + 0.5) * CELL)
}

/// Which image stands in which cell (column and row).
fn chosen(places: &[(f64, f64)], corner: (f64, f64)) -> BTreeMap<(usize, usize), usize> {
    let cell = |at: f64, from: f64| (((at - from) / CELL) as usize).min(ACROSS - 1);
    let mut chosen: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (image, place) in places.iter().enumerate() {
        let cell = (cell(place.0, corner.0), cell(place.1, corner.1));
        let middle = middle(cell, corner);
        let far = |image: usize| (places[image].0 - middle.0).hypot(places[image].1 - middle.1);
        let best = chosen.entry(cell).or_insert(image);
        if far(image) < far(*best) {
            *best = image;
        }
    }
    chosen
}

/// The same places as dots in the colours of their classes, `across` to the right, with a legend below.
fn class_map(
    sheet: &mut Sheet,
    (classes, labels): (&[String], &[u32]),
    places: &[(f64, f64)],
    across: f64,
) -> Result<()> {
    let colour = |class: usize| match classes.len() <= CLASSES.len() {
        true => CLASSES[class],
        // More kinds than eyes tell apart: neighbours in the order of names share a shade.
        false => crate::cli::sheet::viridis(class as f64 / (classes.len() - 1) as f64),
    };
    for (place, &label) in places.iter().zip(labels) {
        if label as usize >= classes.len() {
            return Err(Error::run("an image has a class that its set does not have"));
        }
        sheet.dot((place.0 + across, place.1), 4.0, colour(label as usize));
    }
    let mut at = (MARGIN + across, sheet.next() + TEXT);
    let listed = classes.len().min(30);
    for (class, name) in classes.iter().take(listed).enumerate() {
        let name = words::shortened(name, 160.0, TEXT);
        let wide = words::width(&name, TEXT) + 30.0;
        if at.0 + wide > MARGIN + across + MAP {
            at = (MARGIN + across, at.1 + TEXT + 6.0);
        }
        sheet.dot((at.0 + 5.0, at.1 - 4.5), 5.0, colour(class));
        sheet.text((at.0 + 15.0, at.1), TEXT, false, Anchor::Start, &name);
        at.0 += wide;
    }
    if listed < classes.len() {
        let more = format!(
            "and {} more, from dark to bright in the order of names",
            classes.len() - listed
        );
        sheet.text((MARGIN + across, at.1 + TEXT + 6.0), TEXT, false, Anchor::Start, &more);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_thumbnail_covers_another_and_the_nearest_to_its_cell_stays() {
        let corner = (16.0, 50.0);
        // A dense cloud, and what lies at the map's edges.
        let spread = |i: usize| (i as f64 * 0.618_034).fract() * MAP;
        let mut places: Vec<(f64, f64)> = (0..2000).map(|i| (16.0 + spread(i), 50.0 + spread(i * i))).collect();
        places.extend([(16.0, 50.0), (16.0 + MAP, 50.0 + MAP)]);
        let chosen = chosen(&places, corner);
        let drawn: Vec<(f64, f64)> = chosen.keys().map(|&cell| middle(cell, corner)).collect();
        for (i, a) in drawn.iter().enumerate() {
            assert!(a.0 - THUMBNAIL / 2.0 >= corner.0 && a.1 + THUMBNAIL / 2.0 <= corner.1 + MAP);
            for b in &drawn[..i] {
                assert!(
                    (a.0 - b.0).abs().max((a.1 - b.1).abs()) > THUMBNAIL,
                    "{a:?} covers {b:?}"
                );
            }
        }
        for (&cell, &image) in &chosen {
            let (at, to) = (places[image], middle(cell, corner));
            assert!((at.0 - to.0).abs().max((at.1 - to.1).abs()) <= CELL / 2.0 + 1e-9);
        }
        assert!(chosen.len() > 300);
        let two = [(16.0 + 1.0, 50.0 + 1.0), (16.0 + 15.0, 50.0 + 15.0)];
        assert_eq!(super::chosen(&two, corner), BTreeMap::from([((0, 0), 1)]));
    }
}
