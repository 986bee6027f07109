//! Comma-separated values: a head line, then a row for each image or patch. Values as the shortest text that gives the same
//! f32 again.

use super::Shape;
use super::part::Part;
use ::csv::Writer;
use std::io::{Result, Write};

pub fn write(part: &mut Part, file: &mut impl Write, shape: Shape) -> Result<()> {
    let mut table = Writer::from_writer(file);
    let places: &[&str] = if shape.patches.is_some() {
        &["image", "patch"]
    } else {
        &[]
    };
    let columns = (0..shape.width).map(|i| format!("f{i}"));
    let head = ["name"]
        .iter()
        .chain(places)
        .map(|column| column.to_string())
        .chain(columns);
    table.write_record(head)?;
    let patches = shape.patches.unwrap_or(1);
    let mut image = 0;
    part.each(|names, values| {
        for (name, values) in names.iter().zip(values.chunks_exact(shape.values())) {
            for patch in 0..patches {
                table.write_field(name)?;
                if shape.patches.is_some() {
                    table.write_field(image.to_string())?;
                    table.write_field(patch.to_string())?;
                }
                for value in &values[patch * shape.width..][..shape.width] {
                    table.write_field(value.to_string())?;
                }
                table.write_record(None::<&[u8]>)?;
            }
            image += 1;
        }
        Ok(())
    })?;
    table.flush()
}
