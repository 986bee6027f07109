//! Files that a command writes where it is told to: whole or not at all, and over nothing.

use ijepa::{Error, Result};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Refuses a place where there is a file already.
pub fn vacant(path: &Path) -> Result<()> {
    match path.exists() {
        true => Err(Error::usage(format!(
            "{} exists already: choose another --out",
            path.display()
        ))),
        false => Ok(()),
    }
}

/// Writes to a temporary name beside it, then renames: nobody finds half a file.
pub fn whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e: std::io::Error| Error::run(format!("{} could not be written: {e}", path.display()));
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = Path::new(&temporary);
    let written = File::create(temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(temporary, path));
    written.map_err(|e| {
        let _ = std::fs::remove_file(temporary);
        failed(e)
    })
}
