//! One word, one kernel: bindings, grid and cost of each WGSL kernel. Knows shapes, knows no model.

pub mod adamw;
pub mod add_positions;
pub mod attention;
mod broadcast;
pub mod cast;
pub mod ceiling;
pub mod column_sum;
pub mod cross_entropy;
pub mod drop_path;
pub mod fragments;
pub mod gather;
pub mod gradient_norm;
pub mod largest;
pub mod layer_norm;
pub mod matmul;
pub mod mean_pool;
pub mod patchify;
pub mod predictor_tokens;
pub mod reduce;
pub mod sgd;
mod shape;
pub mod smooth_l1;
pub mod tiles;
pub mod variance_covariance;
pub mod ways;

use crate::gpu::Kernel;

/// Every kernel there is, with all the pipelines that may be made of it.
pub static KERNELS: [&Kernel; 57] = [
    &adamw::ADAMW,
    &add_positions::ADD_POSITIONS,
    &attention::SOFTMAX,
    &attention::BACKWARD,
    &attention::BROADCAST,
    &attention::BROADCAST_BACKWARD,
    &attention::BROADCAST_SCORES,
    &cast::CAST,
    &ceiling::COPY,
    &ceiling::ARITHMETIC,
    &ceiling::FRAGMENTS,
    &column_sum::COLUMN_SUM,
    &cross_entropy::CROSS_ENTROPY,
    &drop_path::DROP_PATH,
    &fragments::FRAGMENTS,
    &gather::FORWARD,
    &gather::BACKWARD,
    &gradient_norm::SQUARES,
    &gradient_norm::CHECK,
    &largest::LARGEST,
    &largest::FACTORS,
    &layer_norm::FORWARD,
    &layer_norm::BACKWARD,
    &layer_norm::BACKWARD_WEIGHTS,
    &layer_norm::SUBGROUP,
    &layer_norm::SUBGROUP_BACKWARD,
    &matmul::ANY,
    &tiles::BY_ONE[0],
    &tiles::BY_FOUR[0],
    &tiles::BY_ONE[1],
    &tiles::BY_FOUR[1],
    &tiles::BY_ONE[2],
    &tiles::BY_FOUR[2],
    &tiles::BY_ONE[3],
    &tiles::BY_FOUR[3],
    &tiles::BY_ONE[4],
    &tiles::BY_FOUR[4],
    &tiles::BY_ONE[5],
    &tiles::BY_FOUR[5],
    &tiles::BY_ONE[6],
    &tiles::BY_FOUR[6],
    &tiles::BY_ONE[7],
    &tiles::BY_FOUR[7],
    &broadcast::BROADCAST,
    &broadcast::BROADCAST_TN,
    &broadcast::BROADCAST_ODD,
    &broadcast::BROADCAST_VALUES,
    &matmul::QUAD,
    &mean_pool::FORWARD,
    &mean_pool::BACKWARD,
    &patchify::PATCHIFY,
    &predictor_tokens::PREDICTOR_TOKENS,
    &reduce::REDUCE,
    &sgd::SGD,
    &smooth_l1::SMOOTH_L1,
    &variance_covariance::CENTER,
    &variance_covariance::TERMS,
];
