//! A look into a trained network: the library's inspector, with a set of images.

use crate::adapter::open;
use crate::images::Images;
use crate::object;
use ijepa::data::Split;
use ijepa::data::draw::Draw;
use ijepa::data::image::Image;
use ijepa::data::masks;
use ijepa::data::source::Dataset;
use ijepa::eval::inspector::{Inspector as Look, Nearest};
use ijepa::gpu::Gpu;
use ijepa::train::host;
use ijepa::train::snapshot::Snapshot;
use ijepa::train::watch::Watch;
use serde_json::json;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = "
/** What is looked into. */
export interface Subject {
    /** Side of an image in pixels, of a patch in pixels, and patches in a row. */
    crop: number;
    patch: number;
    grid: number;
    /** Channels of a feature, blocks of the encoder, and heads of a block. */
    width: number;
    depth: number;
    heads: number;
    parameters: number;
    /** Steps that it was trained for, of so many. */
    step: number;
    steps: number;
    /** Images of the set that it is looked at with. */
    images: number;
    /** Names of the set's classes, where it has any. */
    classes: string[];
    /** The configuration of its run as YAML. */
    config: string;
}

/** A patch of the set that is like another one. */
export interface Nearest {
    image: number;
    patch: number;
    /** Cosine between normalised features, -1 to 1. */
    similarity: number;
}

/** What the predictor expects at a hidden patch. */
export interface Guess {
    patch: number;
    /** Cosine between the prediction and what the target encoder, which saw the patch, makes of it. */
    agreement: number;
    /** The nearest patches of other images, the best first: of the prediction, and of the target's own feature. */
    predicted: Nearest[];
    target: Nearest[];
}
";

const TOO_OLD: &str = "the checkpoint does not say how its run was configured: it is too old";

/// A network that is looked into, with a set of images. Methods that return promises must be awaited one after the other.
#[wasm_bindgen]
pub struct Inspector {
    look: Look,
    snapshot: Snapshot,
    /// Classes of the set's images.
    labels: Option<Vec<u32>>,
    classes: Vec<String>,
}

#[wasm_bindgen]
impl Inspector {
    /// Opens what `Trainer.save` gave, or a `.safetensors` checkpoint of `ijepa train`.
    pub async fn open(checkpoint: js_sys::Uint8Array) -> Result<Inspector, JsError> {
        // Before it is copied in here, where there may be no room for it.
        host::require_file(checkpoint.length().into())?;
        let snapshot = Snapshot::from_bytes(&checkpoint.to_vec(), "the checkpoint")?;
        Inspector::of(&open(None).await?, snapshot)
    }

    /// What it is.
    #[wasm_bindgen(unchecked_return_type = "Subject")]
    pub fn facts(&self) -> Result<JsValue, JsError> {
        let (config, progress) = (self.look.config(), &self.snapshot.progress);
        let (encoder, predictor) = ijepa::model::describe::parameters(config);
        object(&json!({
            "crop": config.side()?, "patch": config.patch, "grid": config.grid().columns, "width": config.embed_dim,
            "depth": config.depth, "heads": config.num_heads, "parameters": encoder + predictor,
            "step": progress.step, "steps": progress.of, "images": self.look.count(), "classes": self.classes,
            "config": self.snapshot.config.as_ref().map(|config| config.to_yaml()),
        }))
    }

    /// Encodes the set that it is looked at with: so many of these images, prepared as in an evaluation, or generated ones.
    /// They come in an order of chance that is always the same.
    pub async fn take(&mut self, images: Option<Images>, count: usize) -> Result<(), JsError> {
        let Some(config) = &self.snapshot.config else {
            return Err(JsError::new(TOO_OLD));
        };
        let data = match images {
            Some(images) => images.dataset()?,
            None => Dataset::glyphs(Split::Test, config.meta.seed),
        };
        let size = self.look.config().image;
        let chosen = Watch::new(&data, count, size, config.eval_transform())?;
        let (pixels, labels) = chosen.images();
        let bytes = size.values();
        // In the data's order they are sorted by class.
        let order = Draw::keyed("inspector", 0, 0, 0).permutation(pixels.len() / bytes);
        let image = |&i: &u32| Image {
            width: size.width,
            height: size.height,
            pixels: pixels[i as usize * bytes..][..bytes].to_vec(),
        };
        let mixed: Vec<Image> = order.iter().map(image).collect();
        if mixed.is_empty() {
            return Err(JsError::new("there are no images to look at"));
        }
        self.look.see(mixed).await?;
        self.labels = labels.map(|labels| order.iter().map(|&i| labels[i as usize]).collect());
        self.classes = data.class_names().to_vec();
        Ok(())
    }

    /// The class of each image of the set, as an index of `facts().classes`; undefined where they have none.
    pub fn labels(&self) -> Option<Vec<u32>> {
        self.labels.clone()
    }

    /// Images of the set: count x crop x crop x 3 bytes.
    pub fn pixels(&self, first: usize, count: usize) -> Vec<u8> {
        let images = self.look.images().iter().skip(first).take(count);
        images.flat_map(|image| &image.pixels).copied().collect()
    }

    /// Their patch features as colours, count x grid x grid x 3 bytes: three principal components of the whole set.
    pub fn colours(&self, first: usize, count: usize) -> Result<Vec<u8>, JsError> {
        Ok(self.look.colours(first, count)?.concat())
    }

    /// How the target encoder's block spreads its attention over an image: heads x N x N, each query's row summing to 1.
    pub async fn attention(&mut self, image: usize, block: usize) -> Result<Vec<f32>, JsError> {
        Ok(self.look.attention(image, block).await?)
    }

    /// How like a patch is to every patch of every image of the set: images x N cosines.
    pub async fn similarity(&mut self, image: usize, patch: usize) -> Result<Vec<f32>, JsError> {
        Ok(self.look.similarity(image, patch).await?)
    }

    /// A target block as training draws them, with its own sizes: another one for each number.
    pub fn block(&self, number: u32) -> Result<Vec<u32>, JsError> {
        let config = self.snapshot.config.as_ref().ok_or_else(|| JsError::new(TOO_OLD))?;
        let mut drawn = masks::sample(&config.masks(), config.meta.seed, number.into(), 1);
        drawn.targets.truncate(drawn.k_target);
        Ok(drawn.targets)
    }

    /// Hides patches of an image, shows the predictor all others, and asks what belongs there: a guess for each hidden
    /// patch in ascending order, with so many of the nearest patches of the other images.
    #[wasm_bindgen(unchecked_return_type = "Guess[]")]
    pub async fn predict(&mut self, image: usize, hidden: Vec<u32>, neighbours: usize) -> Result<JsValue, JsError> {
        let near = |list: &[Nearest]| -> Vec<serde_json::Value> {
            let one = |n: &Nearest| json!({"image": n.image, "patch": n.patch, "similarity": n.similarity});
            list.iter().map(one).collect()
        };
        let guesses = self.look.predict(image, &hidden, neighbours).await?;
        let guesses: Vec<serde_json::Value> = guesses
            .iter()
            .map(|guess| {
                json!({
                    "patch": guess.patch, "agreement": guess.agreement,
                    "predicted": near(&guess.predicted), "target": near(&guess.target),
                })
            })
            .collect();
        object(&json!(guesses))
    }
}

impl Inspector {
    /// Uploads what the snapshot holds; the tensors are not kept here.
    pub fn of(gpu: &Gpu, mut snapshot: Snapshot) -> Result<Inspector, JsError> {
        if let Some(name) = snapshot.broken() {
            let text = format!("the checkpoint's \"{name}\" has a value that is not finite: go back to an earlier one");
            return Err(JsError::new(&text));
        }
        let Some(config) = &snapshot.config else {
            return Err(JsError::new(TOO_OLD));
        };
        config.validate()?;
        let tensors = std::mem::take(&mut snapshot.tensors);
        let look = Look::new(gpu, &config.model()?, &tensors, "the checkpoint")?;
        Ok(Inspector {
            look,
            snapshot,
            labels: None,
            classes: vec![],
        })
    }
}
