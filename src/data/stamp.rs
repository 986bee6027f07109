//! What tells whether a data set's files are still the same, without reading them.

use crate::data::place::{Archive, Entry, Place};
use crate::data::source::{Dataset, Kind};
use std::fs::Metadata;
use std::sync::PoisonError;
use std::time::UNIX_EPOCH;

/// Of a file its size and when it was changed last; of an archive's member its size, where it begins, and the archive's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// In bytes.
    pub size: u64,
    /// In nanoseconds since 1970, or of a member a digest: a tar of other images may have the same names, sizes and places. 0
    /// where there is no telling.
    pub at: i64,
}

impl Dataset {
    /// An image's stamp; that of one which is drawn or held in memory has nothing to tell.
    pub fn stamp(&self, index: usize) -> Stamp {
        match &self.kind {
            Kind::Files { entries, archive, .. } => stamp(&entries[index], archive),
            _ => Stamp::default(),
        }
    }

    /// The bytes of an image's file, at most `most`; the reason if they can't be read. `None` where images are in no files of
    /// their own.
    pub fn bytes(&self, index: usize, most: u64) -> Option<Result<Vec<u8>, String>> {
        match &self.kind {
            Kind::Files { entries, archive, .. } => match entries[index].place {
                Place::Packed(_) => None,
                _ => Some(entries[index].place.read(archive, most)),
            },
            _ => None,
        }
    }

    /// A digest of all names and stamps in hexadecimal digits: other files, another digest.
    pub fn fingerprint(&self) -> String {
        let mut digest = blake3::Hasher::new();
        for index in 0..self.len() {
            let (name, stamp) = (self.name(index), self.stamp(index));
            digest.update(&(name.len() as u64).to_le_bytes());
            digest.update(name.as_bytes());
            digest.update(&stamp.size.to_le_bytes());
            digest.update(&stamp.at.to_le_bytes());
        }
        digest.finalize().to_hex()[..16].to_string()
    }
}

fn stamp(entry: &Entry, archive: &Archive) -> Stamp {
    match &entry.place {
        Place::Path(path) => std::fs::metadata(path).map_or(Stamp::default(), |file| of_file(&file)),
        Place::Bytes { start, length } => {
            let whole = match archive {
                Archive::Tar(file) => {
                    let file = file.lock().unwrap_or_else(PoisonError::into_inner);
                    file.metadata().map_or(Stamp::default(), |file| of_file(&file))
                }
                _ => Stamp::default(),
            };
            let mut digest = blake3::Hasher::new();
            digest.update(&start.to_le_bytes());
            digest.update(&whole.size.to_le_bytes());
            digest.update(&whole.at.to_le_bytes());
            let [a, b, c, d, e, f, g, h, ..] = *digest.finalize().as_bytes();
            Stamp {
                size: *length,
                at: i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            }
        }
        Place::Packed(record) => Stamp {
            size: record.length(),
            at: record.checksum().into(),
        },
    }
}

fn of_file(file: &Metadata) -> Stamp {
    let modified = file.modified().unwrap_or(UNIX_EPOCH);
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp {
        size: file.len(),
        at: since.as_nanos().min(i64::MAX as u128) as i64,
    }
}
