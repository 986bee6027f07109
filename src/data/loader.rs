//! Batches for training, decoded ahead of the GPU by threads of their own.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::data::batch::{Bad, Batch, BatchConfig, Batches};
use crate::data::source::Dataset;
use crate::error::{Error, Result};

/// Finished batches that wait for the GPU at most.
const AHEAD: usize = 2;

/// What a [`Loader`] makes.
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    pub batches: BatchConfig,
    /// Steps first_step ... last_step - 1 are made; steps count from 0 over the whole run.
    pub first_step: u64,
    pub last_step: u64,
    /// Decoding threads; 0 takes one for each core.
    pub threads: usize,
}

/// A batch, or none if too much of the data is bad, with what turned out bad on the way to it.
type Made<B> = (Option<B>, Vec<Bad>);

/// Makes batches in order, on threads of its own. Dropping it stops them.
pub struct Loader<B = Batch> {
    data: Arc<Dataset>,
    /// Steps whose batches are still to come.
    steps: Range<u64>,
    ready: Option<Receiver<Made<B>>>,
    /// The next batch, once [`Loader::is_ready`] has seen it.
    next: Option<Made<B>>,
    waited: Duration,
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl Loader {
    /// Starts decoding. A usage error if the data has fewer images than a batch or a setting is out of range.
    pub fn start(data: Arc<Dataset>, config: LoaderConfig) -> Result<Self> {
        let LoaderConfig {
            batches,
            first_step,
            last_step,
            threads,
        } = config;
        Loader::of(data.clone(), first_step..last_step, threads, |stop| {
            let mut batches = Batches::new(data, batches, stop)?;
            Ok(move |step| batches.make(step))
        })
    }
}

impl<B: Send + 'static> Loader<B> {
    /// Starts decoding batches of any kind: `maker`, which gets the flag that stops it, gives what makes the batch of a step.
    pub fn of<M>(
        data: Arc<Dataset>,
        steps: Range<u64>,
        threads: usize,
        maker: impl FnOnce(Arc<AtomicBool>) -> Result<M>,
    ) -> Result<Self>
    where
        M: FnMut(u64) -> Made<B> + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let make_one = maker(stop.clone())?;
        let threads_failed = |error: String| Error::run(format!("threads for decoding cannot be started: {error}"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| threads_failed(error.to_string()))?;
        let (send, ready) = sync_channel(AHEAD);
        let (to_make, told) = (steps.clone(), stop.clone());
        let worker = std::thread::Builder::new()
            .name("loader".to_string())
            .spawn(move || pool.install(|| make(make_one, to_make, &told, &send)));
        let worker = worker.map_err(|error| threads_failed(error.to_string()))?;
        Ok(Loader {
            steps,
            data,
            ready: Some(ready),
            next: None,
            waited: Duration::ZERO,
            stop,
            worker: Some(worker),
        })
    }

    /// Whether the next batch, or the end, comes without being waited for. Who has other work asks first, so that
    /// [`Loader::waited`] counts the time that was lost and no other.
    pub fn is_ready(&mut self) -> bool {
        if self.next.is_none() {
            self.next = self.ready.as_ref().and_then(|ready| ready.try_recv().ok());
        }
        self.next.is_some() || self.steps.is_empty()
    }

    /// How long batches were waited for so far, all together.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// What the thread behind a loader does.
fn make<B>(mut make_one: impl FnMut(u64) -> Made<B>, steps: Range<u64>, stop: &AtomicBool, send: &SyncSender<Made<B>>) {
    for step in steps {
        let made = make_one(step);
        let last = made.0.is_none();
        if stop.load(Ordering::Relaxed) || send.send(made).is_err() || last {
            return;
        }
    }
}

/// Batches in the order of their steps. A batch is waited for if need be. Files that turned out bad on the way to it are
/// recorded in the data set first; once they are a tenth of it, an error comes and nothing after it.
impl<B> Iterator for Loader<B> {
    type Item = Result<B>;

    fn next(&mut self) -> Option<Result<B>> {
        if self.steps.is_empty() {
            return None;
        }
        let begun = Instant::now();
        let ready = self.ready.as_ref();
        let received = self.next.take().or_else(|| ready.and_then(|ready| ready.recv().ok()));
        self.waited += begun.elapsed();
        let made = Batches::take(&self.data, received.unwrap_or((None, vec![])));
        self.steps.start = if made.is_ok() {
            self.steps.start + 1
        } else {
            self.steps.end
        };
        Some(made)
    }
}

impl<B> Drop for Loader<B> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ready = None; // a worker that waits for room in the queue wakes up
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}
