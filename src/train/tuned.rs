//! What fine-tuning is set to, what its result carries beside weights, and the files that both are in.

use super::config::{Config, Optimization};
use super::schedule::Schedule;
use crate::data::draw::Draw;
use crate::data::labelled::LabelledConfig;
use crate::data::transform::TrainTransform;
use crate::model::classifier::Plan;
use crate::model::config::ModelConfig;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Everything that decides the numbers of a fine-tuning, beside the weights and images that it begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Length in steps.
    pub steps: u64,
    pub batch: usize,
    /// Learning rate of the last layer, at its highest; it rises for `warmup` of the steps and falls by a half cosine to nothing.
    pub lr: f64,
    /// A share of the steps.
    pub warmup: f64,
    pub weight_decay: f64,
    /// What the learning rate of each layer is multiplied by to give that of the layer before it.
    pub layer_decay: f64,
    /// How likely the branches of the last block are left out for an image; from the first block on it rises evenly from 0.
    pub drop_path: f64,
    pub label_smoothing: f64,
    /// See [`LabelledConfig`].
    pub mixup: f64,
    pub augment: f64,
    /// Share of the area that a crop covers; `None`: the central square.
    pub crop_scale: Option<[f64; 2]>,
    pub flip: bool,
    pub seed: u64,
    /// The encoder was drawn, too, and not only the head.
    pub from_scratch: bool,
    /// Blocks are computed again for their gradient.
    pub recompute: bool,
}

/// How well images are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Sum of the images' cross-entropies.
    pub loss: f64,
    /// Images whose class had the highest score.
    pub right: u64,
    pub images: u64,
}

impl Score {
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }

    /// In per cent.
    pub fn accuracy(&self) -> f64 {
        100.0 * self.right as f64 / self.images.max(1) as f64
    }

    /// Between which two per cents the accuracy lies with 95 % confidence (Wilson 1927).
    pub fn interval(&self) -> [f64; 2] {
        let (n, p, z) = (self.images.max(1) as f64, self.accuracy() / 100.0, 1.96);
        let (middle, around) = (
            p + z * z / (2.0 * n),
            z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt(),
        );
        [-1.0, 1.0].map(|side| 100.0 * (middle + side * around) / (1.0 + z * z / n))
    }

    /// Adds logits `[B, C]` of images with these classes. The loss is computed here where `with_loss`.
    pub fn add(&mut self, logits: &[f32], labels: &[u32], with_loss: bool) {
        let classes = logits.len() / labels.len().max(1);
        for (row, &label) in logits.chunks_exact(classes.max(1)).zip(labels) {
            let class = highest(row);
            self.images += 1;
            self.right += u64::from(class == label as usize);
            if with_loss {
                let sum: f64 = row.iter().map(|z| libm::exp(f64::from(z - row[class]))).sum();
                self.loss += libm::log(sum) + f64::from(row[class] - row[label as usize]);
            }
        }
    }
}

/// The class of the highest logit, of equal ones the first; 0 where none is a number.
pub fn highest(logits: &[f32]) -> usize {
    let each = logits.iter().copied().enumerate();
    let best = each.fold((0, f32::NEG_INFINITY), |best, (class, value)| {
        if value > best.1 { (class, value) } else { best }
    });
    best.0
}

/// What a fine-tuned file says of itself, beside where its run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// Names of the head's classes, in its order.
    pub classes: Vec<String>,
    pub settings: Settings,
    /// On training images since the epoch began; the loss is that with smoothed and blended targets.
    pub train: Score,
    /// On the test images, when they were looked at last.
    pub test: Option<Score>,
}

/// The keys of a configuration that fine-tuning heeds: network and images. All else in it, schedules and masks and how images are
/// changed, is of training without labels, and [`Settings`] has its own.
const HEEDED: [&str; 10] = [
    "data.crop_size",
    "data.eval_transform",
    "data.max_pixels",
    "mask.patch_size",
    "meta.model.depth",
    "meta.model.embed_dim",
    "meta.model.mlp_ratio",
    "meta.model.num_heads",
    "meta.model_name",
    "meta.seed",
];

/// See [`HEEDED`].
pub fn heeds(path: &str) -> bool {
    HEEDED.contains(&path)
}

impl Settings {
    /// Every one with its name in the file, and its value as text.
    pub fn values(&self) -> Vec<(String, String)> {
        let value = serde_json::to_value(self).unwrap_or_default();
        let pairs = value.as_object().into_iter().flatten();
        pairs.map(|(name, value)| (name.clone(), value.to_string())).collect()
    }

    /// Errors: usage, where a number is out of its range.
    pub fn validate(&self, model: &ModelConfig) -> Result<()> {
        for (name, value, least, most) in [
            ("--lr", self.lr, f64::MIN_POSITIVE, 10.0),
            ("--warmup", self.warmup, 0.0, 1.0),
            ("--weight-decay", self.weight_decay, 0.0, 10.0),
            ("--layer-decay", self.layer_decay, 0.01, 1.0),
            ("--drop-path", self.drop_path, 0.0, 0.9),
        ] {
            if !(least..=most).contains(&value) {
                let range = match name {
                    "--lr" => "above 0 and at most 10".to_string(),
                    _ => format!("from {least} to {most}"),
                };
                return Err(Error::usage(format!("{name} {value} must be {range}")));
            }
        }
        if self.steps == 0 {
            return Err(Error::usage(
                "no steps are to be taken: give --epochs or --steps of 1 or more",
            ));
        }
        self.batches(model)?.validate()
    }

    /// Errors: run, where the model's images are not square.
    pub fn batches(&self, model: &ModelConfig) -> Result<LabelledConfig> {
        Ok(LabelledConfig {
            batch: self.batch,
            crop: model.side()?,
            transform: TrainTransform {
                crop_scale: self.crop_scale,
                horizontal_flip: self.flip,
                color_distortion: None,
                gaussian_blur: false,
            },
            augment: self.augment,
            mixup: self.mixup,
            smoothing: self.label_smoothing,
            seed: self.seed,
        })
    }

    pub fn plan(&self, classes: usize) -> Plan {
        Plan {
            classes,
            batch: self.batch,
            layer_decay: self.layer_decay,
            recompute: self.recompute,
        }
    }

    pub fn schedule(&self) -> Schedule {
        let settings = Optimization {
            ema: [1.0, 1.0],
            final_lr: self.lr * 1e-3,
            final_weight_decay: self.weight_decay,
            ipe_scale: 1.0,
            lr: self.lr,
            start_lr: 0.0,
            steps: Some(self.steps as usize),
            warmup_share: Some(self.warmup),
            weight_decay: self.weight_decay,
            ..Config::default().optimization
        };
        Schedule::new(&settings, 1)
    }

    /// `[2 * depth, B]`: 0 for branches that this step leaves out, from 0 on; what makes up for it for the others. `None` where
    /// none is ever left out.
    pub fn scales(&self, depth: usize, step: u64) -> Option<Vec<f32>> {
        if self.drop_path == 0.0 || depth < 2 {
            return None;
        }
        let mut draw = Draw::keyed("droppath", self.seed, step, 0);
        let mut scales = Vec::with_capacity(2 * depth * self.batch);
        for block in 0..depth {
            let dropped = self.drop_path * block as f64 / (depth - 1) as f64;
            for _ in 0..2 * self.batch {
                scales.push(if draw.unit() < dropped {
                    0.0
                } else {
                    (1.0 / (1.0 - dropped)) as f32
                });
            }
        }
        Some(scales)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn settings() -> Settings {
        Settings {
            steps: 100,
            batch: 50,
            lr: 1e-3,
            warmup: 0.1,
            weight_decay: 0.05,
            layer_decay: 0.75,
            drop_path: 0.2,
            label_smoothing: 0.1,
            mixup: 0.8,
            augment: 9.0,
            crop_scale: None,
            flip: true,
            seed: 3,
            from_scratch: false,
            recompute: false,
        }
    }

    #[test]
    fn rates_rise_and_fall() {
        let schedule = settings().schedule();
        let lr = |step| schedule.at(step).lr;
        assert_eq!((schedule.run_steps(), lr(5), lr(10)), (100, 5e-4, 1e-3));
        assert!((lr(55) - 0.5005e-3).abs() < 1e-9 && (lr(100) - 1e-6).abs() < 1e-12);
        assert_eq!((schedule.at(1).wd, schedule.at(100).wd), (0.05, 0.05));
    }

    #[test]
    fn branches_are_dropped_as_often_as_they_should_be_and_made_up_for() {
        let (settings, depth) = (settings(), 3);
        let mut all = vec![0.0; 3];
        for step in 0..200 {
            let scales = settings.scales(depth, step).unwrap();
            assert_eq!(scales.len(), 2 * depth * 50);
            for (block, sum) in all.iter_mut().enumerate() {
                *sum += scales[block * 100..][..100].iter().sum::<f32>() / 20_000.0;
            }
            assert!(
                scales[..100].iter().all(|&scale| scale == 1.0),
                "the first block's are kept"
            );
            assert!(scales[200..].iter().all(|&scale| scale == 0.0 || scale == 1.25));
        }
        assert!(all.iter().all(|mean| (mean - 1.0).abs() < 0.02), "{all:?}");
        assert_ne!(settings.scales(depth, 1), settings.scales(depth, 2));
        assert_eq!(
            Settings {
                drop_path: 0.0,
                ..settings
            }
            .scales(depth, 1),
            None
        );
    }

    #[test]
    fn scores_count_and_sum() {
        let mut score = Score::default();
        score.add(&[0.0, 0.0, 2.0, 1.0, 3.0, 1.0], &[2, 0], true);
        assert_eq!((score.right, score.images, score.accuracy()), (1, 2, 50.0));
        let want = (2.0 + 2f64.exp()).ln() - 2.0 + (2.0 * 1f64.exp() + 3f64.exp()).ln() - 1.0;
        assert!((score.loss - want).abs() < 1e-6);
        let [low, high] = Score {
            right: 540,
            images: 1000,
            loss: 0.0,
        }
        .interval();
        assert!((low - 50.9).abs() < 0.1 && (high - 57.1).abs() < 0.1, "{low} {high}");
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let model = Config::preset("nano").unwrap().model().unwrap();
        settings().validate(&model).unwrap();
        for (wrong, named) in [
            (Settings { lr: 0.0, ..settings() }, "--lr 0 must be above 0"),
            (
                Settings {
                    layer_decay: 1.5,
                    ..settings()
                },
                "--layer-decay 1.5 must be from 0.01 to 1",
            ),
            (
                Settings {
                    drop_path: f64::NAN,
                    ..settings()
                },
                "--drop-path NaN",
            ),
            (Settings { steps: 0, ..settings() }, "no steps"),
            (
                Settings {
                    mixup: 9.0,
                    ..settings()
                },
                "--mixup 9",
            ),
        ] {
            let text = wrong.validate(&model).unwrap_err().to_string();
            assert!(text.starts_with(named), "{text}");
        }
    }
}
