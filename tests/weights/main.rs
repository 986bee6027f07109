//! Weight files of others: read, written and read again, and refused where they lie. PyTorch's own opinion of them is asked by
//! `make test-interop`.

mod commands;
mod corpus;
mod hostile;
mod made;
mod misfits;
mod onnx;
mod round_trips;
#[path = "../common/tiny.rs"]
mod tiny;
mod whole;
