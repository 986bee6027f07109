//! NumPy's array file, version 1.0: a head of text, then the values. `numpy.load` reads it, mapped where that is asked for.

use super::Shape;
use super::part::Part;
use std::io::{Result, Write};

/// Values begin at a multiple of this.
const ALIGN: usize = 64;

pub fn write(part: &mut Part, file: &mut impl Write, shape: Shape) -> Result<()> {
    let lengths: Vec<String> = shape.of(part.images()).iter().map(usize::to_string).collect();
    let head = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}",
        lengths.join(", ")
    );
    let before = b"\x93NUMPY\x01\x00".len() + 2;
    let length = (before + head.len() + 1).next_multiple_of(ALIGN) - before;
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&(length as u16).to_le_bytes())?;
    file.write_all(format!("{head:<width$}\n", width = length - 1).as_bytes())?;
    part.each(|_, values| file.write_all(bytemuck::cast_slice(values)))
}

/// The names of the images, a JSON list with one on each line.
pub fn names(part: &mut Part, file: &mut impl Write) -> Result<()> {
    let mut between = "[\n";
    part.each_name(|name| {
        file.write_all(between.as_bytes())?;
        between = ",\n";
        Ok(serde_json::to_writer(&mut *file, name)?)
    })?;
    file.write_all(if between == "[\n" { b"[]\n" } else { b"\n]\n" })
}
