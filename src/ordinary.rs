//! Reading files that somebody names: a pipe would be waited for without end, and a device has no end.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};

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

/// Whether a path names this open file itself: not another one that has come to its place, and no link to it. Where systems
/// do not tell, it does.
pub fn is_at(path: &Path, file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        match (std::fs::symlink_metadata(path), file.metadata()) {
            (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
    }
}

/// The name of a file while it is made, beside it: one that nobody else gives.
pub fn draft_of(out: &Path, ends: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(out.file_name().unwrap_or_default());
    name.push(".ijepa-");
    name.push(ends);
    out.with_file_name(name)
}

/// Its text.
pub fn text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "is no text"))
}
