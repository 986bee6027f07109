//! A file's tensors as those of a model: all of them, or a list of what is missing, left over or of another shape.

use super::open::{Format, Weights};
use crate::model::config::{Init, ModelConfig};
use crate::model::init;
use crate::model::tensors::{Spec, Tensors, dims, encoder, predictor};
use crate::{Error, Result};

/// What a model gets from a file.
pub struct Fitted {
    /// All that the model has.
    pub tensors: Tensors,
    /// Whether the file had all of it.
    pub whole: bool,
    /// What is said of it, once.
    pub notes: Vec<String>,
}

/// Names that an error lists of each kind.
const LISTED: usize = 4;

/// What is wanted of a file.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// How what is not in the file is drawn.
    pub init: Init,
    pub seed: u64,
    /// Draw also what is missing, or of another shape, in a network that is there.
    pub partial: bool,
    /// Both encoders alone: the file's predictor is not looked at, and one of the model's size is drawn.
    pub encoders: bool,
}

/// Takes the three networks from a file. A network that is not in the file at all is no fault: the two encoders stand for
/// each other, and a predictor is drawn as for a new run.
///
/// Errors: usage, with a list, where a network is in the file and does not fit.
pub fn fit(weights: &Weights, model: &ModelConfig, wish: Wish) -> Result<Fitted> {
    let mut specs = parameters(model);
    specs.extend(positions(model));
    let of_predictor = |name: &str| name.starts_with("predictor.");
    let wanted = |name: &str| !(wish.encoders && of_predictor(name));
    let mut notes = weights.remarks.clone();
    match weights.architecture.heads {
        Some(heads) if heads != model.num_heads => {
            return Err(Error::usage(format!(
                "the encoder of {} has {heads} heads (config.json), but the configuration asks for {}: its features would be \
                 others",
                weights.origin, model.num_heads
            )));
        }
        None if !matches!(weights.format, Format::Own | Format::Reference) => notes.push(format!(
            "{} does not say how many heads its encoder has: {} are taken (meta.model.num_heads)",
            weights.origin, model.num_heads
        )),
        _ => {}
    }
    let mut tensors = Tensors::new();
    let (mut missing, mut misshapen) = (vec![], vec![]);
    for spec in specs.iter().filter(|spec| wanted(&spec.name)) {
        let Some(source) = source(weights, &spec.name) else {
            continue; // a network that is not there
        };
        match weights.shape(&source) {
            Some(shape) if shape == spec.shape => {
                tensors.extend(weights.read(&source).map(|tensor| (spec.name.clone(), tensor)));
            }
            Some(shape) => add(
                &mut misshapen,
                format!("{source} {} instead of {}", dims(&shape), dims(&spec.shape)),
            ),
            None if spec.name.ends_with("pos_embed") => {} // computed
            None => match weights.thirds(&source) {
                Some(shapes) => add(
                    &mut misshapen,
                    format!(
                        "{source}, whose query, key and value are {}",
                        shapes.iter().map(|shape| dims(shape)).collect::<Vec<_>>().join(", ")
                    ),
                ),
                None => add(&mut missing, source),
            },
        }
    }
    let classifier = has_classifier(weights, model); // for who asks for it
    let known = |name: &&str| {
        let name = name
            .strip_prefix("mean.")
            .or(name.strip_prefix("square."))
            .unwrap_or(name);
        specs.iter().any(|spec| spec.name == name) || !wanted(name) || classifier && name.starts_with("head.")
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
        if !wish.partial {
            return Err(Error::usage(format!(
                "{} does not fit the configuration's networks: {faults}. --partial takes what fits and draws the rest anew",
                weights.origin
            )));
        }
        notes.push(format!(
            "{} is taken in part, and what does not fit is drawn anew: {faults}",
            weights.origin
        ));
    }
    if !weights.has("predictor") && !classifier && !wish.encoders {
        notes.push(format!("{} has no predictor: one is drawn anew", weights.origin));
    }
    let whole = parameters(model).iter().all(|spec| tensors.contains_key(&spec.name));
    if !whole {
        let drawn = init::draw_some(model, wish.init, wish.seed, |name| !tensors.contains_key(name));
        tensors.extend(drawn);
    }
    finite(&tensors, &weights.origin)?;
    Ok(Fitted { tensors, whole, notes })
}

/// Whether a linear layer over the encoder's features is in the file, as fine-tuning leaves it.
fn has_classifier(weights: &Weights, model: &ModelConfig) -> bool {
    let shape = |name: &str| weights.shape(name).unwrap_or_default();
    matches!((&shape("head.weight")[..], &shape("head.bias")[..]), ([rows, width], [classes])
        if rows == classes && *width == model.embed_dim)
}

/// One encoder may stand for two, whose faults are told once.
fn add(list: &mut Vec<String>, fault: String) {
    if !list.contains(&fault) {
        list.push(fault);
    }
}

fn finite(tensors: &Tensors, origin: &str) -> Result<()> {
    match tensors
        .iter()
        .find(|(_, tensor)| tensor.values.iter().any(|value| !value.is_finite()))
    {
        None => Ok(()),
        Some((name, _)) => Err(Error::usage(format!("{origin}: \"{name}\" is not finite"))),
    }
}

/// Every trained parameter of the three networks.
fn parameters(model: &ModelConfig) -> Vec<Spec> {
    let encoder = encoder(model);
    let target = encoder.iter().map(|spec| Spec {
        name: format!("target_{}", spec.name),
        shape: spec.shape.clone(),
    });
    encoder.iter().cloned().chain(target).chain(predictor(model)).collect()
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
///
/// Errors: usage, where one is missing or does not fit.
pub fn moments(weights: &Weights, model: &ModelConfig) -> Result<Tensors> {
    let mut tensors = Tensors::new();
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
    finite(&tensors, &weights.origin)?;
    Ok(tensors)
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
