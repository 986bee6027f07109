//! A file that is being made: under another name beside its own until it is whole, and locked against a second writer.

pub mod folder;

use super::stop::Stop;
use ijepa::{Error, Result, ordinary};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file while it is written, under another name; gone unless it is published.
pub struct Draft {
    pub file: File,
    path: PathBuf,
    /// Behind links, which stay.
    out: PathBuf,
    published: bool,
}

/// Each is lost to another run only.
const TRIES: usize = 20;
/// The files that this process is making. Held while one comes, goes or gets its name.
static MAKING: Mutex<Vec<PathBuf>> = Mutex::new(vec![]);

fn making() -> MutexGuard<'static, Vec<PathBuf>> {
    MAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For who ends the process: none is left behind, and from here on whoever makes or names one waits for the end.
pub fn none_stay() {
    let making = making();
    making.iter().for_each(|path| {
        let _ = std::fs::remove_file(path);
    });
    std::mem::forget(making);
}

impl Draft {
    /// `else_do`: what the user can do where nothing can be written there.
    ///
    /// Errors: usage, then and where another process writes there.
    pub fn create(out: &Path, else_do: &str) -> Result<Draft> {
        let refused = |e: std::io::Error| Error::usage(format!("{} cannot be written: {e}; {else_do}", out.display()));
        ordinary::writable(out).map_err(refused)?;
        let target = ordinary::behind_links(out).map_err(refused)?;
        let path = ordinary::draft_of(&target, "tmp");
        let busy = || {
            Error::usage(format!(
                "{} is being written by another ijepa: wait for it, or {else_do}",
                out.display()
            ))
        };
        // Before there is anything to remove.
        Stop::is_heard();
        let mut making = making();
        for _ in 0..TRIES {
            let (file, left) = match OpenOptions::new().create_new(true).write(true).open(&path) {
                Ok(file) => (file, false),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                    let found = std::fs::symlink_metadata(&path);
                    if found.is_ok_and(|found| !found.is_file()) {
                        return Err(refused(std::io::Error::other(format!(
                            "{} is no ordinary file",
                            path.display()
                        ))));
                    }
                    match OpenOptions::new().write(true).open(&path) {
                        Ok(file) => (file, true),
                        Err(e) if e.kind() == ErrorKind::NotFound => continue,
                        Err(e) => return Err(refused(e)),
                    }
                }
                Err(e) => return Err(refused(e)),
            };
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                return Err(busy());
            }
            // Between opening and locking, another run may have published this very file under its name for good.
            if !ordinary::is_at(&path, &file) {
                continue;
            }
            // What a run that was killed has left is removed, and never written into.
            if left {
                std::fs::remove_file(&path).map_err(refused)?;
                continue;
            }
            making.push(path.clone());
            return Ok(Draft {
                file,
                path,
                out: target,
                published: false,
            });
        }
        Err(busy())
    }

    /// Gives the file its name, once all of it is on the disk; how many bytes it has.
    pub fn publish(&mut self) -> std::io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        let mut making = making();
        std::fs::rename(&self.path, &self.out)?;
        self.published = true;
        making.retain(|path| *path != self.path);
        drop(making);
        // The new name is on the disk once the folder is, where folders can be opened at all.
        if let Ok(folder) = File::open(folder_of(&self.out)) {
            let _ = folder.sync_all();
        }
        Ok(bytes)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            let mut making = making();
            let _ = std::fs::remove_file(&self.path);
            making.retain(|path| *path != self.path);
        }
    }
}

/// The folder that a file lies in.
pub fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn made(out: &Path, text: &str) -> Result<u64> {
        let mut draft = Draft::create(out, "wait")?;
        draft.file.write_all(text.as_bytes()).unwrap();
        Ok(draft.publish().unwrap())
    }

    #[test]
    fn only_files_of_our_own_are_written_over() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("f");
        let own = ordinary::draft_of(&out, "tmp");
        std::fs::write(place.path().join("f.tmp"), "precious").unwrap();
        std::fs::write(&own, "left by a run that was killed").unwrap();
        assert_eq!(made(&out, "new").unwrap(), 3);
        assert_eq!(std::fs::read(&out).unwrap(), b"new");
        assert_eq!(std::fs::read(place.path().join("f.tmp")).unwrap(), b"precious");
        let draft = Draft::create(&out, "wait").unwrap();
        assert!(made(&out, "other").unwrap_err().to_string().contains("another ijepa"));
        drop(draft);
        assert!(!own.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        use std::os::unix::fs::symlink;
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir(at("far")).unwrap();
        symlink("second", at("first")).unwrap();
        symlink("far/file", at("second")).unwrap(); // which is not there yet
        for text in ["new", "newer"] {
            made(&at("first"), text).unwrap();
            assert_eq!(std::fs::read_to_string(at("far/file")).unwrap(), text);
        }
        assert!(at("first").is_symlink() && at("second").is_symlink() && !at("far/file").is_symlink());
        assert_eq!(std::fs::read_dir(at("far")).unwrap().count(), 1);
        symlink("round", at("round")).unwrap();
        symlink("nowhere/file", at("astray")).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        for (name, why) in [
            ("round", "is a link in a circle of links"),
            ("astray", "there is no folder "),
            ("far", "is no ordinary file"),
            ("null", "is no ordinary file"),
        ] {
            let error = made(&at(name), "lost").unwrap_err().to_string();
            assert!(error.contains(&format!("{name} cannot be written: {why}")), "{error}");
        }
    }

    #[test]
    fn a_name_may_be_as_long_as_the_file_system_has_it() {
        let place = tempfile::tempdir().unwrap();
        for length in [121, 245, 255] {
            let out = place.path().join("n".repeat(length));
            assert_eq!(made(&out, "new").unwrap(), 3, "{length}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_the_draft_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let (out, precious) = (place.path().join("f"), place.path().join("precious"));
        std::fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, ordinary::draft_of(&out, "tmp")).unwrap();
        assert!(
            made(&out, "new")
                .unwrap_err()
                .to_string()
                .contains("is no ordinary file")
        );
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    }

    /// Writers without end: each either has it all to itself or is refused, and what was published is never cut.
    #[test]
    fn writers_beside_each_other_never_empty_what_was_published() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("f");
        made(&out, "whole").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _ = made(&out, "whole");
                        assert_eq!(std::fs::read(&out).unwrap(), b"whole");
                    }
                });
            }
        });
    }
}
