//! Where the bytes of a file of a data set are, and reading them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::data::image::Image;
use crate::data::pack::{Pack, Record};
use crate::data::{decode, entry};

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub enum Place {
    Path(PathBuf),
    /// In the archive.
    Bytes {
        start: u64,
        length: u64,
    },
    /// In the packed set.
    Packed(Record),
}

/// One file of a folder or an archive.
pub type Entry = entry::Entry<Place>;

/// What entries lie in, where that is one file.
#[derive(Debug)]
pub enum Archive {
    /// In none: each is a file of its own.
    None,
    Tar(Mutex<File>),
    Pack(Pack),
}

impl Place {
    /// The image there; the reason if it is bad, to be read on after its name. Far more bytes than `max_pixels` pixels can
    /// have are not read into memory: 16-bit RGBA has 8 a pixel.
    pub fn decode(&self, archive: &Archive, max_pixels: u64) -> Result<Image, String> {
        if let (Place::Packed(record), Archive::Pack(pack)) = (self, archive) {
            return pack.image(record, max_pixels);
        }
        let most = max_pixels.saturating_mul(8).saturating_add(1 << 26);
        decode::decode(&self.read(archive, most)?, max_pixels)
    }

    /// At most `most` bytes from the file's start.
    pub fn read(&self, archive: &Archive, most: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = match (self, archive) {
            (Place::Path(path), _) => File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
            (Place::Bytes { start, length }, Archive::Tar(archive)) => {
                let mut file = archive.lock().unwrap_or_else(PoisonError::into_inner);
                let sought = file.seek(SeekFrom::Start(*start));
                sought.and_then(|_| (&*file).take(most.min(*length)).read_to_end(&mut bytes))
            }
            (Place::Bytes { .. } | Place::Packed(_), _) => Ok(0),
        };
        read.map(|_| bytes).map_err(|error| format!("cannot be read: {error}"))
    }
}
