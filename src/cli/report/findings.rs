//! What a run's weights give on images. Each part may fail on its own: it is left out then, with the reason.

use crate::cli::cut::Cut;
use crate::cli::probe::found::{self, Found};
use crate::cli::probe::nothing_shared;
use crate::cli::sheet::{GAP, Ground, KINDS, MARGIN, Sheet, TEXT, mosaic, words};
use crate::cli::visualize::look::{Images, of_set, pooled};
use crate::cli::visualize::{attention, masks};
use ijepa::data::source::Dataset;
use ijepa::eval::inspector::Inspector;
use ijepa::eval::neighbours::nearest;
use ijepa::eval::probe::ProbeTable;
use ijepa::eval::samples::Features;
use ijepa::gpu::Gpu;
use ijepa::model::init;
use ijepa::model::tensors::Tensors;
use ijepa::train::checkpoint;
use ijepa::train::history::History;
use ijepa::train::start::Start;
use ijepa::weights::fit::Fitted;
use ijepa::{Error, Result};
use std::collections::BTreeSet;

/// See the module. Pictures are SVG for a page.
#[derive(Default)]
pub struct Findings {
    pub masks: Option<String>,
    pub features: Option<String>,
    pub attention: Option<String>,
    pub neighbours: Option<String>,
    /// Scores, and on which images.
    pub table: Option<(ProbeTable, String)>,
    /// What `ijepa probe` has left in the run's folder.
    pub probed: Vec<Found>,
    /// What is not there, and why.
    pub left_out: Vec<String>,
}

/// Images in a picture, and those that components and neighbours are looked for among.
const SHOWN: usize = 8;
const AMONG: usize = 64;
const BANK: usize = 1000;
const ATTENDED: usize = 3;
const QUERIES: usize = 8;
const NEAREST: usize = 7;
const PANEL: f64 = 104.0;

type Weights = (Tensors, String);

impl Findings {
    /// Nothing, for this reason.
    pub fn none(why: &str) -> Findings {
        Findings {
            left_out: vec![format!("pictures and probes ({why})")],
            ..Findings::default()
        }
    }

    /// Pictures.
    pub fn look(&mut self, gpu: &Gpu, history: &History, data: &Dataset) {
        let weights = self.try_to("pictures of what it sees", || weights(history));
        let images = self.try_to("pictures over images", || {
            let config = &history.config;
            of_set(data, BANK, Cut::of(&config.model()?, config.eval_transform()))
        });
        let Some(images) = images else { return };
        self.masks = self.try_to("masks", || {
            masks_of(history, &images.some(&[0, 1, 2][..images.count().min(3)]))
        });
        let Some(weights) = weights else { return };
        self.features = self.try_to("features as colours", || features(gpu, history, &weights, &images));
        self.attention = self.try_to("attention", || attended(gpu, history, &weights, &images));
        self.neighbours = self.try_to("nearest neighbours", || neighbours(gpu, history, &weights, &images));
    }

    /// What `ijepa probe` has left.
    pub fn read(&mut self, history: &History) {
        let (found, gaps) = found::of_run(&history.folder);
        self.probed = found;
        self.left_out.extend(gaps);
    }

    /// Scores beside raw pixels and the untrained encoder, where there are classes.
    pub fn score(&mut self, gpu: &Gpu, history: &History, (train, test): (&Dataset, &Dataset), most: usize) {
        let source = train.source().to_string();
        if let Err(e) = nothing_shared(train, test) {
            self.left_out.push(format!("probes: {e}"));
            return;
        }
        if train.labels().is_none() || test.labels().is_none() {
            let why = "has no classes: its images do not lie in folders of theirs";
            self.left_out.push(format!("probes: {source} {why}"));
            return;
        }
        let table = self.try_to("probes", || {
            let config = &history.config;
            crate::cli::probe::table(gpu, config, weights(history)?, train, test, most)
        });
        let of = |data: &Dataset| match data.len() > most {
            true => format!("{most} of {}", data.len()),
            false => data.len().to_string(),
        };
        let other = match test.source() == source {
            true => String::new(),
            false => format!(" of {}", test.source()),
        };
        let said = format!(
            "{source}: fitted on {} images, scored on {}{other}",
            of(train),
            of(test)
        );
        self.table = table.map(|table| (table, said));
    }

    fn try_to<T>(&mut self, what: &str, make: impl FnOnce() -> Result<T>) -> Option<T> {
        make().map_err(|e| self.left_out.push(format!("{what}: {e}"))).ok()
    }
}

fn weights(history: &History) -> Result<Weights> {
    if checkpoint::last(&history.folder)?.is_none() && history.checkpoints.is_empty() {
        return Err(Error::usage("the run has no checkpoint yet"));
    }
    let start = Start::open(&history.folder, false)?;
    let Fitted { tensors, .. } = start.fitted(&history.config)?;
    Ok((tensors, start.weights.origin))
}

/// Every so many of the images: sets are sorted by class.
fn spread(images: &Images, count: usize) -> Images {
    let count = count.min(images.count());
    let chosen: Vec<usize> = (0..count).map(|i| i * images.count() / count).collect();
    images.some(&chosen)
}

fn masks_of(history: &History, images: &Images) -> Result<String> {
    let config = &history.config;
    let drawn = masks::of_batch(config, 0)?;
    let mut sheet = Sheet::default();
    masks::draw(&mut sheet, images, config.masks().grid, &drawn);
    sheet.svg(Ground::Page)
}

/// A column for each image: it, and its patches as colours by the untrained and by the trained encoder.
fn features(gpu: &Gpu, history: &History, weights: &Weights, images: &Images) -> Result<String> {
    let config = &history.config;
    let model = config.model()?;
    let some = spread(images, AMONG);
    let shown = varied(&some, SHOWN);
    let untrained = (
        init::draw(&model, config.meta.init, config.meta.seed),
        "the drawn weights".to_string(),
    );
    let mut sheet = Sheet::default();
    let label = 84.0;
    let place = |row: usize, column: usize| {
        let x = MARGIN + label + column as f64 * (PANEL + GAP);
        (x, MARGIN + row as f64 * (PANEL + GAP))
    };
    for (row, name) in ["image", "untrained", "trained"].iter().enumerate() {
        sheet.label((MARGIN, place(row, 0).1 + PANEL / 2.0 + 4.0), label, name);
    }
    for (column, &image) in shown.iter().enumerate() {
        sheet.picture(place(0, column), (PANEL, PANEL), some.image(image));
    }
    for (row, (tensors, origin)) in [&untrained, weights].into_iter().enumerate() {
        let mut inspector = Inspector::new(gpu, &model, tensors, origin)?;
        pollster::block_on(inspector.see(some.all.clone()))?;
        for (column, &image) in shown.iter().enumerate() {
            let colours = inspector.colours(image, 1)?;
            let picture = mosaic(model.grid(), colours.concat());
            sheet.picture(place(row + 1, column), (PANEL, PANEL), &picture);
        }
    }
    sheet.svg(Ground::Page)
}

fn attended(gpu: &Gpu, history: &History, (tensors, origin): &Weights, images: &Images) -> Result<String> {
    let model = history.config.model()?;
    let some = spread(images, ATTENDED);
    let mut inspector = Inspector::new(gpu, &model, tensors, origin)?;
    pollster::block_on(inspector.see(some.all.clone()))?;
    let mut sheet = Sheet::default();
    attention::draw(&mut sheet, &mut inspector, &some, (model.depth - 1, None))?;
    sheet.svg(Ground::Page)
}

/// So many images: one of each class, as far as there are so many; without classes evenly spread.
fn varied(images: &Images, count: usize) -> Vec<usize> {
    let count = count.min(images.count());
    let Some(labels) = &images.labels else {
        return (0..count).map(|i| i * images.count() / count).collect();
    };
    let mut seen = BTreeSet::new();
    let (new, again): (Vec<usize>, Vec<usize>) = (0..images.count()).partition(|&image| seen.insert(labels[image]));
    new.into_iter().chain(again).take(count).collect()
}

/// A row for each query: the image, then its nearest others, with their classes.
fn neighbours(gpu: &Gpu, history: &History, (tensors, origin): &Weights, images: &Images) -> Result<String> {
    let model = history.config.model()?;
    let values = pooled(gpu, &model, (tensors, origin), images)?;
    let features = Features::new(values, model.embed_dim)?;
    let queries = varied(images, QUERIES);
    let found = nearest(&features, &queries, NEAREST);
    let (mut sheet, panel) = (Sheet::default(), 88.0);
    let class = |image: usize| {
        let label = images.labels.as_ref()?.get(image)?;
        images.classes.get(*label as usize)
    };
    for (row, (query, near)) in queries.iter().zip(&found).enumerate() {
        let top = MARGIN + TEXT + 6.0 + row as f64 * (panel + 2.0 * TEXT + GAP);
        for (column, image) in [*query].into_iter().chain(near.iter().map(|one| one.image)).enumerate() {
            let gap = if column > 0 { 2.0 * GAP } else { 0.0 };
            let left = MARGIN + column as f64 * (panel + GAP) + gap;
            sheet.picture((left, top), (panel, panel), images.image(image));
            let name = match class(image) {
                Some(name) => name.clone(),
                None => words::ending(&images.names[image], panel, TEXT),
            };
            sheet.label((left, top + panel + TEXT + 1.0), panel + 4.0, &name);
            if column > 0 && class(image).is_some() && class(image) == class(*query) {
                sheet.frame((left - 3.0, top - 3.0), (panel + 6.0, panel + 6.0), KINDS[2], 2.5);
            }
            if row == 0 {
                let head = if column == 0 {
                    "image"
                } else {
                    ["nearest", "second", "third"].get(column - 1).unwrap_or(&"")
                };
                sheet.caption((left, top), panel, head);
            }
        }
    }
    sheet.svg(Ground::Page)
}
