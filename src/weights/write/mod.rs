//! Weights in the files that other programs read.

pub mod hub;
pub mod onnx;
mod pickle;
mod protobuf;
pub mod reference;

use crate::model::tensors::{Tensor, Tensors};
use crate::{Error, Result};
use ::safetensors::Dtype;
use ::safetensors::tensor::TensorView;
use std::collections::HashMap;
use std::path::Path;

/// One encoder of all tensors, by names without the network's prefix.
fn encoder<'a>(tensors: &'a Tensors, network: &str) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
    let start = format!("{network}.");
    tensors
        .iter()
        .filter_map(move |(name, tensor)| Some((name.strip_prefix(&start)?, tensor)))
}

/// A safetensors file of these tensors, written as it goes.
///
/// Errors: run, where it can't be written.
pub fn safetensors<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (String, Vec<usize>, &'a [f32])>,
    metadata: HashMap<String, String>,
) -> Result<()> {
    let failed = |e: ::safetensors::SafeTensorError| Error::run(format!("{} can't be written: {e}", path.display()));
    let mut views = vec![];
    for (name, shape, values) in tensors {
        let view = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(values)).map_err(failed)?;
        views.push((name, view));
    }
    // The crate makes files that their owner alone may read: they get the rights of any other new file.
    let unwritten = |e: std::io::Error| Error::run(format!("{} can't be written: {e}", path.display()));
    let rights = std::fs::File::create(path).and_then(|file| file.metadata());
    let rights = rights.map_err(unwritten)?.permissions();
    ::safetensors::serialize_to_file(views, Some(metadata), path).map_err(failed)?;
    std::fs::set_permissions(path, rights).map_err(unwritten)
}

/// A text file.
///
/// Errors: run, where it can't be written.
pub fn text(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| Error::run(format!("{} can't be written: {e}", path.display())))
}
