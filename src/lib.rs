//! I-JEPA (Assran et al., CVPR 2023) on any GPU: WGSL kernels for all tensor work, a thin Rust host over wgpu.
//!
//! Arrows point one way: [`gpu`] <- [`ops`] <- [`model`] <- [`train`] / [`eval`] <- the commands.
//! [`data`] knows no GPU; [`cpu`] holds the slow f64 twins that prove the kernels.

pub mod cpu;
pub mod data;
pub mod error;
pub mod eval;
pub mod gpu;
pub mod model;
pub mod ops;
pub mod train;

pub use error::{Error, Result};
