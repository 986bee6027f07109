//! What lies beside weights of Hugging Face or timm: `config.json` and `preprocessor_config.json`.

use crate::model::config::PIXELS;
use crate::{Error, Result, ordinary};
use serde_json::Value;
use std::path::Path;

/// More bytes than a `config.json` has.
const MOST_CONFIG: u64 = 1 << 20;

/// Heads of timm's models without a class token, which its `config.json` names alone.
const TIMM: [(&str, u64); 4] = [
    ("vit_base_patch16_gap_224", 16),
    ("vit_huge_patch14_gap_224", 16),
    ("vit_huge_patch16_gap_448", 16),
    ("vit_giant_patch16_gap_224", 16),
];

/// What `config.json` beside weights says.
#[derive(Default)]
pub struct Beside {
    pub heads: Option<usize>,
    pub exact: Option<bool>,
    /// Names of a classifier's classes, whether there is one or not.
    pub classes: Vec<String>,
    pub remarks: Vec<String>,
}

/// Reads `config.json` beside a file, of Hugging Face or timm; one that is not there says nothing.
pub fn beside(file: &Path) -> Result<Beside> {
    let path = file.with_file_name("config.json");
    let mut beside = Beside::default();
    if !path.exists() {
        return Ok(beside);
    }
    let origin = path.display();
    let refused = |e: String| Error::usage(format!("{origin}: {e}"));
    let bytes = ordinary::read(&path, MOST_CONFIG).map_err(|e| refused(e.to_string()))?;
    let config: Value = serde_json::from_slice(&bytes).map_err(|e| refused(e.to_string()))?;
    let whole = |key: &str| config.get(key).and_then(Value::as_u64);
    let in_arguments = config
        .get("model_args")
        .and_then(|arguments| arguments.get("num_heads")?.as_u64());
    let named = config.get("architecture").and_then(Value::as_str);
    let named = TIMM
        .iter()
        .find(|(name, _)| Some(*name) == named)
        .map(|(_, heads)| *heads);
    let heads = whole("num_attention_heads").or(in_arguments).or(named);
    beside.heads = heads.and_then(|heads| usize::try_from(heads).ok());
    if let Some(eps) = config.get("layer_norm_eps").and_then(Value::as_f64)
        && (eps - 1e-6).abs() > 1e-9
    {
        if eps > 1e-5 {
            return Err(refused(format!("layer_norm_eps is {eps}; I-JEPA's norms have 1e-6")));
        }
        beside.remarks.push(format!(
            "its norms were made with eps {eps:e} (layer_norm_eps), here they have 1e-6, so that features differ by about as much"
        ));
    }
    let processor = processor(file);
    if let Some(remark) = normalised_otherwise(processor.as_ref(), &config) {
        beside.remarks.push(remark);
    }
    beside.exact = without_margin(processor.as_ref(), &config);
    beside.classes = classes(&config);
    if let Some(act) = config.get("hidden_act").and_then(Value::as_str)
        && act != "gelu"
    {
        return Err(refused(format!("hidden_act is \"{act}\"; I-JEPA has gelu")));
    }
    Ok(beside)
}

/// Names by number: `id2label` of Hugging Face, `label_names` of timm; none where any is missing.
fn classes(config: &Value) -> Vec<String> {
    let text = |name: &Value| name.as_str().map(String::from);
    let names: Option<Vec<String>> = match (config.get("id2label"), config.get("label_names")) {
        (Some(Value::Object(names)), _) => (0..names.len()).map(|i| text(names.get(&i.to_string())?)).collect(),
        (_, Some(Value::Array(names))) => names.iter().map(text).collect(),
        _ => None,
    };
    names.unwrap_or_default()
}

/// What `preprocessor_config.json` says, where it can be read.
fn processor(file: &Path) -> Option<Value> {
    let text = ordinary::read(&file.with_file_name("preprocessor_config.json"), MOST_CONFIG).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Whether images are scaled to what is then cut, as Hugging Face's processor or timm's `pretrained_cfg` says: `None` where
/// neither does.
fn without_margin(processor: Option<&Value>, config: &Value) -> Option<bool> {
    if let Some(share) = config.pointer("/pretrained_cfg/crop_pct") {
        return Some(share.as_f64()? > 0.99);
    }
    let processor = processor?;
    let pixels = |places: [&str; 3]| places.iter().find_map(|place| processor.pointer(place)?.as_u64());
    let scaled = pixels(["/size/shortest_edge", "/size/height", "/size"])?;
    if !processor.get("do_center_crop").is_some_and(|cut| *cut == true) {
        return Some(true); // all of it is seen
    }
    let cut = pixels(["/crop_size/height", "/crop_size/shortest_edge", "/crop_size"])?;
    Some(scaled <= cut)
}

/// Says so where `preprocessor_config.json` of Hugging Face or timm's `pretrained_cfg` has another mean or deviation of pixels
/// than ImageNet's, which images get here.
fn normalised_otherwise(processor: Option<&Value>, config: &Value) -> Option<String> {
    let timm = config.get("pretrained_cfg");
    let pairs = [
        (processor.and_then(|p| p.get("image_mean")), PIXELS[0]),
        (processor.and_then(|p| p.get("image_std")), PIXELS[1]),
        (timm.and_then(|t| t.get("mean")), PIXELS[0]),
        (timm.and_then(|t| t.get("std")), PIXELS[1]),
    ];
    let other = |(said, ours): &(Option<&Value>, [f64; 3])| {
        let said = said.and_then(|said| said.as_array());
        said.is_some_and(|said| {
            let off = |(value, ours): (&Value, &f64)| value.as_f64().is_none_or(|v| (v - ours).abs() > 1e-3);
            said.iter().zip(ours).any(off)
        })
    };
    pairs.iter().any(other).then(|| {
        "its images were normalised with another mean or deviation; here they get ImageNet's, so that features are others"
            .to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_classes_are_all_there_or_none() {
        let names = |config: Value| classes(&config).join(" ");
        assert_eq!(names(json!({"id2label": {"1": "b", "0": "a"}})), "a b");
        assert_eq!(names(json!({"label_names": ["a", "b"]})), "a b");
        for broken in [
            json!({}),
            json!([]),
            json!({"id2label": {"0": "a", "2": "b"}}),
            json!({"label_names": ["a", 2]}),
        ] {
            assert_eq!(names(broken), "");
        }
    }
}
