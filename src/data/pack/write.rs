//! Writing a packed set, image by image.

use std::io::{Error, ErrorKind, Result, Write};

use super::{HEAD, MAGIC, MOST_INDEX, Packed, Record, VERSION};

/// Writes a packed set in one go. The same images give the same bytes.
pub struct Writer<W> {
    out: W,
    /// Bytes written.
    at: u64,
    index: Vec<u8>,
    images: u64,
}

impl<W: Write> Writer<W> {
    pub fn new(mut out: W) -> Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        Ok(Writer {
            out,
            at: HEAD,
            index: vec![],
            images: 0,
        })
    }

    /// The next image; names ascend.
    pub fn add(&mut self, name: &[u8], image: &Packed) -> Result<()> {
        self.out.write_all(&image.bytes)?;
        let record = Record {
            form: image.form,
            width: image.width,
            height: image.height,
            start: self.at,
            length: image.bytes.len() as u64,
            checksum: crc32fast::hash(&image.bytes),
        };
        record.write(name, &mut self.index);
        if self.index.len() as u64 > MOST_INDEX {
            let text = "one packed set cannot hold so many images: pack parts of them";
            return Err(Error::new(ErrorKind::FileTooLarge, text));
        }
        self.at += record.length;
        self.images += 1;
        Ok(())
    }

    /// Writes the index and gives back what was written to.
    pub fn finish(mut self) -> Result<W> {
        self.out.write_all(&self.index)?;
        let mut tail = vec![];
        tail.extend(self.at.to_le_bytes());
        tail.extend(self.images.to_le_bytes());
        tail.extend(crc32fast::hash(&self.index).to_le_bytes());
        tail.extend(crc32fast::hash(&tail).to_le_bytes());
        self.out.write_all(&tail)?;
        self.out.flush()?;
        Ok(self.out)
    }
}
