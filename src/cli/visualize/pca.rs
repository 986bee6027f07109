//! `ijepa visualize pca`: patch features as colours, the background taken away.

use super::Out;
use super::look::{Look, MOST_IMAGES, Seen};
use crate::cli::sheet::{Cell, GAP, MARGIN, Sheet, TEXT, heat, mosaic};
use ijepa::Result;
use ijepa::eval::foreground;
use ijepa::eval::samples::Features;
use ijepa::model::config::Grid;

/// Draw patch features as colours: the first component splits off the background, three of the rest are red, green and blue.
#[derive(clap::Args)]
#[command(
    after_help = "example: ijepa visualize pca --weights runs/first dog.jpg cat.jpg --size 128 \\
           --out pca.png"
)]
pub struct Args {
    #[command(flatten)]
    look: Look,
    /// Where the first component splits fore- from background, in deviations from its mean
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    threshold: f64,
    /// Colour the background, too
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    out: Out,
}

/// Pixels of a panel on the sheet.
const PANEL: f64 = 168.0;
/// What has no colour.
const NOTHING: [u8; 3] = [235, 235, 235];

pub fn run(args: Args) -> Result<()> {
    args.out.check()?;
    let seen = args.look.open(1..=MOST_IMAGES, false)?;
    let inspector = seen.inspector(&args.look.gpu()?)?;
    let threshold = if args.whole { f64::NEG_INFINITY } else { args.threshold };
    let sheet = sheet(&seen, inspector.tokens()?, threshold)?;
    let what = match args.whole {
        true => "images, the first component, and all patches' colours",
        false => "images, the component that splits off the background, and the foreground's colours",
    };
    args.out.save(&sheet, what)
}

fn sheet(seen: &Seen, tokens: &Features, threshold: f64) -> Result<Sheet> {
    let grids: Vec<Grid> = (0..seen.images.count()).map(|image| seen.grid(image)).collect();
    let split = foreground::split(tokens, &grids, threshold);
    let (colours, whole) = foreground::colours(tokens, &split)?;
    let share = 100.0 * split.count() as f64 / split.inside.len() as f64;
    let mut said = seen.said.clone();
    said.push(match (whole, threshold == f64::NEG_INFINITY) {
        (_, true) => "Three principal components of all patches of all images as red, green and blue.".to_string(),
        (true, _) => "The first component leaves too little foreground: three components of all patches as red, green and blue."
            .to_string(),
        _ => format!(
            "First: the first principal component of all patches of all images, in deviations. Foreground: patches above \
             {threshold} ({share:.0} %), that is, not on the side of the images' borders; three components of their own as \
             red, green and blue, each between its {:.0} % and {:.0} % quantiles. Grey: background.",
            100.0 * foreground::BEYOND,
            100.0 * (1.0 - foreground::BEYOND)
        ),
    });
    let across = if seen.images.count() == 1 { 1 } else { 2 };
    let width = across as f64 * 3.0 * (PANEL + GAP) + (across - 1) as f64 * GAP;
    let mut sheet = Sheet::titled("Principal components of patch features", &said, width);
    let (mut y, mut tallest, mut start) = (sheet.next() + TEXT + 4.0, 0.0, 0);
    for (index, &grid) in grids.iter().enumerate() {
        let (row, column) = (index / across, index % across);
        if column == 0 && row > 0 {
            y += tallest + TEXT + GAP + 8.0;
            tallest = 0.0;
        }
        let left = MARGIN + column as f64 * (3.0 * (PANEL + GAP) + 2.0 * GAP);
        let place = |panel: usize| (left + panel as f64 * (PANEL + GAP), y);
        let image = seen.images.image(index);
        let cell = Cell::fitted(image.size(), PANEL);
        tallest = cell.height().max(tallest);
        let patches = start..start + grid.patches();
        start = patches.end;
        sheet.picture(cell.corner(place(0)), cell.size, image);
        let first: Vec<f32> = split.first[patches.clone()].iter().map(|&value| value as f32).collect();
        let map = mosaic(grid, heat(&first, -2.0, 2.0));
        sheet.picture(cell.corner(place(1)), cell.size, &map);
        let shown: Vec<u8> = colours[patches]
            .iter()
            .flat_map(|colour| colour.unwrap_or(NOTHING))
            .collect();
        sheet.picture(cell.corner(place(2)), cell.size, &mosaic(grid, shown));
        let names = [
            "",
            "first component",
            if whole || threshold == f64::NEG_INFINITY {
                "all as colours"
            } else {
                "foreground as colours"
            },
        ];
        if row == 0 {
            names
                .iter()
                .enumerate()
                .for_each(|(panel, name)| sheet.caption(place(panel), PANEL, name));
        }
        let name = crate::cli::sheet::words::ending(&seen.images.names[index], PANEL, TEXT);
        sheet.label((left, y + cell.height() + TEXT + 2.0), PANEL + GAP, &name);
    }
    let at = (MARGIN, sheet.next());
    sheet.colour_bar(
        at,
        PANEL,
        ("-2", "2"),
        "first component, in deviations from the mean of all patches",
    );
    Ok(sheet)
}
