//! Files that a command writes where it is told to: whole or not at all, and over nothing but its own kind.

use super::draft::Draft;
use ijepa::{Error, Result, ordinary};
use std::io::{Read, Write};
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

/// Refuses a place where nothing can be written, before anything is computed for it; `else_do`: what the user can do.
pub fn possible(path: &Path, else_do: &str) -> Result<()> {
    // Permissions are many things, and a file that can be made says yes to all of them.
    Draft::create(path, else_do).map(drop)
}

/// Bytes at a file's start that say what it is.
const HEAD: u64 = 4 << 20;

/// Refuses a place where there is a file, but for a `kind` of ours, which `is_ours` knows by its start.
pub fn only_over(path: &Path, kind: &str, is_ours: fn(&[u8]) -> bool, else_do: &str) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let mut start = vec![];
    if let Ok(file) = ordinary::open(path) {
        // What cannot be read has no mark.
        let _ = file.take(HEAD).read_to_end(&mut start);
    }
    match is_ours(&start) {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "{} exists already, and is no {kind}: {else_do}",
            path.display()
        ))),
    }
}

/// Writes to a temporary name beside it, then renames: nobody finds half a file.
pub fn whole(path: &Path, bytes: &[u8]) -> Result<()> {
    whole_where(path, bytes, &|| Ok(()))
}

/// The same where there must be no file: somebody may have made one since that was looked for.
pub fn new(path: &Path, bytes: &[u8]) -> Result<()> {
    whole_where(path, bytes, &|| vacant(path))
}

/// The same; `last` has a say when all but the renaming is done.
pub fn whole_where(path: &Path, bytes: &[u8], last: &dyn Fn() -> Result<()>) -> Result<()> {
    let failed = |e: std::io::Error| Error::run(format!("{} could not be written: {e}", path.display()));
    let mut draft = Draft::create(path, "choose another place")?;
    draft.file.write_all(bytes).map_err(failed)?;
    last()?;
    draft.publish().map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_has_made_meanwhile_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.png");
        new(&path, b"first").unwrap();
        let error = new(&path, b"second").unwrap_err();
        assert!(
            error.exit_code() == 2 && error.to_string().contains("exists already"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        whole(&path, b"third").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"third");
        assert_eq!(
            std::fs::read_dir(place.path()).unwrap().count(),
            1,
            "a temporary file stays"
        );
    }
}
