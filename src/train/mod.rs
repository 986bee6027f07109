//! Training: configuration, schedules, the run and what it writes.

pub mod config;
mod field;
pub mod keys;
pub mod preset;
mod validate;
mod yaml;
