//! A run's folder: made once, locked while a process works in it, its growing files cut back to a checkpoint.

use crate::{Error, Result, ordinary};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The configuration as run, under the reference's name; the first file of a run.
pub const CONFIG: &str = "params-ijepa.yaml";

/// More bytes than any configuration has.
const MOST_CONFIG: u64 = 1 << 20;

/// What went wrong with which file; a full disk is the likeliest, and one can go on after it.
pub(crate) fn at(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |e| {
        let advice = match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room, then go on by --resume",
            _ => "",
        };
        Error::run(format!("{}: {e}{advice}", path.display()))
    }
}

/// An open run folder.
pub struct Folder {
    path: PathBuf,
    /// Held while the process lives; the system frees it when it dies.
    _lock: Option<File>,
    /// Files that grow: CSV, log, TensorBoard.
    growing: BTreeMap<String, File>,
}

impl Folder {
    /// Starts a run: makes the folder, locks it, writes and syncs the configuration before any other file.
    ///
    /// Errors: usage, where the folder is not [`vacant`], or can't be made or written to.
    pub fn create(path: &Path, config: &str) -> Result<Folder> {
        vacant(path)?;
        std::fs::create_dir_all(path).map_err(|e| {
            Error::usage(format!(
                "the output folder {} can't be made: {e}; choose another --out",
                path.display()
            ))
        })?;
        let folder = Folder::lock(path)?;
        vacant(path)?; // another process may have been quicker
        folder.replace(CONFIG, config.as_bytes()).map_err(|e| {
            let path = path.display();
            Error::usage(format!(
                "the output folder {path} is not writable: {e}; choose another --out"
            ))
        })?;
        Ok(folder)
    }

    /// Opens the folder of a run that was begun.
    pub fn open(path: &Path) -> Result<Folder> {
        config(path)?;
        let folder = Folder::lock(path)?;
        let probe = path.join(format!("{CONFIG}.tmp"));
        File::create(&probe)
            .and_then(|_| std::fs::remove_file(&probe))
            .map_err(|e| Error::usage(format!("the output folder is not writable: {}: {e}", path.display())))?;
        Ok(folder)
    }

    /// The folder itself is what is locked, so that no file is there before the configuration; where folders can't be
    /// opened (Windows), a file beside it.
    fn lock(path: &Path) -> Result<Folder> {
        let lock = match cfg!(unix) {
            true => File::open(path),
            false => OpenOptions::new()
                .create(true)
                .append(true)
                .open(path.with_extension("lock")),
        };
        // A file system that knows no locks must not keep anyone from training.
        let lock = lock.ok();
        if let Some(Err(TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock) {
            return Err(Error::usage(format!(
                "{} is in use by another ijepa; wait for it, or choose another --out",
                path.display()
            )));
        }
        Ok(Folder {
            path: path.to_path_buf(),
            _lock: lock,
            growing: BTreeMap::new(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file whole: to a temporary name, synced, renamed, so that a reader finds the old or the new one.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = replaced(&self.path, name, bytes)?;
        self.sync()?;
        Ok(path)
    }

    /// A second name for a file, put in place in one move; a copy where the file system has no links.
    pub fn link(&self, from: &str, to: &str) -> Result<()> {
        let (source, path) = (self.path.join(from), self.path.join(to));
        let temporary = self.path.join(format!("{to}.tmp"));
        let _ = std::fs::remove_file(&temporary);
        if std::fs::hard_link(&source, &temporary).is_err() {
            std::fs::copy(&source, &temporary).map_err(at(&temporary))?;
            File::open(&temporary)
                .and_then(|file| file.sync_all())
                .map_err(at(&temporary))?;
        }
        std::fs::rename(&temporary, &path).map_err(at(&path))?;
        self.sync()
    }

    /// Renames are on disk once the folder is; where folders can't be opened (Windows), the system sees to it.
    fn sync(&self) -> Result<()> {
        match File::open(&self.path) {
            Ok(folder) if cfg!(unix) => folder.sync_all().map_err(at(&self.path)),
            _ => Ok(()),
        }
    }

    /// Appends to a growing file; a killed run leaves whole writes.
    pub fn append(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        if !self.growing.contains_key(name) {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(at(&path))?;
            self.growing.insert(name.to_string(), file);
        }
        match self.growing.get_mut(name) {
            Some(file) => file.write_all(bytes).map_err(at(&path)),
            None => Ok(()),
        }
    }

    /// Lengths of the growing files, kept in a checkpoint: all of it is on the disk, so that no loss of power makes a file
    /// shorter than the checkpoint says.
    pub fn lengths(&self) -> Result<BTreeMap<String, u64>> {
        let length = |(name, file): (&String, &File)| {
            let path = self.path.join(name);
            file.sync_data().map_err(at(&path))?;
            Ok((name.clone(), file.metadata().map_err(at(&path))?.len()))
        };
        self.growing.iter().map(length).collect()
    }

    /// Cuts a growing file back to this length, and removes it where that is 0.
    pub fn cut(&mut self, name: &str, length: u64) -> Result<()> {
        let path = self.path.join(name);
        let now = std::fs::metadata(&path).map_or(0, |file| file.len());
        match length {
            0 => self.remove(name),
            _ if length < now => {
                let file = OpenOptions::new().append(true).open(&path).map_err(at(&path))?;
                file.set_len(length).map_err(at(&path))
            }
            _ => Ok(()),
        }
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(at(&path)(e)),
            _ => Ok(()),
        }
    }
}

/// [`Folder::replace`] in a folder that is not held; what was there stays until all of it is on the disk.
pub(crate) fn replaced(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let (path, temporary) = (folder.join(name), folder.join(format!("{name}.tmp")));
    let mut file = File::create(&temporary).map_err(at(&temporary))?;
    let put = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = put.and_then(|()| std::fs::rename(&temporary, &path)) {
        // On a full disk half a file helps nobody.
        let _ = std::fs::remove_file(&temporary);
        return Err(at(&path)(error));
    }
    Ok(path)
}

/// Refuses a folder in which a run would overwrite something: one that holds a run, or files of a run's names.
pub fn vacant(path: &Path) -> Result<()> {
    if path.join(CONFIG).exists() {
        return Err(Error::usage(format!(
            "{0} holds a run already: go on with it by --resume {0}, or choose another --out",
            path.display()
        )));
    }
    let names = match std::fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            let path = path.display();
            return Err(Error::usage(format!(
                "the output folder {path} can't be used: {e}; choose another --out"
            )));
        }
    };
    match { names }.find(|name| is_output(name)) {
        None => Ok(()),
        Some(name) => Err(Error::usage(format!(
            "{} holds a file {name} already, which a run would overwrite: choose another --out",
            path.display()
        ))),
    }
}

/// Whether a run makes files of this name.
pub fn is_output(name: &str) -> bool {
    let starts = ["latest.", "events.out.tfevents."];
    let step = name.strip_prefix("step-").and_then(|rest| rest.chars().next());
    let names = [
        CONFIG,
        "train.log",
        "monitor.csv",
        "probe.csv",
        "loss.svg",
        "finetune.json",
        "finetune.csv",
    ];
    starts.iter().any(|start| name.starts_with(start))
        || names.contains(&name)
        || name.ends_with("_r0.csv")
        || step.is_some_and(|digit| digit.is_ascii_digit())
}

/// Refuses a disk that has no room for `bytes` more in a folder, which need not be there yet; `what` takes them.
pub fn room(folder: &Path, bytes: u64, what: &str) -> Result<()> {
    let there = std::path::absolute(folder).map_err(at(folder))?;
    let there = there.ancestors().find(|path| path.exists()).unwrap_or(folder);
    let free = fs4::available_space(there).map_err(at(there))?;
    if free < bytes {
        return Err(Error::usage(format!(
            "{} has {} free, but {what} {}: make room, or choose another --out",
            folder.display(),
            size(free),
            size(bytes)
        )));
    }
    Ok(())
}

fn size(bytes: u64) -> String {
    match bytes >> 20 {
        0..10 => format!("{} KiB", bytes.div_ceil(1024)),
        mib => format!("{mib} MiB"),
    }
}

/// The configuration's text of the run in `path`.
///
/// Errors: usage, where there is no run.
pub fn config(path: &Path) -> Result<String> {
    let file = path.join(CONFIG);
    if path.is_file() {
        let text = format!("{} holds no run: it is a file, and a run is a folder", path.display());
        return Err(Error::usage(
            match path.parent().filter(|folder| folder.join(CONFIG).is_file()) {
                Some(run) => format!("{text}: name {}", run.display()),
                None => text,
            },
        ));
    }
    ordinary::text(&file, MOST_CONFIG)
        .map_err(|e| Error::usage(format!("{} holds no run: {}: {e}", path.display(), file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_refused_and_nothing_is_made() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("runs/first");
        room(&folder, 1, "one checkpoint takes").unwrap();
        let error = room(&folder, u64::MAX, "one checkpoint takes").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            text.contains("MiB free, but one checkpoint takes 17592186044415 MiB: make room"),
            "{text}"
        );
        assert!(!folder.exists());
    }
}
