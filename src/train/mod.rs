//! Training: configuration, schedules, the run and what it writes.

pub mod config;
mod field;
pub mod keys;
pub mod preset;
pub mod schedule;
mod validate;
mod yaml;
