//! Batches with labels: images, augmented and blended two by two, and what share of each is of which class.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::data::augment::{self, augment};
use crate::data::batch::Bad;
use crate::data::draw::Draw;
use crate::data::pictures::{self, Pictures};
use crate::data::source::Dataset;
use crate::data::transform::TrainTransform;
use crate::error::{Error, Result};

/// What labelled batches are made of.
#[derive(Clone, Debug)]
pub struct LabelledConfig {
    pub batch: usize,
    /// Side of the square images in pixels.
    pub crop: usize,
    pub transform: TrainTransform,
    /// Magnitude of the random operations after it, 0 to 10; 0: none.
    pub augment: f64,
    /// The a of Beta(a, a), from which the share of one image in a blend of two is drawn (Zhang et al. 2018); 0: no blends.
    pub mixup: f64,
    /// What is taken from a target and spread over all classes.
    pub smoothing: f64,
    pub seed: u64,
}

/// The images of one step with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledBatch {
    /// Number of the step since the start of the run, from 0.
    pub step: u64,
    /// From 0.
    pub epoch: u64,
    /// `[B, crop, crop, 3]`, RGB interleaved.
    pub images: Vec<u8>,
    /// `[B, C]`, each row's sum is 1.
    pub targets: Vec<f32>,
    /// The class that each image shows most of.
    pub labels: Vec<u32>,
}

/// Strongest blends: beyond, both shares are near one half.
const MOST_MIXUP: f64 = 4.0;

impl LabelledConfig {
    /// Errors: usage, where a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        if self.batch == 0 || self.crop == 0 {
            return Err(Error::usage(
                "a batch of no images, or of images without pixels, can't be made",
            ));
        }
        for (name, value, most) in [
            ("--augment", self.augment, augment::MOST),
            ("--mixup", self.mixup, MOST_MIXUP),
            ("--label-smoothing", self.smoothing, 0.9),
        ] {
            if !(0.0..=most).contains(&value) {
                return Err(Error::usage(format!("{name} {value} must be from 0 to {most}")));
            }
        }
        self.transform.validate()
    }
}

/// Makes the batch of any step; quickest one after the other.
pub struct LabelledBatches {
    pictures: Pictures,
    data: Arc<Dataset>,
    config: LabelledConfig,
    classes: usize,
}

impl LabelledBatches {
    /// A usage error if the data has no labels or fewer images than a batch, or a setting is out of range.
    pub fn new(data: Arc<Dataset>, config: LabelledConfig, stop: Arc<AtomicBool>) -> Result<Self> {
        config.validate()?;
        data.labels_as(data.class_names())?;
        Ok(LabelledBatches {
            pictures: Pictures::new(data.clone(), config.batch, config.seed, stop)?,
            classes: data.class_names().len(),
            data,
            config,
        })
    }

    /// The batch of this step, counted from 0 over the whole run; none if too much of the data is bad. With what turned out
    /// bad on the way to it.
    pub fn make(&mut self, step: u64) -> (Option<LabelledBatch>, Vec<Bad>) {
        let LabelledConfig {
            crop,
            transform,
            augment: magnitude,
            ..
        } = &self.config;
        let made = self.pictures.make(step, |image, draw| {
            let mut pixels = transform.apply(image, *crop, draw);
            if *magnitude > 0.0 {
                augment(&mut pixels, *crop, *magnitude, draw);
            }
            pixels
        });
        let pictures::Made {
            epoch, pictures, bad, ..
        } = made;
        (pictures.map(|pictures| self.blend(step, epoch, &pictures)), bad)
    }

    /// Each image with the one at the opposite place of the batch, by one share for all.
    fn blend(&self, step: u64, epoch: u64, pictures: &[(usize, Vec<u8>)]) -> LabelledBatch {
        let share = match self.config.mixup {
            0.0 => 1.0,
            a => beta(a, &mut Draw::keyed("mixup", self.config.seed, step, 0)),
        };
        let labels = self.data.labels().unwrap_or_default();
        let label = |place: usize| labels[pictures[place].0] as usize;
        let (count, spread) = (pictures.len(), self.config.smoothing / self.classes as f64);
        let mut batch = LabelledBatch {
            step,
            epoch,
            images: Vec::with_capacity(count * self.config.crop * self.config.crop * 3),
            targets: vec![spread as f32; count * self.classes],
            labels: vec![],
        };
        for place in 0..count {
            let other = count - 1 - place;
            let (own, others) = (&pictures[place].1, &pictures[other].1);
            match share {
                1.0 => batch.images.extend(own),
                _ => batch.images.extend(
                    own.iter()
                        .zip(others)
                        .map(|(&a, &b)| (share * f64::from(a) + (1.0 - share) * f64::from(b)).round() as u8),
                ),
            }
            let row = &mut batch.targets[place * self.classes..][..self.classes];
            for (class, share) in [(label(place), share), (label(other), 1.0 - share)] {
                row[class] += ((1.0 - self.config.smoothing) * share) as f32;
            }
            let most = if share >= 0.5 { place } else { other };
            batch.labels.push(label(most) as u32);
        }
        batch
    }
}

/// A draw of Beta(a, a) (Jöhnk 1964).
fn beta(a: f64, draw: &mut Draw) -> f64 {
    loop {
        let (x, y) = (libm::pow(draw.unit(), 1.0 / a), libm::pow(draw.unit(), 1.0 / a));
        if x + y > 0.0 && x + y <= 1.0 {
            return x / (x + y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;

    fn config() -> LabelledConfig {
        LabelledConfig {
            batch: 6,
            crop: 16,
            transform: TrainTransform {
                crop_scale: None,
                horizontal_flip: false,
                color_distortion: None,
                gaussian_blur: false,
            },
            augment: 0.0,
            mixup: 0.0,
            smoothing: 0.1,
            seed: 1,
        }
    }

    fn batch(config: LabelledConfig, step: u64) -> LabelledBatch {
        let data = Arc::new(Dataset::glyphs(Split::Train, 0));
        let mut batches = LabelledBatches::new(data, config, Arc::default()).unwrap();
        batches.make(step).0.unwrap()
    }

    #[test]
    fn targets_are_smoothed_and_blended_as_images_are() {
        let (plain, mixed) = (batch(config(), 3), batch(LabelledConfig { mixup: 0.8, ..config() }, 3));
        for (row, label) in plain.targets.chunks(10).zip(&plain.labels) {
            assert!((row[*label as usize] - 0.91).abs() < 1e-6 && row.iter().filter(|&&t| t == 0.01).count() == 9);
        }
        let share = beta(0.8, &mut Draw::keyed("mixup", 1, 3, 0));
        for (i, row) in mixed.targets.chunks(10).enumerate() {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            let other = &plain.targets[(5 - i) * 10..][..10];
            for ((now, own), other) in row.iter().zip(&plain.targets[i * 10..]).zip(other) {
                assert!((f64::from(*now) - share * f64::from(*own) - (1.0 - share) * f64::from(*other)).abs() < 1e-6);
            }
            let most = if share >= 0.5 { i } else { 5 - i };
            assert_eq!(mixed.labels[i], plain.labels[most]);
        }
        let (size, pixel) = (16 * 16 * 3, 77);
        let want =
            share * f64::from(plain.images[size + pixel]) + (1.0 - share) * f64::from(plain.images[4 * size + pixel]);
        assert_eq!(mixed.images[size + pixel], want.round() as u8);
    }

    #[test]
    fn a_step_is_always_the_same_and_no_other() {
        let all = || LabelledConfig {
            augment: 9.0,
            mixup: 0.8,
            transform: TrainTransform {
                crop_scale: Some([0.3, 1.0]),
                horizontal_flip: true,
                ..config().transform
            },
            ..config()
        };
        assert_eq!(batch(all(), 700), batch(all(), 700));
        assert_ne!(batch(all(), 700).images, batch(all(), 701).images);
    }

    #[test]
    fn shares_follow_the_beta_distribution() {
        for a in [0.2, 0.8, 1.0, 3.0] {
            let mut draw = Draw::keyed("beta", 0, 0, 0);
            let shares: Vec<f64> = (0..4000).map(|_| beta(a, &mut draw)).collect();
            let mean = shares.iter().sum::<f64>() / 4000.0;
            let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / 4000.0;
            assert!((mean - 0.5).abs() < 0.03, "{a}: mean {mean}");
            assert!(
                (variance * 4.0 * (2.0 * a + 1.0) - 1.0).abs() < 0.08,
                "{a}: variance {variance}"
            );
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for (changed, named) in [
            (
                LabelledConfig {
                    augment: 11.0,
                    ..config()
                },
                "--augment 11",
            ),
            (
                LabelledConfig {
                    mixup: -0.1,
                    ..config()
                },
                "--mixup -0.1",
            ),
            (
                LabelledConfig {
                    smoothing: f64::NAN,
                    ..config()
                },
                "--label-smoothing NaN",
            ),
        ] {
            let text = changed.validate().unwrap_err().to_string();
            assert!(text.starts_with(named), "{text}");
        }
    }
}
