//! The files of a folder or a tar archive: found once, read one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::data::decode;
use crate::data::entry::shown;
use crate::data::links::{self, Member};
use crate::data::place::{Archive, Entry, Place};
use crate::error::{Error, Result};
use crate::ordinary;

/// What a folder, an archive or a packed set holds, sorted by name.
#[derive(Debug)]
pub struct Files {
    pub entries: Vec<Entry>,
    /// Why an archive could not be read to its end.
    pub cut: Option<String>,
    pub archive: Archive,
}

/// The file that makes a folder a training run's: its tables and checkpoints were never meant to be images, nor are the
/// pictures in it. A run may lie within the data that it reads (`--out photos/run`), and has to find the same images again
/// when it goes on. `train` gives the file its name and is not known here; a test holds the two names together.
const RUN: &str = "params-ijepa.yaml";

/// Endings of files that are taken for images unread; all others are looked into.
const ENDINGS: [&str; 13] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm", "pgm", "pnm",
];

/// Bytes that tell an image format.
const START: u64 = 32;

/// All files below a folder, links followed, sorted by name. Folders of runs are not looked into; where the folder itself is
/// one, what lies beside its configuration and is no image is taken for the run's. `once`: of files that links lead to, too,
/// each once.
pub fn of_folder(root: &Path, once: bool) -> Files {
    let whole = |path: &Path| std::fs::canonicalize(path).unwrap_or_default();
    let top = whole(root);
    let mut entries = Vec::new();
    // Those that were reached through links, by their numbers.
    let mut linked = Vec::new();
    // The linked folders that the walk, which goes into depth first, is in.
    let mut links: Vec<PathBuf> = Vec::new();
    let walk = walkdir::WalkDir::new(root).follow_links(true).min_depth(1);
    let is_run = |item: &walkdir::DirEntry| item.file_type().is_dir() && item.path().join(RUN).is_file();
    let mut reached: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut walk = walk.into_iter();
    while let Some(item) = walk.next() {
        let (path, bad) = match item {
            Ok(item) if is_run(&item) => {
                walk.skip_current_dir();
                continue;
            }
            Ok(item) if item.path_is_symlink() && item.file_type().is_dir() => {
                let target = whole(item.path());
                // The walk itself knows those of its own way alone, and not what lies above the root.
                let above =
                    top.starts_with(&target) || item.path().parent().is_some_and(|at| whole(at).starts_with(&target));
                let times = reached.entry(target).or_default();
                *times += 1;
                if !above && *times <= links::LINKS_TO_ONE {
                    links.push(item.into_path());
                    continue;
                }
                walk.skip_current_dir();
                let why = if above {
                    links::LOOP.to_string()
                } else {
                    links::too_many_links()
                };
                (item.into_path(), Some(why))
            }
            Ok(item) if item.file_type().is_dir() => continue,
            Ok(item) if item.file_type().is_file() => {
                while links.last().is_some_and(|link| !item.path().starts_with(link)) {
                    links.pop();
                }
                if item.path_is_symlink() || !links.is_empty() {
                    linked.push(entries.len());
                }
                (item.into_path(), None)
            }
            Ok(item) => (item.into_path(), Some("is no ordinary file".to_string())),
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                let reason = if error.loop_ancestor().is_some() {
                    links::LOOP
                } else {
                    "is unreadable"
                };
                (path, Some(reason.to_string()))
            }
        };
        let parts = path.strip_prefix(root).unwrap_or(&path).components();
        let parts: Vec<&[u8]> = parts.map(|part| part.as_os_str().as_encoded_bytes()).collect();
        entries.push(Entry {
            name: parts.join(&b'/'),
            place: Place::Path(path),
            bad,
        });
    }
    if once {
        without_copies(&mut entries, &linked, |entry, by_link| match (&entry.place, by_link) {
            (Place::Path(path), true) => std::fs::canonicalize(path).ok(),
            (Place::Path(path), false) => Some(top.join(path.strip_prefix(root).ok()?)),
            _ => None,
        });
    }
    Files {
        entries: finished(entries, &Archive::None, root.join(RUN).is_file()),
        cut: None,
        archive: Archive::None,
    }
}

/// Takes away what links lead to that is there without them already, or by another link: of several the first by name stays.
/// `linked`: the numbers of entries that were reached through links; `place`: what tells whether two are one file, where that is
/// to be asked, of an entry that was reached so or not.
fn without_copies<K: Ord>(entries: &mut Vec<Entry>, linked: &[usize], place: impl Fn(&Entry, bool) -> Option<K>) {
    if linked.is_empty() {
        return;
    }
    let linked: BTreeSet<usize> = linked.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let mut through = BTreeMap::new();
    for (number, entry) in entries.iter().enumerate() {
        let by_link = linked.contains(&number);
        match (place(entry, by_link), by_link) {
            (Some(place), true) => drop(through.insert((entry.name.clone(), number), place)),
            (Some(place), false) => drop(seen.insert(place)),
            (None, _) => {}
        }
    }
    let copies = through
        .into_iter()
        .filter_map(|((_, number), place)| (!seen.insert(place)).then_some(number));
    let copies: BTreeSet<usize> = copies.collect();
    let mut number = 0..;
    entries.retain(|_| number.next().is_none_or(|number| !copies.contains(&number)));
}

/// All files of a tar archive, as far as it can be read; `once` as of a folder. An error if the file cannot be opened or is no tar.
pub fn of_tar(path: &Path, once: bool) -> Result<Files> {
    let unreadable = |error: std::io::Error| Error::usage(format!("{} cannot be read: {error}", path.display()));
    let mut file = ordinary::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if let Some(size) = longest_name(&file) {
        return Err(Error::usage(format!(
            "{} is damaged: it says that the name of a file in it has {size} bytes",
            path.display()
        )));
    }
    let mut start = Vec::new();
    (&file).take(START).read_to_end(&mut start).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut members = Vec::new();
    let mut cut = None;
    let mut end = 0;
    let mut archive = tar::Archive::new(&file);
    for item in archive.entries_with_seek().map_err(unreadable)? {
        let item = match item {
            Ok(item) => item,
            Err(_) if end == 0 => return Err(Error::usage(not_a_tar(path, &start))),
            Err(error) => {
                cut = Some(format!(
                    "is damaged after {end} bytes, and its rest was not read: {error}"
                ));
                break;
            }
        };
        let (start, size) = (item.raw_file_position(), item.size());
        end = start.saturating_add(size);
        if end > length {
            cut = Some(format!("is cut short in the middle of {}", shown(&item.path_bytes())));
            break;
        }
        let kind = item.header().entry_type();
        // What git and Python put first, and a volume's label, tell of the archive and are no members.
        if kind.is_pax_global_extensions() || kind.as_byte() == b'V' {
            continue;
        }
        let target = || item.link_name_bytes().unwrap_or_default().into_owned();
        let member = if kind.is_dir() {
            Member::Folder
        } else if kind.is_symlink() {
            Member::Symbolic(target())
        } else if kind.is_hard_link() {
            Member::Hard(target())
        } else {
            let bad = (!kind.is_file() && !kind.is_contiguous()).then(|| "is no ordinary file".to_string());
            Member::File(Place::Bytes { start, length: size }, bad)
        };
        members.push((item.path_bytes().into_owned(), member));
    }
    // Two blocks of zeros end a tar; without a whole one there is no telling what came after.
    if cut.is_none() && end > 0 && length < end.next_multiple_of(512) + 512 {
        cut = Some("has no end mark, so that it was probably cut short".to_string());
    }
    let archive = Archive::Tar(Mutex::new(file));
    let (mut entries, linked) = links::followed(members);
    if once {
        without_copies(&mut entries, &linked, |entry, _| match &entry.place {
            Place::Bytes { start, .. } if entry.bad.is_none() => Some(*start),
            _ => None,
        });
    }
    Ok(Files {
        entries: finished(entries, &archive, false),
        cut,
        archive,
    })
}

/// Bytes of the longest block that holds a member's name or attributes, where it is longer than any could be: such blocks
/// are read into memory whole.
fn longest_name(mut file: &File) -> Option<u64> {
    const MOST: u64 = 1 << 20;
    let mut archive = tar::Archive::new(file);
    let raw = archive.entries_with_seek().ok()?.raw(true);
    let beside = |kind: tar::EntryType| {
        kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions()
    };
    let sizes = raw
        .map_while(Result::ok)
        .filter(|item| beside(item.header().entry_type()));
    let longest = sizes.map(|item| item.size()).find(|&size| size > MOST);
    let _ = file.seek(SeekFrom::Start(0));
    longest
}

fn not_a_tar(path: &Path, start: &[u8]) -> String {
    let packers: [(&[u8], &str); 6] = [
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"PK\x03\x04", "zip"),
        (b"7z\xbc\xaf", "7z"),
    ];
    let path = path.display();
    if let Some((_, name)) = packers.iter().find(|(magic, _)| start.starts_with(magic)) {
        return format!("{path} is compressed with {name}: unpack it, and give the folder or the plain tar");
    }
    if decode::format(start).is_some() {
        return format!("{path} is a single image: give the folder that holds the images");
    }
    format!("{path} is neither a folder nor a tar of images, nor a packed set (nor generated:glyphs)")
}

/// Sorted by name; what is clearly no image is marked. What systems leave behind (`.DS_Store`, `._1.png` beside `1.png`, all
/// of `.git`) was never meant to be an image, whatever its ending: it is used if it is one, and otherwise not mentioned.
/// The same goes for what a run (`in_run`) has put beside its configuration under names that no image has.
fn finished(mut entries: Vec<Entry>, archive: &Archive, in_run: bool) -> Vec<Entry> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries.dedup_by(|a, b| a.name == b.name);
    entries.retain_mut(|entry| {
        let mut parts = entry.name.split(|&b| b == b'/');
        let left_behind = parts.any(|part| part.starts_with(b".") && part != b"..");
        let ending = entry.name.rsplit(|&b| b == b'.').next().unwrap_or_default();
        let named = ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known.as_bytes()));
        if entry.bad.is_none() && (left_behind || !named) {
            entry.bad = match entry.place.read(archive, START) {
                Ok(start) if decode::format(&start).is_some() => None,
                Ok(start) if start.is_empty() => Some("is empty".to_string()),
                Ok(_) => Some("is no image".to_string()),
                Err(reason) => Some(reason),
            };
        }
        let of_the_run = in_run && !named && !entry.name.contains(&b'/');
        entry.bad.is_none() || !(left_behind || of_the_run)
    });
    entries
}
