//! Every kernel against its f64 twin: odd shapes, poisoned outputs, every variant.

mod harness;
mod matmul;
