//! Views: rows x cols matrices of 4-byte values in GPU buffers.

use super::Gpu;
use crate::{Error, Result};

/// A matrix `[rows, cols]` of 4-byte values (f32, u32 or four packed bytes) somewhere in a buffer.
///
/// The binding covers the whole planned range (`bytes`), so that bind groups stay valid when `rows` changes.
#[derive(Clone, Debug)]
pub struct View {
    pub(super) buffer: wgpu::Buffer,
    /// Bytes from the buffer's start; a multiple of 256.
    pub(super) offset: u64,
    /// Bytes that are bound.
    pub(super) bytes: u64,
    pub rows: usize,
    pub cols: usize,
}

/// WebGPU wants bindings to start at multiples of 256 bytes.
pub const ALIGNMENT: u64 = 256;

/// Bytes that are written at once.
const PART: usize = 64 << 20;

/// Bytes that are asked for and the fewer that there are, in words: rounded apart, so that too much reads as too much.
pub fn too_much(asked: u64, there: u64) -> (String, String) {
    let tenths = |bytes: u64| bytes as f64 * 10.0 / f64::from(1 << 20);
    let text = |tenths: f64| format!("{:.1} MiB", tenths / 10.0);
    (text(tenths(asked).ceil()), text(tenths(there).floor()))
}

impl Gpu {
    /// Whether buffers of so many bytes each can be had together. They are given back at once, and nothing is written.
    pub async fn has_room(&self, sizes: &[u64]) -> Result<bool> {
        let scope = self.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = |&size: &u64| self.buffer("room", size);
        let buffers: Vec<wgpu::Buffer> = sizes.iter().map(buffer).collect();
        let refused = scope.pop().await.is_some();
        drop(buffers);
        self.reclaim()?;
        Ok(!refused)
    }

    fn buffer(&self, label: &str, size: u64) -> wgpu::Buffer {
        self.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// A buffer of its own for `[rows, cols]`, filled with zeros.
    pub fn alloc(&self, label: &str, rows: usize, cols: usize) -> Result<View> {
        let bytes = (rows as u64 * cols as u64 * 4).max(16).next_multiple_of(16);
        let limit = self.most_bytes();
        if bytes > limit {
            let (needed, bound) = too_much(bytes, limit);
            return Err(Error::usage(format!(
                "{label} [{rows}, {cols}] needs {needed}, but this adapter binds at most {bound}"
            )));
        }
        Ok(View {
            buffer: self.buffer(label, bytes),
            offset: 0,
            bytes,
            rows,
            cols,
        })
    }

    /// A new buffer that holds these values.
    pub fn upload<T: bytemuck::Pod>(&self, label: &str, rows: usize, cols: usize, values: &[T]) -> Result<View> {
        let view = self.alloc(label, rows, cols)?;
        self.write(&view, values)?;
        Ok(view)
    }

    /// What is bound where a kernel's variant has no use for a writable binding; nobody reads it.
    pub fn unused(&self) -> Result<View> {
        if let Some(view) = self.inner.unused.get() {
            return Ok(view.clone());
        }
        let view = self.alloc("unused", 1, 4)?;
        Ok(self.inner.unused.get_or_init(|| view).clone())
    }

    /// `[1, 4]` ones: a factor that changes nothing. Only read.
    pub fn ones(&self) -> Result<View> {
        if let Some(view) = self.inner.ones.get() {
            return Ok(view.clone());
        }
        let view = self.upload("ones", 1, 4, &[1f32; 4])?;
        Ok(self.inner.ones.get_or_init(|| view).clone())
    }

    /// Writes the first `values.len()` values of a view, before the next submission runs.
    pub fn write<T: bytemuck::Pod>(&self, view: &View, values: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        if bytes.len() as u64 > view.bytes {
            return Err(Error::run(format!(
                "{} bytes written to a view of {}",
                bytes.len(),
                view.bytes
            )));
        }
        match bytes.len() % 4 {
            // The driver keeps a copy of what was written until the next submission: weights of gigabytes go in parts.
            0 if bytes.len() > PART => {
                for (i, part) in bytes.chunks(PART).enumerate() {
                    let offset = view.offset + (i * PART) as u64;
                    self.queue().write_buffer(&view.buffer, offset, part);
                    self.reclaim()?;
                }
            }
            0 => self.queue().write_buffer(&view.buffer, view.offset, bytes),
            rest => {
                let mut padded = bytes.to_vec();
                padded.resize(bytes.len() + 4 - rest, 0);
                self.queue().write_buffer(&view.buffer, view.offset, &padded);
            }
        }
        Ok(())
    }
}

impl View {
    /// The same memory seen as `[rows, cols]`; what is bound stays the same.
    pub fn shaped(&self, rows: usize, cols: usize) -> Result<View> {
        if rows as u64 * cols as u64 * 4 > self.bytes {
            return Err(Error::run(format!(
                "a view of {} bytes can't hold [{rows}, {cols}]; the memory plan is too small",
                self.bytes
            )));
        }
        Ok(View {
            rows,
            cols,
            ..self.clone()
        })
    }

    /// A part of this view's memory with a binding of its own. `start` counts values and is a multiple of 64.
    pub fn part(&self, start: usize, rows: usize, cols: usize) -> Result<View> {
        let (offset, bytes) = (start as u64 * 4, rows as u64 * cols as u64 * 4);
        if !offset.is_multiple_of(ALIGNMENT) || offset + bytes > self.bytes {
            return Err(Error::run(format!(
                "part [{rows}, {cols}] at value {start} lies outside its buffer"
            )));
        }
        Ok(View {
            buffer: self.buffer.clone(),
            offset: self.offset + offset,
            // As whole buffers do, a binding ends at a multiple of what is read at once.
            bytes: bytes.max(4).next_multiple_of(16).min(self.bytes - offset),
            rows,
            cols,
        })
    }

    /// The rows from `first` on, for copies alone: they may begin where no binding can.
    pub fn rows_from(&self, first: usize, rows: usize, cols: usize) -> Result<View> {
        let (offset, bytes) = (first as u64 * cols as u64 * 4, rows as u64 * cols as u64 * 4);
        if offset + bytes > self.bytes {
            return Err(Error::run(format!(
                "rows [{rows}, {cols}] from row {first} on lie outside their view of {} bytes",
                self.bytes
            )));
        }
        Ok(View {
            buffer: self.buffer.clone(),
            offset: self.offset + offset,
            bytes,
            rows,
            cols,
        })
    }

    /// Values, not bytes.
    pub fn len(&self) -> usize {
        self.rows * self.cols
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the view keeps bound.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
