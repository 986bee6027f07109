//! Weights and images, opened to be looked at.

use crate::cli::adapter::AdapterArgs;
use crate::cli::encoder::{Encoder, opened};
use crate::cli::say;
use ijepa::data::eval::eval_batches;
use ijepa::data::image::Size;
use ijepa::data::source::Dataset;
use ijepa::data::transform::EvalTransform;
use ijepa::data::{Split, decode};
use ijepa::eval::features::encode;
use ijepa::eval::inspector::Inspector;
use ijepa::gpu::Gpu;
use ijepa::model::config::ModelConfig;
use ijepa::model::ijepa::{Ijepa, Terms};
use ijepa::model::needs::Dims;
use ijepa::model::positions::{self, Origin};
use ijepa::model::tensors::Tensors;
use ijepa::train::config::Config;
use ijepa::weights::fit::Fitted;
use ijepa::{Error, Result, ordinary};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Which weights, which images, and how large.
#[derive(clap::Args)]
pub struct Look {
    /// Folder of a run, one of the checkpoints in it, or weights of the reference, of Hugging Face, timm or torch.save
    #[arg(long, value_name = "RUN")]
    weights: PathBuf,
    /// Images: files, folders, tars, packed sets or generated:glyphs [default: the run's own data]
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    /// Images of each folder, tar or set: picked by chance, always the same [default: 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: Option<u32>,
    /// Images of train/ or of test/ (or val/), where the data has both
    #[arg(long, value_name = "SPLIT", value_enum, default_value_t = Part::Test)]
    split: Part,
    /// Side in pixels that images are scaled and cut to, a multiple of the patch; positions are laid over the trained ones
    /// [default: the configuration's]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: Option<u32>,
    /// Which of the two encoders, where the weights have both
    #[arg(long, value_enum, default_value_t = Encoder::Target)]
    encoder: Encoder,
    /// Configuration of weights that carry none
    #[arg(long, value_name = "F.yaml")]
    config: Option<PathBuf>,
    /// Of the weights take what fits the configuration's networks, and draw the rest anew
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Train,
    Test,
}

/// Images of each set where nothing is said.
const COUNT: u32 = 6;
/// Images that have a place in one picture, each in a row of its own.
pub const MOST_IMAGES: usize = 100;
/// Patches of one image that attention between all pairs is still computed for.
const MOST_PATCHES: usize = 1 << 14;
/// More bytes than an image within the default limit of pixels has.
const MOST_BYTES: u64 = 1 << 30;

/// Weights, ready to be looked into.
pub struct Seen {
    pub config: Config,
    /// The networks at the size of the images that are looked at.
    pub model: ModelConfig,
    pub tensors: Tensors,
    pub origin: String,
    pub images: Images,
    /// What a picture says of weights, encoder, size and positions.
    pub said: Vec<String>,
}

/// Images as the network is given them.
#[derive(Default)]
pub struct Images {
    /// `[n, height, width, 3]`
    pub pixels: Vec<u8>,
    pub names: Vec<String>,
    /// The class of each, where the images are of one set that has classes; and their names.
    pub labels: Option<Vec<u32>>,
    pub classes: Vec<String>,
}

impl Images {
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The pixels of image `index`, `[height, width, 3]`.
    pub fn image(&self, index: usize) -> &[u8] {
        let bytes = self.pixels.len() / self.names.len().max(1);
        &self.pixels[index * bytes..][..bytes]
    }

    /// Some of the images, in this order.
    pub fn some(&self, chosen: &[usize]) -> Images {
        let label = |labels: &Vec<u32>| chosen.iter().map(|&index| labels[index]).collect();
        Images {
            pixels: chosen.iter().flat_map(|&index| self.image(index)).copied().collect(),
            names: chosen.iter().map(|&index| self.names[index].clone()).collect(),
            labels: self.labels.as_ref().map(label),
            classes: self.classes.clone(),
        }
    }

    /// Each image once, by its pixels: the first of those that are the same.
    pub fn distinct(&self) -> Images {
        let mut seen = HashSet::new();
        let first: Vec<usize> = (0..self.count())
            .filter(|&index| seen.insert(self.image(index)))
            .collect();
        self.some(&first)
    }

    pub fn extend(&mut self, more: Images) {
        let first = self.names.is_empty();
        self.labels = if first { more.labels } else { None };
        self.classes = if first { more.classes } else { vec![] };
        self.pixels.extend(more.pixels);
        self.names.extend(more.names);
    }
}

impl Look {
    /// Images of each set where the user has not said how many.
    pub fn set_count(&mut self, count: u32) {
        self.count.get_or_insert(count);
    }

    /// Reads weights and images, so many as the picture has use for. The predictor is read where it is asked for.
    pub fn open(&self, fit: RangeInclusive<usize>, predictor: bool) -> Result<Seen> {
        let many = |count: usize| match count > *fit.end() {
            true => Err(Error::usage(format!(
                "{count} images are too many for this picture, which has room for {}: take fewer by --count",
                fit.end()
            ))),
            false => Ok(()),
        };
        // Before they are read, where they are named one by one or counted.
        many(self.images.len())?;
        many(self.count.map_or(0, |count| count as usize))?;
        let (start, config) = opened(&self.weights, self.config.as_deref(), self.partial)?;
        if predictor && !start.weights.has("predictor") {
            return Err(Error::usage(format!(
                "{} has no predictor, which alone expects something: take weights of a whole run",
                start.weights.origin
            )));
        }
        let (trained, fitted) = match predictor {
            true => (config.model()?, start.fitted(&config)?),
            false => start.encoders(&config)?,
        };
        let Fitted { tensors, notes, .. } = fitted;
        notes.iter().for_each(|note| say(note));
        let mut tensors = self.encoder.as_target(tensors);
        let size = self.size.map_or(trained.image, |size| Size::square(size as usize));
        let (model, places) = positions::resized(&mut tensors, &trained, size)?;
        if model.num_patches() > MOST_PATCHES {
            return Err(Error::usage(format!(
                "images of {size} pixels make {} patches, and {MOST_PATCHES} is the most: take a smaller --size",
                model.num_patches()
            )));
        }
        let images = self.images(&config, &model)?;
        many(images.count())?;
        if images.count() < *fit.start() {
            return Err(Error::usage(format!(
                "{} images are too few for this picture: give {} or more",
                images.count(),
                fit.start()
            )));
        }
        let encoder = self.encoder.word();
        let (origin, grid) = (start.weights.origin.clone(), model.grid());
        let mut said = vec![format!(
            "{origin}, {encoder} encoder; images of {size} pixels, {grid} patches of {}.",
            model.patch
        )];
        let how = match places {
            Origin::Trained => None,
            Origin::Computed => Some("sine-cosine positions are computed for"),
            Origin::Interpolated => Some("positions, which were learned, are interpolated for"),
        };
        said.extend(how.map(|how| {
            format!(
                "Trained with {} pixels ({} patches): {how} the {grid} grid, laid over the trained one.",
                trained.image,
                trained.grid()
            )
        }));
        Ok(Seen {
            config,
            model,
            tensors,
            origin,
            images,
            said,
        })
    }

    fn images(&self, config: &Config, model: &ModelConfig) -> Result<Images> {
        let split = match self.split {
            Part::Train => Split::Train,
            Part::Test => Split::Test,
        };
        let own;
        let sources = match self.images.is_empty() {
            true => {
                own = [config.data_path().map_err(|_| {
                    Error::usage("no images are named, and the weights do not say what they were trained on: name some")
                })?];
                &own[..]
            }
            false => &self.images[..],
        };
        let mut images = Images::default();
        for source in sources {
            let how = (model.image, config.eval_transform());
            images.extend(of_source(
                source,
                config,
                split,
                self.count.unwrap_or(COUNT) as usize,
                how,
            )?);
        }
        Ok(images)
    }

    pub fn gpu(&self) -> Result<Gpu> {
        self.adapter.open_tuned(&say)
    }
}

impl Seen {
    /// The network with its images encoded.
    pub fn inspector(&self, gpu: &Gpu) -> Result<Inspector> {
        let mut inspector = Inspector::new(gpu, &self.model, &self.tensors, &self.origin)?;
        pollster::block_on(inspector.see(self.images.pixels.clone(), self.images.count()))?;
        Ok(inspector)
    }

    /// The images' features, patches averaged, `[n, D]`.
    pub fn pooled(&self, gpu: &Gpu) -> Result<Vec<f32>> {
        pooled(gpu, &self.model, (&self.tensors, &self.origin), &self.images)
    }
}

/// Features of images, patches averaged, `[n, D]`.
pub fn pooled(
    gpu: &Gpu,
    model: &ModelConfig,
    (tensors, origin): (&Tensors, &str),
    images: &Images,
) -> Result<Vec<f32>> {
    let dims = Dims::encode((2048 / model.num_patches()).clamp(1, 64));
    let mut net = Ijepa::new(gpu, model, tensors, origin, Terms::default(), dims)?;
    pollster::block_on(encode(&mut net, &images.pixels, images.count()))
}

/// The images of a file, or `count` of a set's.
pub fn of_source(
    source: &str,
    config: &Config,
    split: Split,
    count: usize,
    (size, transform): (Size, EvalTransform),
) -> Result<Images> {
    if let Some(image) = file(Path::new(source), config.data.max_pixels)? {
        return Ok(Images {
            pixels: transform.apply(&image, size),
            names: vec![source.to_string()],
            ..Images::default()
        });
    }
    let data = Dataset::open(source, split, config.meta.seed, config.data.max_pixels)?;
    let images = of_set(&data, count, (size, transform))?;
    data.bad().summary().iter().for_each(|summary| say(summary));
    Ok(images)
}

/// `count` images of a set.
pub fn of_set(data: &Dataset, count: usize, (size, transform): (Size, EvalTransform)) -> Result<Images> {
    let mut images = Images {
        labels: data.labels().map(|_| vec![]),
        classes: data.class_names().to_vec(),
        ..Images::default()
    };
    for batch in eval_batches(data, size, transform, 256, Some(count)) {
        let batch = batch?;
        images.pixels.extend(batch.images);
        images.names.extend(batch.indices.iter().map(|&index| data.name(index)));
        if let (Some(labels), Some(more)) = (&mut images.labels, batch.labels) {
            labels.extend(more);
        }
    }
    match images.count() {
        0 => Err(Error::usage(format!("{} has no image that can be read", data.source()))),
        _ => Ok(images),
    }
}

/// The image in a file; `None` where the path is no single image, but may be a set of them.
fn file(path: &Path, max_pixels: u64) -> Result<Option<ijepa::data::image::Image>> {
    use std::io::Read;
    let Ok(mut opened) = ordinary::open(path) else {
        return Ok(None);
    };
    let mut head = [0; 32];
    let length = opened.read(&mut head).unwrap_or(0);
    if decode::format(&head[..length]).is_none() {
        return Ok(None);
    }
    let refuse = |why: String| Error::usage(format!("{}: {why}", path.display()));
    let bytes = ordinary::read(path, MOST_BYTES).map_err(|e| refuse(format!("cannot be read: {e}")))?;
    decode::decode(&bytes, max_pixels).map(Some).map_err(refuse)
}

/// A patch that is named by its row and column, `3,5`, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub row: usize,
    pub column: usize,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let numbers: Option<Vec<usize>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[row, column]) => Ok(Place { row, column }),
            _ => Err("row and column of a patch are wanted, counted from 0, such as 3,5".to_string()),
        }
    }
}

impl Place {
    /// Its number in a grid.
    pub fn patch(self, grid: usize) -> Result<usize> {
        match self.row < grid && self.column < grid {
            true => Ok(self.row * grid + self.column),
            false => Err(Error::usage(format!(
                "there is no patch {},{}: images have {grid} x {grid}, counted from 0",
                self.row, self.column
            ))),
        }
    }
}
