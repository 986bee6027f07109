//! Where the bytes of a file of a data set are, and reading them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::data::image::Image;
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
}

/// One file of a folder or an archive.
pub type Entry = entry::Entry<Place>;

/// The archive that entries lie in, if they do.
pub type Archive = Option<Mutex<File>>;

impl Place {
    /// The image there; the reason if it is bad, to be read on after its name. Far more bytes than `max_pixels` pixels can
    /// have are not read into memory: 16-bit RGBA has 8 a pixel.
    pub fn decode(&self, archive: &Archive, max_pixels: u64) -> Result<Image, String> {
        let most = max_pixels.saturating_mul(8).saturating_add(1 << 26);
        decode::decode(&self.read(archive, most)?, max_pixels)
    }

    /// At most `most` bytes from the file's start.
    pub fn read(&self, archive: &Archive, most: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = match (self, archive) {
            (Place::Path(path), _) => File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
            (Place::Bytes { start, length }, Some(archive)) => {
                let mut file = archive.lock().unwrap_or_else(PoisonError::into_inner);
                let sought = file.seek(SeekFrom::Start(*start));
                sought.and_then(|_| (&*file).take(most.min(*length)).read_to_end(&mut bytes))
            }
            (Place::Bytes { .. }, None) => Ok(0),
        };
        read.map(|_| bytes).map_err(|error| format!("cannot be read: {error}"))
    }
}
