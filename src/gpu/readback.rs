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

/// Values on their way from the GPU.
pub struct Readback {
    gpu: Gpu,
    staging: wgpu::Buffer,
    bytes: u64,
    submission: Option<wgpu::SubmissionIndex>,
    state: Arc<Mutex<State>>,
}

impl Readback {
    /// Copies `view.len()` values as they are after everything recorded so far, and submits.
    pub fn start(rec: &mut Recorder, view: &View) -> Result<Readback> {
        let bytes = view.len() as u64 * 4;
        let gpu = rec.gpu().clone();
        let staging = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: bytes.max(4),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
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
