//! Patch features of labelled images, kept in 16 bits for probes that look at every patch; of as many images as memory is given
//! for.

use crate::data::draw::Draw;
use crate::{Error, Result};
use half::f16;
use half::slice::HalfFloatSliceExt;

/// As every layer norm of the networks.
const EPS: f32 = 1e-6;

/// Features of patches, each to mean 0 and deviation 1 over its channels (a layer norm without weights).
pub struct Tokens {
    /// `[images, N, D]`
    values: Vec<f16>,
    labels: Vec<u32>,
    patches: usize,
    width: usize,
    /// Of the images that come, in their order, those that are kept; `None`: all.
    kept: Option<Vec<bool>>,
    seen: usize,
}

impl Tokens {
    /// For `images` images of N patches with D channels each: all are kept, or as many as `bytes` hold, picked by chance, always
    /// the same ones.
    ///
    /// # Errors
    /// Usage, where not even ten images fit.
    pub fn new([patches, width]: [usize; 2], images: usize, bytes: u64) -> Result<Tokens> {
        let each = 2 * patches as u64 * width as u64;
        let room = (bytes / each.max(1)) as usize;
        if room < images.min(10) {
            return Err(Error::usage(format!(
                "patch features of one image take {:.1} MB, and {:.1} MB are not enough for ten: give more memory by --cache, or \
                 leave out the attentive probe (--method knn or linear)",
                each as f64 / 1e6,
                bytes as f64 / 1e6
            )));
        }
        let kept = (room < images).then(|| {
            let mut kept = vec![false; images];
            let order = Draw::keyed("tokens", 0, 0, 0).permutation(images);
            order.iter().take(room).for_each(|&image| kept[image as usize] = true);
            kept
        });
        Ok(Tokens {
            values: Vec::with_capacity(room.min(images) * patches * width),
            labels: vec![],
            patches,
            width,
            kept,
            seen: 0,
        })
    }

    /// The next images' features `[n * N, D]`, and classes.
    pub fn add(&mut self, tokens: &[f32], labels: &[u32]) {
        let each = self.patches * self.width;
        let mut normed = vec![0.0; each];
        for (image, &label) in tokens.chunks_exact(each).zip(labels) {
            let wanted = self.kept.as_ref().is_none_or(|kept| kept.get(self.seen) == Some(&true));
            self.seen += 1;
            if wanted {
                for (patch, normed) in image.chunks_exact(self.width).zip(normed.chunks_exact_mut(self.width)) {
                    norm(patch, normed);
                }
                self.values.extend(normed.iter().map(|&value| f16::from_f32(value)));
                self.labels.push(label);
            }
        }
    }

    /// Images that are kept.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Patches of an image, and channels of a patch.
    pub fn shape(&self) -> [usize; 2] {
        [self.patches, self.width]
    }

    /// One class for each image that is kept; any numbers.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The features of these images, `[n, N, D]`.
    pub fn pick(&self, images: &[usize]) -> Vec<f32> {
        let each = self.patches * self.width;
        let mut values = vec![0.0; images.len() * each];
        for (out, &image) in values.chunks_exact_mut(each).zip(images) {
            self.values[image * each..][..each].convert_to_f32_slice(out);
        }
        values
    }
}

fn norm(patch: &[f32], out: &mut [f32]) {
    let count = patch.len() as f32;
    let mean = patch.iter().sum::<f32>() / count;
    let variance = patch.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / count;
    let scale = 1.0 / (variance + EPS).sqrt();
    for (out, value) in out.iter_mut().zip(patch) {
        *out = (value - mean) * scale;
    }
}
