//! Images that are nearly the same: pairs whose cosine is high, and the groups that they make.

use super::index::Index;
use crate::eval::Tell;
use crate::parallel;
use std::cmp::Ordering;
use std::collections::HashMap;

/// Neighbours of each image that are looked at: copies beyond them are reached over others of their group.
const NEIGHBOURS: usize = 32;
/// Images between two words on how far it is.
const AT_ONCE: usize = 1024;

/// Two images, by their numbers in the index, the smaller one first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub images: [usize; 2],
    pub cosine: f32,
    /// Likeness of their pixels, where that was looked at.
    pub pixels: Option<f32>,
}

/// Images that hang together by pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// By their numbers in the index, ascending.
    pub images: Vec<usize>,
    /// The group's pairs, best first.
    pub pairs: Vec<Pair>,
}

/// All pairs with a cosine of at least `above`. Files of the same bytes are pairs of cosine 1, each with the first of them, whatever
/// their features are. `tell` hears how many images were asked for their neighbours, of how many.
pub fn pairs(index: &Index, above: f32, tell: Tell<'_>) -> Vec<Pair> {
    let near = |image: usize| {
        let near = index.nearest(index.row(image), NEIGHBOURS + 1);
        let near = near.into_iter().filter(|hit| hit.image != image && hit.cosine >= above);
        near.map(|hit| (image.min(hit.image), image.max(hit.image), hit.cosine))
            .collect::<Vec<_>>()
    };
    let mut found = Vec::with_capacity(index.len());
    while found.len() < index.len() {
        let done = found.len();
        found.extend(parallel::map(AT_ONCE.min(index.len() - done), |image| {
            near(done + image)
        }));
        tell(found.len(), index.len());
    }
    let items = index.items();
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut pairs: Vec<_> = (0..items.len())
        .filter_map(|image| {
            let a = *first.entry(&items[image].digest).or_insert(image);
            (a != image).then_some((a, image, 1.0))
        })
        .collect();
    pairs.extend(found.into_iter().flatten().map(|(a, b, cosine)| {
        let same = items[a].digest == items[b].digest;
        (a, b, if same { 1.0 } else { cosine })
    }));
    // Each comes from both sides, unless one of them has nearer ones.
    pairs.sort_by_key(|pair| (pair.0, pair.1));
    pairs.dedup_by(|a, b| (a.0, a.1) == (b.0, b.1));
    let pair = |(a, b, cosine)| Pair {
        images: [a, b],
        cosine,
        pixels: None,
    };
    pairs.into_iter().map(pair).collect()
}

/// Pairs of `images` images in groups, best first; the group with the best pair comes first.
pub fn grouped(mut pairs: Vec<Pair>, images: usize) -> Vec<Group> {
    pairs.sort_by(best_first);
    let mut over: Vec<usize> = (0..images).collect();
    for pair in &pairs {
        let [a, b] = pair.images.map(|image| top(&mut over, image));
        over[a.max(b)] = a.min(b);
    }
    // A group's place is that of its first pair.
    let mut places = vec![usize::MAX; images];
    let mut groups: Vec<Group> = vec![];
    for pair in pairs {
        let top = top(&mut over, pair.images[0]);
        if places[top] == usize::MAX {
            places[top] = groups.len();
            groups.push(Group {
                images: vec![],
                pairs: vec![],
            });
        }
        let group = &mut groups[places[top]];
        group.images.extend(pair.images);
        group.pairs.push(pair);
    }
    for group in &mut groups {
        group.images.sort_unstable();
        group.images.dedup();
    }
    groups
}

/// The image that stands for a group: union-find, every image on the way hung nearer to it.
fn top(over: &mut [usize], mut image: usize) -> usize {
    while over[image] != image {
        over[image] = over[over[image]];
        image = over[image];
    }
    image
}

fn best_first(a: &Pair, b: &Pair) -> Ordering {
    let pixels = |pair: &Pair| pair.pixels.unwrap_or(1.0);
    { pixels(b).total_cmp(&pixels(a)) }
        .then(b.cosine.total_cmp(&a.cosine))
        .then(a.images.cmp(&b.images))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_share_an_image_are_one_group_and_the_best_comes_first() {
        let pair = |a, b, cosine| Pair {
            images: [a, b],
            cosine,
            pixels: None,
        };
        let pairs = vec![pair(4, 5, 0.97), pair(0, 3, 0.96), pair(1, 2, 0.99), pair(3, 5, 0.95)];
        let groups = grouped(pairs, 7);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].images, [1, 2]);
        assert_eq!(groups[1].images, [0, 3, 4, 5]);
        assert_eq!(
            groups[1].pairs.iter().map(|pair| pair.cosine).collect::<Vec<_>>(),
            [0.97, 0.96, 0.95]
        );
        assert!(grouped(vec![], 3).is_empty());
    }
}
