//! From images to one vector each: the target encoder's patches, averaged.

use crate::Result;
use crate::model::ijepa::{Ijepa, Images};

/// Target features of `count` images `[count, crop, crop, 3]`, patches averaged: `[count, D]`.
pub async fn encode(net: &mut Ijepa, images: &[u8], count: usize) -> Result<Vec<f32>> {
    let (bytes, batch) = (3 * net.config.crop * net.config.crop, net.dims().batch);
    let (patches, width) = (net.config.num_patches(), net.config.embed_dim);
    let mut features = Vec::with_capacity(count * width);
    for first in (0..count).step_by(batch) {
        let now = batch.min(count - first);
        let tokens = net
            .encode(Images::Bytes(&images[first * bytes..(first + now) * bytes]), now)
            .await?;
        for image in tokens.chunks_exact(patches * width) {
            let sum = |channel: usize| image.iter().skip(channel).step_by(width).sum::<f32>();
            features.extend((0..width).map(|channel| sum(channel) / patches as f32));
        }
    }
    Ok(features)
}
