//! `ijepa visualize similarity`: what is like one patch.

use super::Out;
use super::look::{Look, MOST_IMAGES, Place};
use crate::cli::sheet::{Cell, GAP, MARGIN, Sheet, TEXT, heat, mosaic, words};
use ijepa::{Error, Result};

/// Draw how like one patch of the first image every patch of all images is, as the loss sees it.
#[derive(clap::Args)]
#[command(
    after_help = "example: ijepa visualize similarity --weights runs/first dog.jpg dogs.tar \\
           --patch 7,7 --out like.png"
)]
pub struct Args {
    #[command(flatten)]
    look: Look,
    /// The patch, by row and column counted from 0 [default: in the middle]
    #[arg(long, value_name = "ROW,COLUMN")]
    patch: Option<Place>,
    /// Image that the patch is of, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    image: usize,
    #[command(flatten)]
    out: Out,
}

const PANEL: f64 = 168.0;
const ACROSS: usize = 3;

pub fn run(args: Args) -> Result<()> {
    args.out.check()?;
    let seen = args.look.open(1..=MOST_IMAGES, false)?;
    let count = seen.images.count();
    if args.image >= count {
        return Err(Error::usage(format!(
            "--image {}: there are {count} images, counted from 0",
            args.image
        )));
    }
    let grid = seen.grid(args.image);
    let middle = Place {
        row: grid.rows / 2,
        column: grid.columns / 2,
    };
    let place = args.patch.unwrap_or(middle);
    let patch = place.patch(&seen, args.image)?;
    let mut inspector = seen.inspector(&args.look.gpu()?)?;
    let cosines = pollster::block_on(inspector.similarity(args.image, patch))?;
    let low = cosines.iter().copied().fold(1.0, f32::min);
    let mut said = seen.said.clone();
    said.push(format!(
        "Cosine between the features of the framed patch (row {}, column {}) and of each patch, each normalised as in the loss.",
        place.row, place.column
    ));
    let columns = count.min(ACROSS) as f64;
    let mut sheet = Sheet::titled(
        "Likeness to one patch",
        &said,
        (columns * 2.0 * (PANEL + GAP)).max(520.0),
    );
    let (mut y, mut tallest, mut start) = (sheet.next(), 0.0, 0);
    for index in 0..count {
        let (row, column) = (index / ACROSS, index % ACROSS);
        if column == 0 && row > 0 {
            y += tallest + TEXT + GAP + 8.0;
            tallest = 0.0;
        }
        let left = MARGIN + column as f64 * (2.0 * (PANEL + GAP) + GAP);
        let (image, grid) = (seen.images.image(index), seen.grid(index));
        let cell = Cell::fitted(image.size(), PANEL);
        tallest = cell.height().max(tallest);
        let values = &cosines[start..start + grid.patches()];
        start += grid.patches();
        let both = [(left, y), (left + PANEL + GAP, y)];
        sheet.picture(cell.corner(both[0]), cell.size, image);
        let map = mosaic(grid, heat(values, low, 1.0));
        sheet.picture(cell.corner(both[1]), cell.size, &map);
        if index == args.image {
            for corner in both {
                let (at, size) = cell.patches(corner, grid, [place.row, place.column, 1, 1]);
                sheet.mark(at, size);
            }
        }
        let name = words::ending(&seen.images.names[index], 2.0 * PANEL, TEXT);
        sheet.label((left, y + cell.height() + TEXT + 2.0), 2.0 * PANEL, &name);
    }
    let at = (MARGIN, sheet.next());
    sheet.colour_bar(at, PANEL, (&format!("{low:.2}"), "1"), "cosine");
    args.out.save(
        &sheet,
        "images, and beside each how like the framed patch its patches are",
    )
}
