//! A data set: a folder, a tar archive, a packed set, `generated:glyphs` or images in memory, read image by image from any thread.

use crate::data::arrange::arrange;
use crate::data::bad::BadFiles;
use crate::data::entry::{Entry, shown};
use crate::data::image::Image;
#[cfg(feature = "native")]
use crate::data::place::{self, Archive};
use crate::data::{Split, glyphs};
use crate::error::{Error, Result};

/// The generated set.
pub(super) const GLYPHS: &str = "generated:glyphs";

/// An opened data set. Images are numbered in the order of their names, so that two machines agree.
#[derive(Debug)]
pub struct Dataset {
    pub(super) source: String,
    pub(super) kind: Kind,
    pub(super) split: Option<Split>,
    pub(super) classes: Vec<String>,
    pub(super) labels: Vec<u32>,
    pub(super) bad: BadFiles,
}

/// Where the images come from.
#[derive(Debug)]
pub(super) enum Kind {
    Glyphs {
        seed: u64,
        /// `None`: both, one after the other.
        split: Option<Split>,
    },
    /// Images that were decoded elsewhere and are held in memory.
    Held(Vec<Entry<Image>>),
    #[cfg(feature = "native")]
    Files {
        entries: Vec<place::Entry>,
        archive: Archive,
        max_pixels: u64,
    },
}

impl Dataset {
    /// `generated:glyphs`.
    pub fn glyphs(split: Split, seed: u64) -> Self {
        Self::drawn(Some(split), seed)
    }

    /// `generated:glyphs`, of a split or all.
    pub(super) fn drawn(split: Option<Split>, seed: u64) -> Self {
        let counts = [Split::Train, Split::Test].map(|each| match split.is_none_or(|wanted| wanted == each) {
            true => glyphs::count(each),
            false => 0,
        });
        let count = counts.iter().sum();
        Dataset {
            source: GLYPHS.to_string(),
            kind: Kind::Glyphs { seed, split },
            split,
            classes: glyphs::CLASSES.map(str::to_string).to_vec(),
            labels: counts.iter().flat_map(|&count| (0..count).map(glyphs::label)).collect(),
            bad: BadFiles::new(GLYPHS, count),
        }
    }

    /// Images that were decoded elsewhere (by a browser), by their names: folders tell splits and classes as they do on a
    /// disk. `source` names them in messages.
    ///
    /// Errors: usage, where there is none.
    pub fn held(source: &str, images: Vec<(String, Image)>, split: Split) -> Result<Self> {
        let entry = |(name, place): (String, Image)| Entry {
            name: name.into_bytes(),
            place,
            bad: None,
        };
        let mut entries: Vec<_> = images.into_iter().map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let found = arrange(entries, split);
        if found.entries.is_empty() {
            return Err(Error::usage(format!("{source} has no images")));
        }
        let count = found.entries.len();
        Ok(Dataset {
            source: source.to_string(),
            kind: Kind::Held(found.entries),
            split: found.split,
            classes: found.classes.iter().map(|name| shown(name)).collect(),
            labels: found.labels,
            bad: BadFiles::new(source, count),
        })
    }

    /// Images, as far as names tell: some may turn out bad.
    pub fn len(&self) -> usize {
        match &self.kind {
            Kind::Glyphs { .. } => self.labels.len(),
            Kind::Held(entries) => entries.len(),
            #[cfg(feature = "native")]
            Kind::Files { entries, .. } => entries.len(),
        }
    }

    /// Never true for a data set that was opened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its name in messages.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The split folder that was found and is read, which need not be the one asked for; `None` if the data has none.
    pub fn split(&self) -> Option<Split> {
        self.split
    }

    /// Class of each image, an index into [`Dataset::class_names`]; `None` if images don't lie in class folders.
    pub fn labels(&self) -> Option<&[u32]> {
        (!self.classes.is_empty()).then_some(&self.labels)
    }

    /// Class folders in order of their names; empty without labels.
    pub fn class_names(&self) -> &[String] {
        &self.classes
    }

    /// The image's name within the data set, fit to be shown.
    pub fn name(&self, index: usize) -> String {
        match &self.kind {
            Kind::Glyphs { split, .. } => match glyph(*split, index) {
                (Split::Train, index) => format!("train/{index}"),
                (Split::Test, index) => format!("test/{index}"),
            },
            Kind::Held(entries) => shown(&entries[index].name),
            #[cfg(feature = "native")]
            Kind::Files { entries, .. } => shown(&entries[index].name),
        }
    }

    /// The bytes of that name as its file has it: two files may be shown alike.
    pub fn raw_name(&self, index: usize) -> Vec<u8> {
        match &self.kind {
            Kind::Glyphs { .. } => self.name(index).into_bytes(),
            Kind::Held(entries) => entries[index].name.clone(),
            #[cfg(feature = "native")]
            Kind::Files { entries, .. } => entries[index].name.clone(),
        }
    }

    /// Files that were skipped so far.
    pub fn bad(&self) -> &BadFiles {
        &self.bad
    }

    /// A usage error unless there are at least as many images as a batch has.
    pub fn require(&self, batch: usize) -> Result<()> {
        if self.len() >= batch {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{} has {} images, fewer than a batch of {batch}: lower data.batch_size or give more images",
            self.source,
            self.len()
        )))
    }

    /// Class of each image in the numbering of another data set (the training set's, for a test set). A usage error without
    /// labels or for a class that is unknown there.
    pub fn labels_as(&self, classes: &[String]) -> Result<Vec<u32>> {
        let Some(labels) = self.labels() else {
            return Err(Error::usage(format!(
                "{} has no labels: its images have to lie in a folder for each class",
                self.source
            )));
        };
        let mut places = Vec::with_capacity(self.classes.len());
        for name in &self.classes {
            let Some(place) = classes.iter().position(|class| class == name) else {
                return Err(Error::usage(format!(
                    "{} has a class \"{name}\" that the training images don't have",
                    self.source
                )));
            };
            places.push(place as u32);
        }
        Ok(labels.iter().map(|&label| places[label as usize]).collect())
    }

    /// Reads and decodes an image; the reason if it is bad, to be read on after its name.
    pub fn image(&self, index: usize) -> Result<Image, String> {
        match &self.kind {
            Kind::Glyphs { seed, split } => {
                let (split, index) = glyph(*split, index);
                let pixels = glyphs::image(*seed, split, index);
                Ok(Image {
                    width: glyphs::SIDE,
                    height: glyphs::SIDE,
                    pixels,
                })
            }
            Kind::Held(entries) => Ok(entries[index].place.clone()),
            #[cfg(feature = "native")]
            Kind::Files {
                entries,
                archive,
                max_pixels,
            } => entries[index].place.decode(archive, *max_pixels),
        }
    }
}

/// The split of a glyph, and its number in it: where no split was asked for, those of training come first.
fn glyph(split: Option<Split>, index: usize) -> (Split, usize) {
    match split {
        Some(split) => (split, index),
        None if index < glyphs::TRAIN => (Split::Train, index),
        None => (Split::Test, index - glyphs::TRAIN),
    }
}
