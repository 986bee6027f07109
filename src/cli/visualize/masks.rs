//! `ijepa visualize masks`: the masks of a batch, over its images.

use super::Out;
use super::look::{Images, Look, MOST_IMAGES};
use crate::cli::picture;
use crate::cli::sheet::{GAP, MARGIN, Sheet, TEXT, words};
use ijepa::data::image::Image;
use ijepa::data::masks::{self, Masks};
use ijepa::train::config::Config;
use ijepa::{Error, Result};

/// Draw the masks of a training batch over images: the context that is seen, and the blocks that are guessed.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa visualize masks --weights runs/first --number 100 --out masks.png")]
pub struct Args {
    #[command(flatten)]
    look: Look,
    /// Batch whose masks are drawn, counted from 0 since the start of training
    #[arg(long, value_name = "N", default_value_t = 0)]
    number: u64,
    #[command(flatten)]
    out: Out,
}

const PANEL: f64 = 128.0;
/// Patches of a batch whose masks are held in memory, each several times.
const MOST_PATCHES: usize = 1 << 26;

pub fn run(args: Args) -> Result<()> {
    args.out.check()?;
    args.look
        .require_square("masks are drawn for squares alone, as training does")?;
    let seen = args.look.open(1..=MOST_IMAGES, false)?;
    let mut config = seen.config.clone();
    config.data.crop_size = seen.images.image(0).width;
    let sampler = config.masks();
    let drawn = of_batch(&config, args.number)?;
    let mut said = vec![format!(
        "Images of {0} pixels, {1} patches; masks as batch {2} draws them for the first of its {7} images, seed {3}. The context encoder sees {4} patches of each image, and the predictor guesses {5} blocks of {6}.",
        seen.images.image(0).size(),
        seen.grid(0),
        args.number,
        config.meta.seed,
        drawn.k_context,
        drawn.num_pred,
        drawn.k_target,
        drawn.batch
    )];
    if config.data.crop_size != seen.config.data.crop_size {
        said.push(format!(
            "The run itself has images of {0} x {0} pixels.",
            seen.config.data.crop_size
        ));
    }
    let panels = (1 + drawn.num_enc + drawn.num_pred) as f64;
    let mut sheet = Sheet::titled("Masks", &said, panels * (PANEL + GAP));
    draw(&mut sheet, &seen.images, sampler.grid, &drawn);
    args.out.save(&sheet, "images, their contexts and their target blocks")
}

/// The masks of a whole batch of the run: all are cut to the shortest among them.
pub fn of_batch(config: &Config, number: u64) -> Result<Masks> {
    let (sampler, batch) = (config.masks(), config.data.batch_size.max(1));
    sampler.validate()?;
    if batch.saturating_mul(sampler.grid * sampler.grid) > MOST_PATCHES {
        return Err(Error::usage(format!(
            "masks of {batch} images (data.batch_size) with {0} x {0} patches are too many to draw: take a smaller --size",
            sampler.grid
        )));
    }
    Ok(masks::sample(&sampler, config.meta.seed, number, batch))
}

/// A row for each image: it, its contexts, its targets.
pub fn draw(sheet: &mut Sheet, images: &Images, grid: usize, drawn: &Masks) {
    for image in 0..images.count().min(drawn.batch) {
        let first = image == 0;
        let top = sheet.next() + if first { TEXT + 4.0 } else { 0.0 };
        let place = |panel: usize| (MARGIN + panel as f64 * (PANEL + GAP), top);
        for (panel, kept) in picture::kept(grid, drawn, image).iter().enumerate() {
            let picture = Image {
                pixels: picture::veiled(&images.image(image).pixels, grid, kept),
                ..*images.image(image)
            };
            sheet.picture(place(panel), (PANEL, PANEL), &picture);
            if first {
                let name = match panel {
                    0 => "image".to_string(),
                    _ if panel <= drawn.num_enc => "context".to_string(),
                    _ => format!("target {}", panel - drawn.num_enc),
                };
                sheet.caption(place(panel), PANEL, &name);
            }
        }
        let name = words::ending(&images.names[image], 4.0 * PANEL, TEXT);
        sheet.label((MARGIN, top + PANEL + TEXT + 2.0), 5.0 * PANEL, &name);
    }
}
