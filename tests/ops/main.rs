//! Every kernel against its f64 twin: odd shapes, poisoned outputs, every variant.

mod adamw;
mod add_positions;
mod attention;
mod attention_pooled;
mod cast;
mod ceiling;
mod column_sum;
mod cross_entropy;
mod drop_path;
mod fragments;
mod gather;
mod gradient_norm;
mod harness;
mod largest;
mod layer_norm;
mod matmul;
mod matmul16;
mod mean_pool;
mod patchify;
mod predictor_tokens;
mod reduce;
mod sgd;
mod smooth_l1;
mod tiles;
mod variance_covariance;
mod wrong;
