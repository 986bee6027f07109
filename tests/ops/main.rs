//! Every kernel against its f64 twin: odd shapes, poisoned outputs, every variant.

mod attention;
mod column_sum;
mod harness;
mod layer_norm;
mod matmul;
