//! A trained network and a set of images, of one size or of several, to look at it with: what its patches are like, what they attend to, and what the
//! predictor expects where an image is hidden. All products run on the GPU.
//!
//! Likeness is measured where the loss is: between normalised target features (mean 0 and variance 1 over the channels of
//! each patch), by the cosine.

use super::features::{self, by_size};
use super::pca::{self, Axes};
use super::samples::Features;
use crate::data::image::{Image, Size};
use crate::gpu::{Gpu, Recorder, View};
use crate::model::config::{Grid, ModelConfig};
use crate::model::ijepa::{Ijepa, TARGET_EPS, Terms};
use crate::model::needs::Dims;
use crate::model::positions::at_size;
use crate::model::tensors::Tensors;
use crate::ops::layer_norm;
use crate::ops::matmul::{Epilogue, Form, product};
use crate::{Error, Result};
use std::cell::OnceCell;
use std::ops::Range;

/// Rows of patches that memory is planned for: a batch of the encoder, or one image of the predictor.
const ROWS: usize = 2048;
/// Cosines that are computed and read at once.
const COSINES: usize = 1 << 22;

/// See the module.
pub struct Inspector {
    net: Ijepa,
    rec: Recorder,
    set: Option<Set>,
}

/// The images that are looked at.
struct Set {
    images: Vec<Image>,
    /// Where each image's patches begin, and where the last one's end.
    starts: Vec<usize>,
    /// Target features of all images' patches as the encoder gives them, `[patches, D]`.
    tokens: Features,
    /// The same, normalised.
    bank: View,
    axes: Axes,
    /// The sum of all of them, normalised, once somebody asks for it.
    sum: OnceCell<Vec<f64>>,
}

impl Set {
    /// The sum of some rows of `tokens`, normalised.
    fn sum(&self, rows: Range<usize>) -> Vec<f64> {
        let width = self.tokens.dims();
        let mut sum = vec![0.0f64; width];
        for row in rows.map(|row| self.tokens.row(row)) {
            let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / width as f64;
            let square = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / width as f64;
            let scale = 1.0 / (square + TARGET_EPS).sqrt();
            sum.iter_mut()
                .zip(row)
                .for_each(|(sum, v)| *sum += (f64::from(*v) - mean) * scale);
        }
        sum
    }
}

/// A patch of the set that is like another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    pub image: usize,
    pub patch: usize,
    /// Cosine, -1 to 1.
    pub similarity: f32,
}

/// What is expected at one hidden patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    pub patch: u32,
    /// Cosine between the prediction and what the target encoder, which saw the patch, makes of it.
    pub agreement: f32,
    /// The nearest patches of other images: of the prediction, and of the target's own feature. The best first.
    pub predicted: Vec<Nearest>,
    pub target: Vec<Nearest>,
}

impl Inspector {
    /// Uploads `tensors` of a model; `origin` names them in messages.
    ///
    /// Errors: usage, where they are not the model's, or where the model is too large for this adapter.
    pub fn new(gpu: &Gpu, config: &ModelConfig, tensors: &Tensors, origin: &str) -> Result<Inspector> {
        let net = Ijepa::new(
            gpu,
            config,
            tensors,
            origin,
            Terms::default(),
            dims(config.num_patches()),
        )?;
        gpu.check()?;
        Ok(Inspector {
            rec: Recorder::new(gpu),
            net,
            set: None,
        })
    }

    /// The network's sizes; its `image` is that of the images that were looked at last.
    pub fn config(&self) -> &ModelConfig {
        &self.net.config
    }

    /// Encodes the images that are looked at from now on. Where they have another size than those that the network was made for,
    /// it is resized (see [`Ijepa::resize`]).
    ///
    /// Errors: usage, where patches do not fill an image, or where they are too large or too many for the adapter; run, where
    /// features are not finite.
    pub async fn see(&mut self, images: Vec<Image>) -> Result<()> {
        self.set = None; // two banks may be more than there is
        let (width, count) = (self.net.config.embed_dim, images.len());
        let (mut starts, mut end) = (vec![0], 0);
        for image in &images {
            end += at_size(&self.net.config, image.size())?.num_patches();
            starts.push(end);
        }
        let mut tokens = vec![0.0; end * width];
        for (size, places) in by_size(&images) {
            self.resize(size)?;
            let pixels: Vec<u8> = places
                .iter()
                .flat_map(|&place| &images[place].pixels)
                .copied()
                .collect();
            let values = features::tokens(&mut self.net, &pixels, places.len()).await?;
            let each = self.net.config.num_patches() * width;
            for (place, values) in places.into_iter().zip(values.chunks_exact(each)) {
                tokens[starts[place] * width..][..each].copy_from_slice(values);
            }
        }
        let tokens = Features::new(tokens, width)?;
        let bank = self
            .normalised(tokens.values())
            .map_err(|e| Error::usage(format!("{count} images are too many to look at together: {e}")))?;
        self.set = Some(Set {
            axes: pca::axes(&tokens),
            images,
            starts,
            tokens,
            bank,
            sum: OnceCell::new(),
        });
        Ok(())
    }

    /// Images of the set.
    pub fn count(&self) -> usize {
        self.images().len()
    }

    /// The set.
    pub fn images(&self) -> &[Image] {
        self.set.as_ref().map_or(&[], |set| &set.images)
    }

    /// Patches of an image of the set.
    ///
    /// Errors: usage, where there is no such image.
    pub fn grid(&self, image: usize) -> Result<Grid> {
        let Size { height, width } = self.image(image)?.size();
        let patch = self.net.config.patch;
        Ok(Grid {
            rows: height / patch,
            columns: width / patch,
        })
    }

    /// The target features of all images patch by patch, `[patches, D]`, as the encoder gives them: image by image, row by row.
    ///
    /// Errors: usage, where there are no images.
    pub fn tokens(&self) -> Result<&Features> {
        Ok(&self.set()?.tokens)
    }

    /// The patch features of images `first .. first + count` as colours: three principal components of the whole set, so
    /// that images can be compared. One colour for each patch.
    pub fn colours(&self, first: usize, count: usize) -> Result<Vec<[u8; 3]>> {
        let set = self.set()?;
        let colours = pca::colours(&set.tokens, &set.axes);
        let end = first.saturating_add(count).min(set.images.len());
        Ok(colours[set.starts[first.min(end)]..set.starts[end]].to_vec())
    }

    /// See [`Ijepa::attention`].
    pub async fn attention(&mut self, image: usize, block: usize) -> Result<Vec<f32>> {
        let pixels = self.shown(image)?;
        self.net.attention(&pixels, block).await
    }

    /// How like one patch is to every patch of every image: cosines, in the order of [`Inspector::tokens`].
    pub async fn similarity(&mut self, image: usize, patch: usize) -> Result<Vec<f32>> {
        self.patch(image, patch)?;
        let set = self.set()?;
        let row = set.tokens.row(set.starts[image] + patch).to_vec();
        self.cosines(&row).await
    }

    /// Hides patches of an image and asks the predictor what belongs there, in the order of `hidden` without repetitions.
    /// The predictor is shown all other patches.
    ///
    /// Errors: usage, where nothing or everything is hidden.
    pub async fn predict(&mut self, image: usize, hidden: &[u32], neighbours: usize) -> Result<Vec<Guess>> {
        let (n, width) = (self.grid(image)?.patches(), self.net.config.embed_dim);
        let mut hidden = hidden.to_vec();
        hidden.sort_unstable();
        hidden.dedup();
        for &patch in &hidden {
            self.patch(image, patch as usize)?;
        }
        if hidden.is_empty() || hidden.len() == n {
            return Err(Error::usage(
                "hide at least one patch, and leave at least one to be seen",
            ));
        }
        let seen: Vec<u32> = (0..n as u32)
            .filter(|patch| hidden.binary_search(patch).is_err())
            .collect();
        let pixels = self.shown(image)?;
        let expectation = self.net.expect(&pixels, &seen, &hidden).await?;

        let mut guesses = vec![];
        let patches = self.set()?.tokens.len();
        let both = [&expectation.predictions, &expectation.targets];
        let rows = (COSINES / 2 / patches).max(1);
        for (part, hidden) in hidden.chunks(rows).enumerate() {
            let values = part * rows * width..(part * rows + hidden.len()) * width;
            let queries = both.map(|all| &all[values.clone()]);
            let cosines = self.cosines(&queries.concat()).await?;
            let (predicted, target) = cosines.split_at(hidden.len() * patches);
            let of_each = predicted.chunks_exact(patches).zip(target.chunks_exact(patches));
            let agreements = queries[0].chunks_exact(width).zip(queries[1].chunks_exact(width));
            let starts = &self.set()?.starts;
            for ((&patch, (predicted, target)), (prediction, truth)) in hidden.iter().zip(of_each).zip(agreements) {
                guesses.push(Guess {
                    patch,
                    agreement: correlation(prediction, truth),
                    predicted: nearest(predicted, starts, image, neighbours),
                    target: nearest(target, starts, image, neighbours),
                });
            }
        }
        Ok(guesses)
    }

    /// How far a guess agrees with the target features of these patches of an image that knows nothing of it: the mean of the
    /// normalised target features of all other images, the same everywhere. On average, as [`Guess::agreement`]; 0 where there
    /// are no other images.
    ///
    /// Errors: usage, where there is no such image or patch.
    pub fn blind(&self, image: usize, patches: &[u32]) -> Result<f32> {
        self.image(image)?;
        let set = self.set()?;
        let own = set.starts[image]..set.starts[image + 1];
        let all_images = set.sum.get_or_init(|| set.sum(0..set.tokens.len()));
        let others = all_images.iter().zip(set.sum(own.clone())).map(|(all, own)| all - own);
        let guess: Vec<f32> = others.map(|sum| sum as f32).collect();
        let mut all = 0.0;
        for &patch in patches {
            self.patch(image, patch as usize)?;
            all += correlation(&guess, set.tokens.row(own.start + patch as usize));
        }
        Ok(all / patches.len().max(1) as f32)
    }

    fn set(&self) -> Result<&Set> {
        self.set
            .as_ref()
            .ok_or_else(|| Error::usage("there are no images to look at yet"))
    }

    fn image(&self, image: usize) -> Result<&Image> {
        let images = &self.set()?.images;
        let none = || Error::usage(format!("there is no image {image}: the set has {}", images.len()));
        images.get(image).ok_or_else(none)
    }

    /// The pixels of an image that the network looks at next.
    fn shown(&mut self, image: usize) -> Result<Vec<u8>> {
        let (size, pixels) = (self.image(image)?.size(), self.image(image)?.pixels.clone());
        self.resize(size)?;
        Ok(pixels)
    }

    fn resize(&mut self, size: Size) -> Result<()> {
        let model = at_size(&self.net.config, size)?;
        self.net.resize(size, dims(model.num_patches()))
    }

    fn patch(&self, image: usize, patch: usize) -> Result<()> {
        let patches = self.grid(image)?.patches();
        match patch < patches {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "there is no patch {patch}: an image has {patches}"
            ))),
        }
    }

    /// Rows of D channels on the GPU, each with mean 0 and variance 1.
    fn normalised(&mut self, rows: &[f32]) -> Result<View> {
        let (gpu, width) = (self.net.gpu().clone(), self.net.config.embed_dim);
        let count = rows.len() / width;
        let given = gpu.upload("features", count, width, rows)?;
        let (normed, stats) = (
            gpu.alloc("normalised features", count, width)?,
            gpu.alloc("statistics", count, 2)?,
        );
        layer_norm::forward(&mut self.rec, &given, None, TARGET_EPS, &normed, &stats)?;
        Ok(normed)
    }

    /// Cosines of `queries` `[Q, D]` with the whole set, `[Q, patches]`.
    async fn cosines(&mut self, queries: &[f32]) -> Result<Vec<f32>> {
        let (bank, width) = (self.set()?.bank.clone(), self.net.config.embed_dim);
        let queries = self.normalised(queries)?;
        let dots = self.net.gpu().alloc("cosines", queries.rows, bank.rows)?;
        product(&mut self.rec, Form::Nt, &queries, &bank, &dots, Epilogue::Plain)?;
        let mut cosines: Vec<f32> = self.rec.read(&dots).await?;
        self.rec.forget_bindings(); // of buffers that are not kept
        cosines
            .iter_mut()
            .for_each(|dot| *dot = (*dot / width as f32).clamp(-1.0, 1.0)); // rows have length √D
        Ok(cosines)
    }
}

/// What an image with so many patches takes: a batch of the encoder, or the image through all three networks.
fn dims(patches: usize) -> Dims {
    Dims {
        num_enc: 1,
        num_pred: 1,
        k_context: patches,
        k_target: patches,
        recompute: true, // no gradient is asked for: blocks need not keep what they made
        ..Dims::encode((ROWS / patches).clamp(1, 32))
    }
}

/// The `count` largest cosines outside image `own`, the largest first; equal ones by place. Images' patches begin at `starts`.
fn nearest(cosines: &[f32], starts: &[usize], own: usize, count: usize) -> Vec<Nearest> {
    let of_own = starts[own]..starts[own + 1];
    let mut order: Vec<usize> = (0..cosines.len()).filter(|i| !of_own.contains(i)).collect();
    let nearer = |a: &usize, b: &usize| cosines[*b].total_cmp(&cosines[*a]).then(a.cmp(b));
    let count = count.min(order.len());
    if count < order.len() {
        order.select_nth_unstable_by(count, nearer);
    }
    order.truncate(count);
    order.sort_unstable_by(nearer);
    let place = |i: usize| {
        let image = starts.partition_point(|&start| start <= i) - 1;
        Nearest {
            image,
            patch: i - starts[image],
            similarity: cosines[i],
        }
    };
    order.into_iter().map(place).collect()
}

/// The cosine of two rows less their means.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let mean = |row: &[f32]| row.iter().map(|v| f64::from(*v)).sum::<f64>() / row.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let (mut dot, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (f64::from(*x) - ma, f64::from(*y) - mb);
        (dot, aa, bb) = (dot + x * y, aa + x * x, bb + y * y);
    }
    match aa * bb > 0.0 {
        true => (dot / (aa * bb).sqrt()) as f32,
        false => 0.0,
    }
}
