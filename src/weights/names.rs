//! What others call the encoder's parameters, in our names: those of the reference.

use std::collections::BTreeMap;

/// What a tensor of a file is to us.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// A parameter under our name, without the network's prefix.
    Parameter(String),
    /// Query, key or value (0, 1, 2) of the parameter that has all three below each other.
    Third(String, usize),
    /// Belongs to networks of this kind, and has no place in I-JEPA's: a class token, a classifier.
    Idle,
    Unknown,
}

use Meaning::*;

/// What training wraps around a network's names.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "backbone.", "ijepa."];

/// A name without what training wrapped around it.
pub fn bare(mut name: &str) -> &str {
    while let Some(rest) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = rest;
    }
    name
}

/// Names of timm, of the reference and of what grew from them (MAE, DINO), without wrappers.
pub fn vit(name: &str) -> Meaning {
    let parameter = [
        "pos_embed",
        "patch_embed.proj.weight",
        "patch_embed.proj.bias",
        "norm.weight",
        "norm.bias",
    ];
    let idle = ["cls_token", "mask_token", "head.", "decoder_"];
    if parameter.contains(&name) || block(name, "blocks.", |rest| OURS.contains(&rest)) {
        return Parameter(name.to_string());
    }
    match idle.iter().any(|start| name.starts_with(start)) {
        true => Idle,
        false => Unknown,
    }
}

/// Of a block.
const OURS: [&str; 12] = [
    "norm1.weight",
    "norm1.bias",
    "attn.qkv.weight",
    "attn.qkv.bias",
    "attn.proj.weight",
    "attn.proj.bias",
    "norm2.weight",
    "norm2.bias",
    "mlp.fc1.weight",
    "mlp.fc1.bias",
    "mlp.fc2.weight",
    "mlp.fc2.bias",
];

/// `start`, a number, a dot, and a rest that is `known`.
fn block(name: &str, start: &str, known: impl Fn(&str) -> bool) -> bool {
    let parts = name.strip_prefix(start).and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(number, rest)| number.parse::<u16>().is_ok() && known(rest))
}

/// Hugging Face's layers in its two ways to name them, and ours. The first is what its files have.
const LAYERS: [(&str, &str, &str); 6] = [
    ("layernorm_before", "layernorm_before", "norm1"),
    ("attention.output.dense", "attention.o_proj", "attn.proj"),
    ("layernorm_after", "layernorm_after", "norm2"),
    ("intermediate.dense", "mlp.fc1", "mlp.fc1"),
    ("output.dense", "mlp.fc2", "mlp.fc2"),
    // Three thirds of attn.qkv: see `THIRDS`.
    ("attention.attention", "attention", "attn.qkv"),
];
const THIRDS: [(&str, &str); 3] = [("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")];

/// Names of Hugging Face's `IJepaModel` and `ViTModel`, as their files have them and as their modules are named since its
/// version 5, without wrappers.
pub fn hugging_face(name: &str) -> Meaning {
    let outer = [
        ("embeddings.position_embeddings", "pos_embed"),
        (
            "embeddings.patch_embeddings.projection.weight",
            "patch_embed.proj.weight",
        ),
        ("embeddings.patch_embeddings.projection.bias", "patch_embed.proj.bias"),
        ("layernorm.weight", "norm.weight"),
        ("layernorm.bias", "norm.bias"),
    ];
    let name = name.strip_prefix("vit.").unwrap_or(name);
    if let Some((_, ours)) = outer.iter().find(|(theirs, _)| *theirs == name) {
        return Parameter(ours.to_string());
    }
    let idle = [
        "embeddings.mask_token",
        "embeddings.cls_token",
        "pooler.",
        "classifier.",
    ];
    if idle.iter().any(|start| name.starts_with(start)) {
        return Idle;
    }
    let layer = name.strip_prefix("encoder.layer.").or(name.strip_prefix("layers."));
    let Some((number, rest)) = layer.and_then(|rest| rest.split_once('.')) else {
        return Unknown;
    };
    let Some((layer, kind)) = rest.rsplit_once('.').filter(|_| number.parse::<u16>().is_ok()) else {
        return Unknown;
    };
    if !["weight", "bias"].contains(&kind) {
        return Unknown;
    }
    let ours = |part: &str| format!("blocks.{number}.{part}.{kind}");
    if let Some((.., part)) = LAYERS[..5].iter().find(|(old, new, _)| [*old, *new].contains(&layer)) {
        return Parameter(ours(part));
    }
    let third = THIRDS.iter().position(|(old, new)| {
        layer.strip_prefix("attention.attention.") == Some(*old) || layer.strip_prefix("attention.") == Some(*new)
    });
    third.map_or(Unknown, |third| Third(ours("attn.qkv"), third))
}

/// Where a parameter's values are in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Whole(String),
    /// Query, key and value, below each other.
    Thirds([String; 3]),
    /// All but the first of so many rows of the second axis, which belong to a class token.
    Without(String, usize),
}

/// Parameters by our names, and what is left over.
#[derive(Debug, Default, PartialEq)]
pub struct Understood {
    pub sources: BTreeMap<String, Source>,
    /// What has no place here, and nobody misses.
    pub idle: Vec<String>,
    pub unknown: Vec<String>,
}

/// Names of one network (which gets `prefix`) by their meaning. `full` is a name in the file, and the same without wrappers.
pub fn understand<'a>(
    full: impl Iterator<Item = (&'a str, &'a str)>,
    prefix: &str,
    meaning: impl Fn(&str) -> Meaning,
) -> Understood {
    let mut understood = Understood::default();
    let mut thirds: BTreeMap<String, [Option<String>; 3]> = BTreeMap::new();
    for (full, bare) in full {
        let name = full.to_string();
        match meaning(bare) {
            Parameter(ours) => {
                understood
                    .sources
                    .insert(format!("{prefix}{ours}"), Source::Whole(name));
            }
            Third(ours, third) => thirds.entry(format!("{prefix}{ours}")).or_default()[third] = Some(name),
            Idle => understood.idle.push(name),
            Unknown => understood.unknown.push(name),
        }
    }
    for (ours, parts) in thirds {
        match parts {
            [Some(query), Some(key), Some(value)] => {
                understood.sources.insert(ours, Source::Thirds([query, key, value]));
            }
            parts => understood.unknown.extend(parts.into_iter().flatten()),
        }
    }
    understood
}

/// Hugging Face's name of a parameter of ours (without the network's prefix), as its files have it; of three for `attn.qkv`.
pub fn to_hugging_face(ours: &str) -> Vec<String> {
    let embeddings = match ours {
        "pos_embed" => Some("embeddings.position_embeddings".to_string()),
        _ => ours
            .strip_prefix("patch_embed.proj.")
            .map(|kind| format!("embeddings.patch_embeddings.projection.{kind}"))
            .or(ours.strip_prefix("norm.").map(|kind| format!("layernorm.{kind}")))
            .or(ours.strip_prefix("head.").map(|kind| format!("classifier.{kind}"))),
    };
    if let Some(name) = embeddings {
        return vec![name];
    }
    let parts = ours.strip_prefix("blocks.").and_then(|rest| rest.split_once('.'));
    let parts = parts.and_then(|(number, rest)| Some((number, rest.rsplit_once('.')?)));
    let Some((number, (layer, kind))) = parts else {
        return vec![];
    };
    let Some((theirs, ..)) = LAYERS.iter().find(|(.., part)| *part == layer) else {
        return vec![];
    };
    let name = |layer: &str| format!("encoder.layer.{number}.{layer}.{kind}");
    match layer {
        "attn.qkv" => THIRDS
            .iter()
            .map(|(third, _)| name(&format!("{theirs}.{third}")))
            .collect(),
        _ => vec![name(theirs)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_goes_to_hugging_face_and_back() {
        let mut names: Vec<String> = ["pos_embed", "patch_embed.proj.weight", "norm.bias"]
            .map(String::from)
            .to_vec();
        names.extend(OURS.iter().map(|part| format!("blocks.11.{part}")));
        for name in names {
            let theirs = to_hugging_face(&name);
            assert_eq!(theirs.len(), if name.contains("qkv") { 3 } else { 1 }, "{name}");
            for (third, their) in theirs.iter().enumerate() {
                let expected = match theirs.len() {
                    1 => Parameter(name.clone()),
                    _ => Third(name.clone(), third),
                };
                assert_eq!(hugging_face(their), expected);
            }
            assert_eq!(vit(&name), Parameter(name.clone()));
        }
    }

    #[test]
    fn new_names_wrappers_and_strangers_are_told_apart() {
        for (name, meaning) in [
            (
                "layers.3.attention.k_proj.bias",
                Third("blocks.3.attn.qkv.bias".into(), 1),
            ),
            (
                "layers.3.attention.o_proj.weight",
                Parameter("blocks.3.attn.proj.weight".into()),
            ),
            ("layers.3.mlp.fc2.weight", Parameter("blocks.3.mlp.fc2.weight".into())),
            ("encoder.layer.x.output.dense.weight", Unknown),
            ("encoder.layer.1.output.dense.scale", Unknown),
            ("pooler.dense.weight", Idle),
        ] {
            assert_eq!(hugging_face(name), meaning, "{name}");
        }
        for (name, meaning) in [
            ("cls_token", Idle),
            ("head.weight", Idle),
            ("blocks.0.ls1.gamma", Unknown),
            ("blocks.x.norm1.weight", Unknown),
            ("norm.weigh", Unknown),
        ] {
            assert_eq!(vit(name), meaning, "{name}");
        }
        assert_eq!(bare("module.backbone.blocks.0.norm1.bias"), "blocks.0.norm1.bias");
    }
}
