//! `ijepa visualize predict`: what the predictor expects where an image is hidden.

use super::Out;
use super::look::{self, Look, MOST_IMAGES};
use crate::cli::say;
use crate::cli::sheet::{Cell, GAP, MARGIN, MARK, Sheet, TEXT, heat, mosaic, words};
use ijepa::data::Split;
use ijepa::data::image::Image;
use ijepa::eval::inspector::{Guess, Inspector, Nearest};
use ijepa::model::config::Grid;
use ijepa::{Error, Result};

/// Hide a block of each image, and draw what the predictor expects there: the patches of other images that are nearest to it.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa visualize predict --weights runs/first dog.jpg \\
           --nearest photos.tar --out expected.png")]
pub struct Args {
    #[command(flatten)]
    look: Look,
    /// Images whose patches stand for what is expected [default: the run's own data]
    #[arg(long, value_name = "PATH")]
    nearest: Option<String>,
    /// How many of them
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    nearest_count: u32,
    /// Patches that are hidden: row and column of the first, counted from 0, height, width [default: in the middle]
    #[arg(long, value_name = "ROW,COLUMN,HEIGHT,WIDTH")]
    block: Option<Block>,
    #[command(flatten)]
    out: Out,
}

/// A block of patches.
#[derive(Clone, Copy, Debug)]
struct Block {
    row: usize,
    column: usize,
    height: usize,
    width: usize,
}

impl std::str::FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Block, String> {
        let numbers: Option<Vec<usize>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[row, column, height, width]) if height.checked_mul(width).is_some_and(|area| area > 0) => {
                Ok(Block {
                    row,
                    column,
                    height,
                    width,
                })
            }
            _ => Err("row, column, height and width of a block of patches are wanted, such as 4,4,6,5".to_string()),
        }
    }
}

impl Block {
    /// Two fifths of the rows and of the columns, in the middle.
    fn middle(grid: Grid) -> Block {
        let [height, width] = [grid.rows, grid.columns].map(|count| (2 * count / 5).max(1));
        Block {
            row: (grid.rows - height) / 2,
            column: (grid.columns - width) / 2,
            height,
            width,
        }
    }

    /// Its patches in a grid, that of image `name`.
    fn patches(self, grid: Grid, name: &str) -> Result<Vec<u32>> {
        let inside =
            |start: usize, length: usize, count: usize| start.checked_add(length).is_some_and(|end| end <= count);
        let all = self.height == grid.rows && self.width == grid.columns;
        if !inside(self.row, self.height, grid.rows) || !inside(self.column, self.width, grid.columns) || all {
            return Err(Error::usage(format!(
                "--block: a part of the {} rows and {} columns of patches of {name} is wanted, and {} rows from {} and {} \
                 columns from {} are none",
                grid.rows, grid.columns, self.height, self.row, self.width, self.column
            )));
        }
        let rows = self.row..self.row + self.height;
        let columns = self.column..self.column + self.width;
        Ok(rows
            .flat_map(|row| columns.clone().map(move |column| (row * grid.columns + column) as u32))
            .collect())
    }
}

const PANEL: f64 = 168.0;
/// What is not shown to the network.
const HIDDEN: [u8; 3] = [215, 215, 215];

pub fn run(args: Args) -> Result<()> {
    args.out.check()?;
    let mut seen = args.look.open(1..=MOST_IMAGES, true)?;
    seen.images = seen.images.distinct();
    let shown = seen.images.count();
    let mut blocks = vec![];
    for image in 0..shown {
        let grid = seen.grid(image);
        if grid.patches() < 2 {
            return Err(Error::usage(format!(
                "images of {} pixels have one patch only, and nothing is left to be seen where it is hidden: take a larger \
                 --size",
                seen.images.image(image).size()
            )));
        }
        let block = args.block.unwrap_or_else(|| Block::middle(grid));
        blocks.push((block, block.patches(grid, &seen.images.names[image])?));
    }
    let source = match (&args.nearest, seen.config.data_path()) {
        (Some(path), _) => path.clone(),
        (None, Ok(path)) => path,
        (None, Err(_)) => {
            return Err(Error::usage(
                "the weights do not say what they were trained on: name images by --nearest PATH",
            ));
        }
    };
    let count = args.nearest_count as usize;
    let bank = look::of_source(&source, &seen.config, Split::Train, count, seen.cut)?;
    // An image that is among those looked at would be the nearest to itself.
    seen.images.extend(bank);
    seen.images = seen.images.distinct();
    if seen.images.count() == 1 {
        return Err(Error::usage(format!(
            "{source} holds no image but the one that is looked at: name others by --nearest PATH"
        )));
    }
    say(&format!(
        "looking for nearest patches among {} images",
        seen.images.count()
    ));
    let mut inspector = seen.inspector(&args.look.gpu()?)?;
    let mut said = seen.said.clone();
    said.push(format!(
        "The predictor sees all but the block, and guesses features there. Shown are the patches of {} other images ({source}) \
         whose features are nearest to the guess, and to what the target encoder makes of the hidden patches themselves.",
        seen.images.count() - 1
    ));
    let mut sheet = Sheet::titled("What the predictor expects", &said, 5.0 * (PANEL + GAP));
    let names = [
        "image",
        "shown to the network",
        "expected there",
        "nearest to the truth",
        "agreement",
    ];
    let (mut mean, mut blind) = (vec![], vec![]);
    for (image, (block, hidden)) in blocks.into_iter().enumerate() {
        let guesses = pollster::block_on(inspector.predict(image, &hidden, 1))?;
        let (grid, pixels) = (seen.grid(image), seen.images.image(image));
        let cell = Cell::fitted(pixels.size(), PANEL);
        let top = sheet.next() + if image == 0 { TEXT + 4.0 } else { 0.0 };
        let place = |panel: usize| (MARGIN + panel as f64 * (PANEL + GAP), top);
        let filled = |of: &dyn Fn(&Guess) -> Option<Nearest>| filled(&inspector, image, &guesses, of);
        let pictures = [
            pixels.clone(),
            filled(&|_| None)?,
            filled(&|guess| guess.predicted.first().copied())?,
            filled(&|guess| guess.target.first().copied())?,
        ];
        let [row, column, height, width] = [block.row, block.column, block.height, block.width];
        for (panel, picture) in pictures.iter().enumerate() {
            sheet.picture(cell.corner(place(panel)), cell.size, picture);
            let (at, size) = cell.patches(place(panel), grid, [row, column, height, width]);
            sheet.frame(at, size, MARK, 1.5);
        }
        let mut agreement = vec![f32::NAN; grid.patches()];
        for guess in &guesses {
            agreement[guess.patch as usize] = guess.agreement;
        }
        let map: Vec<u8> = agreement
            .iter()
            .flat_map(|value| match value.is_finite() {
                true => heat(&[*value], -1.0, 1.0),
                false => HIDDEN.to_vec(),
            })
            .collect();
        sheet.picture(cell.corner(place(4)), cell.size, &mosaic(grid, map));
        if image == 0 {
            names
                .iter()
                .enumerate()
                .for_each(|(panel, name)| sheet.caption(place(panel), PANEL, name));
        }
        let average = guesses.iter().map(|guess| f64::from(guess.agreement)).sum::<f64>() / guesses.len() as f64;
        mean.push(average);
        let constant = f64::from(inspector.blind(image, &hidden)?);
        blind.push(constant);
        let name = words::ending(&seen.images.names[image], 3.0 * PANEL, TEXT);
        let under = top + cell.height() + TEXT + 2.0;
        sheet.label((MARGIN, under), 4.0 * PANEL, &name);
        sheet.label(
            (place(4).0, under),
            1.3 * PANEL,
            &format!("mean {average:.2} (blind {constant:.2})"),
        );
    }
    let at = (MARGIN, sheet.next());
    let what = "agreement: cosine of guess and target features, each less its mean over the channels";
    sheet.colour_bar(at, PANEL, ("-1", "1"), what);
    let under = (MARGIN, sheet.next() + TEXT);
    let what = "blind: that of the mean feature of the other images' patches, a guess that sees nothing of the image";
    sheet.label(under, 5.0 * PANEL, what);
    let [average, blind] = [mean, blind].map(|all| all.iter().sum::<f64>() / all.len() as f64);
    args.out.save(
        &sheet,
        &format!(
            "what is expected of hidden blocks; agreement with the target {average:.2} on average (a blind guess {blind:.2})"
        ),
    )
}

/// The image with each hidden patch replaced by a patch of the set, or by grey.
fn filled(
    inspector: &Inspector,
    image: usize,
    guesses: &[Guess],
    of: &dyn Fn(&Guess) -> Option<Nearest>,
) -> Result<Image> {
    let (images, patch) = (inspector.images(), inspector.config().patch);
    let corner = |grid: Grid, number: usize| (number / grid.columns * patch, number % grid.columns * patch);
    let grid = inspector.grid(image)?;
    let mut out = images[image].clone();
    for guess in guesses {
        let (top, left) = corner(grid, guess.patch as usize);
        let source = match of(guess) {
            Some(Nearest { image, patch, .. }) => Some((&images[image], corner(inspector.grid(image)?, patch))),
            None => None,
        };
        for (y, x) in (0..patch * patch).map(|at| (at / patch, at % patch)) {
            let place = ((top + y) * out.width + left + x) * 3;
            let colour = match source {
                Some((other, (row, column))) => {
                    let at = ((row + y) * other.width + column + x) * 3;
                    [other.pixels[at], other.pixels[at + 1], other.pixels[at + 2]]
                }
                None => HIDDEN,
            };
            out.pixels[place..place + 3].copy_from_slice(&colour);
        }
    }
    Ok(out)
}
