//! `features` `[images, D]` or `[images, N, D]` in a safetensors file, names and other texts in its metadata.

use super::Shape;
use super::part::Part;
use std::io::{Result, Write};

pub fn write(part: &mut Part, file: &mut impl Write, shape: Shape, metadata: &[(&str, String)]) -> Result<()> {
    let images = part.images();
    let bytes = images * shape.values() * 4;
    let mut texts = serde_json::Map::new();
    for (key, text) in metadata {
        texts.insert(key.to_string(), text.clone().into());
    }
    // The only kind whose names are held all at once: a header has to say how long it is.
    let mut names = Vec::with_capacity(images);
    part.each_name(|name| {
        names.push(name.to_string());
        Ok(())
    })?;
    texts.insert("names".into(), serde_json::Value::from(names).to_string().into());
    let header = serde_json::json!({
        "__metadata__": texts,
        "features": {"dtype": "F32", "shape": shape.of(images), "data_offsets": [0, bytes]},
    });
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' '); // numbers begin at a multiple of eight
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    part.each(|_, values| file.write_all(bytemuck::cast_slice(values)))
}
