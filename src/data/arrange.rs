//! Which files belong to a split, and which class each one shows: both follow from the folders in their names.

use std::collections::BTreeSet;

use crate::data::Split;
use crate::data::entry::Entry;

/// The files of one split, with the classes that their folders name.
pub struct Arranged<P> {
    pub entries: Vec<Entry<P>>,
    /// The split folder that was found and used; `None` where the data has none.
    pub split: Option<Split>,
    /// Class folders in order of their bytes, and each entry's; empty where the images don't all lie in class folders.
    pub classes: Vec<Vec<u8>>,
    pub labels: Vec<u32>,
}

/// Picks the files of `wanted`: `train/`, or `test/` (`val/` where there is no `test/`). With only one of them inside, the
/// data is that split; with none, all files are taken. Folders that hold all others are looked through: for splits even
/// where files lie beside them, since test images must not get into training because of a stray picture.
pub fn arrange<P>(mut entries: Vec<Entry<P>>, wanted: Split) -> Arranged<P> {
    let mut depth = 0;
    let mut folders = folders_at(&entries, depth);
    while folders.len() == 1 && !has_split(&folders) {
        depth += 1;
        folders = folders_at(&entries, depth);
    }
    if !has_split(&folders) {
        depth = 0;
        while shared_folder(&entries, depth) {
            depth += 1;
        }
    }
    let (train, test, val) = (
        folders.contains(b"train".as_slice()),
        folders.contains(b"test".as_slice()),
        folders.contains(b"val".as_slice()),
    );
    let held_out: &[u8] = if test { b"test" } else { b"val" };
    let (split, name): (_, &[u8]) = match (wanted, train, test || val) {
        (Split::Train, true, _) | (_, true, false) => (Some(Split::Train), b"train"),
        (Split::Test, _, true) | (_, false, true) => (Some(Split::Test), held_out),
        (_, false, false) => (None, b""),
    };
    if split.is_some() {
        entries.retain(|entry| folder(entry, depth) == Some(name));
        depth += 1;
    }
    let names: Option<Vec<&[u8]>> = good(&entries).map(|entry| folder(entry, depth)).collect();
    let names = names.unwrap_or_default();
    let classes: Vec<Vec<u8>> = names
        .iter()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(<[u8]>::to_vec)
        .collect();
    let labels = names
        .iter()
        .filter_map(|name| classes.binary_search_by(|class| class.as_slice().cmp(name)).ok());
    let labels = labels.map(|class| class as u32).collect();
    Arranged {
        entries,
        split,
        classes,
        labels,
    }
}

fn good<P>(entries: &[Entry<P>]) -> impl Iterator<Item = &Entry<P>> {
    entries.iter().filter(|entry| entry.bad.is_none())
}

/// The folder at this depth of a file's path.
fn folder<P>(entry: &Entry<P>, depth: usize) -> Option<&[u8]> {
    let mut parts = entry.name.split(|&b| b == b'/').skip(depth);
    let part = parts.next();
    parts.next().and(part)
}

/// The folders of images at this depth.
fn folders_at<P>(entries: &[Entry<P>], depth: usize) -> BTreeSet<Vec<u8>> {
    let folders: BTreeSet<&[u8]> = good(entries).filter_map(|entry| folder(entry, depth)).collect();
    folders.into_iter().map(<[u8]>::to_vec).collect()
}

fn has_split(folders: &BTreeSet<Vec<u8>>) -> bool {
    ["train", "test", "val"]
        .iter()
        .any(|name| folders.contains(name.as_bytes()))
}

/// Whether all images lie in one folder at this depth that has further folders inside: a wrapper, not a class.
fn shared_folder<P>(entries: &[Entry<P>], depth: usize) -> bool {
    let mut folders = good(entries).map(|entry| folder(entry, depth));
    let Some(Some(first)) = folders.next() else {
        return false;
    };
    folders.all(|folder| folder == Some(first)) && good(entries).any(|entry| folder(entry, depth + 1).is_some())
}
