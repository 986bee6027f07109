//! Parts of a labelled set, drawn class by class: those that probes choose their settings with, and subsets of the labels.

use crate::data::draw::Draw;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// Of each class one image in so many is held out.
const HELD: usize = 5;

/// Images to fit on and images to choose with, `[kept, held]`, each ascending: a fifth of each class's images, at least one
/// where there are two, is held out; by chance, the same for a seed.
pub fn held_out(labels: &[u32], seed: u64) -> [Vec<usize>; 2] {
    let mut parts = [vec![], vec![]];
    for (class, mut images) in shuffled(labels, "held", seed) {
        let held = match images.len() {
            0 | 1 => 0,
            count => (count / HELD).max(1),
        };
        debug_assert!(images.iter().all(|&image| labels[image] == class));
        parts[0].extend(images.split_off(held));
        parts[1].extend(images);
    }
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

/// `fraction` of each class's images, rounded, ascending; by chance, the same for a seed, and a smaller fraction's images are
/// among a larger one's. Labels are places in `classes`.
///
/// # Errors
/// Usage, where it is no fraction, or leaves a class that has images without any.
pub fn fraction(labels: &[u32], classes: &[String], fraction: f64, seed: u64) -> Result<Vec<usize>> {
    if !(fraction > 0.0 && fraction <= 1.0) {
        return Err(Error::usage(format!(
            "--label-fraction {fraction} is not above 0 and at most 1: 0.01 takes one label in a hundred"
        )));
    }
    let mut chosen = vec![];
    for (class, mut images) in shuffled(labels, "labels", seed) {
        let count = (images.len() as f64 * fraction).round() as usize;
        if count == 0 {
            let name = classes.get(class as usize).map_or("", String::as_str);
            return Err(Error::usage(format!(
                "--label-fraction {fraction} leaves none of the {} images of class \"{name}\": half an image of each class \
                 is the least, here {:.4}",
                images.len(),
                least(labels)
            )));
        }
        images.truncate(count);
        chosen.extend(images);
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// The least fraction that leaves no class empty, rounded up.
fn least(labels: &[u32]) -> f64 {
    let smallest = shuffled(labels, "labels", 0)
        .map(|(_, images)| images.len())
        .min()
        .unwrap_or(1);
    (0.5e4 / smallest as f64).ceil() / 1e4
}

/// The images of each class in random order, classes ascending.
fn shuffled(labels: &[u32], word: &'static str, seed: u64) -> impl Iterator<Item = (u32, Vec<usize>)> {
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (image, &class) in labels.iter().enumerate() {
        classes.entry(class).or_default().push(image);
    }
    classes.into_iter().map(move |(class, images)| {
        let order = Draw::keyed(word, seed, class.into(), 0).permutation(images.len());
        (class, order.into_iter().map(|i| images[i as usize]).collect())
    })
}
