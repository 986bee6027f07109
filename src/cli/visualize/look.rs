//! Weights and images, opened to be looked at.

use crate::cli::adapter::AdapterArgs;
use crate::cli::cut::{Cut, Wanted, positions_said};
use crate::cli::encoder::{Encoder, opened};
use crate::cli::say;
use ijepa::data::eval::{decoded, picked};
use ijepa::data::image::{Image, Size};
use ijepa::data::source::Dataset;
use ijepa::data::{Split, decode};
use ijepa::eval::features::encode_all;
use ijepa::eval::inspector::Inspector;
use ijepa::gpu::Gpu;
use ijepa::model::config::{Grid, ModelConfig};
use ijepa::model::ijepa::Ijepa;
use ijepa::model::positions;
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
    /// Pixels that images are scaled and cut to, in multiples of the patch: a side (448), WIDTHxHEIGHT (320x480), or uncut (or
    /// uncut:448), which keeps each image's shape and says how long its short side becomes; positions are laid over the trained
    /// ones [default: the configuration's]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    size: Option<Wanted>,
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
/// Rows of patches that are encoded at once.
const ROWS: usize = 2048;
/// Images of a set that are decoded at once.
const DECODED: usize = 256;
/// More bytes than an image within the default limit of pixels has.
const MOST_BYTES: u64 = 1 << 30;

/// Weights, ready to be looked into.
pub struct Seen {
    pub config: Config,
    /// The networks at the size that they were trained with.
    pub model: ModelConfig,
    pub tensors: Tensors,
    pub origin: String,
    pub cut: Cut,
    pub images: Images,
    /// What a picture says of weights, encoder, size and positions.
    pub said: Vec<String>,
}

/// Images as the network is given them: of one size, or each of its own.
#[derive(Default)]
pub struct Images {
    pub all: Vec<Image>,
    pub names: Vec<String>,
    /// The class of each, where the images are of one set that has classes; and their names.
    pub labels: Option<Vec<u32>>,
    pub classes: Vec<String>,
}

impl Images {
    pub fn count(&self) -> usize {
        self.names.len()
    }

    pub fn image(&self, index: usize) -> &Image {
        &self.all[index]
    }

    /// Some of the images, in this order.
    pub fn some(&self, chosen: &[usize]) -> Images {
        let label = |labels: &Vec<u32>| chosen.iter().map(|&index| labels[index]).collect();
        Images {
            all: chosen.iter().map(|&index| self.image(index).clone()).collect(),
            names: chosen.iter().map(|&index| self.names[index].clone()).collect(),
            labels: self.labels.as_ref().map(label),
            classes: self.classes.clone(),
        }
    }

    /// Each image once, by its pixels: the first of those that are the same.
    pub fn distinct(&self) -> Images {
        let mut seen = HashSet::new();
        let first: Vec<usize> = (0..self.count())
            .filter(|&index| seen.insert((self.image(index).size(), &self.image(index).pixels)))
            .collect();
        self.some(&first)
    }

    pub fn extend(&mut self, more: Images) {
        let first = self.names.is_empty();
        self.labels = if first { more.labels } else { None };
        self.classes = if first { more.classes } else { vec![] };
        self.all.extend(more.all);
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
        let cut = Cut::new(self.size, &trained, config.eval_transform())?;
        let Fitted { tensors, notes, .. } = fitted;
        notes.iter().for_each(|note| say(note));
        let tensors = self.encoder.as_target(tensors);
        let images = self.images(&config, cut)?;
        many(images.count())?;
        if images.count() < *fit.start() {
            return Err(Error::usage(format!(
                "{} images are too few for this picture: give {} or more",
                images.count(),
                fit.start()
            )));
        }
        let encoder = self.encoder.word();
        let origin = start.weights.origin.clone();
        let sizes: Vec<Size> = images.all.iter().map(Image::size).collect();
        let mut said = vec![format!("{origin}, {encoder} encoder; {}.", cut.said(&sizes))];
        said.extend(positions_said(&trained, &sizes, positions::origin(&tensors, &trained)));
        Ok(Seen {
            config,
            model: trained,
            tensors,
            origin,
            cut,
            images,
            said,
        })
    }

    /// Refuses what is no square.
    pub fn require_square(&self, why: &str) -> Result<()> {
        match self.size {
            Some(Wanted::Cut(size)) if size.width != size.height => Err(Error::usage(format!(
                "--size {}x{}: {why}: give one number",
                size.width, size.height
            ))),
            Some(Wanted::Uncut(_)) => Err(Error::usage(format!("--size uncut: {why}: give one number"))),
            _ => Ok(()),
        }
    }

    fn images(&self, config: &Config, cut: Cut) -> Result<Images> {
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
            let count = self.count.unwrap_or(COUNT) as usize;
            images.extend(of_source(source, config, split, count, cut)?);
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
        pollster::block_on(inspector.see(self.images.all.clone()))?;
        Ok(inspector)
    }

    /// Patches of an image.
    pub fn grid(&self, image: usize) -> Grid {
        self.cut.grid(self.images.image(image))
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
    let mut net = Ijepa::encoder(gpu, model, tensors, origin, 1)?;
    pollster::block_on(encode_all(&mut net, &images.all, ROWS))
}

/// The images of a file, or `count` of a set's.
pub fn of_source(source: &str, config: &Config, split: Split, count: usize, cut: Cut) -> Result<Images> {
    if let Some(image) = file(Path::new(source), config.data.max_pixels)? {
        let image = cut
            .apply(&image)
            .map_err(|why| Error::usage(format!("{source}: {why}")))?;
        return Ok(Images {
            all: vec![image],
            names: vec![source.to_string()],
            ..Images::default()
        });
    }
    let data = Dataset::open(source, split, config.meta.seed, config.data.max_pixels)?;
    let images = of_set(&data, count, cut)?;
    data.bad().summary().iter().for_each(|summary| say(summary));
    Ok(images)
}

/// `count` images of a set.
pub fn of_set(data: &Dataset, count: usize, cut: Cut) -> Result<Images> {
    let mut images = Images {
        labels: data.labels().map(|_| vec![]),
        classes: data.class_names().to_vec(),
        ..Images::default()
    };
    for indices in picked(data.len(), Some(count)).chunks(DECODED) {
        for (index, image) in decoded(data, indices, |image| cut.apply(image))? {
            let name = data.name(index);
            let image = image.map_err(|why| Error::usage(format!("{name}: {why}")))?;
            images.all.push(image);
            images.names.push(name);
            if let (Some(labels), Some(of_data)) = (&mut images.labels, data.labels()) {
                labels.push(of_data[index]);
            }
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
    /// Its number in an image.
    pub fn patch(self, seen: &Seen, image: usize) -> Result<usize> {
        let grid = seen.grid(image);
        match self.row < grid.rows && self.column < grid.columns {
            true => Ok(self.row * grid.columns + self.column),
            false => Err(Error::usage(format!(
                "there is no patch {},{}: {} has {} rows and {} columns of patches, counted from 0",
                self.row, self.column, seen.images.names[image], grid.rows, grid.columns
            ))),
        }
    }
}
