//! How long each dispatch takes by the GPU's own clock. For benchmarks: every dispatch gets a pass of its own, which costs
//! microseconds that a step does not pay.

use super::{Build, Cost, Gpu, Kernel, Recorder, View};
use crate::{Error, Result};

/// A dispatch, timed.
#[derive(Clone, Debug)]
pub struct Timed {
    pub label: Label,
    pub seconds: f64,
}

/// What was dispatched.
#[derive(Clone, Debug)]
pub struct Label {
    pub kernel: &'static str,
    pub constants: Vec<(&'static str, u32)>,
    /// Words of the shared WGSL in front of it.
    pub shared: Vec<&'static str>,
    /// Rows and columns of each binding.
    pub shapes: Vec<[usize; 2]>,
    /// The first of the bindings that are written.
    pub output: usize,
    pub cost: Cost,
}

impl Label {
    pub(super) fn new(kernel: &Kernel, build: &Build, views: &[&View], cost: Cost) -> Label {
        let written = |access: &super::Access| *access == super::Access::Write;
        Label {
            kernel: kernel.name,
            constants: build.constants.to_vec(),
            shared: build.shared.iter().map(|(word, _)| *word).collect(),
            shapes: views.iter().map(|view| [view.rows, view.cols]).collect(),
            output: kernel.bindings.iter().position(written).unwrap_or(0),
            cost,
        }
    }
}

/// Bytes of a timestamp.
const STAMP: u64 = 8;

/// Two timestamps for each dispatch of a submission, and what submissions before it left to be read.
pub(super) struct Timer {
    queries: wgpu::QuerySet,
    labels: Vec<Label>,
    unread: Vec<(Vec<Label>, View)>,
}

impl Timer {
    /// For submissions of at most `most` dispatches.
    pub fn new(gpu: &Gpu, most: usize) -> Result<Timer> {
        if !gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Err(Error::usage(format!(
                "adapter \"{}\" has no timestamps, so single kernels can't be timed on it",
                gpu.info().name
            )));
        }
        let queries = gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("timestamps"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * most as u32,
        });
        Ok(Timer {
            queries,
            labels: vec![],
            unread: vec![],
        })
    }

    /// Where the next dispatch's pass writes its timestamps.
    pub fn stamps(&mut self, label: Label) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * self.labels.len() as u32;
        self.labels.push(label);
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Keeps the timestamps of a submission, at its end.
    pub fn keep(&mut self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder) {
        let labels = std::mem::take(&mut self.labels);
        if labels.is_empty() {
            return;
        }
        let bytes = 2 * labels.len() as u64 * STAMP;
        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: bytes,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        encoder.resolve_query_set(&self.queries, 0..2 * labels.len() as u32, &buffer, 0);
        let view = View {
            buffer,
            offset: 0,
            bytes,
            rows: 2 * labels.len(),
            cols: 2,
        };
        self.unread.push((labels, view));
    }

    pub fn take(&mut self) -> Vec<(Vec<Label>, View)> {
        std::mem::take(&mut self.unread)
    }
}

impl Recorder {
    /// Submits, and gives back what was timed since the last call, in the order of the dispatches.
    pub async fn times(&mut self) -> Result<Vec<Timed>> {
        self.submit()?;
        let nanoseconds = f64::from(self.gpu().queue().get_timestamp_period());
        let mut timed = vec![];
        for (labels, view) in self.take_stamps() {
            let stamps: Vec<u64> = self.read(&view).await?;
            for (label, stamps) in labels.into_iter().zip(stamps.chunks_exact(2)) {
                let seconds = stamps[1].saturating_sub(stamps[0]) as f64 * nanoseconds * 1e-9;
                timed.push(Timed { label, seconds });
            }
        }
        Ok(timed)
    }
}
