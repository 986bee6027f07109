//! The index: of every image its name, what tells whether its file has changed, and its features as a row of length 1.

use super::graph::{GONE, Graph, SEARCH, Vector};
use crate::data::quiet;
use crate::parallel;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Fewer images than this are compared one by one: that takes a millisecond.
const FEW: usize = 2_000;
/// Fewer images than this are not centred, nor are those whose features have less of their own than this share (of squares).
const FEWEST: usize = 3;
const OWN: f64 = 1e-6;
/// A new graph is asked for the neighbours of so many rows, and must find this share of them.
const ASKED: usize = 64;
const LEAST: f64 = 0.95;
/// Rows are compared with a query in parts of so many.
const PART: usize = 4_096;

/// An image's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its path within the folder, fit to be shown.
    pub name: String,
    /// Bytes of that path in hexadecimal digits, where they are others than those of `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// In bytes.
    pub size: u64,
    /// See [`crate::data::stamp::Stamp`].
    pub at: i64,
    /// A digest of its bytes.
    pub digest: String,
}

impl Item {
    /// Its path within the folder as the system has it: two paths may look the same.
    pub fn path(&self) -> Vec<u8> {
        let digits = |raw: &String| {
            let pairs = raw.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).ok());
            let bytes = pairs.map(|two| u8::from_str_radix(two?, 16).ok());
            bytes.collect::<Option<Vec<u8>>>()
        };
        let raw = self.raw.as_ref().and_then(digits);
        raw.unwrap_or_else(|| self.name.clone().into_bytes())
    }

    /// `raw` of a path that is shown as `name`.
    pub fn raw_of(path: &[u8], name: &str) -> Option<String> {
        let digits = || path.iter().map(|byte| format!("{byte:02x}")).collect();
        (path != name.as_bytes()).then(digits)
    }
}

/// An image that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its number in the index.
    pub image: usize,
    pub cosine: f32,
}

/// Rows in a graph, and some beside it that came later and are compared one by one. Rows that left the folder stay in the
/// graph and are passed over. Where either become too many, [`Index::settle`] makes the graph anew.
pub struct Index {
    pub(super) width: usize,
    /// Of the features, when the rows were centred last.
    pub(super) mean: Vec<f32>,
    pub(super) items: Vec<Item>,
    pub(super) rows: Vec<Vector>,
    /// How long each row was before it became 1.
    pub(super) lengths: Vec<f32>,
    pub(super) graph: Option<Graph>,
    /// Nothing came or went since [`Index::settle`], which need not have made a graph.
    pub(super) settled: bool,
}

impl Index {
    /// For features of `width` values.
    pub fn new(width: usize) -> Index {
        Index {
            width,
            mean: vec![0.0; width],
            items: vec![],
            rows: vec![],
            lengths: vec![],
            graph: None,
            settled: false,
        }
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// An image's features less the mean, scaled to length 1: `[width]`.
    pub fn row(&self, image: usize) -> &[f32] {
        &self.rows[image].0
    }

    /// What [`Index::nearest`] wants, of features `[width]` as the encoder makes them.
    pub fn query(&self, features: &[f32]) -> Vec<f32> {
        self.scaled(features).0
    }

    /// Adds an image with its features `[width]`.
    pub fn add(&mut self, item: Item, features: &[f32]) {
        let (row, length) = self.scaled(features);
        self.settled = false;
        self.items.push(item);
        self.rows.push(Vector(row.into()));
        self.lengths.push(length);
    }

    /// Adds an image with the features of one that is there.
    pub fn add_like(&mut self, item: Item, image: usize) {
        self.settled = false;
        self.items.push(item);
        self.rows.push(self.rows[image].clone());
        self.lengths.push(self.lengths[image]);
    }

    /// What is known of an image's file, anew.
    pub fn set_item(&mut self, image: usize, item: Item) {
        self.items[image] = item;
    }

    /// Drops images; the others keep their order and get new numbers.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut new = vec![GONE; self.len()];
        let kept: Vec<usize> = (0..self.len()).filter(|&image| keep(image)).collect();
        if kept.len() == self.len() {
            return;
        }
        self.settled = false;
        kept.iter().enumerate().for_each(|(now, &was)| new[was] = now as u32);
        self.items = kept.iter().map(|&image| self.items[image].clone()).collect();
        self.rows = kept.iter().map(|&image| self.rows[image].clone()).collect();
        self.lengths = kept.iter().map(|&image| self.lengths[image]).collect();
        if let Some(graph) = &mut self.graph {
            graph.renumber(|row| new[row as usize]);
        }
    }

    /// Whether [`Index::settle`] has something to do: more than a tenth of the graph's points are gone, or as many rows are not
    /// in it, or there is none and anything has changed.
    pub fn is_due(&self) -> bool {
        match &self.graph {
            None => !self.settled,
            Some(graph) => {
                let (there, most) = (graph.there(), graph.rows().len() / 10);
                graph.rows().len() - there > most || self.len() - there > most.max(FEW)
            }
        }
    }

    /// After images came and went: where it is due, centres the rows by their mean of now and makes the graph.
    pub fn settle(&mut self) {
        if !self.is_due() {
            return;
        }
        self.centre();
        self.settled = true;
        self.graph = (self.len() >= FEW).then(|| Graph::build(&self.rows));
        // Thousands of rows that are all the same can cut a graph in two. One that misses what it should find is of no use.
        if self.recall() < LEAST {
            self.graph = None;
        }
    }

    /// What there is time for where the program was told to stop: rows are centred, and compared one by one until
    /// [`Index::settle`] makes the graph.
    pub fn centre_if_due(&mut self) {
        if self.is_due() {
            self.graph = None;
            self.settled = false;
            self.centre();
        }
    }

    /// Which share of the nearest rows the graph finds, of some rows spread over all.
    fn recall(&self) -> f64 {
        const NEAREST: usize = 10;
        let found = parallel::map(ASKED.min(self.len()), |i| {
            let row = self.row(i * self.len() / ASKED.min(self.len()));
            let exact = self.exact(row, NEAREST);
            let least = exact.last().map_or(0.0, |hit| hit.cosine - 1e-5); // any of those that are equally near will do
            let near = self.nearest(row, NEAREST);
            near.iter().filter(|hit| hit.cosine >= least).count() as f64 / exact.len().max(1) as f64
        });
        found.iter().sum::<f64>() / found.len().max(1) as f64
    }

    /// Whether there is a graph; without one all rows are compared.
    pub fn has_graph(&self) -> bool {
        self.graph.is_some()
    }

    /// The `count` images nearest to a row of length 1, the nearest first; few of them are missed (`benches/RESULTS.md`).
    pub fn nearest(&self, row: &[f32], count: usize) -> Vec<Hit> {
        let Some(graph) = self.graph.as_ref().filter(|_| count <= SEARCH / 2) else {
            return self.exact(row, count);
        };
        // A graph out of a file that somebody made up may lead nowhere.
        let Some(mut hits) = quiet::caught(|| graph.nearest(row)) else {
            return self.exact(row, count);
        };
        hits.extend((graph.there()..self.len()).map(|image| self.hit(row, image)));
        best(hits, count)
    }

    /// The same by comparing all rows, so that none is missed.
    pub fn exact(&self, row: &[f32], count: usize) -> Vec<Hit> {
        let parts = parallel::map(self.len().div_ceil(PART), |part| {
            let images = part * PART..self.len().min((part + 1) * PART);
            best(images.map(|image| self.hit(row, image)).collect(), count)
        });
        best(parts.into_iter().flatten().collect(), count)
    }

    fn hit(&self, row: &[f32], image: usize) -> Hit {
        let cosine = dot(row, &self.rows[image].0);
        Hit { image, cosine }
    }

    /// Features less the mean, scaled to length 1, and how long they were. What is the mean is near nothing.
    fn scaled(&self, features: &[f32]) -> (Vec<f32>, f32) {
        let centred: Vec<f32> = features.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let length = dot(&centred, &centred).sqrt();
        match length > 0.0 && length.is_finite() {
            true => (centred.iter().map(|x| x / length).collect(), length),
            false => (vec![0.0; features.len()], 0.0),
        }
    }

    /// Rows as differences from their mean of now. Of one image or two, and of images that are all the same, there is no telling
    /// what they have in common with others: what is left less the mean is nothing, or rounding. These stay as they are.
    fn centre(&mut self) {
        let features = |image: usize, mean: &[f32], rows: &[Vector], lengths: &[f32]| -> Vec<f32> {
            let row = rows[image].0.iter().zip(mean);
            row.map(|(x, m)| x * lengths[image] + m).collect()
        };
        let mut sums = vec![0f64; self.width];
        let mut squares = 0f64;
        for image in 0..self.len() {
            let values = features(image, &self.mean, &self.rows, &self.lengths);
            squares += values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += f64::from(value));
        }
        let count = self.len().max(1) as f64;
        let mut was: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
        let common = sums.iter().map(|sum| (sum / count).powi(2)).sum::<f64>();
        if self.len() < FEWEST || squares / count - common < common * OWN {
            was.fill(0.0);
        }
        std::mem::swap(&mut self.mean, &mut was);
        for image in 0..self.len() {
            let (row, length) = self.scaled(&features(image, &was, &self.rows, &self.lengths));
            self.rows[image] = Vector(row.into());
            self.lengths[image] = length;
        }
    }
}

/// The first `count` by cosine; of equal ones the one with the smaller number.
fn best(mut hits: Vec<Hit>, count: usize) -> Vec<Hit> {
    let order = |a: &Hit, b: &Hit| -> Ordering { b.cosine.total_cmp(&a.cosine).then(a.image.cmp(&b.image)) };
    if count < hits.len() {
        hits.select_nth_unstable_by(count, order);
        hits.truncate(count);
    }
    hits.sort_unstable_by(order);
    hits
}

/// Inner product, in sixteen sums side by side.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0f32; LANES];
    let (first, second) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = first.remainder().iter().zip(second.remainder());
    let rest: f32 = rest.map(|(x, y)| x * y).sum();
    for (x, y) in first.zip(second) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}
