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

/// The name of a file while it is made, beside it: one that nobody else gives. Of a long name its checksum, since file systems
/// bound names, some at 143 bytes.
pub fn draft_of(out: &Path, ends: &str) -> PathBuf {
    const LONG: usize = 120;
    let name = out.file_name().unwrap_or_default();
    let mut draft = std::ffi::OsString::from(".");
    match name.len() > LONG {
        true => draft.push(format!("{:08x}", crc32fast::hash(name.as_encoded_bytes()))),
        false => draft.push(name),
    }
    draft.push(".ijepa-");
    draft.push(ends);
    out.with_file_name(draft)
}

/// Where a file is that somebody writes under this name: what symbolic links lead to, which need not be there yet. Who renames
/// a draft to that name leaves the links as they are.
pub fn behind_links(path: &Path) -> Result<PathBuf> {
    const HOPS: usize = 40; // as on Linux
    let mut path = path.to_path_buf();
    for _ in 0..HOPS {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(Error::new(ErrorKind::InvalidInput, "is a link in a circle of links"))
}

/// What keeps a file from being written under this name, where it is plain to see: no folder to lie in, something there that is
/// no file, a name that only a folder can have.
pub fn writable(path: &Path) -> Result<()> {
    let target = behind_links(path)?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let text = format!("there is no folder {}", folder.display());
        return Err(Error::new(ErrorKind::NotFound, text));
    }
    match std::fs::metadata(&target) {
        Ok(found) if !found.is_file() => Err(Error::new(ErrorKind::InvalidInput, "is no ordinary file")),
        _ if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            Err(Error::new(ErrorKind::InvalidInput, "ends in /, as only a folder does"))
        }
        _ => Ok(()),
    }
}

/// Its text.
pub fn text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "is no text"))
}
