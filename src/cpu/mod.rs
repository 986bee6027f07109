//! f64 twins of the kernels, in plain loops, and the whole method written with them: for tests and `ijepa doctor`.
// Loops by index: these files are read beside the kernels, which have nothing else.
#![allow(clippy::needless_range_loop)]

pub mod adamw;
pub mod add_positions;
pub mod attention;
pub mod block;
pub mod cast;
pub mod ceiling;
pub mod classifier;
pub mod column_sum;
pub mod cross_entropy;
pub mod drop_path;
pub mod encoder;
pub mod gather;
pub mod gelu;
pub mod gradient_norm;
pub mod ijepa;
pub mod largest;
pub mod layer_norm;
pub mod matmul;
pub mod mean_pool;
pub mod patchify;
pub mod positions;
pub mod predictor;
pub mod predictor_tokens;
pub mod reduce;
pub mod sgd;
pub mod smooth_l1;
pub mod variance_covariance;

/// Tensors by the reference's names, flat in row-major order.
pub type Tensors = std::collections::BTreeMap<String, Vec<f64>>;
