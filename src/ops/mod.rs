//! One word, one kernel: bindings, grid and cost of each WGSL kernel. Knows shapes, knows no model.

pub mod matmul;
mod shape;
