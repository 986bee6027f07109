//! From a folder, an archive or a seed to batches of pixels and masks. Knows no GPU.

#[cfg(feature = "native")]
pub mod blur;
#[cfg(feature = "native")]
pub mod color;
pub mod draw;
pub mod glyphs;
#[cfg(feature = "native")]
pub mod image;
pub mod masks;
mod split;
#[cfg(feature = "native")]
pub mod transform;

pub use split::Split;
