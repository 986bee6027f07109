//! From a folder, an archive or a seed to batches of pixels and masks. Knows no GPU.

pub mod draw;
pub mod glyphs;
pub mod masks;
mod split;

pub use split::Split;
