//! A file that is being made: under another name beside its own until it is whole, and locked against a second writer.

use ijepa::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// The file while it is written, under another name; gone unless it is published.
pub struct Draft<'a> {
    pub file: File,
    path: PathBuf,
    out: &'a Path,
    published: bool,
}

impl Draft<'_> {
    /// `else_do`: what the user can do where nothing can be written there.
    ///
    /// Errors: usage, then and where another process writes there.
    pub fn create<'a>(out: &'a Path, else_do: &str) -> Result<Draft<'a>> {
        let mut path = out.as_os_str().to_os_string();
        path.push(".tmp");
        let path = PathBuf::from(path);
        let refused = |e: std::io::Error| Error::usage(format!("{} cannot be written: {e}; {else_do}", path.display()));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(refused)?;
        // What was left by a run that was killed is written over; what another run writes is not.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::usage(format!(
                "{} is being written by another ijepa: wait for it, or {else_do}",
                out.display()
            )));
        }
        file.set_len(0).map_err(refused)?;
        Ok(Draft {
            file,
            path,
            out,
            published: false,
        })
    }

    /// Gives the file its name, once all of it is on the disk; how many bytes it has.
    pub fn publish(&mut self) -> std::io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        std::fs::rename(&self.path, self.out)?;
        self.published = true;
        // The new name is on the disk once the folder is, where folders can be opened at all.
        if let Ok(folder) = File::open(folder_of(self.out)) {
            let _ = folder.sync_all();
        }
        Ok(bytes)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.published {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The folder that a file lies in.
pub fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}
