//! Safetensors files into a store, one or several that an index lists.

use super::store::{Dtype, Entry, Store};
use crate::{Error, Result, ordinary};
use safetensors::SafeTensors;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// The index beside a model in several files.
pub const INDEX: &str = "model.safetensors.index.json";
/// More bytes than an index has.
const MOST_INDEX: u64 = 16 << 20;

/// Adds a file's tensors under their own names; the texts in its header.
///
/// Errors: usage, where it is none, or where its header lies about what follows.
pub fn add(store: &mut Store, path: &Path) -> Result<HashMap<String, String>> {
    Ok(read(store, path)?.0)
}

/// The texts, and the names of what is passed over.
fn read(store: &mut Store, path: &Path) -> Result<(HashMap<String, String>, Vec<String>)> {
    let mut whole = vec![];
    let origin = path.display().to_string();
    let file = store.map(path)?;
    let bytes = store.file(file);
    let (length, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| Error::usage(format!("{origin} is no safetensors file that can be read: {e}")))?;
    let start = length + 8;
    // The crate sees to it that tensors follow each other, as long as their shapes say; not that all of them are there.
    let tensors = header.tensors();
    let end = tensors.values().map(|tensor| tensor.data_offsets.1).max().unwrap_or(0);
    if bytes.len() - start != end {
        let (has, wants) = (bytes.len() - start, end);
        return Err(Error::usage(format!(
            "{origin} is no safetensors file that can be read: its header tells of {wants} bytes, and {has} follow"
        )));
    }
    let mut sorted: Vec<_> = tensors.into_iter().collect();
    sorted.sort_by_key(|(_, tensor)| tensor.data_offsets);
    for (name, tensor) in sorted {
        use safetensors::Dtype as Stored;
        let dtype = match tensor.dtype {
            Stored::F64 => Dtype::F64,
            Stored::F32 => Dtype::F32,
            Stored::F16 => Dtype::F16,
            Stored::BF16 => Dtype::Bf16,
            // Counters and index lists, which no network here has.
            Stored::BOOL | Stored::U8 | Stored::I8 | Stored::I16 | Stored::U16 | Stored::I32 | Stored::U32 => {
                whole.push(name);
                continue;
            }
            Stored::I64 | Stored::U64 => {
                whole.push(name);
                continue;
            }
            other => {
                return Err(Error::usage(format!(
                    "{origin}: \"{name}\" is {other:?}; F64, F32, F16 and BF16 are read"
                )));
            }
        };
        let (from, to) = tensor.data_offsets;
        let entry = Entry {
            dtype,
            shape: tensor.shape.clone(),
            strides: None,
            file,
            bytes: start + from..start + to,
        };
        store.add(name, entry, &origin)?;
    }
    Ok((header.metadata().clone().unwrap_or_default(), whole))
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Adds the tensors of all files that an index lists, which lie beside it.
///
/// Errors: usage, where one is missing, lies elsewhere, or does not have what the index says.
pub fn add_index(store: &mut Store, path: &Path) -> Result<()> {
    let origin = path.display();
    let bytes = ordinary::read(path, MOST_INDEX).map_err(|e| Error::usage(format!("no weights at {origin}: {e}")))?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|e| Error::usage(format!("{origin} is no index of safetensors files: {e}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut whole = BTreeSet::new(); // names of whole numbers, which are passed over
    let files: BTreeSet<&String> = index.weight_map.values().collect();
    for name in files {
        // A file name, nothing that leads elsewhere.
        if Path::new(name).file_name().is_none_or(|own| own != name.as_str()) {
            return Err(Error::usage(format!(
                "{origin} lists a file \"{name}\" that does not lie beside it"
            )));
        }
        whole.extend(read(store, &folder.join(name))?.1);
    }
    let there = |tensor: &str| store.get(tensor).is_some() || whole.contains(tensor);
    match index.weight_map.iter().find(|(tensor, _)| !there(tensor)) {
        None => Ok(()),
        Some((tensor, file)) => Err(Error::usage(format!(
            "{origin} says that \"{tensor}\" is in {file}, but it is not"
        ))),
    }
}
