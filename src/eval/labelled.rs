//! Labelled images, cut for evaluation: what probes are fitted on and scored with. Decoded batch by batch and never kept,
//! so that memory does not grow with the pixels of a data set.

use super::parts::fraction;
use super::samples::{Features, Samples};
use crate::Result;
use crate::data::eval::{eval_batches_of, picked};
use crate::data::image::{Image, Size};
use crate::data::source::Dataset;
use crate::data::transform::EvalTransform;

/// The most images of a data set that a probe is fitted on, and the most that it is scored with. Features of raw pixels,
/// the widest of all, then take 600 MB, and a fit to them 1.2 GB.
pub const MOST_IMAGES: usize = 50_000;
/// Pixels are compared at no more than this side: a linear fit to 3 · 224² channels would be one to 150,528 of them.
pub const RAW_SIDE: usize = 32;

/// The images of a data set with a class for each.
pub struct Labelled<'a> {
    data: &'a Dataset,
    labels: Vec<u32>,
    size: Size,
    transform: EvalTransform,
    /// How many may be used of how many.
    most: usize,
    all: usize,
    /// Those that are used, ascending.
    chosen: Vec<usize>,
}

/// Some of the images, `[n, height, width, 3]` u8, with the class of each.
pub struct Batch {
    pub images: Vec<u8>,
    pub labels: Vec<u32>,
}

impl<'a> Labelled<'a> {
    /// The images of a data set in order, with labels in the numbering of `classes` (the training set's); where there are
    /// more than `most`, so many of them, picked by chance and always the same.
    ///
    /// Errors: usage, without labels or with an unknown class.
    pub fn new(
        data: &'a Dataset,
        classes: &[String],
        size: Size,
        transform: EvalTransform,
        most: usize,
    ) -> Result<Labelled<'a>> {
        let labels = data.labels_as(classes)?;
        Ok(Labelled {
            data,
            labels,
            size,
            transform,
            most,
            all: data.len(),
            chosen: picked(data.len(), Some(most)),
        })
    }

    /// A part of the labels alone, the same share of each class (see [`fraction`]); of that again up to `most` images.
    ///
    /// Errors: usage, where this leaves a class without images.
    pub fn with_fraction(mut self, share: f64, seed: u64) -> Result<Labelled<'a>> {
        let part = fraction(&self.labels, self.data.class_names(), share, seed)?;
        self.all = part.len();
        let chosen = picked(part.len(), Some(self.most));
        self.chosen = chosen.into_iter().map(|place| part[place]).collect();
        Ok(self)
    }

    /// How many images are used, bad ones among them.
    pub fn count(&self) -> usize {
        self.chosen.len()
    }

    /// The data set's classes, which labels are places in.
    pub fn class_names(&self) -> &[String] {
        self.data.class_names()
    }

    /// About `size` images at a time. Bad ones are left out and recorded in the data set's list: an error once a tenth of
    /// the images are bad.
    pub fn batches(&self, size: usize) -> impl Iterator<Item = Result<Batch>> {
        eval_batches_of(self.data, self.size, self.transform, size, self.chosen.clone()).map(|batch| {
            let batch = batch?;
            Ok(Batch {
                labels: batch.indices.iter().map(|&i| self.labels[i]).collect(),
                images: batch.images,
            })
        })
    }

    /// "photos has 1281167 images: 50000 of them are used, ..."; `None` where all are.
    pub fn notice(&self) -> Option<String> {
        let (all, most) = (self.all, self.most);
        let source = self.data.source();
        (all > most).then(|| {
            format!(
                "{source} has {all} images for this: {most} of them are used, picked by chance, always the same ones"
            )
        })
    }
}

/// Pixels as features, `[n, 3 * side * side]` in 0 ... 1, of images `[n, height, width, 3]`; larger ones are scaled to
/// [`RAW_SIDE`] first, antialiased as everywhere.
pub fn raw(images: &[u8], size: Size) -> Vec<f32> {
    let values = |bytes: &[u8]| bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    if size.height.max(size.width) <= RAW_SIDE {
        return values(images);
    }
    let small = images.chunks_exact(size.values()).flat_map(|pixels| {
        let (width, height, pixels) = (size.width, size.height, pixels.to_vec());
        let image = Image { width, height, pixels };
        let square = Size::square(RAW_SIDE);
        image.center_resized(square, square).pixels
    });
    values(&small.collect::<Vec<u8>>())
}

/// Features of all images with the class of each, collected batch by batch.
#[derive(Default)]
pub struct Collected {
    values: Vec<f32>,
    labels: Vec<u32>,
}

impl Collected {
    pub fn add(&mut self, values: &[f32], labels: &[u32]) {
        self.values.extend(values);
        self.labels.extend(labels);
    }

    /// Errors: run, where a value is not finite.
    pub fn samples(self) -> Result<Samples> {
        let dims = self.values.len() / self.labels.len().max(1);
        Samples::new(Features::new(self.values, dims)?, self.labels)
    }
}
