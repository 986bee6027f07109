//! Data sets on a disk: which kind a path is, and whether anything in it can be read.

use std::path::Path;

use crate::data::Split;
use crate::data::arrange::{Arranged, arrange};
use crate::data::bad::BadFiles;
use crate::data::entry::shown;
use crate::data::files::{Files, of_folder, of_tar};
use crate::data::pack::of_pack;
use crate::data::place::{Archive, Entry, Place};
use crate::data::source::{Dataset, GLYPHS, Kind};
use crate::error::{Error, Result, did_you_mean};

/// Images at the start that are tried before a data set is taken for readable.
const TRIED: usize = 1000;

/// The files of all splits that a folder, a tar or a packed set holds; a usage error if it is none of these.
/// `once`: of files that links lead to, too, each once.
pub(super) fn files(source: &str, once: bool) -> Result<Files> {
    if source.is_empty() {
        let message = "no images are named: give a folder, a tar, a packed set or generated:glyphs";
        return Err(Error::usage(message));
    }
    let path = Path::new(source);
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(of_folder(path, once)),
        Ok(_) => match of_pack(path)? {
            Some(files) => Ok(files),
            None => of_tar(path, once),
        },
        Err(_) if source.starts_with("generated:") => {
            let hint = did_you_mean(source, [GLYPHS]);
            Err(Error::usage(format!("there is no generated set called {source}{hint}")))
        }
        Err(error) => {
            let hint = did_you_mean(source, [GLYPHS]);
            Err(Error::usage(format!("{source} cannot be opened: {error}{hint}")))
        }
    }
}

/// That none of these files is an image.
pub(super) fn no_images(source: &str, bad: &[Entry], cut: Option<String>) -> Error {
    const ARCHIVES: [&str; 7] = [".tar", ".ijepa-pack", ".zip", ".gz", ".tgz", ".xz", ".zst"];
    let name = |entry: &Entry| shown(&entry.name);
    let is_archive = |name: &String| ARCHIVES.iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    let archive = bad.iter().map(name).find(is_archive).map(|name| match name {
        name if name.ends_with(".tar") || name.ends_with(".ijepa-pack") => {
            format!("; {name} is an archive: name that file itself, or unpack what is in the folder")
        }
        name => format!("; {name} is a compressed archive: unpack it"),
    });
    let archive = archive.unwrap_or_default();
    let (files, bad) = (bad.len() + usize::from(cut.is_some()), bad.len());
    let cut = cut
        .map(|reason| format!(", and the archive {reason}"))
        .unwrap_or_default();
    Error::usage(match files {
        0 => format!("{source} has no images: it holds no files"),
        _ => format!("{source} has no images: none of its {bad} files is one{cut}{archive}"),
    })
}

/// The last part of a source's path, fit to be shown.
pub(super) fn file_name(source: &str) -> String {
    let path = Path::new(source);
    shown(path.file_name().unwrap_or(path.as_os_str()).as_encoded_bytes())
}

impl Dataset {
    /// Opens `source`: `generated:glyphs` (drawn from `seed`), a folder, a tar or a packed set. `max_pixels`: see
    /// [`decode::MAX_PIXELS`]. A usage error if there is nothing to read; a run error if a tenth of the files is bad already.
    pub fn open(source: &str, split: Split, seed: u64, max_pixels: u64) -> Result<Self> {
        if source == GLYPHS {
            return Ok(Self::glyphs(split, seed));
        }
        let files = files(source, false)?;
        let found = arrange(files.entries, split);
        let data = Self::from_files(source, found, (files.archive, files.cut), max_pixels)?;
        data.bad.check()?;
        Ok(data)
    }

    /// Opens all of `source`, whatever splits it has; files that links lead to, too, are in it once. Any number of files may be
    /// bad: whether they are too many, `bad` says.
    ///
    /// Errors: usage, if there is nothing to read.
    pub fn open_all(source: &str, seed: u64, max_pixels: u64) -> Result<Self> {
        if source == GLYPHS {
            return Ok(Self::drawn(None, seed));
        }
        let files = files(source, true)?;
        let (entries, archive, cut) = (files.entries, files.archive, files.cut);
        let found = Arranged {
            entries,
            split: None,
            classes: vec![],
            labels: vec![],
        };
        Self::from_files(source, found, (archive, cut), max_pixels)
    }

    fn from_files(
        source: &str,
        found: Arranged<Place>,
        (archive, cut): (Archive, Option<String>),
        max_pixels: u64,
    ) -> Result<Self> {
        let total = found.entries.len() + usize::from(cut.is_some());
        let (entries, bad): (Vec<_>, Vec<_>) = found.entries.into_iter().partition(|entry| entry.bad.is_none());
        if entries.is_empty() {
            return Err(no_images(source, &bad, cut));
        }
        let data = Dataset {
            source: source.to_string(),
            kind: Kind::Files {
                entries,
                archive,
                max_pixels,
            },
            split: found.split,
            classes: found.classes.iter().map(|name| shown(name)).collect(),
            labels: found.labels,
            bad: BadFiles::new(source, total),
        };
        // Recorded without stopping: that nothing at all can be read is the clearer message.
        for entry in bad {
            let _ = data
                .bad
                .record(&shown(&entry.name), entry.bad.as_deref().unwrap_or_default());
        }
        if let Some(reason) = cut {
            let _ = data.bad.record(&file_name(source), &reason);
        }
        data.find_one()?;
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
}
