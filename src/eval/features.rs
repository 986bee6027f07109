//! From images to one vector each: the target encoder's patches, averaged.

use crate::Result;
use crate::data::image::{Image, Size};
use crate::model::ijepa::{Ijepa, Images};
use crate::model::needs::Dims;
use crate::model::positions::at_size;

/// Target features of `count` images `[count, height, width, 3]`, patches averaged: `[count, D]`.
pub async fn encode(net: &mut Ijepa, images: &[u8], count: usize) -> Result<Vec<f32>> {
    let [patches, width] = [net.config.num_patches(), net.config.embed_dim];
    let mut features = Vec::with_capacity(count * width);
    for (first, now) in batches(net, count) {
        features.extend(averaged(&part(net, images, first, now).await?, [patches, width]));
    }
    Ok(features)
}

/// Places of images in the list, by their size; sizes in the order in which they first come.
pub fn by_size(images: &[Image]) -> Vec<(Size, Vec<usize>)> {
    let mut sizes: Vec<(Size, Vec<usize>)> = vec![];
    for (place, image) in images.iter().enumerate() {
        match sizes.iter_mut().find(|(size, _)| *size == image.size()) {
            Some((_, places)) => places.push(place),
            None => sizes.push((image.size(), vec![place])),
        }
    }
    sizes
}

/// Target features of images, each of any size that patches fill, patches averaged: `[images, D]`. The network is resized where it
/// must be, with memory for about `rows` patches.
pub async fn encode_all(net: &mut Ijepa, images: &[Image], rows: usize) -> Result<Vec<f32>> {
    let width = net.config.embed_dim;
    let mut features = vec![0.0; images.len() * width];
    for (size, places) in by_size(images) {
        let patches = at_size(&net.config, size)?.num_patches();
        net.resize(size, Dims::encode((rows / patches).clamp(1, 64)))?;
        let pixels: Vec<u8> = places
            .iter()
            .flat_map(|&place| &images[place].pixels)
            .copied()
            .collect();
        let values = encode(net, &pixels, places.len()).await?;
        for (place, values) in places.into_iter().zip(values.chunks_exact(width)) {
            features[place * width..][..width].copy_from_slice(values);
        }
    }
    Ok(features)
}

/// Of tokens `[n * patches, width]` the averages over patches, `[n, width]`.
pub fn averaged(tokens: &[f32], [patches, width]: [usize; 2]) -> Vec<f32> {
    let mut features = Vec::with_capacity(tokens.len() / patches);
    for image in tokens.chunks_exact(patches * width) {
        let sum = |channel: usize| image.iter().skip(channel).step_by(width).sum::<f32>();
        features.extend((0..width).map(|channel| sum(channel) / patches as f32));
    }
    features
}

/// What the last `blocks` blocks of the target encoder (or all, where there are fewer) make of `count` images, patches averaged
/// and blocks side by side: `[count, blocks * D]`, see [`Ijepa::pooled`].
pub async fn encode_blocks(net: &mut Ijepa, images: &[u8], count: usize, blocks: usize) -> Result<Vec<f32>> {
    let mut features = vec![];
    let bytes = net.config.image.values();
    for (first, now) in batches(net, count) {
        let images = Images::Bytes(&images[first * bytes..(first + now) * bytes]);
        features.extend(net.pooled(images, now, blocks).await?);
    }
    Ok(features)
}

/// Target features of `count` images, patch by patch: `[count * N, D]`.
pub async fn tokens(net: &mut Ijepa, images: &[u8], count: usize) -> Result<Vec<f32>> {
    let mut tokens = vec![];
    for (first, now) in batches(net, count) {
        tokens.extend(part(net, images, first, now).await?);
    }
    Ok(tokens)
}

/// Runs of images that memory is planned for: the first, and how many.
fn batches(net: &Ijepa, count: usize) -> Vec<(usize, usize)> {
    let batch = net.dims().batch;
    (0..count)
        .step_by(batch)
        .map(|first| (first, batch.min(count - first)))
        .collect()
}

async fn part(net: &mut Ijepa, images: &[u8], first: usize, now: usize) -> Result<Vec<f32>> {
    let bytes = net.config.image.values();
    net.encode(Images::Bytes(&images[first * bytes..(first + now) * bytes]), now)
        .await
}
