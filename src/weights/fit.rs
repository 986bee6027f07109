//! A file's tensors as those of a model: all of them, or a list of what is missing, left over or of another shape.

use super::open::{Format, Weights};
use crate::model::config::{Init, ModelConfig};
use crate::model::init;
use crate::model::tensors::{Spec, Tensors, dims, encoder, predictor};
use crate::{Error, Result};

/// What a model gets from a file.
pub struct Fitted {
    /// All that the model has; with AdamW's moments where the file has them for every parameter.
    pub tensors: Tensors,
    /// What is said of it, once.
    pub notes: Vec<String>,
}

/// Names that an error lists of each kind.
const LISTED: usize = 4;

/// Takes the three networks from a file. A network that is not in the file at all is no fault: the two encoders stand for
/// each other, and a predictor is drawn from `seed` as for a new run. With `partial`, so is all that is missing or of another
/// shape.
///
/// Errors: usage, with a list, where a network is in the file and does not fit.
pub fn fit(weights: &Weights, model: &ModelConfig, (init, seed): (Init, u64), partial: bool) -> Result<Fitted> {
    let mut wanted = parameters(model);
    wanted.extend(positions(model));
    let mut notes = weights.remarks.clone();
    let mut tensors = Tensors::new();
    let (mut missing, mut misshapen) = (vec![], vec![]);
    for spec in &wanted {
        let Some(source) = source(weights, &spec.name) else {
            continue; // a network that is not there
        };
        match weights.shape(&source) {
            Some(shape) if shape == spec.shape => drop(weights.read(&source).map(|t| tensors.insert(spec.name.clone(), t))),
            Some(shape) => misshapen.push(format!("{} {} instead of {}", spec.name, dims(&shape), dims(&spec.shape))),
            None if spec.name.ends_with("pos_embed") => {} // computed
            None => missing.push(spec.name.clone()),
        }
    }
    let known = |name: &str| {
        let name = name.strip_prefix("mean.").or(name.strip_prefix("square.")).unwrap_or(name);
        wanted.iter().any(|spec| spec.name == name)
    };
    let own = weights.names().filter(|name| !known(name)).map(str::to_string);
    let extra: Vec<String> = own.chain(weights.unknown.iter().cloned()).collect();
    let lists = [
        list(&missing, "missing"),
        list(&extra, "left over"),
        list(&misshapen, "of another shape"),
    ];
    let faults: Vec<String> = lists.into_iter().flatten().collect();
    if !faults.is_empty() {
        let faults = faults.join("; ");
        if !partial {
            return Err(Error::usage(format!(
                "{} does not fit the configuration's networks: {faults}. --partial takes what fits and draws the rest anew",
                weights.origin
            )));
        }
        notes.push(format!("taken in part; what does not fit is drawn anew: {faults}"));
    }
    if !weights.has("predictor") {
        notes.push("there is no predictor in it: one is drawn anew".to_string());
    }
    let whole = parameters(model).iter().all(|spec| tensors.contains_key(&spec.name));
    if !whole {
        for (name, tensor) in init::draw(model, init, seed) {
            tensors.entry(name).or_insert(tensor);
        }
    }
    if whole && weights.has_moments() {
        moments(weights, model, &mut tensors)?;
    }
    if let Some((name, _)) = tensors.iter().find(|(_, tensor)| tensor.values.iter().any(|value| !value.is_finite())) {
        return Err(Error::usage(format!("{}: \"{name}\" is not finite", weights.origin)));
    }
    Ok(Fitted { tensors, notes })
}

/// Every trained parameter of the three networks.
fn parameters(model: &ModelConfig) -> Vec<Spec> {
    let encoder = encoder(model);
    let target = encoder.iter().map(|spec| Spec {
        name: format!("target_{}", spec.name),
        shape: spec.shape.clone(),
    });
    target.chain(encoder.clone()).chain(predictor(model)).collect()
}

fn positions(model: &ModelConfig) -> [Spec; 3] {
    let spec = |name: &str, width| Spec {
        name: name.to_string(),
        shape: vec![1, model.num_patches(), width],
    };
    [
        spec("encoder.pos_embed", model.embed_dim),
        spec("target_encoder.pos_embed", model.embed_dim),
        spec("predictor.predictor_pos_embed", model.pred_emb_dim),
    ]
}

/// Under which of the file's names a parameter is found; `None` where its network is not in the file.
fn source(weights: &Weights, name: &str) -> Option<String> {
    let (network, rest) = name.split_once('.')?;
    let other = match network {
        "encoder" => "target_encoder",
        "target_encoder" => "encoder",
        _ => network,
    };
    let network = [network, other].into_iter().find(|network| weights.has(network))?;
    Some(format!("{network}.{rest}"))
}

/// AdamW's moments of all parameters.
fn moments(weights: &Weights, model: &ModelConfig, tensors: &mut Tensors) -> Result<()> {
    for spec in encoder(model).into_iter().chain(predictor(model)) {
        for kind in ["mean", "square"] {
            let name = format!("{kind}.{}", spec.name);
            match weights.read(&name) {
                Some(tensor) if tensor.shape == spec.shape => drop(tensors.insert(name, tensor)),
                _ => {
                    return Err(Error::usage(format!(
                        "{}: AdamW's \"{name}\" is missing or of another shape than its parameter",
                        weights.origin
                    )));
                }
            }
        }
    }
    Ok(())
}

/// `3 missing (a, b, c)`
fn list(names: &[String], what: &str) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let mut shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!("{more} more"),
    };
    shown.extend((!more.is_empty()).then_some(more.as_str()));
    Some(format!("{} {what} ({})", names.len(), shown.join(", ")))
}

/// Whether a file is what a run can go on from, with its optimiser.
pub fn continues(weights: &Weights) -> bool {
    let epochs = weights.torch.as_ref().and_then(|contents| contents.epoch);
    weights.format == Format::Reference && weights.has_moments() && epochs.is_some_and(|epochs| epochs > 0)
}
