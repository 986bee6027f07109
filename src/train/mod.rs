//! Training: configuration, schedules, the run and what it writes.

pub mod config;
pub mod csv;
#[cfg(feature = "native")]
pub mod curve;
mod field;
pub mod keys;
pub mod log;
pub mod preset;
pub mod replay;
pub mod schedule;
pub mod tensorboard;
mod validate;
mod yaml;
