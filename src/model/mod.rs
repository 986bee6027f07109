//! model
pub mod config;
