//! A packed set: all images of a folder or a tar in one file, ready to be read. No name is looked up and, where pixels are
//! kept, nothing is decoded while a GPU waits. Names stay as they were, so that splits and labels do, too.
//!
//! The format, version 1; all numbers are little-endian:
//!
//! ```text
//! head    16 bytes  "ijepa-pack\r\n", version u32
//! images            each image's bytes, one after the other
//! index             for each image, names ascending: form u8, bytes of its name u32, width u32, height u32, start of its
//!                   bytes u64, their length u64, their checksum u32, its name
//! tail    24 bytes  start of the index u64, images u64, checksum of the index u32, checksum of the tail so far u32
//! ```
//!
//! A name is a path with "/" between its parts. Checksums are CRC-32 (that of zip and PNG). The index stands at the end since
//! a set is written in one go, however large; so a file that was cut short is known by its missing tail.

mod images;
mod read;
mod write;

pub use images::{Encoding, Packed, Scale, Source};
pub use read::Pack;
pub(super) use read::of_pack;
pub use write::Writer;

const MAGIC: &[u8; 12] = b"ijepa-pack\r\n";
const VERSION: u32 = 1;
const HEAD: u64 = 16;
const TAIL: usize = 24;

/// An index with more bytes is neither written nor read: what it tells is kept in memory. Enough for ten million images.
const MOST_INDEX: u64 = 1 << 30;

/// How an image is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[height, width, 3]`, RGB interleaved, one byte each.
    Pixels,
    /// A file in one of the formats that folders may hold.
    File,
    /// None: the source's file could not be decoded, and the reason is kept in its place, so that images have the numbers
    /// that they have there.
    Broken,
}

const FORMS: [Form; 3] = [Form::Pixels, Form::File, Form::Broken];

/// An image's line in the index, but for its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(super) form: Form,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) checksum: u32,
}

impl Record {
    /// Bytes of the image.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// CRC-32 of these.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    fn write(&self, name: &[u8], index: &mut Vec<u8>) {
        index.push(FORMS.iter().position(|form| *form == self.form).unwrap_or_default() as u8);
        for number in [name.len() as u32, self.width, self.height] {
            index.extend(number.to_le_bytes());
        }
        index.extend(self.start.to_le_bytes());
        index.extend(self.length.to_le_bytes());
        index.extend(self.checksum.to_le_bytes());
        index.extend(name);
    }

    /// The next line and its name; `None` where there is no whole one, or none of this version.
    fn read<'a>(index: &mut &'a [u8]) -> Option<(&'a [u8], Record)> {
        let [form] = taken(index)?;
        let form = *FORMS.get(form as usize)?;
        let [name, width, height] = [taken(index)?, taken(index)?, taken(index)?].map(u32::from_le_bytes);
        let [start, length] = [taken(index)?, taken(index)?].map(u64::from_le_bytes);
        let checksum = u32::from_le_bytes(taken(index)?);
        let (name, rest) = index.split_at_checked(name as usize)?;
        *index = rest;
        let record = Record {
            form,
            width,
            height,
            start,
            length,
            checksum,
        };
        Some((name, record))
    }
}

/// The first bytes, which are then no longer there.
fn taken<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}
