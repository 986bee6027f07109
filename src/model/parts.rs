//! A batch in parts, by images: memory holds one part at a time, losses and gradients are summed over all of them.

use super::config::ModelConfig;
use super::ijepa::Images;
use super::lists;
use crate::data::masks::Masks;
use crate::{Error, Result};
use std::ops::Range;

/// The images of each part, in order: as equal as they come, the larger parts first. No part is empty.
pub fn split(batch: usize, parts: usize) -> Vec<Range<usize>> {
    let parts = parts.clamp(1, batch.max(1));
    let (least, more) = (batch / parts, batch % parts);
    let first = |part: usize| part * least + part.min(more);
    (0..parts).map(|part| first(part)..first(part + 1)).collect()
}

/// Images and masks of each part; masks keep the lengths that the whole batch has.
///
/// Errors: as for a whole batch.
pub(super) fn of<'a>(
    images: Images<'a>,
    masks: &Masks,
    parts: usize,
    config: &ModelConfig,
) -> Result<Vec<(Images<'a>, Masks)>> {
    lists::check(masks, config.num_patches())?;
    images.check(masks.batch, config)?;
    let part = |range: Range<usize>| Ok((images_of(images, &range, config)?, masks_of(masks, &range)));
    split(masks.batch, parts).into_iter().map(part).collect()
}

/// These of the images.
pub(super) fn images_of<'a>(images: Images<'a>, range: &Range<usize>, config: &ModelConfig) -> Result<Images<'a>> {
    let values = config.image.values();
    let all = range.start * values..range.end * values;
    let part = match images {
        Images::Bytes(bytes) => bytes.get(all).map(Images::Bytes),
        Images::Floats(floats) => floats.get(all).map(Images::Floats),
    };
    part.ok_or_else(|| Error::run(format!("fewer than {} images came", range.end)))
}

/// The masks of these images.
pub(super) fn masks_of(masks: &Masks, range: &Range<usize>) -> Masks {
    let of = |list: &[u32], count: usize, kept: usize| -> Vec<u32> {
        let rows = |mask: usize| (mask * masks.batch + range.start) * kept..(mask * masks.batch + range.end) * kept;
        (0..count).flat_map(|mask| &list[rows(mask)]).copied().collect()
    };
    Masks {
        batch: range.len(),
        context: of(&masks.context, masks.num_enc, masks.k_context),
        targets: of(&masks.targets, masks.num_pred, masks.k_target),
        ..*masks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_equal_as_they_come() {
        assert_eq!(split(7, 1), vec![0..7; 1]);
        assert_eq!(split(7, 3), [0..3, 3..5, 5..7]);
        assert_eq!(split(6, 3), [0..2, 2..4, 4..6]);
        assert_eq!(split(2, 5), [0..1, 1..2]);
        assert_eq!(split(0, 2), vec![0..0; 1]);
        for (batch, parts) in [(128, 5), (31, 7), (9, 9)] {
            let sizes: Vec<usize> = split(batch, parts).iter().map(ExactSizeIterator::len).collect();
            assert_eq!(
                sizes[0],
                batch.div_ceil(parts),
                "the first is the largest: memory is planned for it"
            );
            assert!(sizes.iter().all(|&size| size + 1 >= sizes[0]) && sizes.iter().sum::<usize>() == batch);
        }
    }

    #[test]
    fn masks_of_parts_are_those_of_their_images() {
        let masks = Masks {
            batch: 3,
            num_enc: 1,
            num_pred: 2,
            k_context: 2,
            k_target: 1,
            context: vec![0, 1, 10, 11, 20, 21],
            targets: vec![5, 15, 25, 6, 16, 26],
        };
        let part = masks_of(&masks, &(1..3));
        assert_eq!((part.batch, part.k_context, part.num_pred), (2, 2, 2));
        assert_eq!(part.context, [10, 11, 20, 21]);
        assert_eq!(part.targets, [15, 25, 16, 26]);
    }
}
