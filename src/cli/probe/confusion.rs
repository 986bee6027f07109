//! What `ijepa probe --out` writes: everything as JSON, and the learned features' confusion matrices as pictures.

use crate::cli::draft::folder::DraftFolder;
use crate::cli::sheet::{Anchor, GAP, MARGIN, MARK, Sheet, TEXT, paint, words};
use crate::cli::write;
use ijepa::Result;
use ijepa::eval::protocol::{Probe, Protocol};
use ijepa::eval::scores::Scores;
use image::{GrayImage, Luma};
use std::path::Path;

/// Side of a matrix, about, and of its cells at most.
const SIDE: f64 = 560.0;
const CELL: f64 = 46.0;
/// Cells of this side have their number, and rows and columns their names.
const LEGIBLE: f64 = 14.0;
const ROOMY: f64 = 26.0;
/// The longest name of a class.
const NAME: f64 = 180.0;
/// All of a class: Okabe and Ito's sky blue, on which black text is read; none of it: the page.
const FULL: [u8; 3] = [86, 180, 233];

/// On all of the colour, on any page.
const ON_FULL: [u8; 3] = [0; 3];
/// From which share on that is read better than the page's own ink, be the page light or dark.
const MOSTLY: f64 = 0.6;

/// A new folder `out`; it gets its name when all of it is there.
pub fn write(protocol: &Protocol, out: &Path) -> Result<()> {
    let mut files = vec![(super::found::NAME.to_string(), (protocol.json() + "\n").into_bytes())];
    for probe in protocol.probes.iter().filter(|probe| probe.features == "learned") {
        let picture = of_probe(probe, &protocol.classes).pixels()?;
        files.push((format!("confusion-{}.png", probe.method.word()), paint::png(&picture)?));
    }
    let draft = DraftFolder::create(out)?;
    for (name, bytes) in files {
        write::whole(&draft.path().join(name), &bytes).map_err(|e| draft.named(e))?;
    }
    draft.publish()
}

/// The matrix of a probe.
pub fn of_probe(probe: &Probe, classes: &[String]) -> Sheet {
    let title = format!("Confusion matrix: {} on learned features", probe.method.title());
    let more = format!(", {}; fitted on {} images", probe.choice, probe.fitted);
    sheet(&probe.scores, classes, &title, &more)
}

/// A row for each true class, a column for each that was named, and beside the rows what is right of them. `more` ends the
/// sentence with the accuracy.
pub fn sheet(scores: &Scores, classes: &[String], title: &str, more: &str) -> Sheet {
    let count = classes.len();
    let cell = (SIDE / count as f64).min(CELL);
    let [low, high] = scores.interval();
    let lines = [
        format!(
            "{:.1} % of {} images right (95 %: {low:.1} ... {high:.1}){more}",
            scores.accuracy(),
            scores.images()
        ),
        "rows: the true class; columns: the class that was named, by its number".to_string(),
    ];
    let width = SIDE + 2.0 * NAME;
    let mut sheet = Sheet::titled(title, &lines, width);
    let names: Vec<String> = (0..count)
        .map(|class| words::shortened(&format!("{class} {}", classes[class]), NAME, TEXT))
        .collect();
    let legible = cell >= LEGIBLE;
    let widest = names.iter().map(|name| words::width(name, TEXT)).fold(0.0, f64::max);
    let left = MARGIN + if legible { widest + GAP } else { 0.0 };
    let top = sheet.next() + if legible { TEXT + 6.0 } else { 0.0 };

    let share = |truth: usize, named: usize| match scores.class(truth).images {
        0 => 0.0,
        images => scores.count(truth, named) as f64 / images as f64,
    };
    let shares = GrayImage::from_fn(count as u32, count as u32, |x, y| {
        Luma([(share(y as usize, x as usize) * 255.0).round() as u8])
    });
    let side = cell * count as f64;
    sheet.tint((left, top), (side, side), FULL, shares);
    sheet.frame((left, top), (side, side), [110; 3], 1.0);
    for class in (0..count).filter(|_| legible) {
        let at = (class as f64 + 0.5) * cell;
        let line = top + at + 0.36 * TEXT;
        sheet.text((left - GAP / 2.0, line), TEXT, false, Anchor::End, &names[class]);
        sheet.text((left + at, top - 6.0), TEXT, false, Anchor::Middle, &class.to_string());
        let corner = (left + class as f64 * cell, top + class as f64 * cell);
        sheet.frame(corner, (cell, cell), MARK, 2.0);
        if let Some(accuracy) = scores.class(class).accuracy {
            let text = format!("{accuracy:.0} %");
            sheet.text((left + side + GAP, line), TEXT, true, Anchor::Start, &text);
        }
        for named in (0..count).filter(|_| cell >= ROOMY) {
            let (number, x) = (scores.count(class, named), left + (named as f64 + 0.5) * cell);
            match number {
                0 => {}
                _ if share(class, named) > MOSTLY => sheet.on_colour((x, line), &number.to_string(), ON_FULL),
                _ => sheet.text((x, line), TEXT, false, Anchor::Middle, &number.to_string()),
            }
        }
    }
    let at = (left, sheet.next());
    let bar = GrayImage::from_fn(256, 1, |x, _| Luma([x as u8]));
    sheet.tint(at, (160.0, 12.0), FULL, bar);
    sheet.frame(at, (160.0, 12.0), [110; 3], 1.0);
    let below = at.1 + 12.0 + TEXT + 2.0;
    sheet.text((at.0, below), TEXT, false, Anchor::Start, "0");
    sheet.text((at.0 + 160.0, below), TEXT, false, Anchor::End, "100 %");
    sheet.text(
        (at.0 + 160.0 + GAP, at.1 + 11.0),
        TEXT,
        false,
        Anchor::Start,
        "of the row's images",
    );
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sheet::Ground;

    /// On a page, light or dark, few of a row are in its ink on its ground; most of a row are black on the cell's own colour.
    #[test]
    fn numbers_are_read_on_light_and_on_dark_pages() {
        let named = [0, 0, 0, 0, 1, 1, 1, 1, 1, 0].map(Some);
        let scores = Scores::new(2, &[0, 0, 0, 0, 0, 1, 1, 1, 1, 1], &named).unwrap();
        let svg = sheet(&scores, &["a".to_string(), "b".to_string()], "title", "").svg(Ground::Page);
        let svg = svg.unwrap();
        let ink = |number: &str| {
            let cells = svg.lines().filter(|line| line.contains("text-anchor=\"middle\""));
            let found: Vec<&str> = cells
                .filter(|line| line.contains(&format!(">{number}</text>")))
                .collect();
            found.iter().filter(|line| line.contains("fill=\"#000000\"")).count()
        };
        assert_eq!((ink("4"), ink("1")), (2, 0), "{svg}");
        // What is not there is clear, not white.
        let (_, data) = svg.split_once("base64,").unwrap();
        let png = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            data.split('"').next().unwrap(),
        );
        let pixels = image::load_from_memory(&png.unwrap()).unwrap().into_rgba8();
        let alpha: Vec<u8> = pixels.pixels().map(|pixel| pixel.0[3]).collect();
        assert_eq!(alpha, [204, 51, 51, 204]);
        assert!(pixels.pixels().all(|pixel| pixel.0[..3] == FULL));
    }
}
