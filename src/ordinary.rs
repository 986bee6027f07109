//! Reading files that somebody names: a pipe would be waited for without end, and a device has no end.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Opens a file, followed through links; anything but an ordinary file is an error.
pub fn open(path: &Path) -> Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "is no ordinary file"));
    }
    File::open(path)
}

/// Its bytes, if it has at most `most`.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = open(path)?;
    if file.metadata()?.len() > most {
        let text = format!("is larger than {} MiB, and what belongs there is not", most >> 20);
        return Err(Error::new(ErrorKind::FileTooLarge, text));
    }
    let mut bytes = vec![];
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Its text.
pub fn text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "is no text"))
}
