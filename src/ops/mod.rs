//! One word, one kernel: bindings, grid and cost of each WGSL kernel. Knows shapes, knows no model.

pub mod adamw;
pub mod add_positions;
pub mod attention;
pub mod column_sum;
pub mod gather;
pub mod gradient_norm;
pub mod layer_norm;
pub mod matmul;
pub mod patchify;
pub mod predictor_tokens;
pub mod reduce;
mod shape;
pub mod smooth_l1;
pub mod variance_covariance;
