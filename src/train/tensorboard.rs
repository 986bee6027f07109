//! TensorBoard event files: a `TFRecord` of protobuf `Event` messages, of which only scalars are needed.

use std::io::{Result, Write};

/// CRC-32C, as TFRecord wants it.
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// Writes one event file. Times are given by the caller, in seconds since 1970.
pub struct Events<W: Write> {
    out: W,
}

/// The name that TensorBoard looks for, anywhere below its folder.
pub fn file_name(unix_seconds: u64) -> String {
    format!("events.out.tfevents.{unix_seconds}.ijepa")
}

impl<W: Write> Events<W> {
    /// Begins the file with the version that its readers ask for.
    pub fn new(out: W, time: f64) -> Result<Self> {
        let mut events = Self { out };
        let mut event = Message::default();
        event.double(1, time);
        event.bytes(3, b"brain.Event:2");
        events.record(&event.0)?;
        Ok(events)
    }

    /// Goes on with a file that was begun.
    pub fn append(out: W) -> Self {
        Self { out }
    }

    /// One point for each (tag, value), all of this step.
    pub fn scalars(&mut self, time: f64, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut point = Message::default();
            point.bytes(1, tag.as_bytes());
            point.float(2, *value as f32);
            summary.bytes(1, &point.0);
        }
        let mut event = Message::default();
        event.double(1, time);
        event.number(2, step);
        event.bytes(5, &summary.0);
        self.record(&event.0)
    }

    /// Length, its checksum, the bytes, their checksum; in one write, so that a killed run leaves at most one cut record.
    fn record(&mut self, data: &[u8]) -> Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked(&length).to_le_bytes());
        record.extend(data);
        record.extend(masked(data).to_le_bytes());
        self.out.write_all(&record)
    }
}

/// A checksum that may stand beside checksummed data, by TFRecord's formula.
fn masked(data: &[u8]) -> u32 {
    CRC.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A protobuf message, field by field.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u8, wire: u8) {
        self.0.push(field << 3 | wire);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u8, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn double(&mut self, field: u8, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u8, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}
