//! From a folder, an archive or a seed to batches of pixels and masks. Knows no GPU.

#[cfg(feature = "native")]
mod arrange;
#[cfg(feature = "native")]
pub mod bad;
#[cfg(feature = "native")]
pub mod blur;
#[cfg(feature = "native")]
pub mod color;
#[cfg(feature = "native")]
pub mod decode;
pub mod draw;
#[cfg(feature = "native")]
pub mod eval;
#[cfg(feature = "native")]
mod files;
pub mod glyphs;
#[cfg(feature = "native")]
pub mod image;
#[cfg(feature = "native")]
mod links;
#[cfg(feature = "native")]
pub mod loader;
pub mod masks;
#[cfg(feature = "native")]
pub mod quiet;
#[cfg(feature = "native")]
pub mod source;
mod split;
#[cfg(feature = "native")]
pub mod transform;

pub use split::Split;
