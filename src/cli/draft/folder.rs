//! A folder that is being made: its files lie under another name until all are there.

use super::folder_of;
use crate::cli::stop::Stop;
use ijepa::{Error, Result, ordinary};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Result as IoResult};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder while its files are written; it and they are gone unless it is published, by Ctrl-C, too.
///
/// A folder that is not there yet is made beside its place and renamed. One that is there (it may be a disk of its own, or where
/// somebody's shell stands) stays, and gets the files out of a folder within.
pub struct DraftFolder {
    path: PathBuf,
    out: PathBuf,
    within: bool,
    /// Folders above it that were made for it, the innermost first.
    made: Vec<PathBuf>,
    over: Arc<Mutex<bool>>,
    /// Held while the process lives; the system frees it when it dies.
    _lock: Option<File>,
}

/// What lies in a folder while its files are written: left there by a process that was killed, it is in nobody's way.
const WITHIN: &str = ".ijepa-tmp";
/// Each is lost to another run only.
const TRIES: usize = 20;

/// Refuses a folder that has something in it.
pub fn vacant(out: &Path) -> Result<()> {
    let taken = || {
        Error::usage(format!(
            "{} is there already and is no empty folder: choose another --out",
            out.display()
        ))
    };
    let out = &ordinary::behind_links(out).map_err(|_| taken())?;
    match std::fs::read_dir(out) {
        Err(e) if e.kind() == ErrorKind::NotFound && std::fs::symlink_metadata(out).is_err() => Ok(()),
        Err(_) => Err(taken()),
        Ok(mut entries) => match entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == WITHIN)) {
            true => Ok(()),
            false => Err(taken()),
        },
    }
}

impl DraftFolder {
    /// Errors: usage, where there is something already, nothing can be made, or another process writes there.
    pub fn create(out: &Path) -> Result<DraftFolder> {
        vacant(out)?;
        // A link stays, and the folder is made where it leads.
        let out = &ordinary::behind_links(out).unwrap_or(out.to_path_buf());
        let within = out.is_dir();
        let path = match within {
            true => out.join(WITHIN),
            false => ordinary::draft_of(out, "tmp"),
        };
        let missing = folder_of(out).ancestors();
        let missing = missing.take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let made: Vec<_> = missing.map(Path::to_path_buf).collect();
        // Signals are heard before there is anything to remove.
        let over = Arc::new(Mutex::new(true));
        let (shared, files, folders) = (over.clone(), path.clone(), made.clone());
        let mut making = held(&over);
        Stop::ends_after(move || {
            let over = held(&shared);
            if *over {
                return false; // all is done, or undone, and the process ends with what there is to say of it
            }
            removed(&files, &folders);
            // Whoever writes finds the files gone, and waits for the end of the process instead of telling of it.
            std::mem::forget(over);
            true
        });
        let lock = locked_new(&path, out).inspect_err(|_| no_longer(&made))?;
        *making = false;
        drop(making);
        Ok(DraftFolder {
            path,
            out: out.to_path_buf(),
            within,
            made,
            over,
            _lock: lock,
        })
    }

    /// Where to write the files.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A writer's error, with the name that its file would have had.
    pub fn named(&self, error: Error) -> Error {
        let (ours, theirs) = (self.path.display().to_string(), self.out.display().to_string());
        match error {
            Error::Usage(text) => Error::Usage(text.replace(&ours, &theirs)),
            Error::Run(text) => Error::Run(text.replace(&ours, &theirs)),
        }
    }

    /// Gives the files their place, once all of them are on the disk.
    ///
    /// Errors: run, where they can't have it; then none has.
    pub fn publish(self) -> Result<()> {
        let mut over = held(&self.over);
        let moved = (|| {
            let entries: IoResult<Vec<_>> = std::fs::read_dir(&self.path)?.collect();
            let entries = entries?;
            for entry in &entries {
                // Windows syncs what is open for writing alone.
                File::options().append(true).open(entry.path())?.sync_all()?;
            }
            match self.within {
                false => std::fs::rename(&self.path, &self.out)?,
                true => {
                    let names: Vec<_> = entries.iter().map(|entry| entry.file_name()).collect();
                    moved_all(&self.path, &self.out, &names)?;
                }
            }
            // The new names are on the disk once the folder is, where folders can be opened at all.
            for folder in [&self.out, folder_of(&self.out)] {
                let _ = File::open(folder).and_then(|folder| folder.sync_all());
            }
            Ok(())
        })();
        *over = moved.is_ok();
        moved.map_err(|e: std::io::Error| Error::run(format!("{} could not be written: {e}", self.out.display())))
    }
}

/// All files or none from one folder into another, in which none of them may be.
fn moved_all(from: &Path, to: &Path, names: &[std::ffi::OsString]) -> IoResult<()> {
    for (done, name) in names.iter().enumerate() {
        let put = match std::fs::symlink_metadata(to.join(name)) {
            Ok(_) => Err(std::io::Error::other(format!("{} has appeared there", name.display()))),
            Err(_) => std::fs::rename(from.join(name), to.join(name)),
        };
        if put.is_err() {
            names[..done].iter().for_each(|name| {
                let _ = std::fs::remove_file(to.join(name));
            });
            return put;
        }
    }
    std::fs::remove_dir(from)
}

impl Drop for DraftFolder {
    fn drop(&mut self) {
        let mut over = held(&self.over);
        if !*over {
            removed(&self.path, &self.made);
        }
        *over = true;
    }
}

/// Makes the folder `path`, which is to become `out`, and locks it where folders can be opened.
fn locked_new(path: &Path, out: &Path) -> Result<Option<File>> {
    let refused =
        |e: std::io::Error| Error::usage(format!("{} can't be made: {e}; choose another --out", out.display()));
    std::fs::create_dir_all(folder_of(path)).map_err(refused)?;
    for _ in 0..TRIES {
        let left = match std::fs::create_dir(path) {
            Ok(()) => false,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => true,
            Err(e) => return Err(refused(e)),
        };
        if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()) {
            return Err(refused(std::io::Error::other(format!(
                "{} is no folder",
                path.display()
            ))));
        }
        // A file system that knows no locks must not keep anyone from writing.
        let lock = File::open(path).ok();
        if let Some(Err(TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock) {
            return Err(Error::usage(format!(
                "{} is being written by another ijepa: wait for it, or choose another --out",
                out.display()
            )));
        }
        // Between making and locking, another run may have taken this very folder for a killed one's.
        if lock.as_ref().is_some_and(|lock| !ordinary::is_at(path, lock)) {
            continue;
        }
        // What a run that was killed has left is removed, and never written into.
        if left {
            std::fs::remove_dir_all(path).map_err(refused)?;
            continue;
        }
        return Ok(lock);
    }
    Err(refused(ErrorKind::ResourceBusy.into()))
}

fn held(over: &Mutex<bool>) -> MutexGuard<'_, bool> {
    over.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All of it, and the folders that were made for it.
fn removed(path: &Path, made: &[PathBuf]) {
    // Who writes may have begun another file meanwhile.
    let mut tries = 0..TRIES;
    while tries.next().is_some() && path.exists() {
        let _ = std::fs::remove_dir_all(path);
    }
    no_longer(made);
}

/// Folders in which somebody else has put something stay.
fn no_longer(made: &[PathBuf]) {
    made.iter().for_each(|folder| {
        let _ = std::fs::remove_dir(folder);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, read, read_dir, write};

    fn count(folder: &Path) -> usize {
        read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_folder_is_whole_or_not_there() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("above/out");
        let draft = DraftFolder::create(&out).unwrap();
        write(draft.path().join("a"), "half").unwrap();
        assert!(!out.exists());
        let other = DraftFolder::create(&out).err().unwrap().to_string();
        assert!(other.contains("another ijepa"), "{other}");
        drop(draft);
        assert_eq!(count(place.path()), 0);
        // What a killed run has left is in nobody's way, and no part of what is made.
        create_dir(place.path().join("above")).unwrap();
        let left = ordinary::draft_of(&out, "tmp");
        create_dir(&left).unwrap();
        write(left.join("left"), "by a run that was killed").unwrap();
        let draft = DraftFolder::create(&out).unwrap();
        write(draft.path().join("a"), "whole").unwrap();
        draft.publish().unwrap();
        assert_eq!((count(&out), count(&place.path().join("above"))), (1, 1));
        assert_eq!(read(out.join("a")).unwrap(), b"whole");
        let taken = DraftFolder::create(&out).err().unwrap().to_string();
        assert!(taken.contains("is no empty folder"), "{taken}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_the_folder_is_made_where_it_leads() {
        let place = tempfile::tempdir().unwrap();
        let (out, far) = (place.path().join("out"), place.path().join("far/away"));
        std::os::unix::fs::symlink("far/away", &out).unwrap();
        for _ in 0..2 {
            let draft = DraftFolder::create(&out).unwrap();
            write(draft.path().join("a"), "whole").unwrap();
            draft.publish().unwrap();
            assert!(out.is_symlink() && far.is_dir() && count(&far) == 1);
            std::fs::remove_file(far.join("a")).unwrap(); // the second time it is there and empty
        }
        write(far.join("b"), "somebody's").unwrap();
        assert!(vacant(&out).is_err());
    }

    #[test]
    fn an_empty_folder_gets_all_files_or_none() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path();
        create_dir(out.join(WITHIN)).unwrap();
        let draft = DraftFolder::create(out).unwrap();
        for name in ["a", "b", "c"] {
            write(draft.path().join(name), "whole").unwrap();
        }
        // Somebody else's, and in the way.
        create_dir(out.join("b")).unwrap();
        write(out.join("b/precious"), "precious").unwrap();
        let error = draft.publish().unwrap_err();
        assert!(
            error.exit_code() == 1 && error.to_string().contains("b has appeared"),
            "{error}"
        );
        assert_eq!((count(out), count(&out.join("b"))), (1, 1));
        std::fs::remove_dir_all(out.join("b")).unwrap();
        let draft = DraftFolder::create(out).unwrap();
        for name in ["a", "b"] {
            write(draft.path().join(name), "whole").unwrap();
        }
        draft.publish().unwrap();
        assert_eq!(count(out), 2);
    }
}
