//! Tensors that lie in mapped files: where each is, and its values as f32 once they are asked for.

use crate::model::tensors::{Tensor, dims};
use crate::{Error, Result, ordinary};
use memmap2::Mmap;
use std::collections::BTreeMap;
use std::path::Path;

/// How values are stored; all are read as f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
}

impl Dtype {
    pub fn bytes(self) -> usize {
        match self {
            Dtype::F64 => 8,
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Dtype::F64 => "F64",
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::Bf16 => "BF16",
        }
    }

    /// One value of so many little-endian bytes.
    fn value(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Dtype::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            (Dtype::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Dtype::F16, &[a, b]) => half::f16::from_le_bytes([a, b]).to_f32(),
            (Dtype::Bf16, &[a, b]) => half::bf16::from_le_bytes([a, b]).to_f32(),
            _ => f32::NAN, // no slice of another length comes here
        }
    }
}

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// In values, for each axis; `None` where rows follow each other.
    pub strides: Option<Vec<usize>>,
    /// Which of the store's files, and where in it the tensor's storage begins and ends, in bytes.
    pub file: usize,
    pub bytes: std::ops::Range<usize>,
}

impl Entry {
    /// Values; `None` where there are more than any memory holds.
    pub fn count(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |all, &length| all.checked_mul(length))
    }

    /// That a tensor of this shape lies within its storage, and has no more values than that: a view of one value
    /// repeated would else take any memory.
    pub fn check(&self, name: &str, origin: &str) -> Result<()> {
        let lies = || {
            Error::usage(format!(
                "{origin}: \"{name}\" {} does not fit the {} bytes that are stored for it: the file is damaged",
                dims(&self.shape),
                self.bytes.len()
            ))
        };
        let stored = self.bytes.len() / self.dtype.bytes();
        let count = self.count().filter(|&count| count <= stored).ok_or_else(lies)?;
        if let Some(strides) = &self.strides
            && count > 0
        {
            let last = self
                .shape
                .iter()
                .zip(strides)
                .try_fold(0usize, |sum, (&length, &stride)| {
                    sum.checked_add((length - 1).checked_mul(stride)?)
                });
            if strides.len() != self.shape.len() || last.is_none_or(|last| last >= stored) {
                return Err(lies());
            }
        }
        Ok(())
    }
}

/// Mapped files and the tensors in them by name.
#[derive(Default)]
pub struct Store {
    files: Vec<Mmap>,
    entries: BTreeMap<String, Entry>,
    /// Names as the files have them, one after the other.
    order: Vec<String>,
    /// Bytes of all tensors.
    bytes: usize,
}

/// How often the bytes of a file may be read, over all its tensors: two networks may share what is stored, a thousand blocks
/// would take a thousand times the memory that the file has.
const SHARED: usize = 4;

impl Store {
    /// Maps a file; its number.
    ///
    /// Errors: usage, where it is no ordinary file that can be read.
    pub fn map(&mut self, path: &Path) -> Result<usize> {
        let refused = |e: std::io::Error| Error::usage(format!("no weights at {}: {e}", path.display()));
        let file = ordinary::open(path).map_err(refused)?;
        // SAFETY: the file is only read. A file that another program cuts short while it is mapped ends this process, as with
        // every mapped file; weight files are not written in place.
        let map = unsafe { Mmap::map(&file) }.map_err(refused)?;
        self.files.push(map);
        Ok(self.files.len() - 1)
    }

    pub fn file(&self, file: usize) -> &[u8] {
        self.files.get(file).map_or(&[], |map| map)
    }

    /// Errors: usage, where a name comes twice, or the tensor does not lie within its file.
    pub fn add(&mut self, name: String, entry: Entry, origin: &str) -> Result<()> {
        entry.check(&name, origin)?;
        if entry.bytes.end > self.file(entry.file).len() {
            return Err(Error::usage(format!(
                "{origin}: \"{name}\" lies beyond the file's end: the file is cut short"
            )));
        }
        let own = entry.count().unwrap_or(0) * entry.dtype.bytes();
        self.bytes = self.bytes.saturating_add(own);
        let stored: usize = self.files.iter().map(|file| file.len()).sum();
        if self.bytes / SHARED > stored {
            return Err(Error::usage(format!(
                "{origin}: its tensors share what is stored for them more than {SHARED} times over: it is refused, since they \
                 would take any memory"
            )));
        }
        if self.entries.insert(name.clone(), entry).is_some() {
            return Err(Error::usage(format!("{origin}: there are two tensors \"{name}\"")));
        }
        self.order.push(name);
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub fn names(&self) -> &[String] {
        &self.order
    }

    /// Bytes of all tensors as they are stored.
    pub fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// The types that occur, each once.
    pub fn dtypes(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.entries.values().map(|entry| entry.dtype.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A tensor's values, row by row.
    pub fn read(&self, name: &str) -> Option<Tensor> {
        let entry = self.get(name)?;
        let bytes = self.file(entry.file).get(entry.bytes.clone())?;
        let (size, count) = (entry.dtype.bytes(), entry.count()?);
        let values = match &entry.strides {
            None => {
                let values = bytes.chunks_exact(size).take(count);
                values.map(|bytes| entry.dtype.value(bytes)).collect()
            }
            Some(strides) => {
                let at = |index: usize| entry.dtype.value(&bytes[index * size..][..size]);
                places(&entry.shape, strides, count).map(at).collect()
            }
        };
        let shape = entry.shape.clone();
        Some(Tensor { shape, values })
    }
}

/// Where the values of a tensor lie in its storage, row by row.
fn places<'a>(shape: &'a [usize], strides: &'a [usize], count: usize) -> impl Iterator<Item = usize> + 'a {
    (0..count).map(move |mut index| {
        let mut place = 0;
        for (&length, &stride) in shape.iter().zip(strides).rev() {
            place += index % length * stride;
            index /= length;
        }
        place
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(shape: &[usize], strides: Option<&[usize]>, bytes: usize) -> Entry {
        Entry {
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            strides: strides.map(<[usize]>::to_vec),
            file: 0,
            bytes: 0..bytes,
        }
    }

    #[test]
    fn a_tensor_must_lie_within_its_storage() {
        for (shape, strides, bytes, good) in [
            (&[2, 3][..], None, 24, true),
            (&[2, 3], None, 20, false),
            (&[usize::MAX, 8], None, 24, false),
            (&[3, 2], Some(&[1, 3][..]), 24, true),
            (&[3, 2], Some(&[1, 4]), 24, false),
            (&[3, 2], Some(&[1]), 24, false),
            (&[6], Some(&[usize::MAX]), 24, false),
            (&[1_000_000], Some(&[0]), 24, false), // one value, repeated
            (&[0, 5], Some(&[9, 9]), 24, true),
            (&[], Some(&[]), 4, true),
        ] {
            let checked = entry(shape, strides, bytes).check("a", "F");
            assert_eq!(checked.is_ok(), good, "{shape:?} {strides:?} {bytes}");
        }
    }

    #[test]
    fn strides_are_walked_row_by_row() {
        let all: Vec<usize> = places(&[2, 3], &[1, 2], 6).collect();
        assert_eq!(all, [0, 2, 4, 1, 3, 5]);
        assert_eq!(places(&[], &[], 1).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn sixteen_and_sixty_four_bits_become_f32() {
        assert_eq!(Dtype::F16.value(&[0x00, 0x3e]), 1.5);
        assert_eq!(Dtype::Bf16.value(&[0xc0, 0x3f]), 1.5);
        assert_eq!(Dtype::F64.value(&1.5f64.to_le_bytes()), 1.5);
        assert_eq!(Dtype::F32.value(&1.5f32.to_le_bytes()), 1.5);
    }
}
