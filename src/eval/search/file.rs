//! The index in a file. All numbers are little-endian:
//!
//! ```text
//! head       "ijepa search index\n", version u32, bytes of the JSON u64, bytes of the graph u64
//! JSON       settings (texts), mean, items, lengths, and of each point of the graph its row, or null
//! graph      as `instant-distance` and `postcard` write it, with the vectors of its points
//! rows       vectors of the rows that are not in the graph, f32
//! tail       CRC-32 of all that u32
//! ```

use super::graph::{GONE, Graph, Vector};
use super::index::{Index, Item};
use crate::data::quiet;
use crate::{Error, Result, ordinary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

const MAGIC: &[u8] = b"ijepa search index\n";
const VERSION: u32 = 1;
/// Magic, version and two lengths.
const HEAD: usize = MAGIC.len() + 20;
/// More bytes than an index of a million wide rows has.
const MOST_BYTES: u64 = 16 << 30;

/// What an index depends on, in words: which weights, which folder.
pub type Settings = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
struct Header {
    settings: Settings,
    mean: Vec<f32>,
    items: Vec<Item>,
    lengths: Vec<f32>,
    points: Vec<Option<u32>>,
    #[serde(default)]
    settled: bool,
}

/// Writes an index with what it depends on.
pub fn write(index: &Index, settings: &Settings, file: &mut impl Write) -> std::io::Result<()> {
    let graph = index.graph.as_ref();
    let points = graph.map_or(&[][..], |graph| graph.rows());
    let header = Header {
        settings: settings.clone(),
        mean: index.mean.clone(),
        items: index.items.clone(),
        lengths: index.lengths.clone(),
        points: points.iter().map(|&row| (row != GONE).then_some(row)).collect(),
        settled: index.settled,
    };
    let header = serde_json::to_vec(&header)?;
    let mut bytes = vec![];
    if let Some(graph) = graph {
        graph.write(&mut bytes)?;
    }
    let mut digest = crc32fast::Hasher::new();
    let mut put = |bytes: &[u8]| {
        digest.update(bytes);
        file.write_all(bytes)
    };
    put(MAGIC)?;
    put(&VERSION.to_le_bytes())?;
    put(&(header.len() as u64).to_le_bytes())?;
    put(&(bytes.len() as u64).to_le_bytes())?;
    put(&header)?;
    put(&bytes)?;
    for row in &index.rows[graph.map_or(0, Graph::there)..] {
        put(bytemuck::cast_slice(&row.0))?;
    }
    file.write_all(&digest.finalize().to_le_bytes())
}

/// Reads one; `None` where there is no file.
///
/// Errors: usage, where it can't be read, is no index, is of another version or is not as it was written.
pub fn read(path: &Path) -> Result<Option<(Index, Settings)>> {
    let shown = path.display();
    // What is none is not read into memory, however large it is.
    if !own(path)? {
        return Ok(None);
    }
    let bytes = match ordinary::read(path, MOST_BYTES) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::usage(format!("{shown} cannot be read: {e}"))),
    };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(foreign(path));
    };
    let version = rest.first_chunk().map(|version| u32::from_le_bytes(*version));
    if let Some(version) = version.filter(|version| *version != VERSION) {
        return Err(Error::usage(format!(
            "{shown} is an index of version {version}, and this ijepa reads version {VERSION}: remove it and make it anew"
        )));
    }
    // What is read into the graph was checked above all by its checksum; code of others that stumbles all the same is caught.
    match quiet::caught(|| parsed(&bytes)).flatten() {
        Some(read) => Ok(Some(read)),
        None => Err(Error::usage(format!(
            "{shown} is an index that is damaged: remove it and make it anew by `ijepa search index`"
        ))),
    }
}

/// `None` where anything does not fit.
fn parsed(bytes: &[u8]) -> Option<(Index, Settings)> {
    let (bytes, checksum) = bytes.split_last_chunk()?;
    if crc32fast::hash(bytes) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let length = |at: usize| {
        bytes
            .get(at..at + 8)?
            .first_chunk()
            .map(|length| u64::from_le_bytes(*length))
    };
    let (header, graph) = (length(HEAD - 16)?, length(HEAD - 8)?);
    let rest = bytes.get(HEAD..)?;
    let (header, rest) = rest.split_at_checked(header.try_into().ok()?)?;
    let (graph, rest) = rest.split_at_checked(graph.try_into().ok()?)?;
    let header: Header = serde_json::from_slice(header).ok()?;
    let (width, count) = (header.mean.len(), header.items.len());
    let (graph, mut rows) = match graph.is_empty() {
        true => (None, vec![]),
        false => {
            let points = header.points.iter().map(|row| row.unwrap_or(GONE)).collect();
            let (graph, rows) = Graph::read(graph, points)?;
            (Some(graph), rows)
        }
    };
    let value = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    let later = rest.chunks_exact((4 * width).max(1));
    rows.extend(later.map(|row| Vector(row.chunks_exact(4).map(value).collect())));
    let fits = width > 0
        && rest.len() % (4 * width) == 0
        && rows.len() == count
        && header.lengths.len() == count
        && rows
            .iter()
            .all(|row| row.0.len() == width && row.0.iter().all(|value| value.is_finite()));
    let index = Index {
        width,
        mean: header.mean,
        items: header.items,
        rows,
        lengths: header.lengths,
        graph,
        settled: header.settled,
    };
    fits.then_some((index, header.settings))
}

/// Whether there is an index, of any version, whole or not.
///
/// Errors: usage, where there is a file that is none or can't be read.
pub fn own(path: &Path) -> Result<bool> {
    let mut magic = [0; MAGIC.len()];
    match ordinary::open(path).and_then(|mut file| file.read_exact(&mut magic)) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Ok(()) if magic == *MAGIC => Ok(true),
        Err(e) if e.kind() != ErrorKind::UnexpectedEof => {
            Err(Error::usage(format!("{} cannot be read: {e}", path.display())))
        }
        _ => Err(foreign(path)),
    }
}

fn foreign(path: &Path) -> Error {
    Error::usage(format!(
        "{} is no index of `ijepa search`, and is left as it is: name another one by --index",
        path.display()
    ))
}
