//! Apache Parquet: a row for each image or patch, the features a list of floats. Groups of rows are small, since each is held
//! in memory until it is whole. No value is compressed: features look random, and every reader has the plain encoding.

use super::Shape;
use super::part::Part;
use ::parquet::basic::{Compression, Encoding};
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::ColumnPath;
use std::io::{Error, Result, Write};
use std::sync::Arc;

/// Values of a group of rows.
const GROUP: usize = 4 << 20;

/// Rows of a group on their way.
#[derive(Default)]
struct Group {
    names: Vec<ByteArray>,
    images: Vec<i64>,
    patches: Vec<i32>,
    values: Vec<f32>,
}

pub fn write(part: &mut Part, file: &mut (impl Write + Send), shape: Shape, metadata: &[(&str, String)]) -> Result<()> {
    let places = match shape.patches {
        Some(_) => "REQUIRED INT64 image; REQUIRED INT32 patch;",
        None => "",
    };
    let schema = format!(
        "message schema {{ REQUIRED BINARY name (UTF8); {places} \
         REQUIRED GROUP features (LIST) {{ REPEATED GROUP list {{ REQUIRED FLOAT element; }} }} }}"
    );
    let schema = Arc::new(parse_message_type(&schema).map_err(failed)?);
    let texts = metadata
        .iter()
        .map(|(key, text)| KeyValue::new(key.to_string(), text.clone()));
    let features = ColumnPath::from(["features", "list", "element"].map(String::from).to_vec());
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(features.clone(), false)
        .set_column_encoding(features, Encoding::PLAIN)
        .set_key_value_metadata(Some(texts.collect()))
        .build();
    let mut table = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(failed)?;
    let mut put = |group: &Group| -> std::result::Result<(), ParquetError> {
        let mut rows = table.next_row_group()?;
        column::<ByteArrayType, _>(&mut rows, &group.names, None)?;
        if shape.patches.is_some() {
            column::<Int64Type, _>(&mut rows, &group.images, None)?;
            column::<Int32Type, _>(&mut rows, &group.patches, None)?;
        }
        column::<FloatType, _>(&mut rows, &group.values, Some(shape.width))?;
        rows.close().map(|_| ())
    };
    let patches = shape.patches.unwrap_or(1);
    let (mut group, mut image) = (Group::default(), 0);
    part.each(|names, values| {
        for (name, values) in names.iter().zip(values.chunks_exact(shape.values())) {
            for patch in 0..patches {
                group.names.push(name.as_bytes().into());
                group.images.push(image);
                group.patches.push(patch as i32);
                group.values.extend(&values[patch * shape.width..][..shape.width]);
                if group.values.len() >= GROUP {
                    put(&group).map_err(failed)?;
                    group = Group::default();
                }
            }
            image += 1;
        }
        Ok(())
    })?;
    if !group.names.is_empty() {
        put(&group).map_err(failed)?;
    }
    table.close().map(|_| ()).map_err(failed)
}

/// The next column of a group; where it holds lists, of `length` values each.
fn column<T: DataType, W: Write + Send>(
    rows: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    length: Option<usize>,
) -> std::result::Result<(), ParquetError> {
    let Some(mut column) = rows.next_column()? else {
        return Err(ParquetError::General("the schema has fewer columns".into()));
    };
    // A list begins where the level of repetition is 0; none is empty, and no value is missing.
    let levels = length.map(|length| {
        let repeated: Vec<i16> = (0..values.len()).map(|i| i16::from(i % length != 0)).collect();
        (vec![1; values.len()], repeated)
    });
    let (defined, repeated) = match &levels {
        Some((defined, repeated)) => (Some(defined.as_slice()), Some(repeated.as_slice())),
        None => (None, None),
    };
    column.typed::<T>().write_batch(values, defined, repeated)?;
    column.close()
}

fn failed(error: ParquetError) -> Error {
    Error::other(error)
}
