//! Features into a safetensors file, row by row: how many there are is known at the end, so that numbers wait in a file
//! beside it and memory does not grow.

use crate::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

/// What the names in a file may take, in bytes of JSON: readers refuse headers of 100 MB.
pub const MOST_NAMES: u64 = 90_000_000;

/// A file under way; what was begun is taken away unless it is finished.
pub struct Rows {
    out: PathBuf,
    waiting: PathBuf,
    whole: PathBuf,
    /// Whether `whole` is of this run.
    begun: bool,
    numbers: Option<BufWriter<File>>,
    names: Vec<String>,
    width: usize,
}

impl Rows {
    /// For rows of `width` values.
    ///
    /// Errors: usage, where the file can't be made.
    pub fn create(out: &Path, width: usize) -> Result<Rows> {
        let beside = |ends: &str| {
            let mut name = out.as_os_str().to_os_string();
            name.push(ends);
            PathBuf::from(name)
        };
        let (waiting, whole) = (beside(".rows.tmp"), beside(".tmp"));
        let opened = File::options().read(true).write(true).create_new(true).open(&waiting);
        let file = opened.map_err(|e| {
            let waiting = waiting.display();
            Error::usage(match e.kind() {
                std::io::ErrorKind::AlreadyExists => format!(
                    "{waiting} exists: another run is writing there, or one was killed; delete it or choose another --out"
                ),
                _ => format!("{waiting} cannot be written: {e}; choose another --out"),
            })
        })?;
        Ok(Rows {
            out: out.to_path_buf(),
            waiting,
            whole,
            begun: false,
            numbers: Some(BufWriter::with_capacity(1 << 20, file)),
            names: vec![],
            width,
        })
    }

    /// Rows `[names, width]`.
    pub fn add(&mut self, values: &[f32], names: impl Iterator<Item = String>) -> Result<()> {
        self.names.extend(names);
        let bytes: &[u8] = bytemuck::cast_slice(values);
        match &mut self.numbers {
            Some(numbers) => numbers.write_all(bytes).map_err(|e| failed(&self.waiting, e)),
            None => Ok(()),
        }
    }

    /// Puts the file in place: `features` `[rows, width]`, their names as a JSON list under `names` in the metadata beside
    /// other texts. How many rows there are.
    pub fn finish(mut self, metadata: &[(&str, String)]) -> Result<usize> {
        let Some(numbers) = self.numbers.take() else {
            return Ok(0);
        };
        let mut numbers = numbers
            .into_inner()
            .map_err(|e| failed(&self.waiting, e.into_error()))?;
        let rows = self.names.len();
        let bytes = rows * self.width * 4;
        let mut texts = serde_json::Map::new();
        for (key, text) in metadata {
            texts.insert(key.to_string(), text.clone().into());
        }
        let names = serde_json::Value::from(std::mem::take(&mut self.names)).to_string();
        texts.insert("names".into(), names.into());
        let header = serde_json::json!({
            "__metadata__": texts,
            "features": {"dtype": "F32", "shape": [rows, self.width], "data_offsets": [0, bytes]},
        });
        let mut header = header.to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' '); // numbers begin at a multiple of eight
        let mut write = || {
            let mut whole = File::create_new(&self.whole)?;
            self.begun = true;
            whole.write_all(&(header.len() as u64).to_le_bytes())?;
            whole.write_all(&header)?;
            numbers.rewind()?;
            std::io::copy(&mut numbers, &mut whole)?;
            whole.sync_all()?;
            if self.out.exists() {
                return Err(std::io::Error::other(
                    "appeared while features were computed, and is left as it is",
                ));
            }
            std::fs::rename(&self.whole, &self.out)
        };
        write().map_err(|e| failed(&self.out, e))?;
        Ok(rows)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.waiting);
        if self.begun {
            let _ = std::fs::remove_file(&self.whole);
        }
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::run(format!("{}: {error}", path.display()))
}
