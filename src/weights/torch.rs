//! Files of `torch.save`: an archive with a pickle that says what there is, and the numbers beside it, which are mapped and
//! never unpacked.

use super::pickle::{MOST_BYTES, Node, Pickle, Strided};
use super::store::{Dtype, Entry, Store};
use super::write::reference::HEADS;
use crate::{Error, Result};
use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// What an archive begins with, and what older files of torch do.
pub const ARCHIVE: &[u8] = b"PK\x03\x04";
pub const OLD: &[u8] = &[0x80, 0x02, 0x8a, 0x0a];

/// AdamW's state for one parameter, by its index.
pub struct Moments {
    pub index: i64,
    pub step: f64,
    /// Names in the store.
    pub mean: String,
    pub square: String,
}

/// What the pickle holds beside tensors.
#[derive(Default)]
pub struct Contents {
    /// Names of the top level, in order.
    pub keys: Vec<String>,
    /// The optimiser's state, and the indices of each of its groups.
    pub moments: Vec<Moments>,
    pub groups: Vec<Vec<i64>>,
    pub epoch: Option<u64>,
    pub loss: Option<f64>,
    pub batch_size: Option<u64>,
    pub world_size: Option<u64>,
    pub lr: Option<f64>,
    /// Heads of the encoder, where we wrote the file.
    pub heads: Option<u64>,
    /// Texts, such as those that we add.
    pub texts: HashMap<String, String>,
}

/// Tensors of a file at most, moments and all: ViT-G has 3,000. A pickle may name one tensor in a million places.
const MOST_TENSORS: usize = 100_000;
const MOST_HEADS: u64 = 1 << 16;

fn push<'a>(tensors: &mut Vec<(String, &'a Strided)>, name: String, tensor: &'a Strided) -> Result<()> {
    if tensors.len() == MOST_TENSORS {
        return Err(Error::usage(format!("the file names more than {MOST_TENSORS} tensors")));
    }
    tensors.push((name, tensor));
    Ok(())
}

/// Adds the tensors of a file: those of a dictionary at the top level as `key/name`, others under their own names.
///
/// Errors: usage, where it is none that can be read.
pub fn add(store: &mut Store, path: &Path) -> Result<Contents> {
    let origin = path.display().to_string();
    let file = store.map(path)?;
    let archive = Archive::open(store.file(file), file, &origin)?;
    let pickle = Pickle::read(&archive.pickle).map_err(|e| Error::usage(format!("{origin}: {e}")))?;
    let root = pickle.root();
    if !matches!(root, Node::Dict(_)) {
        return Err(Error::usage(format!("{origin} holds no dictionary of weights")));
    }
    let mut contents = Contents::default();
    let mut tensors = vec![];
    for (key, value) in pickle.items(root) {
        contents.keys.push(key.to_string());
        match value {
            Node::Tensor(tensor) => push(&mut tensors, key.to_string(), tensor)?,
            Node::Text(text) => drop(contents.texts.insert(key.to_string(), text.clone())),
            Node::Dict(_) if key == "opt" => optimiser(&pickle, value, &mut contents, &mut tensors)?,
            _ => {
                for (name, value) in pickle.items(value) {
                    if let Node::Tensor(tensor) = value {
                        push(&mut tensors, format!("{key}/{name}"), tensor)?;
                    }
                }
            }
        }
    }
    let whole = |key: &str| match pickle.get(root, key) {
        Some(&Node::Int(value)) => u64::try_from(value).ok(),
        _ => None,
    };
    let number = |key: &str| match pickle.get(root, key) {
        Some(&Node::Float(value)) if value.is_finite() => Some(value),
        _ => None,
    };
    contents.epoch = whole("epoch");
    contents.batch_size = whole("batch_size");
    contents.world_size = whole("world_size");
    contents.heads = whole(HEADS).filter(|heads| (1..=MOST_HEADS).contains(heads));
    contents.loss = number("loss");
    contents.lr = number("lr");
    let mut entries = vec![];
    for (name, tensor) in tensors {
        if let Some(entry) = archive.entry(&name, tensor)? {
            entries.push((name, entry));
        }
    }
    for (name, entry) in entries {
        store.add(name, entry, &origin)?;
    }
    for moments in &mut contents.moments {
        // Older versions of torch keep the count of steps as a number, newer ones as a tensor.
        let name = format!("opt/{}/step", moments.index);
        let single = store.get(&name).filter(|entry| entry.count() == Some(1));
        if let Some(step) = single.and_then(|_| store.read(&name)) {
            moments.step = step.values.first().copied().unwrap_or(0.0).into();
        }
    }
    Ok(contents)
}

fn optimiser<'a>(
    pickle: &'a Pickle,
    opt: &'a Node,
    contents: &mut Contents,
    tensors: &mut Vec<(String, &'a Strided)>,
) -> Result<()> {
    if let Some(Node::Dict(states)) = pickle.get(opt, "state") {
        for &(index, state) in states {
            let (&Node::Int(index), state) = (pickle.node(index), pickle.node(state)) else {
                continue;
            };
            let mut moments = Moments {
                index,
                step: 0.0,
                mean: format!("opt/{index}/exp_avg"),
                square: format!("opt/{index}/exp_avg_sq"),
            };
            for (name, value) in pickle.items(state) {
                match value {
                    Node::Tensor(tensor) => push(tensors, format!("opt/{index}/{name}"), tensor)?,
                    &Node::Int(step) if name == "step" => moments.step = step as f64,
                    &Node::Float(step) if name == "step" => moments.step = step,
                    _ => {}
                }
            }
            contents.moments.push(moments);
        }
    }
    if let Some(Node::List(groups)) = pickle.get(opt, "param_groups") {
        let indices = |node: &Node| match pickle.get(node, "params") {
            Some(Node::List(ids)) => ids
                .iter()
                .filter_map(|&id| match pickle.node(id) {
                    &Node::Int(index) => Some(index),
                    _ => None,
                })
                .collect(),
            _ => vec![],
        };
        // A hostile file may list one group a million times.
        contents.groups = groups
            .iter()
            .take(8)
            .map(|&group| indices(pickle.node(group)))
            .collect();
    }
    Ok(())
}

/// The archive's parts, none of them compressed.
struct Archive<'a> {
    pickle: Vec<u8>,
    /// What stands before `data.pkl` in the names of its parts.
    folder: String,
    zip: std::cell::RefCell<ZipArchive<Cursor<&'a [u8]>>>,
    file: usize,
    origin: &'a str,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8], file: usize, origin: &'a str) -> Result<Archive<'a>> {
        let refused = |what: String| Error::usage(format!("{origin}: {what}"));
        if bytes.starts_with(OLD) {
            return Err(refused(
                "is in the format that torch had before its version 1.6, which is not read: load and save it once with a \
                 newer torch"
                    .into(),
            ));
        }
        let broken = |e: zip::result::ZipError| refused(format!("is no archive that can be read: {e}"));
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
        let names: Vec<String> = zip
            .file_names()
            .filter_map(|name| Some(name.ok()?.into_owned()))
            .collect();
        let has = |ends: &str| names.iter().any(|name| name.ends_with(ends));
        let pickle = names
            .iter()
            .find(|name| name.ends_with("/data.pkl") || *name == "data.pkl");
        let Some(name) = pickle.filter(|_| !has("/constants.pkl")) else {
            let what = match has("/constants.pkl") {
                true => "is a TorchScript program, of which no weights are read: save its state dict",
                false => "is an archive, but none of torch.save",
            };
            return Err(refused(what.into()));
        };
        let folder = name.strip_suffix("data.pkl").unwrap_or_default().to_string();
        let mut part = |name: &str, most: usize| -> Result<Option<Vec<u8>>> {
            if !names.iter().any(|known| known == name) {
                return Ok(None);
            }
            let part = zip.by_name(name).map_err(broken)?;
            // Parts that are not compressed can't be larger than the file.
            if part.compression() != CompressionMethod::Stored || part.size() > most as u64 {
                return Err(refused(format!(
                    "\"{name}\" is compressed, or larger than {most} bytes, which torch.save never makes it"
                )));
            }
            let mut bytes = vec![];
            let read = part.take(most as u64).read_to_end(&mut bytes);
            read.map_err(|e| refused(format!("\"{name}\" can't be read: {e}")))?;
            Ok(Some(bytes))
        };
        let pickle = part(name, MOST_BYTES)?.unwrap_or_default();
        let order = part(&format!("{folder}byteorder"), 16)?;
        if order.is_some_and(|order| order != b"little") {
            return Err(refused("was saved on a machine with its bytes in another order".into()));
        }
        Ok(Archive {
            pickle,
            folder,
            zip: zip.into(),
            file,
            origin,
        })
    }

    /// Where a tensor lies; `None` for whole numbers, which no network here has.
    fn entry(&self, name: &str, tensor: &Strided) -> Result<Option<Entry>> {
        let dtype = match tensor.storage.kind {
            "Double" => Dtype::F64,
            "Float" => Dtype::F32,
            "Half" => Dtype::F16,
            "BFloat16" => Dtype::Bf16,
            _ => return Ok(None),
        };
        let lies = |what: &str| Error::usage(format!("{}: \"{name}\" {what}: the file is damaged", self.origin));
        let range = self.part(&tensor.storage.key).map_err(|what| lies(&what))?;
        let bytes = tensor.storage.count.checked_mul(dtype.bytes());
        if bytes != Some(range.len()) {
            return Err(lies("is said to be of another size than what is stored"));
        }
        let skipped = tensor
            .offset
            .checked_mul(dtype.bytes())
            .filter(|&bytes| bytes <= range.len());
        let skipped = skipped.ok_or_else(|| lies("begins beyond the end of what is stored"))?;
        let mut entry = Entry {
            dtype,
            shape: tensor.shape.clone(),
            strides: Some(tensor.strides.clone()),
            file: self.file,
            bytes: range.start + skipped..range.end,
        };
        entry.check(name, self.origin)?;
        if contiguous(&tensor.shape, &tensor.strides) {
            entry.strides = None;
        }
        Ok(Some(entry))
    }

    /// Where a storage's numbers lie in the file.
    fn part(&self, key: &str) -> Result<Range<usize>, String> {
        let part = format!("{}data/{key}", self.folder);
        let mut zip = self.zip.borrow_mut();
        let found = zip
            .by_name(&part)
            .map_err(|e| format!("has no numbers at {part} ({e})"))?;
        if found.compression() != CompressionMethod::Stored {
            return Err("is compressed, which torch.save never does".into());
        }
        let start = found.data_start().ok_or("can't be found in the archive")?;
        let (start, size) = (start as usize, found.size() as usize);
        let end = start.checked_add(size).ok_or("lies beyond the file's end")?;
        Ok(start..end)
    }
}

/// Whether rows follow each other.
fn contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    for (&length, &stride) in shape.iter().zip(strides).rev() {
        if length != 1 && stride != expected {
            return false;
        }
        expected = expected.saturating_mul(length); // an axis of none may hide others of any length
    }
    true
}
