//! `ijepa visualize attention`: where the heads of a block look.

use super::Out;
use super::look::{Images, Look, MOST_IMAGES, Place};
use crate::cli::sheet::{Anchor, Cell, GAP, MARGIN, Sheet, TEXT, heat, mosaic, words};
use ijepa::eval::inspector::Inspector;
use ijepa::eval::maps;
use ijepa::{Error, Result};

/// Draw where the heads of one of the encoder's blocks look, from one patch or from all on average.
#[derive(clap::Args)]
#[command(
    after_help = "example: ijepa visualize attention --weights runs/first dog.jpg --query 7,7 \\
           --out attention.png"
)]
pub struct Args {
    #[command(flatten)]
    look: Look,
    /// Block of the encoder, counted from 0 [default: the last]
    #[arg(long, value_name = "N")]
    block: Option<usize>,
    /// Patch that looks, by row and column counted from 0 [default: the mean of all]
    #[arg(long, value_name = "ROW,COLUMN")]
    query: Option<Place>,
    #[command(flatten)]
    out: Out,
}

/// Pixels of a panel, and panels in a row at most.
const PANEL: f64 = 128.0;
const ACROSS: usize = 8;

pub fn run(args: Args) -> Result<()> {
    args.out.check()?;
    let seen = args.look.open(1..=MOST_IMAGES, false)?;
    let block = args.block.unwrap_or(seen.model.depth - 1);
    if block >= seen.model.depth {
        return Err(Error::usage(format!(
            "--block {block}: the encoder has {} blocks, counted from 0",
            seen.model.depth
        )));
    }
    if let Some(place) = args.query {
        (0..seen.images.count()).try_for_each(|image| place.patch(&seen, image).map(drop))?;
    }
    let mut inspector = seen.inspector(&args.look.gpu()?)?;
    let mut said = seen.said.clone();
    said.push(format!(
        "Block {block} of 0 to {}, {}. {EXPLAINED}",
        seen.model.depth - 1,
        match args.query {
            Some(Place { row, column }) => format!("from the patch in row {row}, column {column} (framed)"),
            None => "from all patches, averaged".to_string(),
        }
    ));
    let columns = (seen.model.num_heads + 2).min(ACROSS);
    let mut sheet = Sheet::titled("Attention, head by head", &said, columns as f64 * (PANEL + GAP));
    draw(&mut sheet, &mut inspector, &seen.images, (block, args.query))?;
    args.out.save(&sheet, "for each image where each head looks")
}

/// What the colours mean.
pub const EXPLAINED: &str = "Bright: looked at more; 1 would be all patches alike. The number below a head is how many patches \
                             its attention is spread over, as it were (exp of its entropy).";

/// A band of panels for each image: it, the mean of all heads, each head.
pub fn draw(
    sheet: &mut Sheet,
    inspector: &mut Inspector,
    images: &Images,
    (block, query): (usize, Option<Place>),
) -> Result<()> {
    let mut all = vec![];
    for image in 0..images.count() {
        let weights = pollster::block_on(inspector.attention(image, block))?;
        let grid = inspector.grid(image)?;
        let patch = query.map(|place| place.row * grid.columns + place.column);
        let mut heads = maps::heads(&weights, grid.patches(), patch);
        heads.insert(0, maps::mean(&heads));
        all.push((grid, heads));
    }
    // One scale for the whole sheet, in shares of an even spread; its end leaves out the brightest hundredth, which would make
    // all others dark.
    let mut values = vec![];
    for (grid, heads) in &all {
        let n = grid.patches() as f32;
        values.extend(heads.iter().flatten().map(|value| value * n));
    }
    values.sort_unstable_by(f32::total_cmp);
    let high = values[(values.len() - 1) * 99 / 100].max(1.5);
    for (image, (grid, heads)) in all.iter().enumerate() {
        let (n, cell) = (grid.patches(), Cell::fitted(images.image(image).size(), PANEL));
        let top = sheet.next() + TEXT + 6.0;
        let place = |panel: usize| {
            let (row, column) = (panel / ACROSS, panel % ACROSS);
            let y = top + row as f64 * (cell.height() + 2.0 * TEXT + 2.0 * GAP);
            (MARGIN + column as f64 * (PANEL + GAP), y)
        };
        sheet.picture(cell.corner(place(0)), cell.size, images.image(image));
        sheet.caption(place(0), PANEL, &words::ending(&images.names[image], PANEL, TEXT));
        if let Some(Place { row, column }) = query {
            let (at, size) = cell.patches(place(0), *grid, [row, column, 1, 1]);
            sheet.mark(at, size);
        }
        for (number, map) in heads.iter().enumerate() {
            let at = place(number + 1);
            let colours = heat(map, 0.0, high / n as f32);
            sheet.picture(cell.corner(at), cell.size, &mosaic(*grid, colours));
            let name = match number {
                0 => "all heads".to_string(),
                _ => format!("head {}", number - 1),
            };
            sheet.caption(at, PANEL, &name);
            let breadth = format!("{:.0} of {n}", maps::breadth(map));
            let middle = (at.0 + PANEL / 2.0, at.1 + cell.height() + TEXT + 1.0);
            sheet.text(middle, TEXT - 1.0, false, Anchor::Middle, &breadth);
        }
    }
    let at = (MARGIN, sheet.next());
    let most = format!("{high:.1}");
    sheet.colour_bar(
        at,
        2.0 * PANEL,
        ("0", &most),
        "times what every patch would get if all were alike",
    );
    Ok(())
}
