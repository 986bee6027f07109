//! Images for probes, pictures and the collapse monitor: in the order of their names, without any chance.

use crate::data::draw::Draw;
use crate::data::image::{Image, Size};
use crate::data::source::Dataset;
use crate::data::transform::EvalTransform;
use crate::error::Result;
use crate::parallel;

/// Up to `batch` images of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalBatch {
    /// `[n, height, width, 3]`, RGB interleaved.
    pub images: Vec<u8>,
    /// Class of each image, where the data has labels.
    pub labels: Option<Vec<u32>>,
    /// Each image's index in the data set; n of them.
    pub indices: Vec<usize>,
}

/// The images of a data set batch by batch; if `limit` is given, so many of them, always the same, picked by chance (sets
/// are sorted by class or repeat their classes, so neither the first nor every n-th would do). Bad files are left out, so a batch may be shorter, and recorded: an error once they are a
/// tenth of the data set.
pub fn eval_batches(
    data: &Dataset,
    size: Size,
    transform: EvalTransform,
    batch: usize,
    limit: Option<usize>,
) -> impl Iterator<Item = Result<EvalBatch>> {
    eval_batches_of(data, size, transform, batch, picked(data.len(), limit))
}

/// The places, ascending, of up to `limit` of `total` images: picked by chance, always the same.
pub fn picked(total: usize, limit: Option<usize>) -> Vec<usize> {
    let mut chosen = Draw::keyed("eval", 0, 0, 0).permutation(total);
    chosen.truncate(limit.unwrap_or(total));
    chosen.sort_unstable();
    chosen.into_iter().map(|index| index as usize).collect()
}

/// These images of a data set; else as [`eval_batches`].
pub fn eval_batches_of(
    data: &Dataset,
    size: Size,
    transform: EvalTransform,
    batch: usize,
    indices: Vec<usize>,
) -> impl Iterator<Item = Result<EvalBatch>> {
    let batch = batch.max(1);
    (0..indices.len()).step_by(batch).map(move |first| {
        let indices = &indices[first..indices.len().min(first + batch)];
        some(data, size, transform, indices.to_vec())
    })
}

/// All images of a data set from number `first` on, in order; else as [`eval_batches`].
pub fn eval_batches_from(
    data: &Dataset,
    size: Size,
    transform: EvalTransform,
    batch: usize,
    first: usize,
) -> impl Iterator<Item = Result<EvalBatch>> {
    let batch = batch.max(1);
    let starts = (first..data.len()).step_by(batch);
    starts.map(move |first| some(data, size, transform, (first..data.len().min(first + batch)).collect()))
}

fn some(data: &Dataset, size: Size, transform: EvalTransform, indices: Vec<usize>) -> Result<EvalBatch> {
    let cut = decoded(data, &indices, |image| transform.apply(image, size))?;
    let labels = |labels: &[u32]| cut.iter().map(|(index, _)| labels[*index]).collect();
    Ok(EvalBatch {
        labels: data.labels().map(labels),
        indices: cut.iter().map(|(index, _)| *index).collect(),
        images: cut.into_iter().flat_map(|(_, pixels)| pixels).collect(),
    })
}

/// These images of a data set with their indices, each as `cut` makes it. Bad files are left out and recorded: an error once
/// they are a tenth of the data set.
pub fn decoded<T: Send>(
    data: &Dataset,
    indices: &[usize],
    cut: impl Fn(&Image) -> T + Sync,
) -> Result<Vec<(usize, T)>> {
    let made = parallel::map(indices.len(), |i| data.image(indices[i]).map(|image| cut(&image)));
    let mut good = vec![];
    for (&index, made) in indices.iter().zip(made) {
        match made {
            Ok(made) => good.push((index, made)),
            Err(reason) => data.bad().record(&data.name(index), &reason)?,
        }
    }
    Ok(good)
}
