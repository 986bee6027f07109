//! Tensors to and from safetensors files, as bytes: who holds the file is not known here.

use super::tensors::{Tensor, Tensors, dims};
use crate::{Error, Result};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;

/// Parses a file's bytes; `origin` names the file in messages.
fn parse<'a>(bytes: &'a [u8], origin: &str) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes)
        .map_err(|e| Error::usage(format!("{origin} is no safetensors file that can be read: {e}")))
}

/// All F32 tensors of a file. Tensors of other types are an error that names them.
pub fn read(bytes: &[u8], origin: &str) -> Result<Tensors> {
    let file = parse(bytes, origin)?;
    let mut tensors = Tensors::new();
    for (name, view) in file.tensors() {
        if view.dtype() == Dtype::F32 {
            let values = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            let shape = view.shape().to_vec();
            tensors.insert(name, Tensor { shape, values });
        } else if view.dtype() != Dtype::I32 {
            return Err(Error::usage(format!(
                "{origin}: \"{name}\" is {:?}; only F32 is read",
                view.dtype()
            )));
        }
    }
    Ok(tensors)
}

/// Shapes and values by name.
pub type Integers = HashMap<String, (Vec<usize>, Vec<i32>)>;

/// The I32 tensors of a file (recorded masks).
pub fn read_integers(bytes: &[u8], origin: &str) -> Result<Integers> {
    let file = parse(bytes, origin)?;
    let integers = file
        .tensors()
        .into_iter()
        .filter(|(_, view)| view.dtype() == Dtype::I32);
    Ok(integers
        .map(|(name, view)| {
            let values = view
                .data()
                .chunks_exact(4)
                .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            (name, (view.shape().to_vec(), values))
        })
        .collect())
}

/// A safetensors file's bytes, tensors in the order of their names.
pub fn write(tensors: &Tensors, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let mut views = vec![];
    for (name, tensor) in tensors {
        let bytes = bytemuck::cast_slice(&tensor.values);
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(|e| {
            Error::run(format!(
                "tensor \"{name}\" {} can't be stored: {e}",
                dims(&tensor.shape)
            ))
        })?;
        views.push((name.as_str(), view));
    }
    let metadata: HashMap<String, String> = metadata.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
    let metadata = (!metadata.is_empty()).then_some(metadata);
    safetensors::serialize(views, metadata).map_err(|e| Error::run(format!("the tensors can't be stored: {e}")))
}

/// The texts in a file's header.
pub fn metadata(bytes: &[u8], origin: &str) -> Result<HashMap<String, String>> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| Error::usage(format!("{origin} is no safetensors file that can be read: {e}")))?;
    Ok(header.metadata().clone().unwrap_or_default())
}
