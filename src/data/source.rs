//! A data set: a folder, a tar archive or `generated:glyphs`, opened once and read image by image from any thread.

use std::path::Path;

use crate::data::arrange::arrange;
use crate::data::bad::BadFiles;
use crate::data::files::{Archive, Entry, Files, of_folder, of_tar, shown};
use crate::data::image::Image;
use crate::data::{Split, decode, glyphs};
use crate::error::{Error, Result, did_you_mean};

/// Names of the generated sets.
const GENERATED: [&str; 1] = ["generated:glyphs"];

/// Images at the start that are tried before a data set is taken for readable.
const TRIED: usize = 1000;

/// An opened data set. Images are numbered in the order of their names, so that two machines agree.
#[derive(Debug)]
pub struct Dataset {
    source: String,
    kind: Kind,
    split: Option<Split>,
    classes: Vec<String>,
    labels: Vec<u32>,
    bad: BadFiles,
    max_pixels: u64,
}

#[derive(Debug)]
enum Kind {
    Glyphs { seed: u64, split: Split },
    Files { entries: Vec<Entry>, archive: Archive },
}

impl Dataset {
    /// Opens `source`: `generated:glyphs` (drawn from `seed`), a folder or a tar. `max_pixels`: see
    /// [`decode::MAX_PIXELS`]. A usage error if there is nothing to read; a run error if a tenth of the files is bad already.
    pub fn open(source: &str, split: Split, seed: u64, max_pixels: u64) -> Result<Self> {
        if source == GENERATED[0] {
            return Ok(Self::glyphs(split, seed));
        }
        if source.is_empty() {
            let message = "no images are named: give a folder, a tar or generated:glyphs";
            return Err(Error::usage(message));
        }
        let path = Path::new(source);
        let files = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => of_folder(path),
            Ok(_) => of_tar(path)?,
            Err(_) if source.starts_with("generated:") => {
                let hint = did_you_mean(source, GENERATED);
                return Err(Error::usage(format!("there is no generated set called {source}{hint}")));
            }
            Err(error) => {
                let hint = did_you_mean(source, GENERATED);
                return Err(Error::usage(format!("{source} cannot be opened: {error}{hint}")));
            }
        };
        Self::from_files(source, files, split, max_pixels)
    }

    /// `generated:glyphs`.
    pub fn glyphs(split: Split, seed: u64) -> Self {
        let count = glyphs::count(split);
        Dataset {
            source: GENERATED[0].to_string(),
            kind: Kind::Glyphs { seed, split },
            split: Some(split),
            classes: glyphs::CLASSES.map(str::to_string).to_vec(),
            labels: (0..count).map(glyphs::label).collect(),
            bad: BadFiles::new(GENERATED[0], count),
            max_pixels: decode::MAX_PIXELS,
        }
    }

    fn from_files(source: &str, files: Files, split: Split, max_pixels: u64) -> Result<Self> {
        let found = arrange(files.entries, split);
        let total = found.entries.len() + usize::from(files.cut.is_some());
        let (entries, bad): (Vec<_>, Vec<_>) = found.entries.into_iter().partition(|entry| entry.bad.is_none());
        if entries.is_empty() {
            let cut = files
                .cut
                .map(|reason| format!(", and the archive {reason}"))
                .unwrap_or_default();
            return Err(Error::usage(match total {
                0 => format!("{source} has no images: it holds no files"),
                _ => format!("{source} has no images: none of its {} files is one{cut}", bad.len()),
            }));
        }
        let data = Dataset {
            source: source.to_string(),
            kind: Kind::Files {
                entries,
                archive: files.archive,
            },
            split: found.split,
            classes: found.classes.iter().map(|name| shown(name)).collect(),
            labels: found.labels,
            bad: BadFiles::new(source, total),
            max_pixels,
        };
        // Recorded without stopping: that nothing at all can be read is the clearer message.
        for entry in bad {
            let _ = data
                .bad
                .record(&shown(&entry.name), entry.bad.as_deref().unwrap_or_default());
        }
        if let Some(reason) = files.cut {
            let name = Path::new(source).file_name().unwrap_or(Path::new(source).as_os_str());
            let _ = data.bad.record(&shown(name.as_encoded_bytes()), &reason);
        }
        data.find_one()?;
        data.bad.check()?;
        Ok(data)
    }

    /// Looks for an image that can be read, so that a folder full of rubbish is refused before anything is written.
    fn find_one(&self) -> Result<()> {
        for index in 0..self.len().min(TRIED) {
            match self.image(index) {
                Ok(_) => return Ok(()),
                Err(reason) => {
                    let _ = self.bad.record(&self.name(index), &reason);
                }
            }
        }
        match self.bad.check() {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::usage(format!(
                "{} has no image that can be read: {}",
                self.source,
                self.bad.first()
            ))),
        }
    }

    /// Images, as far as names tell: some may turn out bad.
    pub fn len(&self) -> usize {
        match &self.kind {
            Kind::Glyphs { split, .. } => glyphs::count(*split),
            Kind::Files { entries, .. } => entries.len(),
        }
    }

    /// Never true for a data set that was opened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As given to [`Dataset::open`].
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
            Kind::Glyphs {
                split: Split::Train, ..
            } => format!("train/{index}"),
            Kind::Glyphs { split: Split::Test, .. } => format!("test/{index}"),
            Kind::Files { entries, .. } => shown(&entries[index].name),
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
            "{} has {} images, fewer than a batch of {batch}: lower --batch (data.batch_size) or give more images",
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
                let pixels = glyphs::image(*seed, *split, index);
                Ok(Image {
                    width: glyphs::SIDE,
                    height: glyphs::SIDE,
                    pixels,
                })
            }
            Kind::Files { entries, archive } => {
                // 16-bit RGBA has 8 bytes a pixel; what is far larger is not read into memory.
                let most = self.max_pixels.saturating_mul(8).saturating_add(1 << 26);
                decode::decode(&entries[index].place.read(archive, most)?, self.max_pixels)
            }
        }
    }
}
