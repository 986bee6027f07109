//! The members of a tar archive as they would lie in a folder, with its links followed.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::data::place::{Entry, Place};

/// What an archive holds under a name.
#[derive(Debug)]
pub enum Member {
    /// Where its bytes are, and why it is known to be bad.
    File(Place, Option<String>),
    Folder,
    /// To a path from the link's folder on, or anywhere in the system if it begins with "/".
    Symbolic(Vec<u8>),
    /// To a member by its name.
    Hard(Vec<u8>),
}

/// A path without links, "." and ".." in it: the names of folders and, last, of what it leads to.
type Path = Vec<Vec<u8>>;

type Members = BTreeMap<Path, Member>;

/// Links that are followed one after the other, as on Linux; more are a loop.
const HOPS: usize = 40;

/// Links by which one folder may be reached, in a folder on a disk and in an archive; more are a bomb: a few links to folders
/// of links make millions of names.
pub const LINKS_TO_ONE: usize = 64;

/// Why a link is not followed that leads to where it lies.
pub const LOOP: &str = "links to a folder above it";

/// What is collected on the way.
#[derive(Default)]
struct Walk {
    /// The folders that links on the way lay in and led to.
    inside: Vec<Path>,
    /// How often a link led to a folder.
    reached: BTreeMap<Path, usize>,
    entries: Vec<Entry>,
}

/// All files, those that links lead to under the names of the links too, and the numbers of these. Links to nothing and loops
/// become bad files.
pub fn followed(members: Vec<(Vec<u8>, Member)>) -> (Vec<Entry>, Vec<usize>) {
    let mut known = Members::new();
    for (name, member) in members {
        let name: Path = parts(&name).map(<[u8]>::to_vec).collect();
        // A second copy of a file is stored as a hard link to its own name by some packers.
        let itself = matches!(&member, Member::Hard(target) if parts(target).eq(&name));
        if !itself {
            known.insert(name, member); // of two with one name the later counts, as when unpacking
        }
    }
    let mut walk = Walk::default();
    let mut linked = vec![];
    for (name, member) in &known {
        let first = walk.entries.len();
        list(&known, name.clone(), name, member, &mut walk);
        if !matches!(member, Member::File(..)) {
            linked.extend(first..walk.entries.len());
        }
    }
    (walk.entries, linked)
}

/// Adds what is found at `path` under the name `name`.
fn list(known: &Members, name: Path, path: &Path, member: &Member, walk: &mut Walk) {
    let mut add = |place: &Place, bad: Option<String>| {
        walk.entries.push(Entry {
            name: name.join(&b'/'),
            place: place.clone(),
            bad,
        })
    };
    // Of a link that leads nowhere no byte is ever read.
    let nowhere = Place::Bytes { start: 0, length: 0 };
    let target = match member {
        Member::File(place, bad) => return add(place, bad.clone()),
        Member::Folder => return,
        Member::Symbolic(_) | Member::Hard(_) => resolved(known, path),
    };
    let Some(target) = target else {
        return add(&nowhere, Some("links to nothing in the archive".to_string()));
    };
    if let Some(Member::File(place, bad)) = known.get(&target) {
        return add(place, bad.clone());
    }
    let mut below = below(known, &target).peekable();
    if below.peek().is_none() && !matches!(known.get(&target), Some(Member::Folder)) {
        return add(&nowhere, Some("links to nothing in the archive".to_string()));
    }
    let above = path.starts_with(&target) || walk.inside.iter().any(|folder| folder.starts_with(&target));
    if above || walk.inside.len() > 2 * HOPS {
        return add(&nowhere, Some(LOOP.to_string()));
    }
    let times = walk.reached.entry(target.clone()).or_default();
    *times += 1;
    if *times > LINKS_TO_ONE {
        return add(&nowhere, Some(too_many_links()));
    }
    let outside = walk.inside.len();
    walk.inside.extend([path[..path.len() - 1].to_vec(), target.clone()]);
    for (path, member) in below {
        let name = [name.as_slice(), &path[target.len()..]].concat();
        list(known, name, path, member, walk);
    }
    walk.inside.truncate(outside);
}

/// Why a link to a folder is not followed any more.
pub fn too_many_links() -> String {
    format!("links to a folder that {LINKS_TO_ONE} links lead to already")
}

/// All that lies in a folder and the folders in it.
fn below<'a>(known: &'a Members, folder: &Path) -> impl Iterator<Item = (&'a Path, &'a Member)> {
    let after = known.range::<Path, _>((Bound::Excluded(folder), Bound::Unbounded));
    after.take_while(move |(path, _)| path.starts_with(folder))
}

/// Where a path leads once all links in it are followed; `None` if out of the archive, or in circles.
fn resolved(known: &Members, path: &Path) -> Option<Path> {
    let mut ahead: Path = path.iter().rev().cloned().collect();
    let mut at = Path::new();
    let mut hops = 0;
    while let Some(part) = ahead.pop() {
        if part == b".." {
            at.pop()?;
            continue;
        }
        at.push(part);
        let target = match known.get(&at) {
            Some(Member::Symbolic(target)) if target.starts_with(b"/") => return None,
            Some(Member::Symbolic(target)) => {
                at.pop();
                target
            }
            Some(Member::Hard(target)) => {
                at.clear();
                target
            }
            _ => continue,
        };
        hops += 1;
        if hops > HOPS {
            return None;
        }
        ahead.extend(parts(target).map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter().rev());
    }
    Some(at)
}

/// A path's parts, "." left out.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
}
