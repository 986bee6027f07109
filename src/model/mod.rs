//! The three networks, a classifier made of one of them, their memory and one step of training. Knows no files and no clock.

pub mod block;
pub mod classifier;
pub mod config;
pub mod describe;
mod encode;
pub mod encoder;
pub mod ijepa;
pub mod init;
mod inputs;
pub mod inside;
pub mod linear;
pub mod lists;
pub mod memory;
pub mod needs;
pub mod parameters;
pub mod parts;
pub mod positions;
pub mod predictor;
pub mod products;
mod resize;
pub mod shapes;
pub mod tensors;
pub mod weights;
