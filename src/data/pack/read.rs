//! Reading a packed set: what its index says is checked once, an image's bytes each time.

use std::io::Read;
use std::path::Path;

use memmap2::Mmap;

use super::{Form, HEAD, MAGIC, MOST_INDEX, Record, TAIL, VERSION, taken};
use crate::data::decode;
use crate::data::files::Files;
use crate::data::image::Image;
use crate::data::place::{Archive, Entry, Place};
use crate::error::{Error, Result};
use crate::ordinary;

/// An open packed set. Its pages are the system's: read from the disk when they are needed, given up when memory is.
#[derive(Debug)]
pub struct Pack(Mmap);

/// The files of a packed set; `None` where the file does not begin like one.
///
/// Errors: usage, where the file cannot be read, is of another version, or is not as it was written.
pub fn of_pack(path: &Path) -> Result<Option<Files>> {
    let unreadable = |error: std::io::Error| Error::usage(format!("{} cannot be read: {error}", path.display()));
    let file = ordinary::open(path).map_err(unreadable)?;
    let mut start = Vec::new();
    (&file).take(HEAD).read_to_end(&mut start).map_err(unreadable)?;
    let Some(mut version) = start.strip_prefix(MAGIC) else {
        return Ok(None);
    };
    let damaged = |why: &str| {
        Error::usage(format!(
            "{} is a packed set that is damaged: {why}; pack the images again",
            path.display()
        ))
    };
    match taken(&mut version).map(u32::from_le_bytes) {
        Some(VERSION) => {}
        Some(other) => {
            return Err(Error::usage(format!(
                "{} is a packed set of version {other}, and this ijepa reads version {VERSION}: pack the images again",
                path.display()
            )));
        }
        None => return Err(damaged("it ends within its first bytes")),
    }
    // SAFETY: bytes that change while they are read would break what Rust promises of a slice. `ijepa pack` never changes a
    // file that has its final name: a new one is written beside it and takes its place, while this map keeps the old one. A
    // file that someone else writes over or cuts in the meantime is beyond any reader's control, as with every map.
    let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
    let entries = entries(&map).map_err(damaged)?;
    Ok(Some(Files {
        entries,
        cut: None,
        archive: Archive::Pack(Pack(map)),
    }))
}

/// What the index lists, if it can all be true.
fn entries(file: &[u8]) -> Result<Vec<Entry>, &'static str> {
    let (rest, mut tail) = file
        .split_at_checked(file.len().saturating_sub(TAIL))
        .unwrap_or_default();
    let sum = crc32fast::hash(tail.get(..TAIL - 4).unwrap_or_default());
    let cut = "it has no end, so that it was probably cut short";
    let [start, count] = [taken(&mut tail).ok_or(cut)?, taken(&mut tail).ok_or(cut)?].map(u64::from_le_bytes);
    let [index_sum, tail_sum] = [taken(&mut tail).ok_or(cut)?, taken(&mut tail).ok_or(cut)?].map(u32::from_le_bytes);
    if sum != tail_sum {
        return Err(cut);
    }
    let split = usize::try_from(start).ok().filter(|_| start >= HEAD);
    let index = split.and_then(|start| rest.get(start..));
    let mut index = index.ok_or("its index lies outside of it")?;
    if index.len() as u64 > MOST_INDEX {
        return Err("its index is larger than any that is written");
    }
    if crc32fast::hash(index) != index_sum {
        return Err("the checksum of its index is wrong");
    }
    let mut entries: Vec<Entry> = Vec::new();
    while !index.is_empty() {
        let (name, record) = Record::read(&mut index).ok_or("its index cannot be read")?;
        let end = record.start.checked_add(record.length);
        let pixels = (record.width as u64 * record.height as u64).checked_mul(3);
        let whole = record.form != Form::Pixels || record.length > 0 && pixels == Some(record.length);
        if !whole || record.start < HEAD || end.is_none_or(|end| end > start) {
            return Err("its index places an image where none can be");
        }
        if entries.last().is_some_and(|last| last.name.as_slice() >= name) {
            return Err("the names in its index are out of order");
        }
        entries.push(Entry {
            name: name.to_vec(),
            place: Place::Packed(record),
            bad: None,
        });
    }
    match entries.len() as u64 == count {
        true => Ok(entries),
        false => Err("its index has not as many images as it says"),
    }
}

impl Pack {
    /// An image that the index lists; the reason if it is bad, to be read on after its name.
    pub(in crate::data) fn image(&self, record: &Record, max_pixels: u64) -> Result<Image, String> {
        let (start, length) = (record.start as usize, record.length as usize);
        let bytes = self.0.get(start..).and_then(|bytes| bytes.get(..length));
        let bytes = bytes.ok_or("lies outside of the packed set")?;
        if crc32fast::hash(bytes) != record.checksum {
            return Err("is damaged: its checksum is wrong".to_string());
        }
        match record.form {
            Form::Pixels => {
                decode::allowed(record.width, record.height, max_pixels)?;
                Ok(Image {
                    width: record.width as usize,
                    height: record.height as usize,
                    pixels: bytes.to_vec(),
                })
            }
            Form::File => decode::decode(bytes, max_pixels),
            Form::Broken => Err(String::from_utf8_lossy(&bytes[..length.min(MOST_REASON)]).into_owned()),
        }
    }
}

/// More bytes than a reason has.
const MOST_REASON: usize = 1000;
