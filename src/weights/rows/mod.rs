//! Features into a file of the user's kind. They wait in a file beside it until all are there, batch by batch, so that memory
//! does not grow with their number and what was stopped can go on; then they are written in one pass.

mod csv;
mod npy;
mod parquet;
pub mod part;
mod safetensors;

use crate::{Error, Result, ordinary};
use part::Part;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What the names in a safetensors file may take, in bytes of JSON: readers refuse headers of 100 MB.
pub const MOST_NAMES: u64 = 90_000_000;

/// Kinds of files, by their ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `features` `[images, D]`, `names` as a JSON list in the metadata.
    Safetensors,
    /// The array alone, for `numpy.load`; names as a JSON list in a file beside it.
    Npy,
    /// A row for each image (or patch): `name`, (`image`, `patch`,) `features`, a list of floats.
    Parquet,
    /// A row for each image (or patch): `name`, (`image`, `patch`,) `f0`, `f1` ...
    Csv,
}

impl Form {
    /// Errors: usage, for any other ending.
    pub fn of(out: &Path) -> Result<Form> {
        match out.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => Ok(Form::Safetensors),
            Some("npy") => Ok(Form::Npy),
            Some("parquet") => Ok(Form::Parquet),
            Some("csv") => Ok(Form::Csv),
            _ => Err(Error::usage(format!(
                "{} does not say which kind of file it is: let it end in .safetensors, .npy, .parquet or .csv",
                out.display()
            ))),
        }
    }
}

/// Values of one image: `[D]`, or `[N, D]` patch by patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub patches: Option<usize>,
    pub width: usize,
}

impl Shape {
    pub fn values(&self) -> usize {
        self.patches.unwrap_or(1) * self.width
    }

    /// `[images, D]` or `[images, N, D]`
    fn of(&self, images: usize) -> Vec<usize> {
        [Some(images), self.patches, Some(self.width)]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Names of images in a file of their own, where the kind needs one.
pub fn names_beside(out: &Path) -> Option<PathBuf> {
    match Form::of(out) {
        Ok(Form::Npy) => Some(out.with_extension("names.json")),
        _ => None,
    }
}

/// Refuses to write over a file. Names beside a part may be its own, from a run that ended before the array had its name:
/// whether they are, [`finish`] sees.
pub fn vacant(out: &Path) -> Result<()> {
    if let Err(e) = ordinary::writable(out) {
        let out = out.display();
        return Err(Error::usage(format!(
            "{out} cannot be written: {e}; choose another --out"
        )));
    }
    let names = names_beside(out).filter(|_| !part::is_one(&beside(out, ".part")));
    match [Some(out), names.as_deref()]
        .into_iter()
        .flatten()
        .find(|path| path.exists())
    {
        None => Ok(()),
        Some(there) => Err(Error::usage(format!(
            "{} exists already: choose another --out",
            there.display()
        ))),
    }
}

/// Writes all that the part holds, gives the file its name and removes the part. How many images there are.
///
/// `metadata`: texts that are kept where the kind has a place for them.
///
/// Errors: run, where it can't be written; then the part stays.
pub fn finish(mut part: Part, out: &Path, shape: Shape, metadata: &[(&str, String)]) -> Result<usize> {
    let form = Form::of(out)?;
    let images = part.images();
    // A link stays, and what it leads to is written.
    let target = ordinary::behind_links(out).map_err(|e| failed(out, e))?;
    let (whole, listed) = (ordinary::draft_of(&target, "tmp"), ordinary::draft_of(out, "names"));
    let written = (|| {
        let mut file = BufWriter::with_capacity(1 << 20, new(&whole)?);
        match form {
            Form::Safetensors => safetensors::write(&mut part, &mut file, shape, metadata)?,
            Form::Npy => npy::write(&mut part, &mut file, shape)?,
            Form::Parquet => parquet::write(&mut part, &mut file, shape, metadata)?,
            Form::Csv => csv::write(&mut part, &mut file, shape)?,
        }
        file.flush()?;
        file.get_ref().sync_all()?;
        vacant(out)
            .map_err(|_| std::io::Error::other("appeared while features were computed, and is left as it is"))?;
        if let Some(names) = names_beside(out) {
            let mut file = BufWriter::new(new(&listed)?);
            npy::names(&mut part, &mut file)?;
            file.flush()?;
            file.get_ref().sync_all()?;
            if names.exists() && std::fs::read(&names)? != std::fs::read(&listed)? {
                let text = format!(
                    "{} has other names: move it away, and the same command goes on",
                    names.display()
                );
                return Err(std::io::Error::other(text));
            }
            std::fs::rename(&listed, names)?;
        }
        std::fs::rename(&whole, &target)
    })();
    if let Err(error) = written {
        let _ = std::fs::remove_file(&whole);
        let _ = std::fs::remove_file(&listed);
        return Err(failed(out, error));
    }
    part.remove();
    Ok(images)
}

/// A new file under a name of our own, in place of what a run that was killed has left there: the part is locked.
fn new(path: &Path) -> std::io::Result<File> {
    let _ = std::fs::remove_file(path);
    File::create_new(path)
}

/// A file's name with something after it.
fn beside(out: &Path, ends: &str) -> PathBuf {
    let mut name = out.as_os_str().to_os_string();
    name.push(ends);
    PathBuf::from(name)
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::run(format!("{}: {error}", path.display()))
}
