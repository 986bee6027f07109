//! A run in the browser: the library's trainer, fed and read step by step.

use crate::adapter::open;
use crate::images::Images;
use crate::inspector::Inspector;
use crate::object;
use ijepa::data::Split;
use ijepa::data::batch::{Batch, Batches};
use ijepa::data::source::Dataset;
use ijepa::eval::features::{encode, tokens};
use ijepa::eval::pca;
use ijepa::eval::samples::Features;
use ijepa::model::needs::Dims;
use ijepa::model::shapes::shapes;
use ijepa::train::config::Config;
use ijepa::train::csv::{self, Row};
use ijepa::train::host;
use ijepa::train::plan;
use ijepa::train::snapshot::{Progress, Snapshot};
use ijepa::train::trainer::{Course, Trainer as Run};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = "
/** What a run is made of. Only `preset` is needed. */
export interface Settings {
    /** demo, nano, tiny, small, base, ... */
    preset: string;
    /** Of every random draw: weights, order, crops, masks. */
    seed?: number;
    /** Length of the run in steps: schedules and warm-up stretch over it. */
    steps?: number;
    /** Any other value, as `key.path=value`; `ijepa info --keys` lists them. */
    set?: string[];
    /** Kernels for matrix products, attention and norms, instead of those that suit the adapter: any, tile, broadcast or quad. */
    variant?: string;
}

/** A run's sizes. */
export interface Facts {
    /** Step at which the run ends. */
    steps: number;
    /** Steps taken so far. */
    step: number;
    iterationsPerEpoch: number;
    batch: number;
    images: number;
    /** Side of an image in pixels, of a patch in pixels, and patches in a row. */
    crop: number;
    patch: number;
    grid: number;
    /** Channels of a feature, and blocks of the encoder. */
    width: number;
    depth: number;
    /** The same of the predictor. */
    predictorWidth: number;
    predictorDepth: number;
    classes: string[];
    parameters: number;
    /** Bytes of GPU memory for a step. */
    memory: number;
    /** The configuration as YAML, as `ijepa train --config` takes it. */
    config: string;
}

/** One finished step. */
export interface Step {
    /** Steps taken with this one. */
    step: number;
    epoch: number;
    iteration: number;
    loss: number;
    regularizer: number;
    gradientNorm: number;
    /** False: loss or gradients were not finite, and no weight was changed. */
    finite: boolean;
    /** Patches that were kept of the context and of each target block. */
    context: number;
    target: number;
    lr: number;
    weightDecay: number;
    momentum: number;
}

/** What the collapse monitor sees in the target encoder's features, on a small fixed set of images. */
export interface Look {
    step: number;
    deviation: number;
    effectiveRank: number;
    /** Leave-one-out k-NN in per cent, where images have classes. */
    neighbours: number | null;
    /** healthy, collapsing or undecided. */
    verdict: string;
    /** The verdict and its reason in a sentence. */
    words: string;
    /** The reason alone, without numbers; empty where the features are healthy. */
    reason: string;
}

/** One tensor on the way of an iteration. */
export interface Stage {
    name: string;
    /** For the whole batch: sequences, tokens, channels. */
    shape: [number, number, number];
    /** The rows of one image, rows x columns; block by block where there is one for each target block. */
    rows: number;
    columns: number;
    values: Float32Array;
}

/** The images and masks of the last step. */
export interface Masks {
    /** Patches of each image's context: images x length. */
    context: number[][];
    /** Patches of each image's target blocks: blocks x images x length. */
    targets: number[][][];
}
";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Settings")]
    pub type Settings;
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    preset: String,
    seed: Option<u64>,
    steps: Option<usize>,
    #[serde(default)]
    set: Vec<String>,
    variant: Option<String>,
}

impl Given {
    fn of(settings: &Settings) -> Result<Given, JsError> {
        let text = js_sys::JSON::stringify(settings).map(String::from);
        let text = text.map_err(|_| JsError::new("the settings are no plain object"))?;
        serde_json::from_str(&text).map_err(|e| JsError::new(&format!("the settings: {e}")))
    }

    fn config(&self) -> Result<Config, ijepa::Error> {
        let mut config = Config::preset(&self.preset)?;
        for assignment in &self.set {
            config.set(assignment)?;
        }
        config.meta.seed = self.seed.unwrap_or(config.meta.seed);
        config.optimization.steps = self.steps.or(config.optimization.steps);
        config.validate()?;
        Ok(config)
    }
}

/// Refuses settings that can't work, in the sentence that says why.
#[wasm_bindgen]
pub fn check(settings: Settings) -> Result<(), JsError> {
    Given::of(&settings)?.config()?;
    Ok(())
}

/// The whole configuration that these settings mean, as YAML: what a page shows as defaults, and what a run will use.
#[wasm_bindgen]
pub fn configuration(settings: Settings) -> Result<String, JsError> {
    Ok(Given::of(&settings)?.config()?.portable().to_yaml())
}

/// A run. Methods that return promises must be awaited one after the other.
#[wasm_bindgen]
pub struct Trainer {
    run: Run,
    data: Arc<Dataset>,
    batches: Batches,
    taken: u64,
    last: Option<Batch>,
    axes: Option<pca::Axes>,
    /// CSV rows of the steps that were taken here.
    table: String,
}

#[wasm_bindgen]
impl Trainer {
    /// A run that begins: on these images, or on the generated ones.
    pub async fn create(settings: Settings, images: Option<Images>) -> Result<Trainer, JsError> {
        let given = Given::of(&settings)?;
        let config = given.config()?;
        Trainer::open(config, given.variant, images, None).await
    }

    /// A run that goes on from what `save` gave, here or in `ijepa train`, as if it had never stopped. `variant` is that of
    /// `Settings`.
    pub async fn resume(
        checkpoint: js_sys::Uint8Array,
        images: Option<Images>,
        variant: Option<String>,
    ) -> Result<Trainer, JsError> {
        // Before it is copied in here, where there may be no room for it.
        host::require_file(checkpoint.length().into())?;
        let snapshot = Snapshot::from_bytes(&checkpoint.to_vec(), "the checkpoint")?;
        let Some(config) = snapshot.config.clone() else {
            return Err(JsError::new(
                "the checkpoint does not say how its run was configured: it is too old",
            ));
        };
        config.validate()?;
        Trainer::open(config, variant, images, Some(snapshot)).await
    }

    /// The run's sizes.
    #[wasm_bindgen(unchecked_return_type = "Facts")]
    pub fn facts(&self) -> Result<JsValue, JsError> {
        let (config, model) = (self.run.config(), &self.run.net.config);
        let (encoder, predictor) = ijepa::model::describe::parameters(model);
        let parts = ijepa::model::needs::report(self.run.net.gpu().kind(), model, &self.run.net.dims());
        object(&json!({
            "steps": self.run.course.of, "step": self.taken,
            "iterationsPerEpoch": self.run.course.iterations_per_epoch,
            "batch": config.data.batch_size, "images": self.data.len(),
            "crop": model.side()?, "patch": model.patch, "grid": model.grid().columns, "width": model.embed_dim,
            "depth": model.depth, "predictorWidth": model.pred_emb_dim, "predictorDepth": model.pred_depth,
            "classes": self.data.class_names(), "parameters": encoder + predictor,
            "memory": parts.iter().map(|part| part.1).sum::<u64>(),
            "config": config.portable().to_yaml(),
        }))
    }

    /// Kernels that were compiled so far. Each is when it is first needed: the last of them in the first step.
    pub fn kernels(&self) -> usize {
        self.run.net.gpu().pipeline_count()
    }

    /// Takes one step.
    #[wasm_bindgen(unchecked_return_type = "Step")]
    pub async fn step(&mut self) -> Result<JsValue, JsError> {
        let began = js_sys::Date::now();
        let batch = Batches::take(&self.data, self.batches.make(self.taken))?;
        let under_way = self.run.begin(&batch)?;
        self.last = Some(batch);
        let step = self.run.end(under_way).await?;
        if step.finite {
            self.taken = step.step;
        }
        let row = Row {
            epoch: step.epoch as usize + 1,
            itr: step.iteration as usize,
            loss: step.loss,
            k_context: step.k_context,
            k_target: step.k_target,
            milliseconds: js_sys::Date::now() - began,
            regularizer: self.run.config().regularized().then_some(step.regularizer),
        };
        self.table += &format!("{row}\n");
        // What is not finite has no form in JSON.
        let number = |value: f64| if value.is_finite() { json!(value) } else { json!(null) };
        object(&json!({
            "step": step.step, "epoch": step.epoch, "iteration": step.iteration,
            "loss": number(step.loss), "regularizer": number(step.regularizer),
            "gradientNorm": number(step.gradient_norm), "finite": step.finite,
            "context": step.k_context, "target": step.k_target,
            "lr": step.rates.lr, "weightDecay": step.rates.wd, "momentum": step.rates.momentum,
        }))
    }

    /// What the collapse monitor sees now. Before the first step: in the untrained encoder, with which it compares.
    #[wasm_bindgen(unchecked_return_type = "Look")]
    pub async fn look(&mut self) -> Result<JsValue, JsError> {
        let Some((now, judgement)) = self.run.look(self.taken).await? else {
            return Err(JsError::new("the features are not finite any more"));
        };
        object(&json!({
            "step": now.step, "deviation": now.deviation, "effectiveRank": now.effective_rank,
            "neighbours": now.neighbours, "verdict": judgement.verdict.word(), "words": judgement.words,
            "reason": judgement.reason,
        }))
    }

    /// k-NN of the pixels themselves on the monitor's images, in per cent: what features have to beat.
    #[wasm_bindgen(js_name = rawNeighbours)]
    pub fn raw_neighbours(&self) -> Result<Option<f64>, JsError> {
        Ok(self.run.watch().raw_neighbours()?)
    }

    /// Some of the monitor's images, spread over all of them and always the same: count x crop x crop x 3 bytes.
    pub fn examples(&self, count: usize) -> Vec<u8> {
        let bytes = self.run.net.config.image.values();
        let (images, _) = self.run.watch().images();
        // Spread over the set, which is sorted by class in most data.
        let all = images.len() / bytes;
        let shown = count.min(all);
        let image = |i: usize| &images[i * all / shown.max(1) * bytes..][..bytes];
        (0..shown).flat_map(image).copied().collect()
    }

    /// The images of the last step: batch x crop x crop x 3 bytes.
    #[wasm_bindgen(js_name = batchImages)]
    pub fn batch_images(&self) -> Vec<u8> {
        self.last.as_ref().map(|batch| batch.images.clone()).unwrap_or_default()
    }

    /// The masks of the last step.
    #[wasm_bindgen(js_name = batchMasks, unchecked_return_type = "Masks")]
    pub fn batch_masks(&self) -> Result<JsValue, JsError> {
        let Some(batch) = &self.last else {
            return object(&json!({"context": [], "targets": []}));
        };
        let masks = &batch.masks;
        let context: Vec<&[u32]> = masks.context.chunks(masks.k_context.max(1)).take(masks.batch).collect();
        let blocks = masks.targets.chunks((masks.k_target * masks.batch).max(1));
        let targets: Vec<Vec<&[u32]>> = blocks
            .map(|block| block.chunks(masks.k_target.max(1)).collect())
            .collect();
        object(&json!({"context": context, "targets": targets}))
    }

    /// Features of images (count x crop x crop x 3 bytes): the target encoder's patches averaged, count x width.
    pub async fn encode(&mut self, images: Vec<u8>) -> Result<Vec<f32>, JsError> {
        let count = self.count(&images)?;
        Ok(encode(&mut self.run.net, &images, count).await?)
    }

    /// The patch features of images as colours, count x grid x grid x 3 bytes: their three principal components, which keep
    /// order and sign from call to call.
    pub async fn colours(&mut self, images: Vec<u8>) -> Result<Vec<u8>, JsError> {
        let count = self.count(&images)?;
        let width = self.run.net.config.embed_dim;
        let tokens = Features::new(tokens(&mut self.run.net, &images, count).await?, width)?;
        let axes = pca::axes(&tokens);
        let axes = match &self.axes {
            Some(before) => pca::aligned(axes, before),
            None => axes,
        };
        let colours = pca::colours(&tokens, &axes).concat();
        self.axes = Some(axes);
        Ok(colours)
    }

    /// The tensors on the way of the last batch in the order of an iteration, each with the rows of one of its images. They
    /// are computed anew, with the weights as they are now.
    #[wasm_bindgen(unchecked_return_type = "Stage[]")]
    pub async fn trail(&mut self, image: usize) -> Result<js_sys::Array, JsError> {
        let batch = self
            .last
            .as_ref()
            .ok_or_else(|| JsError::new("no step was taken here yet"))?;
        let stages = self
            .run
            .net
            .trail(ijepa::model::ijepa::Images::Bytes(&batch.images), &batch.masks, image)
            .await?;
        let list = js_sys::Array::new();
        for stage in stages {
            let one = object(&json!({
                "name": stage.name, "shape": stage.shape, "rows": stage.rows(), "columns": stage.shape[2],
            }))?;
            let values = js_sys::Float32Array::from(&stage.values[..]);
            js_sys::Reflect::set(&one, &"values".into(), &values).map_err(|_| JsError::new("a value was not set"))?;
            list.push(&one);
        }
        Ok(list)
    }

    /// The shapes of the last batch on their way through an iteration, in the lines of `ijepa trace`.
    pub fn trace(&self) -> Result<String, JsError> {
        let masks = &self
            .last
            .as_ref()
            .ok_or_else(|| JsError::new("no step was taken here yet"))?
            .masks;
        let dims = Dims {
            num_enc: masks.num_enc,
            num_pred: masks.num_pred,
            k_context: masks.k_context,
            k_target: masks.k_target,
            ..Dims::encode(masks.batch)
        };
        Ok(shapes(&self.run.net.config, &dims))
    }

    /// A look into the run as it is now, on the same device.
    pub async fn inspect(&mut self) -> Result<Inspector, JsError> {
        let snapshot = Snapshot {
            tensors: self.run.net.tensors(false).await?, // AdamW's state is not looked at
            progress: Progress {
                step: self.taken,
                of: self.run.course.of,
                ..Progress::default()
            },
            config: Some(self.run.config().portable()),
        };
        Inspector::of(self.run.net.gpu(), snapshot)
    }

    /// The run as it is now: the bytes of a safetensors file, as `ijepa train` writes them.
    pub async fn save(&mut self) -> Result<Vec<u8>, JsError> {
        Ok(self.run.snapshot(self.taken).await?.to_bytes()?)
    }

    /// The steps that were taken here, as the CSV of `ijepa train`.
    pub fn csv(&self) -> String {
        format!("{}\n{}", csv::header(self.run.config().regularized()), self.table)
    }
}

impl Trainer {
    pub fn net(&mut self) -> &mut ijepa::model::ijepa::Ijepa {
        &mut self.run.net
    }

    async fn open(
        config: Config,
        variant: Option<String>,
        images: Option<Images>,
        saved: Option<Snapshot>,
    ) -> Result<Trainer, JsError> {
        let data = Arc::new(match images {
            Some(images) => images.dataset()?,
            None => Dataset::glyphs(Split::Train, config.meta.seed),
        });
        data.require(config.data.batch_size)?;
        let gpu = open(variant).await?;
        let dims = plan::fitting(&gpu, &config, Course::new(&config, data.len()).of)?;
        // Weights are drawn only once they are known to fit.
        let (snapshot, origin) = match saved {
            Some(saved) => (saved, "the checkpoint"),
            None => (Snapshot::first(&config)?, "the drawn weights"),
        };
        let taken = snapshot.progress.step;
        let run = Run::new(&gpu, &config, &data, dims, &snapshot, origin)?;
        let batches = Batches::new(data.clone(), config.batches(), Arc::new(AtomicBool::new(false)))?;
        Ok(Trainer {
            run,
            data,
            batches,
            taken,
            last: None,
            axes: None,
            table: String::new(),
        })
    }

    fn count(&self, images: &[u8]) -> Result<usize, JsError> {
        let size = self.run.net.config.image;
        let bytes = size.values();
        if images.is_empty() || !images.len().is_multiple_of(bytes) {
            let text = format!("{} bytes are no images of {size} pixels", images.len());
            return Err(JsError::new(&text));
        }
        Ok(images.len() / bytes)
    }
}
