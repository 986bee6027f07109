//! Reading results: a copy into a mappable buffer, asked for now and awaited later. The only place that waits.

use super::{Gpu, Recorder, View};
use crate::{Error, Result};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

#[derive(Default)]
struct State {
    done: Option<Result<(), wgpu::BufferAsyncError>>,
    waker: Option<Waker>,
}

/// Staging buffers of one size that wait to be used again: what every step reads has a few that take turns.
pub(super) type Spares = Arc<Mutex<Vec<wgpu::Buffer>>>;
/// Larger ones (weights for a checkpoint) are given back at once.
const KEPT: u64 = 1 << 16;

fn staging(gpu: &Gpu, spares: &Spares, bytes: u64) -> wgpu::Buffer {
    if let Ok(mut spares) = spares.lock()
        && let Some(place) = spares.iter().position(|spare| spare.size() == bytes)
    {
        return spares.swap_remove(place);
    }
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("readback"),
        size: bytes,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

/// Values on their way from the GPU.
pub struct Readback {
    gpu: Gpu,
    staging: wgpu::Buffer,
    /// Where the staging buffer goes back to.
    spares: Spares,
    bytes: u64,
    submission: Option<wgpu::SubmissionIndex>,
    state: Arc<Mutex<State>>,
}

impl Readback {
    /// Copies `view.len()` values as they are after everything recorded so far, and submits.
    pub fn start(rec: &mut Recorder, view: &View) -> Result<Readback> {
        let bytes = view.len() as u64 * 4;
        let gpu = rec.gpu().clone();
        let spares = rec.spares();
        let staging = staging(&gpu, &spares, bytes.max(4));
        rec.copy_out(view, &staging, bytes);
        rec.submit()?;
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            if let Ok(mut state) = shared.lock() {
                state.done = Some(result);
                if let Some(waker) = state.waker.take() {
                    waker.wake();
                }
            }
        });
        Ok(Readback {
            gpu,
            staging,
            spares,
            bytes,
            submission: rec.last_submission(),
            state,
        })
    }

    /// The values, once they are there.
    pub async fn values<T: bytemuck::Pod>(self) -> Result<Vec<T>> {
        std::future::poll_fn(|context| self.poll(context.waker())).await?;
        let failed = |e: &dyn std::fmt::Display| Error::run(format!("reading from the GPU failed: {e}"));
        let range = self
            .staging
            .slice(..self.bytes.max(4))
            .get_mapped_range()
            .map_err(|e| failed(&e))?;
        let values = bytemuck::pod_collect_to_vec(&range[..self.bytes as usize]);
        drop(range);
        self.staging.unmap();
        if let Ok(mut spares) = self.spares.lock()
            && self.staging.size() <= KEPT
        {
            spares.push(self.staging);
        }
        self.gpu.check()?;
        Ok(values)
    }

    fn poll(&self, waker: &Waker) -> Poll<Result<()>> {
        if let Some(answer) = self.answer(waker) {
            return Poll::Ready(answer);
        }
        if let Some(submission) = &self.submission
            && let Err(error) = self.gpu.wait_for(submission)
        {
            return Poll::Ready(Err(error));
        }
        self.answer(waker).map_or(Poll::Pending, Poll::Ready)
    }

    fn answer(&self, waker: &Waker) -> Option<Result<()>> {
        let Ok(mut state) = self.state.lock() else {
            return Some(Err(Error::run("a thread that read from the GPU has panicked")));
        };
        match &state.done {
            Some(Ok(())) => Some(Ok(())),
            Some(Err(e)) => Some(
                self.gpu
                    .check()
                    .and_then(|()| Err(Error::run(format!("reading from the GPU: {e}")))),
            ),
            None => {
                state.waker = Some(waker.clone());
                None
            }
        }
    }
}

impl Recorder {
    /// Submits, and reads `view.len()` values.
    pub async fn read<T: bytemuck::Pod>(&mut self, view: &View) -> Result<Vec<T>> {
        Readback::start(self, view)?.values().await
    }
}
