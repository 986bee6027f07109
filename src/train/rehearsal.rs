//! A run's first step without the run: what it takes, before anything is written.

use super::config::Config;
use super::plan;
use super::snapshot::Snapshot;
use super::trainer::{Course, Step, Trainer};
use crate::data::loader::{Loader, LoaderConfig};
use crate::data::source::Dataset;
use crate::gpu::Gpu;
use crate::model::needs::{self, Dims};
use crate::{Error, Result};
use std::sync::Arc;
use std::time::Instant;

/// What one step took.
pub struct Rehearsal {
    pub dims: Dims,
    /// Bytes by part, as planned.
    pub parts: Vec<(&'static str, u64)>,
    /// Bytes that the driver's allocator gave, where it says so.
    pub allocated: Option<u64>,
    /// Of the first step, in which kernels are compiled.
    pub seconds: f64,
    pub step: Step,
}

/// Plans a run's memory, takes it, and takes one step on the first batch.
///
/// Errors: as a run's.
pub async fn rehearse(gpu: &Gpu, config: &Config, data: Arc<Dataset>) -> Result<Rehearsal> {
    config.validate()?;
    data.require(config.data.batch_size)?;
    let dims = plan::tried(gpu, config, Course::new(config, data.len()).of).await?;
    let first = Snapshot::first(config)?;
    let mut trainer = Trainer::new(gpu, config, &data, dims, &first, "the drawn weights")?;
    drop(first);
    let loader = LoaderConfig {
        batches: config.batches(),
        first_step: 0,
        last_step: 1,
        threads: 0,
    };
    let batch = Loader::start(data, loader)?
        .next()
        .ok_or_else(|| Error::run("the first batch did not come"))??;
    let began = Instant::now();
    let under_way = trainer.begin(&batch)?;
    let allocated = gpu.allocated();
    let step = trainer.end(under_way).await?;
    let dims = trainer.net.dims();
    Ok(Rehearsal {
        dims,
        parts: needs::report(gpu.kind(), &trainer.net.config, &dims),
        allocated,
        seconds: began.elapsed().as_secs_f64(),
        step,
    })
}
