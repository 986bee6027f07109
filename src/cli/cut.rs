//! `--size`: what images are scaled and cut to, before a network gets them.

use ijepa::data::image::{Image, Size};
use ijepa::data::transform::EvalTransform;
use ijepa::model::config::{Grid, ModelConfig};
use ijepa::model::positions::{self, Origin};
use ijepa::{Error, Result};
use std::str::FromStr;

/// Patches of one image that attention between all pairs is still computed for.
pub const MOST_PATCHES: usize = 1 << 14;
/// Pixels of a side that can be asked for.
const MOST_SIDE: usize = 4096;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// All images become as large as this.
    Cut(Size),
    /// Each keeps its shape; the short side gets so many pixels, or those of the trained side.
    Uncut(Option<usize>),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Wanted, String> {
        let side = |text: &str| text.parse().ok().filter(|side| (1..=MOST_SIDE).contains(side));
        let wanted = match (text.split_once(['x', 'X']), text.split_once(':')) {
            (Some((width, height)), _) => side(width)
                .zip(side(height))
                .map(|(width, height)| Wanted::Cut(Size { height, width })),
            (None, Some(("uncut", short))) => side(short).map(|short| Wanted::Uncut(Some(short))),
            (None, None) if text == "uncut" => Some(Wanted::Uncut(None)),
            _ => side(text).map(|side| Wanted::Cut(Size::square(side))),
        };
        wanted.ok_or_else(|| {
            format!(
                "a side such as 448, width x height such as 320x480, or uncut or uncut:448 is wanted, each side of 1 to \
                 {MOST_SIDE} pixels"
            )
        })
    }
}

/// How images are made for networks with these patches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    how: How,
    patch: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    To(Size, EvalTransform),
    /// All of it, or nearly: less than half a patch is left out at the edges. Pixels of the short side.
    Uncut(usize),
}

impl Cut {
    /// As for evaluation, to the size that a model has.
    pub fn of(model: &ModelConfig, transform: EvalTransform) -> Cut {
        Cut {
            how: How::To(model.image, transform),
            patch: model.patch,
        }
    }

    /// What is asked for, or the trained size.
    ///
    /// Errors: usage, where sizes are no whole number of patches, or of too many.
    pub fn new(wanted: Option<Wanted>, trained: &ModelConfig, transform: EvalTransform) -> Result<Cut> {
        let (how, least) = match wanted {
            None => (How::To(trained.image, transform), trained.image),
            Some(Wanted::Cut(size)) => (How::To(size, transform), size),
            Some(Wanted::Uncut(short)) => {
                let short = short.map_or_else(|| trained.side(), Ok)?;
                (How::Uncut(short), Size::square(short))
            }
        };
        let patches = positions::at_size(trained, least)?.num_patches();
        if patches > MOST_PATCHES {
            return Err(Error::usage(format!(
                "images of {least} pixels have {patches} patches, and {MOST_PATCHES} is the most: take a smaller --size"
            )));
        }
        Ok(Cut {
            how,
            patch: trained.patch,
        })
    }

    /// The image as a network gets it.
    ///
    /// Errors, to be read on after the image's name: where it has too many patches, uncut.
    pub fn apply(&self, image: &Image) -> Result<Image, String> {
        let (size, transform) = match self.how {
            How::To(size, transform) => (size, transform),
            How::Uncut(short) => (self.whole(image.size(), short)?, EvalTransform::Exact),
        };
        Ok(Image {
            width: size.width,
            height: size.height,
            pixels: transform.apply(image, size),
        })
    }

    /// The short side with so many pixels, and the long one as the image has it, to the nearest whole patch.
    fn whole(&self, image: Size, short: usize) -> Result<Size, String> {
        let (least, most) = (image.width.min(image.height), image.width.max(image.height));
        let patches = (short as f64 * most as f64 / least as f64 / self.patch as f64).round() as usize;
        let all = patches.saturating_mul(short / self.patch);
        if all > MOST_PATCHES {
            return Err(format!(
                "uncut it has {all} patches, and {MOST_PATCHES} is the most: leave it out, or give its short side fewer pixels \
                 by --size uncut:PIXELS"
            ));
        }
        let long = patches * self.patch;
        Ok(match image.width < image.height {
            true => Size {
                height: long,
                width: short,
            },
            false => Size {
                height: short,
                width: long,
            },
        })
    }

    /// Patches of an image that was cut so.
    pub fn grid(&self, image: &Image) -> Grid {
        grid(image.size(), self.patch)
    }

    /// In words, what became of images: their sizes.
    pub fn said(&self, images: &[Size]) -> String {
        let mut sizes = images.to_vec();
        sizes.sort_unstable_by_key(|size| (size.values(), size.width));
        sizes.dedup();
        let uncut = matches!(self.how, How::Uncut(_));
        let patch = self.patch;
        match (&sizes[..], self.how) {
            (&[smallest, .., largest], How::Uncut(short)) => format!(
                "uncut images with a short side of {short} pixels: {} sizes from {smallest} to {largest} (width x height), in \
                 patches of {patch}",
                sizes.len()
            ),
            _ => {
                let size = sizes.first().copied().unwrap_or(Size::square(0));
                let order = match size.width == size.height {
                    true => "",
                    false => " (width x height)",
                };
                let grid = grid(size, self.patch);
                let uncut = if uncut { ", uncut" } else { "" };
                format!("images of {size} pixels{order}{uncut}, {grid} patches of {patch}")
            }
        }
    }
}

fn grid(image: Size, patch: usize) -> Grid {
    Grid {
        rows: image.height / patch,
        columns: image.width / patch,
    }
}

/// In words, how the positions of images came about; `None` where all have the trained size.
pub fn positions_said(trained: &ModelConfig, images: &[Size], origin: Origin) -> Option<String> {
    let other = *images.iter().find(|image| **image != trained.image)?;
    let which = match images.iter().all(|image| *image == other) {
        true => format!("the {} grid", grid(other, trained.patch)),
        false => "the grid of each image".to_string(),
    };
    let how = match origin {
        Origin::Interpolated => "positions, which were learned, are interpolated for",
        Origin::Computed | Origin::Trained => "sine-cosine positions are computed for",
    };
    Some(format!(
        "Trained with {} pixels ({} patches): {how} {which}, laid over the trained one.",
        trained.image,
        trained.grid()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelConfig {
        ModelConfig {
            image: Size::square(16),
            patch: 4,
            embed_dim: 8,
            depth: 1,
            num_heads: 1,
            mlp_ratio: 1.0,
            pred_emb_dim: 4,
            pred_depth: 1,
        }
    }

    fn image(width: usize, height: usize) -> Image {
        let pixels = vec![7; 3 * width * height];
        Image { width, height, pixels }
    }

    #[test]
    fn sizes_are_read_width_first() {
        let size = |width, height| Ok(Wanted::Cut(Size { height, width }));
        assert_eq!("448".parse(), size(448, 448));
        assert_eq!("320x480".parse(), size(320, 480));
        assert_eq!("4096X1".parse(), size(4096, 1));
        assert_eq!("uncut".parse(), Ok(Wanted::Uncut(None)));
        assert_eq!("uncut:64".parse(), Ok(Wanted::Uncut(Some(64))));
        let none = [
            "",
            "x",
            "12x",
            "x12",
            "0",
            "0x8",
            "8x0",
            "-8",
            "8x-8",
            "4097",
            "8x4097",
            "99999999999999999999999",
            "8x8x8",
            "8,8",
            "8.5",
            " 8",
            "uncut:",
            "uncut:0",
            "uncut:8x8",
            "UNCUT",
            "cut",
            "448px",
            "½",
        ];
        for text in none {
            let error = text.parse::<Wanted>().unwrap_err();
            assert!(
                error.starts_with("a side such as 448, width x height such as 320x480"),
                "{text}"
            );
        }
    }

    #[test]
    fn uncut_images_keep_their_shape_to_the_nearest_patch() {
        let cut = Cut::new(Some(Wanted::Uncut(None)), &model(), EvalTransform::Margin).unwrap();
        for ((width, height), want) in [
            ((100, 100), (16, 16)),
            ((300, 200), (24, 16)),
            ((200, 300), (16, 24)),
            ((111, 100), (16, 16)), // 17.8 pixels: four patches are nearer than five
            ((113, 100), (20, 16)), // 18.1
            ((1, 9), (16, 144)),
            ((3, 1), (48, 16)),
        ] {
            let made = cut.apply(&image(width, height)).unwrap();
            assert_eq!((made.width, made.height), want, "{width} x {height}");
            assert!(made.pixels.len() == made.size().values() && made.pixels.iter().all(|&value| value == 7));
        }
        let strip = cut.apply(&image(1, 50_000)).unwrap_err();
        assert!(
            strip.starts_with("uncut it has 800000 patches") && strip.contains("--size uncut:"),
            "{strip}"
        );
        let longer = Cut::new(Some(Wanted::Uncut(Some(32))), &model(), EvalTransform::Margin).unwrap();
        assert_eq!(
            longer.apply(&image(2, 3)).unwrap().size(),
            Size { height: 48, width: 32 }
        );
    }

    #[test]
    fn sizes_that_patches_do_not_fill_or_that_have_too_many_are_refused() {
        let cut = |wanted| Cut::new(Some(wanted), &model(), EvalTransform::Exact);
        for (wanted, part) in [
            (
                Wanted::Cut(Size { height: 16, width: 18 }),
                "images of 18 x 16 pixels are no whole number of patches of 4",
            ),
            (
                Wanted::Uncut(Some(18)),
                "images of 18 x 18 pixels are no whole number of patches of 4",
            ),
            (
                Wanted::Cut(Size {
                    height: 512,
                    width: 516,
                }),
                "16512 patches, and 16384 is the most",
            ),
        ] {
            let error = cut(wanted).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(part), "{error}");
        }
        assert!(cut(Wanted::Cut(Size::square(512))).is_ok());
    }
}
