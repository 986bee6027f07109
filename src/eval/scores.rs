//! What a probe is judged by: how often each class was named for each, accuracy with its interval, and every class's own.

use crate::{Error, Result};

/// The counts of a scored set, class by class.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    classes: usize,
    /// `[classes, classes]`: row by true class, column by the class that was named.
    counts: Vec<u32>,
    /// Images for which no class was named, by true class.
    unnamed: Vec<u32>,
}

/// One class's part of the scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScore {
    /// Test images of the class.
    pub images: usize,
    /// Per cent of them that were named so; `None` without images. Also called recall.
    pub accuracy: Option<f64>,
    /// Per cent of the images named so that are of the class; `None` where none was named so.
    pub precision: Option<f64>,
    /// The class that was named most often instead, if any was, and for how many images.
    pub mistaken_for: Option<(usize, usize)>,
}

/// 97.5 % of a standard normal distribution lie below it.
const Z: f64 = 1.959_963_984_540_054;

impl Scores {
    /// Of images with these true classes and the classes that were named for them, all numbers below `classes`.
    ///
    /// # Errors
    /// Where the lists differ in length, are empty, or a number is too large.
    pub fn new(classes: usize, truth: &[u32], named: &[Option<u32>]) -> Result<Scores> {
        if truth.is_empty() || truth.len() != named.len() {
            return Err(Error::run(format!(
                "scores: {} images to score, but {} answers",
                truth.len(),
                named.len()
            )));
        }
        let mut scores = Scores {
            classes,
            counts: vec![0; classes * classes],
            unnamed: vec![0; classes],
        };
        for (&truth, &named) in truth.iter().zip(named) {
            if let Some(class) = [Some(truth), named]
                .into_iter()
                .flatten()
                .find(|&class| class as usize >= classes)
            {
                return Err(Error::run(format!(
                    "scores: class number {class}, but there are {classes} classes"
                )));
            }
            match named {
                Some(named) => scores.counts[truth as usize * classes + named as usize] += 1,
                None => scores.unnamed[truth as usize] += 1,
            }
        }
        Ok(scores)
    }

    /// Of a confusion matrix as it was written down, row by true class, and the images of each class; what no row has, no class
    /// was named for.
    ///
    /// # Errors
    /// Where they are none, in words.
    pub fn counted(rows: &[Vec<u32>], images: &[u32]) -> Result<Scores, String> {
        let classes = images.len();
        if rows.len() != classes || rows.iter().any(|row| row.len() != classes) {
            return Err(format!("a confusion matrix of {classes} classes is not square"));
        }
        let all: u64 = images.iter().map(|&images| u64::from(images)).sum();
        if all == 0 || u32::try_from(all).is_err() {
            let few = if all == 0 {
                "no images"
            } else {
                "more images than can be counted"
            };
            return Err(format!("a confusion matrix has {few}"));
        }
        let left = |(row, &images): (&Vec<u32>, &u32)| {
            let named: u64 = row.iter().map(|&count| u64::from(count)).sum();
            u32::try_from(u64::from(images).checked_sub(named)?).ok()
        };
        let unnamed: Option<Vec<u32>> = rows.iter().zip(images).map(left).collect();
        Ok(Scores {
            classes,
            counts: rows.concat(),
            unnamed: unnamed.ok_or("a confusion matrix has more answers than images")?,
        })
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// `[classes, classes]`, row by true class, column by named class.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Images of class `truth` that were named `named`.
    pub fn count(&self, truth: usize, named: usize) -> usize {
        self.counts[truth * self.classes + named] as usize
    }

    /// Images that were scored.
    pub fn images(&self) -> usize {
        (self.counts.iter().chain(&self.unnamed).sum::<u32>()) as usize
    }

    /// Images that got their own class.
    pub fn right(&self) -> usize {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// Per cent of the images that got their own class.
    pub fn accuracy(&self) -> f64 {
        100.0 * self.right() as f64 / self.images() as f64
    }

    /// The 95 % interval of the accuracy in per cent by Wilson's formula (1927): what chance in the choice of test images
    /// leaves open. It says nothing about what other seeds of the training would give.
    pub fn interval(&self) -> [f64; 2] {
        wilson(self.right(), self.images()).map(|share| 100.0 * share)
    }

    /// How class `class` fared.
    pub fn class(&self, class: usize) -> ClassScore {
        let row = |named| self.count(class, named);
        let images = (0..self.classes).map(row).sum::<usize>() + self.unnamed[class] as usize;
        let named: usize = (0..self.classes).map(|truth| self.count(truth, class)).sum();
        let share = |of: usize| (of > 0).then(|| 100.0 * row(class) as f64 / of as f64);
        // Of equal counts the first class.
        let others = (0..self.classes)
            .rev()
            .filter(|&other| other != class && row(other) > 0);
        ClassScore {
            images,
            accuracy: share(images),
            precision: share(named),
            mistaken_for: others.map(|other| (other, row(other))).max_by_key(|&(_, count)| count),
        }
    }
}

/// Wilson's 95 % interval of a share of which `right` of `images` were seen.
pub fn wilson(right: usize, images: usize) -> [f64; 2] {
    let (n, share) = (images as f64, right as f64 / images as f64);
    let middle = share + Z * Z / (2.0 * n);
    let reach = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // Rounding must not leave what is possible.
    [middle - reach, middle + reach].map(|end| (end / (1.0 + Z * Z / n)).clamp(0.0, 1.0))
}
