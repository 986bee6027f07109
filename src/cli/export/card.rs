//! The model card that stands beside exported weights.

use super::results::Results;
use super::{PTH, To};
use crate::cli::escaped;
use ijepa::model::config::ModelConfig;
use ijepa::train::config::Config;
use ijepa::train::snapshot::Progress;
use ijepa::train::tuned::{Tuned, heeds};
use ijepa::weights::write::hub::timm_name;
use std::path::Path;

/// What is said of weights.
pub struct About<'a> {
    /// Which encoder.
    pub which: &'a str,
    /// `None` where it is not recorded.
    pub config: Option<&'a Config>,
    pub model: &'a ModelConfig,
    pub progress: &'a Progress,
    /// Pixels of an image's short side.
    pub short: usize,
    /// Of a classifier.
    pub tuned: Option<&'a Tuned>,
    pub results: &'a Results,
}

impl About<'_> {
    /// The model card.
    pub fn card(&self, to: To) -> String {
        let About {
            which,
            config,
            model,
            progress,
            short,
            tuned,
            results,
        } = *self;
        let crop = model.image.width; // of a square: others are not exported
        let ModelConfig {
            patch,
            embed_dim,
            depth,
            num_heads,
            ..
        } = model;
        let (library, use_it) = match to {
        To::Hf if tuned.is_some() => (
            "library_name: transformers\n",
            "```python\nfrom transformers import AutoImageProcessor, IJepaForImageClassification\n\n\
             processor = AutoImageProcessor.from_pretrained(\"DIR\")\n\
             model = IJepaForImageClassification.from_pretrained(\"DIR\").eval()\n\
             logits = model(**processor(image, return_tensors=\"pt\")).logits\n\
             print(model.config.id2label[logits.argmax(-1).item()])\n```\n"
                .to_string(),
        ),
        To::Timm if tuned.is_some() => (
            "library_name: timm\n",
            format!(
                "```python\nimport timm\n\nmodel = timm.create_model(\"local-dir:DIR\", pretrained=True).eval()\n\
                 logits = model(images)  # [n, {}]; names: model.pretrained_cfg[\"label_names\"]\n```\n",
                tuned.map_or(0, |tuned| tuned.classes.len())
            ),
        ),
        To::Onnx if tuned.is_some() => (
            "",
            format!(
                "```python\nimport json, onnxruntime\n\nmodel = onnxruntime.InferenceSession(\"DIR/model.onnx\")\n\
                 features, patches, logits = model.run(None, {{\"pixel_values\": images}})  # of normalised images [n, 3, {crop}, {crop}]\n\
                 classes = json.loads(model.get_modelmeta().custom_metadata_map[\"classes\"])\n```\n"
            ),
        ),
        To::Safetensors if tuned.is_some() => (
            "",
            "The encoder under the reference's names, `encoder.`, and the classifier's last layer, `head.`, over the mean of its \
             patches; `ijepa` reads it, and the names of the classes stand in the file's metadata.\n"
                .to_string(),
        ),
        To::Hf => (
            "library_name: transformers\n",
            "```python\nfrom transformers import AutoImageProcessor, IJepaModel\n\nprocessor = AutoImageProcessor.from_pretrained(\"DIR\")\n\
             model = IJepaModel.from_pretrained(\"DIR\").eval()\n\
             features = model(**processor(image, return_tensors=\"pt\")).last_hidden_state.mean(dim=1)\n```\n"
                .to_string(),
        ),
        To::Timm => {
            let by_name = match timm_name(model) {
                (name, true) => format!("# or timm.create_model(\"{name}\", num_classes=0, checkpoint_path=\"DIR/model.safetensors\")\n"),
                _ => String::new(),
            };
            (
                "library_name: timm\n",
                format!(
                    "```python\nimport timm\n\nmodel = timm.create_model(\"local-dir:DIR\", pretrained=True).eval()\n{by_name}\
                     features = model(images)  # [n, {embed_dim}]\n```\n"
                ),
            )
        }
        To::Onnx => (
            "",
            format!(
                "```python\nimport onnxruntime\n\nmodel = onnxruntime.InferenceSession(\"DIR/model.onnx\")\n\
                 features, patches = model.run(None, {{\"pixel_values\": images}})  # [n, {embed_dim}], normalised images [n, 3, {crop}, {crop}]\n```\n"
            ),
        ),
        To::Pth => (
            "",
            format!(
                "The dictionary of the reference implementation (facebookresearch/ijepa): its `load_checkpoint` goes on from it, and \
                 `torch.load(\"{PTH}\", weights_only=True)` reads it.\n"
            ),
        ),
        To::Safetensors => (
            "",
            "The three networks under the reference's names: `encoder.`, `target_encoder.` (use this one), `predictor.`.\n".to_string(),
        ),
    };
        let networks = match to {
            _ if tuned.is_some() => "a fine-tuned encoder and a linear head".to_string(),
            To::Hf | To::Timm | To::Onnx => format!("the {which} encoder"),
            _ => "context encoder, target encoder and predictor".to_string(),
        };
        let data = config.and_then(|config| Path::new(config.data.root_path.as_deref()?).file_name());
        let data = data.map(|name| name.to_string_lossy());
        let index = results.index(tuned, data.as_deref());
        let data = data.map_or("not recorded".to_string(), |name| format!("`{}`", clean(&name)));
        let images = match progress.images {
            0 => String::new(),
            images => format!(", {images} images"),
        };
        let batch = config.map_or(0, |config| config.data.batch_size);
        let batch = tuned.map_or(batch, |tuned| tuned.settings.batch);
        let loss = progress.loss.map(|loss| format!("; last loss {loss:.4}"));
        let trained = match progress.step {
            0 => "not trained by this program".to_string(),
            step => format!(
                "{step} of {} steps in batches of {batch}{}",
                progress.of,
                loss.unwrap_or_default()
            ),
        };
        let recipe = tuned.and_then(|tuned| serde_json::to_string_pretty(&tuned.settings).ok());
        let recipe = recipe.map_or(String::new(), |text| {
            format!("\n## Fine-tuning\n\n```json\n{text}\n```\n")
        });
        let settings = config.map(|config| match tuned {
            Some(_) => format!("\n## Network and images\n\n```yaml\n{}```\n", config.yaml_of(heeds)),
            None => format!("\n## Settings\n\n```yaml\n{}```\n", config.yaml_of(decides)),
        });
        let settings = recipe + &settings.unwrap_or_default();
        let (tags, task, title, what) = match tuned {
            None => (
                "self-supervised",
                "image-feature-extraction",
                "I-JEPA weights",
                "Features learned without labels by I-JEPA (Assran et al., CVPR 2023)",
            ),
            Some(tuned) if tuned.settings.from_scratch => (
                "supervised",
                "image-classification",
                "A classifier",
                "A vision transformer trained with labels from scratch",
            ),
            Some(_) => (
                "fine-tuned",
                "image-classification",
                "I-JEPA weights, fine-tuned",
                "A classifier: features that I-JEPA (Assran et al., CVPR 2023) learned without labels, fine-tuned with labels",
            ),
        };
        let classes = tuned.map(|tuned| {
            let score = tuned.test.map_or(String::new(), |test| {
                let [low, high] = test.interval();
                format!(
                    "| accuracy | {:.1} % of {} test images ({low:.1} to {high:.1} with 95 % confidence) |\n",
                    test.accuracy(),
                    test.images
                )
            });
            format!(
                "| classes | {}: {} |\n{score}",
                tuned.classes.len(),
                listed(&tuned.classes)
            )
        });
        let classes = classes.unwrap_or_default();
        format!(
            "---\n{library}tags:\n- ijepa\n- {tags}\npipeline_tag: {task}\n{index}---\n\n\
         # {title}\n\n\
         {what}, written by `ijepa export`: {networks}.\n\n\
         | | |\n|---|---|\n\
         | encoder | ViT, {embed_dim} wide, {depth} blocks, {num_heads} heads, patch {patch}, no class token |\n\
         | images | short side to {short} pixels (bilinear), central {crop} x {crop}, ImageNet's mean and deviation |\n\
         | data | {data}{images} |\n\
         | training | {trained} |\n\
         {classes}\n\
         Features of an image are the mean of its patches after the last norm.\n\n\
         {use_it}{}{settings}",
            results.section()
        )
    }
}

/// Whether a key has a say in what the weights are, and is no path of somebody's machine. How often a run looked at itself or was
/// saved changes no weight; and a checkpoint alone does not know it, so that defaults would stand there as if they were the run's.
fn decides(path: &str) -> bool {
    !path.starts_with("logging.") && !["data.root_path", "data.image_folder", "meta.read_checkpoint"].contains(&path)
}

/// A name that is one cell of a table: no code, no HTML, no link, no picture.
pub fn clean(name: &str) -> String {
    let name = name.replace('|', "/").replace('`', "'").replace(char::is_control, " ");
    escaped(&name).replace('<', "&lt;").replace('[', "\\[")
}

/// The first of the names, fit for a table.
fn listed(classes: &[String]) -> String {
    const MOST: usize = 20;
    let names: Vec<String> = classes.iter().take(MOST).map(|name| clean(name)).collect();
    let more = if classes.len() > MOST { ", ..." } else { "" };
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_nothing_else() {
        let name = "<img src=x>|[a](b) ![c](d)`e`\n";
        assert_eq!(clean(name), "&lt;img src=x>/\\[a](b) !\\[c](d)'e' ");
    }
}
