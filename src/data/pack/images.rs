//! What a packed set is made from, and of each image what it keeps.

use std::sync::atomic::{AtomicBool, Ordering};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::Form;
use crate::data::bad::BadFiles;
use crate::data::entry::shown;
use crate::data::files::Files;
use crate::data::image::Image;
use crate::data::open;
use crate::data::source::GLYPHS;
use crate::error::{Error, Result};
use crate::parallel;

/// What is made of an image's size. None is ever enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Full,
    /// Shorter side at most this many pixels.
    Short(u32),
    /// Both sides at most this many pixels.
    Within(u32),
}

/// How images are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As pixels: nothing is left to decode.
    Pixels,
    /// With this quality, 1 to 100.
    Jpeg(u8),
    /// Without loss, in fewer bytes than pixels.
    Png,
}

/// An image as a packed set keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    pub(super) form: Form,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bytes: Vec<u8>,
}

/// All images of a folder, a tar or a packed set, those of every split, in the order of their names.
pub struct Source {
    files: Files,
    bad: BadFiles,
    max_pixels: u64,
}

impl Source {
    /// Errors: usage, where there are none; run, where a tenth of the files are no images.
    pub fn open(source: &str, max_pixels: u64) -> Result<Self> {
        if source == GLYPHS {
            let message = "generated:glyphs needs no file, since it is drawn from the seed: there is nothing to pack";
            return Err(Error::usage(message));
        }
        if source.is_empty() {
            return Err(Error::usage(
                "no images are named: give a folder, a tar or a packed set",
            ));
        }
        let mut files = open::files(source, false)?;
        let total = files.entries.len() + usize::from(files.cut.is_some());
        let bad = BadFiles::new(source, total);
        for entry in &files.entries {
            if let Some(reason) = &entry.bad {
                let _ = bad.record(&shown(&entry.name), reason); // all of them before any is an error
            }
        }
        if files.entries.iter().all(|entry| entry.bad.is_some()) {
            return Err(open::no_images(source, &files.entries, files.cut));
        }
        files.entries.retain(|entry| entry.bad.is_none());
        if let Some(reason) = &files.cut {
            let _ = bad.record(&open::file_name(source), reason);
        }
        bad.check()?;
        Ok(Source { files, bad, max_pixels })
    }

    /// Images, as far as names tell.
    pub fn len(&self) -> usize {
        self.files.entries.len()
    }

    /// Never true for a source that was opened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Files that turned out bad so far.
    pub fn bad(&self) -> &BadFiles {
        &self.bad
    }

    /// Gives every image, with its name, to `each`, in order; all threads decode, and no more than two images for each of
    /// them are in memory. How many of them are good. Set `stop`, and it ends early.
    ///
    /// Errors: `each`'s; run, where it was stopped, or once a tenth of the files are bad.
    pub fn pack(
        &self,
        scale: Scale,
        encoding: Encoding,
        stop: &AtomicBool,
        mut each: impl FnMut(&[u8], Packed) -> Result<()>,
    ) -> Result<usize> {
        let mut good = 0;
        let Files { entries, archive, .. } = &self.files;
        let made = |index: usize| {
            let entry = &entries[index];
            let image = match stop.load(Ordering::Relaxed) {
                true => return None,
                false => entry.place.decode(archive, self.max_pixels),
            };
            Some((entry, image.and_then(|image| packed(image, scale, encoding))))
        };
        parallel::in_order(entries.len(), made, |made| {
            let Some((entry, packed)) = made else {
                return Err(Error::run("stopped before all images were packed"));
            };
            let packed = match packed {
                Ok(packed) => {
                    good += 1;
                    packed
                }
                Err(reason) => {
                    self.bad.record(&shown(&entry.name), &reason)?;
                    Packed {
                        form: Form::Broken,
                        width: 0,
                        height: 0,
                        bytes: reason.into_bytes(),
                    }
                }
            };
            each(&entry.name, packed)
        })?;
        Ok(good)
    }
}

fn packed(image: Image, scale: Scale, encoding: Encoding) -> Result<Packed, String> {
    let (width, height) = size(&image, scale);
    let image = match (width, height) == (image.width, image.height) {
        true => image,
        false => image.resized(width, height),
    };
    let (width, height) = (width as u32, height as u32);
    let pixels = &image.pixels;
    let mut file = vec![];
    let written = match encoding {
        Encoding::Pixels => {
            return Ok(Packed {
                form: Form::Pixels,
                width,
                height,
                bytes: image.pixels,
            });
        }
        Encoding::Jpeg(quality) => {
            let encoder = JpegEncoder::new_with_quality(&mut file, quality);
            encoder.write_image(pixels, width, height, ExtendedColorType::Rgb8)
        }
        Encoding::Png => PngEncoder::new(&mut file).write_image(pixels, width, height, ExtendedColorType::Rgb8),
    };
    written.map_err(|error| format!("cannot be encoded: {}", error.to_string().replace('\n', " ")))?;
    Ok(Packed {
        form: Form::File,
        width,
        height,
        bytes: file,
    })
}

/// Width and height as they are kept: the longer side is rounded down, as where images are cut for evaluation.
fn size(image: &Image, scale: Scale) -> (usize, usize) {
    let (short, long) = (image.width.min(image.height), image.width.max(image.height));
    let (to, of) = match scale {
        Scale::Full => return (image.width, image.height),
        Scale::Short(side) => (side as usize, short),
        Scale::Within(side) => (side as usize, long),
    };
    if to >= of {
        return (image.width, image.height);
    }
    let scaled = |length: usize| (length * to / of).max(1);
    (scaled(image.width), scaled(image.height))
}
