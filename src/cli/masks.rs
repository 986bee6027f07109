//! `ijepa masks`: the masks of one image as index lists and as a picture.

use super::picture;
use super::settings::Settings;
use ijepa::data::image::{Image, Size};
use ijepa::data::masks::{self, Masks};
use ijepa::data::{Split, decode, glyphs};
use ijepa::model::shapes::size;
use ijepa::train::config::Config;
use ijepa::{Error, Result, ordinary};
use std::path::{Path, PathBuf};

/// Print the context and target masks of an image as lists of patches, and draw them over it.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa masks --preset base --patch 14 --out masks.png")]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Image to draw over [default: one of the generated set]
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Picture to write, a PNG
    #[arg(long, value_name = "FILE.png", default_value = "masks.png")]
    out: PathBuf,
    /// Batch whose masks are drawn, counted from 0 since the start of training
    #[arg(long, value_name = "N", default_value_t = 0)]
    number: u64,
    /// Image of that batch, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    index: usize,
}

/// Patches of a batch whose masks are held in memory, each several times.
const MOST_PATCHES: usize = 1 << 26;

pub fn run(args: Args) -> Result<()> {
    let config = args.settings.config("base")?;
    config.validate()?;
    if args.index >= config.data.batch_size {
        let (index, batch) = (args.index, config.data.batch_size);
        return Err(Error::usage(format!(
            "--index {index}: a batch has {batch} images, counted from 0"
        )));
    }
    if !args.out.extension().is_some_and(|end| end.eq_ignore_ascii_case("png")) {
        return Err(Error::usage(format!(
            "--out {}: the picture is a PNG: end its name with .png",
            args.out.display()
        )));
    }
    let grid = config.masks().grid;
    if config.data.batch_size.saturating_mul(grid * grid) > MOST_PATCHES {
        return Err(Error::usage(format!(
            "masks of {} images with {grid} x {grid} patches are too many to list: use a smaller --batch",
            config.data.batch_size
        )));
    }
    let pixels = pixels(&config, args.image.as_deref())?;
    let drawn = masks::sample(&config.masks(), config.meta.seed, args.number, config.data.batch_size);
    let picture = picture::masks(&pixels, config.masks().grid, &drawn, args.index);
    super::print(&lists(&drawn, config.data.crop_size, args.index))?;
    picture::save(&picture, &args.out)?;
    super::print(&format!(
        "wrote {}: the image, its context and its targets\n",
        args.out.display()
    ))
}

/// More bytes than an image within the default limit of pixels has.
const MOST_BYTES: u64 = 1 << 30;

/// The image as the network sees it in evaluation, in the size of a panel, `[side, side, 3]`.
fn pixels(config: &Config, file: Option<&Path>) -> Result<Vec<u8>> {
    let side = Size::square(picture::side(config.masks().grid));
    let Some(path) = file else {
        let (width, height) = (glyphs::SIDE, glyphs::SIDE);
        let pixels = glyphs::image(config.meta.seed, Split::Train, 0);
        return Ok(Image { width, height, pixels }.center_resized(side, side).pixels);
    };
    let refuse = |why: String| Error::usage(format!("--image {}: {why}", path.display()));
    let bytes = ordinary::read(path, MOST_BYTES).map_err(|e| refuse(format!("cannot be read: {e}")))?;
    let image = decode::decode(&bytes, config.data.max_pixels).map_err(refuse)?;
    Ok(config.eval_transform().apply(&image, side))
}

/// The lists in the form in which the instrumented reference prints them.
fn lists(masks: &Masks, crop: usize, index: usize) -> String {
    let mut out = format!("imgs.shape {}\n", size(&[masks.batch, 3, crop, crop]));
    for (name, all, count, kept) in [
        ("masks_enc", &masks.context, masks.num_enc, masks.k_context),
        ("masks_pred", &masks.targets, masks.num_pred, masks.k_target),
    ] {
        out += &format!(
            "{name}[0].shape {}\n{name} length {count}\n",
            size(&[masks.batch, kept])
        );
        for mask in 0..count {
            let start = (mask * masks.batch + index) * kept;
            out += &format!("CurrentMask[{index}][:] {}\n", tensor(&all[start..start + kept]));
        }
    }
    out
}

/// Whole numbers as PyTorch prints a vector: right-aligned, lines of at most 80 columns.
fn tensor(values: &[u32]) -> String {
    const COLUMNS: usize = 80;
    const OPEN: &str = "tensor([";
    let width = values.iter().map(|v| v.to_string().len()).max().unwrap_or(1);
    let in_a_line = ((COLUMNS + 1 - OPEN.len()) / (width + 2)).max(1);
    let line = |chunk: &[u32]| {
        chunk
            .iter()
            .map(|v| format!("{v:width$}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let lines: Vec<String> = values.chunks(in_a_line).map(line).collect();
    format!("{OPEN}{}])", lines.join(&format!(",\n{}", " ".repeat(OPEN.len()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The context mask and the first target mask of the seed's printout: 18 and 14 numbers a line.
    #[test]
    fn vectors_are_wrapped_as_pytorch_wraps_them() {
        let context: Vec<u32> = (0..=91).filter(|i| i % 16 != 15).collect();
        let text = "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 16, 17, 18,\n        19, 20, ";
        assert!(tensor(&context).starts_with(text), "{}", tensor(&context));
        assert!(tensor(&context).ends_with(" 91])"));
        let target: Vec<u32> = (151..222).filter(|i| (7..14).contains(&(i % 16))).collect();
        let text = "tensor([151, 152, 153, 154, 155, 156, 157, 167, 168, 169, 170, 171, 172, 173,\n        183, 184, ";
        assert!(tensor(&target).starts_with(text), "{}", tensor(&target));
        assert_eq!(tensor(&[7]), "tensor([7])");
    }
}
