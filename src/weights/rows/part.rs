//! Features that wait, in a file that grows batch by batch: what a process that ends leaves behind is whole up to some batch,
//! and the next one goes on from there.
//!
//! ```text
//! head       "ijepa embed 1\n", then as a record: the settings, a JSON object of texts, without values
//! records    bytes of the JSON u32, of the values u64 (little-endian), JSON, values f32, CRC-32 of all these
//!            {"next": image to go on with, "names": [...], "skipped": [[name, reason], ...]}
//! ```

use super::{Shape, beside, failed};
use crate::{Error, Result, ordinary};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"ijepa embed 1\n";
/// Bytes of a record beside what it holds.
const LENGTHS: usize = 12;

/// The file, locked.
pub struct Part {
    file: File,
    path: PathBuf,
    /// Where the records begin and where they end.
    bounds: [u64; 2],
    images: usize,
    next: usize,
    skipped: Vec<(String, String)>,
    values: usize,
}

/// What a record says beside its values.
#[derive(Serialize, Deserialize)]
struct Batch {
    next: usize,
    names: Vec<String>,
    skipped: Vec<(String, String)>,
}

impl Part {
    /// Opens what was begun beside `out`, or begins. `settings`: names and values of all that has to be the same.
    ///
    /// Errors: usage, where another process writes there, it can't be written to, or it was begun with other settings.
    pub fn open(out: &Path, shape: Shape, settings: &[(&str, String)]) -> Result<Part> {
        let path = beside(out, ".part");
        let shown = path.display();
        let refused = |e: std::io::Error| Error::usage(format!("{shown} cannot be written: {e}; choose another --out"));
        if path.exists() && !path.is_file() {
            return Err(refused(std::io::Error::other("is no ordinary file")));
        }
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let file = options.open(&path).map_err(refused)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::usage(format!(
                "{} is being made by another ijepa: wait for it, or choose another --out",
                out.display()
            )));
        }
        // Between opening and locking, another run may have finished and removed it.
        if !ordinary::is_at(&path, &file) {
            return Err(refused(std::io::Error::other(
                "another ijepa has just finished it, or it is a link",
            )));
        }
        let mut part = Part {
            file,
            path: path.clone(),
            bounds: [0; 2],
            images: 0,
            next: 0,
            skipped: vec![],
            values: shape.values(),
        };
        let length = part.file.metadata().map_err(refused)?.len();
        if length > 0 {
            part.resume(settings)?;
        } else {
            let texts = settings
                .iter()
                .map(|(key, text)| (key.to_string(), text.clone().into()));
            let head = serde_json::Value::Object(texts.collect()).to_string();
            let bytes = [MAGIC, &record(head.as_bytes(), &[])].concat();
            part.file.write_all(&bytes).map_err(refused)?;
            part.bounds = [bytes.len() as u64; 2];
        }
        Ok(part)
    }

    /// Images that are in it.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The image to go on with: a number in the data set, in which bad ones count, too.
    pub fn next(&self) -> usize {
        self.next
    }

    /// Images that were skipped so far, each with the reason.
    pub fn skipped(&self) -> &[(String, String)] {
        &self.skipped
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A batch: its names, their values, what was skipped in it, and the image after it.
    pub fn add(
        &mut self,
        names: Vec<String>,
        values: &[f32],
        skipped: Vec<(String, String)>,
        next: usize,
    ) -> Result<()> {
        if values.len() != names.len() * self.values {
            let (have, names) = (values.len(), names.len());
            return Err(Error::run(format!("{have} values are none of {names} images")));
        }
        self.images += names.len();
        self.next = next;
        self.skipped.extend(skipped.iter().cloned());
        let batch = Batch { next, names, skipped };
        let text = serde_json::to_vec(&batch).map_err(|e| failed(&self.path, e.into()))?;
        let bytes = record(&text, values);
        let written = self
            .file
            .seek(SeekFrom::Start(self.bounds[1]))
            .and_then(|_| self.file.write_all(&bytes));
        // Half a record is cut off by who goes on.
        written.map_err(|e| match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::run(format!(
                "{}: {e}; make room, then the same command goes on",
                self.path.display()
            )),
            _ => failed(&self.path, e),
        })?;
        self.bounds[1] += bytes.len() as u64;
        Ok(())
    }

    /// All batches in order: names, and values `[names, ...]`.
    pub fn each(&mut self, mut each: impl FnMut(Vec<String>, &[f32]) -> std::io::Result<()>) -> std::io::Result<()> {
        let [mut at, end] = self.bounds;
        self.file.seek(SeekFrom::Start(at))?;
        let mut reader = BufReader::with_capacity(1 << 20, &self.file);
        while at < end {
            let Some((text, values)) = next(&mut reader, end - at)? else {
                return Err(std::io::Error::other("was changed while it was read"));
            };
            at += (LENGTHS + text.len() + 4 * values.len() + 4) as u64;
            let batch: Batch = serde_json::from_slice(&text)?;
            each(batch.names, &values)?;
        }
        Ok(())
    }

    /// The names alone.
    pub fn each_name(&mut self, mut each: impl FnMut(&str) -> std::io::Result<()>) -> std::io::Result<()> {
        self.each(|names, _| names.iter().try_for_each(|name| each(name)))
    }

    /// It is no longer needed.
    pub fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// Finds the end of the last batch that is whole.
    fn resume(&mut self, settings: &[(&str, String)]) -> Result<()> {
        let shown = self.path.display().to_string();
        let foreign = || {
            Error::usage(format!(
                "{shown} is no file of `ijepa embed`, or its beginning is damaged: move it away, or choose another --out"
            ))
        };
        let unreadable = |e: std::io::Error| Error::usage(format!("{shown} cannot be read: {e}"));
        let length = self.file.metadata().map_err(unreadable)?.len();
        let mut reader = BufReader::with_capacity(1 << 20, &self.file);
        let mut magic = [0; MAGIC.len()];
        let begun = reader.read_exact(&mut magic).is_ok() && magic == *MAGIC;
        let mut at = MAGIC.len() as u64;
        let head = match begun {
            true => next(&mut reader, length - at).map_err(unreadable)?,
            false => None,
        };
        let (head, _) = head.ok_or_else(foreign)?;
        let was: serde_json::Value = serde_json::from_slice(&head).map_err(|_| foreign())?;
        let differs = settings.iter().filter(|(key, now)| was[*key] != *now);
        let differs: Vec<String> = differs
            .map(|(key, now)| format!("{key} (then {}, now {now})", was[*key].as_str().unwrap_or("none")))
            .collect();
        if !differs.is_empty() {
            return Err(Error::usage(format!(
                "{shown} was begun with other settings: {}; go on as it was begun, or delete it to begin anew",
                differs.join(", ")
            )));
        }
        at += (LENGTHS + head.len() + 4) as u64;
        self.bounds = [at; 2];
        while let Some((text, values)) = next(&mut reader, length - self.bounds[1]).map_err(unreadable)? {
            let Ok(batch) = serde_json::from_slice::<Batch>(&text) else {
                break;
            };
            if values.len() != batch.names.len() * self.values || batch.next <= self.next {
                break;
            }
            self.bounds[1] += (LENGTHS + text.len() + 4 * values.len() + 4) as u64;
            self.images += batch.names.len();
            self.next = batch.next;
            self.skipped.extend(batch.skipped);
        }
        self.file.set_len(self.bounds[1]).map_err(unreadable)
    }
}

/// Whether there is a file that begins like a part.
pub fn is_one(path: &Path) -> bool {
    let mut magic = [0; MAGIC.len()];
    let read = ordinary::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *MAGIC
}

/// One that holds nothing is of no use to anybody.
impl Drop for Part {
    fn drop(&mut self) {
        if self.next == 0 && self.bounds[1] > 0 {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn record(text: &[u8], values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTHS + text.len() + 4 * values.len() + 4);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend((4 * values.len() as u64).to_le_bytes());
    bytes.extend(text);
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    let checksum = crc32fast::hash(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// The next record, if it is whole and ends within `left` bytes.
fn next(reader: &mut impl Read, left: u64) -> std::io::Result<Option<(Vec<u8>, Vec<f32>)>> {
    if left < LENGTHS as u64 + 4 {
        return Ok(None);
    }
    let mut lengths = [0; LENGTHS];
    reader.read_exact(&mut lengths)?;
    let text = u32::from_le_bytes([lengths[0], lengths[1], lengths[2], lengths[3]]);
    let values = lengths[4..]
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u64::from(byte));
    let holds = (left - LENGTHS as u64 - 4).checked_sub(text.into());
    if holds.is_none_or(|most| values > most) || values % 4 != 0 {
        return Ok(None);
    }
    let mut bytes = vec![0; text as usize + values as usize + 4];
    reader.read_exact(&mut bytes)?;
    let checksum = bytes.split_off(bytes.len() - 4);
    let mut digest = crc32fast::Hasher::new();
    digest.update(&lengths);
    digest.update(&bytes);
    if digest.finalize().to_le_bytes() != checksum[..] {
        return Ok(None);
    }
    let values = bytes.split_off(text as usize);
    let value = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    Ok(Some((bytes, values.chunks_exact(4).map(value).collect())))
}
