//! Weight files of all kinds: recognised, described, read tensor by tensor under our names, and written. Nothing in them is
//! ever executed.

mod architecture;
mod beside;
pub mod fingerprint;
pub mod fit;
mod names;
pub mod open;
mod pickle;
pub mod rows;
mod safetensors;
mod store;
mod torch;
pub mod write;
