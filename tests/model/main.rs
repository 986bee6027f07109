//! The whole model on the GPU: its gradient against the f64 model's at odd shapes, equal bits where bits must be equal,
//! first weights, looks inside, and steps that are not finite.

mod bits;
mod case;
mod classifier;
#[path = "../common/device.rs"]
mod device;
mod flag;
mod gradients;
mod grid;
mod init;
mod inside;
mod misfits;
mod parts;
mod positions;
