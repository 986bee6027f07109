//! A weight file or folder, whatever made it: recognised by what is in it, described, read tensor by tensor.

use super::architecture::Architecture;
use super::beside::{Beside, beside};
use super::names::{self, Source, Understood};
use super::safetensors::{self, INDEX};
use super::store::Store;
use super::torch::{self, Contents};
use crate::model::tensors::Tensor;
use crate::{Error, Result, ordinary};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Who writes such files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Safetensors with networks under the reference's names, as `ijepa train` and `ijepa finetune` write them.
    Own,
    /// Safetensors of Hugging Face's transformers.
    HuggingFace,
    /// Safetensors of a ViT under timm's names.
    Timm,
    /// The reference's checkpoint, `.pth.tar`.
    Reference,
    /// `torch.save` of a ViT's state dict.
    Torch,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Format::Own => "ijepa's weights (safetensors)",
            Format::HuggingFace => "Hugging Face's IJepaModel (safetensors)",
            Format::Timm => "a ViT under timm's names (safetensors)",
            Format::Reference => "a checkpoint of the reference (torch.save)",
            Format::Torch => "a ViT's state dict (torch.save)",
        }
    }
}

/// An open weight file: mapped, so that its size is no matter.
pub struct Weights {
    /// The file or folder, for messages.
    pub origin: String,
    pub format: Format,
    pub architecture: Architecture,
    /// Remarks on what differs from an I-JEPA encoder: a class token that is left out, another eps.
    pub remarks: Vec<String>,
    /// Tensors without a meaning here.
    pub unknown: Vec<String>,
    /// The texts of a safetensors header, or of a dictionary's top level.
    pub metadata: HashMap<String, String>,
    /// What a file of `torch.save` holds beside tensors.
    pub torch: Option<Contents>,
    /// Whether images are cut without a margin around them, where an image processor beside the weights says how they are cut.
    pub exact: Option<bool>,
    /// Rows of a classifier's last layer of Hugging Face or timm, which is left out here, and their names as far as they are known.
    pub head: Option<(usize, Vec<String>)>,
    /// AdamW's count of steps, where there are moments.
    pub adamw_steps: Option<u64>,
    store: Store,
    sources: BTreeMap<String, Source>,
}

/// Opens a file, or the weights in a folder (of Hugging Face or timm).
///
/// Errors: usage, where there are none, or none that can be read, with the reason.
pub fn open(path: &Path) -> Result<Weights> {
    let origin = path.display().to_string();
    let file = match path.is_dir() {
        true => in_folder(path)?,
        false => path.to_path_buf(),
    };
    let mut store = Store::default();
    let mut metadata = HashMap::new();
    let mut torch = None;
    match kind(&file)? {
        Kind::Index => safetensors::add_index(&mut store, &file)?,
        Kind::Torch => {
            let contents = torch::add(&mut store, &file)?;
            metadata.clone_from(&contents.texts);
            torch = Some(contents);
        }
        Kind::Safetensors => metadata = safetensors::add(&mut store, &file)?,
    }
    let (format, mut understood) = recognise(&store, torch.as_ref());
    if understood.sources.is_empty() {
        let some: Vec<&str> = store.names().iter().take(3).map(String::as_str).collect();
        return Err(Error::usage(format!(
            "{origin} holds no weights of I-JEPA or of a ViT that are known here; its first tensors are: {}",
            some.join(", ")
        )));
    }
    let mut remarks = without_class_token(&store, &mut understood);
    let mut adamw_steps = None;
    if let Some(contents) = torch.as_ref().filter(|_| format == Format::Reference) {
        adamw_steps = moments(&store, contents, &mut understood);
        understood.unknown.retain(|name| !name.starts_with("opt/"));
    }
    // A checkpoint of ours or the reference's has no such file; whose lies there is another model's.
    let beside = match format {
        Format::Own | Format::Reference => Beside::default(),
        _ => beside(&file)?,
    };
    remarks.extend(beside.remarks);
    let head = match format {
        Format::HuggingFace | Format::Timm => rows_of_head(&store),
        _ => None,
    };
    let names = |rows: usize| match beside.classes.len() == rows {
        true => beside.classes.clone(),
        false => vec![],
    };
    let mut weights = Weights {
        architecture: Architecture::default(),
        unknown: understood.unknown,
        sources: understood.sources,
        origin,
        format,
        remarks,
        metadata,
        torch,
        exact: beside.exact,
        head: head.map(|rows| (rows, names(rows))),
        adamw_steps,
        store,
    };
    let architecture = Architecture::read(|name| weights.shape(name)).ok_or_else(|| {
        let origin = &weights.origin;
        Error::usage(format!(
            "{origin} has no patch embedding [width, 3, patch, patch], so that it is no I-JEPA encoder or ViT that is known here"
        ))
    })?;
    weights.architecture = architecture;
    let told = weights.torch.as_ref().and_then(|contents| contents.heads);
    weights.architecture.heads = beside.heads.or(told.and_then(|heads| usize::try_from(heads).ok()));
    Ok(weights)
}

enum Kind {
    Safetensors,
    Index,
    Torch,
}

fn kind(file: &Path) -> Result<Kind> {
    if file.extension().is_some_and(|extension| extension == "onnx") && file.is_file() {
        return Err(onnx(file));
    }
    if file.extension().is_some_and(|extension| extension == "json") {
        return Ok(Kind::Index);
    }
    let refused = |e: std::io::Error| Error::usage(format!("no weights at {}: {e}", file.display()));
    let mut start = vec![];
    let opened = ordinary::open(file).map_err(refused)?;
    opened.take(4).read_to_end(&mut start).map_err(refused)?;
    Ok(match start == torch::ARCHIVE || start == torch::OLD {
        true => Kind::Torch,
        false => Kind::Safetensors,
    })
}

/// Graphs say how to compute, and their weights have lost the names that tell which is which.
fn onnx(path: &Path) -> Error {
    Error::usage(format!(
        "{} is an ONNX graph, which `ijepa export` writes and nothing here reads: name the run, or weights in safetensors, of \
         Hugging Face, timm or torch.save",
        path.display()
    ))
}

fn in_folder(folder: &Path) -> Result<PathBuf> {
    let names = [INDEX, "model.safetensors", "pytorch_model.bin"];
    let found = names.iter().map(|name| folder.join(name)).find(|file| file.exists());
    let graph = folder.join("model.onnx");
    found.ok_or_else(|| match graph.is_file() {
        true => onnx(&graph),
        false => Error::usage(format!(
            "no weights in {}: there is none of {}",
            folder.display(),
            names.join(", ")
        )),
    })
}

/// The format, and every tensor's meaning.
fn recognise(store: &Store, torch: Option<&Contents>) -> (Format, Understood) {
    let names = || store.names().iter().map(String::as_str);
    if let Some(contents) = torch {
        let has = |key: &str| contents.keys.iter().any(|known| known == key);
        if has("target_encoder") || has("encoder") && has("predictor") {
            return (Format::Reference, reference(store));
        }
        // A training script's dictionary: the averaged network is the better one.
        let group = ["teacher", "state_dict", "model"].iter().find(|key| has(key));
        let inner = names().filter_map(|name| match group {
            Some(group) => Some((name, name.strip_prefix(group)?.strip_prefix('/')?)),
            None => Some((name, name)),
        });
        return (Format::Torch, any_vit(inner.collect()).1);
    }
    if names().any(|name| name.contains("encoder.patch_embed.")) {
        let mut understood = Understood::default();
        for name in names() {
            let known = ["encoder.", "target_encoder.", "predictor.", "head.", "mean.", "square."];
            match known.iter().any(|start| name.starts_with(start)) {
                true => drop(understood.sources.insert(name.into(), Source::Whole(name.into()))),
                false => understood.unknown.push(name.into()),
            }
        }
        return (Format::Own, understood);
    }
    any_vit(names().map(|name| (name, name)).collect())
}

/// So many classes a linear layer after the encoder tells apart, by its names at Hugging Face and timm.
fn rows_of_head(store: &Store) -> Option<usize> {
    let shape = ["classifier.weight", "head.weight"]
        .iter()
        .find_map(|name| Some(&store.get(name)?.shape));
    match shape?[..] {
        [rows, _] => Some(rows),
        _ => None,
    }
}

/// One encoder under whoever's names.
fn any_vit(full: Vec<(&str, &str)>) -> (Format, Understood) {
    let bare = full.iter().map(|(full, name)| (*full, names::bare(name)));
    match full
        .iter()
        .any(|(_, name)| name.contains("patch_embeddings.projection"))
    {
        true => (
            Format::HuggingFace,
            names::understand(bare, "encoder.", names::hugging_face),
        ),
        false => (Format::Timm, names::understand(bare, "encoder.", names::vit)),
    }
}

/// The reference's dictionary: `encoder/module.blocks.0...`.
fn reference(store: &Store) -> Understood {
    let mut understood = Understood::default();
    for name in store.names() {
        match name.split_once('/') {
            Some((network @ ("encoder" | "target_encoder" | "predictor"), rest)) => {
                let ours = format!("{network}.{}", names::bare(rest));
                understood.sources.insert(ours, Source::Whole(name.clone()));
            }
            _ => understood.unknown.push(name.clone()),
        }
    }
    understood
}

/// Takes a class token's row from the positions.
fn without_class_token(store: &Store, understood: &mut Understood) -> Vec<String> {
    let Some(token) = understood.idle.iter().find(|name| name.ends_with("cls_token")) else {
        return vec![];
    };
    if let Some(source) = understood.sources.get_mut("encoder.pos_embed")
        && let Source::Whole(name) = source
        && let Some([1, rows, _]) = store.get(name).map(|entry| &entry.shape[..])
        && rows.isqrt().pow(2) != *rows
    {
        *source = Source::Without(name.clone(), 1);
    }
    vec![format!(
        "\"{token}\" is left out: I-JEPA has no class token, so that features are others than those of the network that it \
         comes from"
    )]
}

/// AdamW's moments by the parameters' names: indices go through the groups of encoder and predictor in the order of the
/// file, decayed first. The count of steps; `None` where they are not complete.
fn moments(store: &Store, contents: &Contents, understood: &mut Understood) -> Option<u64> {
    let names = |network: &str, decayed: bool| {
        let start = format!("{network}/");
        let names = store.names().iter().filter_map(move |name| {
            let ours = format!("{network}.{}", names::bare(name.strip_prefix(&start)?));
            let axes = store.get(name)?.shape.len();
            ((axes != 1 && !ours.contains("bias")) == decayed).then_some(ours)
        });
        names.collect::<Vec<String>>()
    };
    let groups = [
        names("encoder", true),
        names("predictor", true),
        names("encoder", false),
        names("predictor", false),
    ];
    let agree = contents.groups.iter().map(Vec::len).eq(groups.iter().map(Vec::len));
    if !agree {
        return None;
    }
    let indices = contents.groups.iter().flatten();
    let by_index: HashMap<i64, &String> = indices.copied().zip(groups.iter().flatten()).collect();
    let mut found = vec![];
    let mut steps = 0.0f64;
    for moments in &contents.moments {
        let name = by_index.get(&moments.index)?;
        let own = store.get(understood.sources.get(*name).and_then(whole)?)?;
        for (kind, source) in [("mean", &moments.mean), ("square", &moments.square)] {
            if store.get(source)?.shape != own.shape {
                return None;
            }
            found.push((format!("{kind}.{name}"), Source::Whole(source.clone())));
        }
        steps = steps.max(moments.step);
    }
    let trained = by_index.values().filter(|name| !name.ends_with("pos_embed")).count();
    if found.len() != 2 * trained {
        return None;
    }
    understood.sources.extend(found);
    Some(steps as u64)
}

fn whole(source: &Source) -> Option<&str> {
    match source {
        Source::Whole(name) => Some(name),
        _ => None,
    }
}

impl Weights {
    /// Our names of all that is there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// Whether there is a network of this name: `encoder`, `target_encoder`, `predictor`.
    pub fn has(&self, network: &str) -> bool {
        let start = format!("{network}.");
        self.names().any(|name| name.starts_with(&start))
    }

    pub fn has_moments(&self) -> bool {
        self.has("mean") && self.has("square")
    }

    /// The shapes of query, key and value where they lie by themselves. Where they differ they are no tensor of ours: `shape` and
    /// `read` give none.
    pub fn thirds(&self, name: &str) -> Option<Vec<Vec<usize>>> {
        let Source::Thirds(names) = self.sources.get(name)? else {
            return None;
        };
        names
            .iter()
            .map(|name| Some(self.store.get(name)?.shape.clone()))
            .collect()
    }

    /// A tensor's shape, by our name.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let shape = |name: &String| Some(self.store.get(name)?.shape.clone());
        match self.sources.get(name)? {
            Source::Whole(name) => shape(name),
            Source::Without(name, rows) => {
                let mut shape = shape(name)?;
                let axis = shape.get_mut(1)?;
                *axis = axis.checked_sub(*rows)?;
                Some(shape)
            }
            Source::Thirds(_) => {
                let parts = self.thirds(name)?;
                let mut all = parts.first()?.clone();
                if parts.iter().any(|part| *part != all) {
                    return None; // thirds of another length would end up in each other's rows
                }
                let rows = all.first_mut()?;
                *rows = rows.checked_mul(3)?;
                Some(all)
            }
        }
    }

    /// A tensor, by our name, as f32.
    pub fn read(&self, name: &str) -> Option<Tensor> {
        let shape = self.shape(name)?;
        let values = match self.sources.get(name)? {
            Source::Whole(name) => return self.store.read(name),
            Source::Thirds(names) => {
                let mut values = vec![];
                for name in names {
                    values.extend(self.store.read(name)?.values);
                }
                values
            }
            Source::Without(name, rows) => {
                let all = self.store.read(name)?;
                let row: usize = all.shape.get(2..)?.iter().product();
                all.values.get(rows * row..)?.to_vec()
            }
        };
        Some(Tensor { shape, values })
    }

    /// Values of a network of this name.
    pub fn parameters(&self, network: &str) -> u64 {
        let start = format!("{network}.");
        let own = self
            .names()
            .filter(|name| name.starts_with(&start) && !name.ends_with("pos_embed"));
        let shapes = own.flat_map(|name| {
            self.shape(name)
                .map_or_else(|| self.thirds(name).unwrap_or_default(), |one| vec![one])
        });
        shapes.map(|shape| shape.iter().product::<usize>() as u64).sum()
    }

    /// Bytes of all tensors, and how they are stored.
    pub fn stored(&self) -> (u64, Vec<&'static str>) {
        (self.store.bytes(), self.store.dtypes())
    }
}
