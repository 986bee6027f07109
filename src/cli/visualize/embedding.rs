//! `ijepa visualize embedding`: a data set as a map.

use super::Out;
use super::look::{Images, Look};
use crate::cli::say;
use crate::cli::sheet::{Anchor, GAP, MARGIN, Sheet, TEXT, words};
use ijepa::eval::map::{self, EPOCHS, LEAST, PERPLEXITY};
use ijepa::eval::samples::Features;
use ijepa::{Error, Result};

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
example: ijepa visualize embedding --weights runs/first photos.tar --count 500 --out map.png";

/// Images that are taken where nothing is said.
const IMAGES: u32 = 1000;
/// Side of a map, and of a thumbnail on it.
const MAP: f64 = 760.0;
const THUMBNAIL: f64 = 30.0;
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
    let left_out = thumbnails(&mut sheet, &seen.images, &places);
    sheet.frame((MARGIN, top), (MAP, MAP), [150, 150, 150], 1.0);
    if let Some(labels) = classes {
        let across = MAP + 2.0 * GAP;
        sheet.frame((MARGIN + across, top), (MAP, MAP), [150, 150, 150], 1.0);
        class_map(&mut sheet, (&seen.images.classes, labels), &places, across)?;
    }
    let under = (MARGIN, top + MAP + TEXT + 4.0);
    let shown = count - left_out;
    sheet.label(
        under,
        MAP,
        &format!("{shown} of {count} images are drawn: none that would cover another"),
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

/// Thumbnails where they cover no other by more than a third of their side; how many were left out.
fn thumbnails(sheet: &mut Sheet, images: &Images, places: &[(f64, f64)]) -> usize {
    let mut drawn: Vec<(f64, f64)> = vec![];
    let near = |a: &(f64, f64), b: &(f64, f64)| (a.0 - b.0).abs().max((a.1 - b.1).abs()) < THUMBNAIL * 2.0 / 3.0;
    for (image, place) in places.iter().enumerate() {
        if drawn.iter().any(|other| near(place, other)) {
            continue;
        }
        drawn.push(*place);
        let image = images.image(image);
        let scale = THUMBNAIL / image.width.max(image.height) as f64;
        let size = (image.width as f64 * scale, image.height as f64 * scale);
        sheet.picture((place.0 - size.0 / 2.0, place.1 - size.1 / 2.0), size, image);
    }
    places.len() - drawn.len()
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
