//! Training: configuration, schedules, the run and what it writes.

#[cfg(feature = "native")]
pub mod checkpoint;
pub mod config;
pub mod csv;
#[cfg(feature = "native")]
pub mod curve;
#[cfg(feature = "native")]
pub mod epochs;
mod field;
#[cfg(feature = "native")]
pub mod finetune;
#[cfg(feature = "native")]
pub mod folder;
#[cfg(feature = "native")]
pub mod history;
pub mod host;
pub mod keys;
pub mod log;
pub mod plan;
pub mod preset;
#[cfg(feature = "native")]
pub mod probe;
#[cfg(feature = "native")]
pub mod records;
#[cfg(feature = "native")]
pub mod rehearsal;
pub mod replay;
#[cfg(feature = "native")]
pub mod rescue;
#[cfg(feature = "native")]
pub mod run;
pub mod schedule;
pub mod snapshot;
#[cfg(feature = "native")]
pub mod start;
pub mod tensorboard;
pub mod trainer;
pub mod tuned;
mod validate;
pub mod watch;
mod yaml;
