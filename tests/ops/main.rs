//! Every kernel against its f64 twin: odd shapes, poisoned outputs, every variant.

mod adamw;
mod attention;
mod column_sum;
mod gradient_norm;
mod harness;
mod layer_norm;
mod matmul;
mod reduce;
mod smooth_l1;
mod variance_covariance;
