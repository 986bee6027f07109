//! From a folder, an archive, a packed set or a seed to batches of pixels and masks. Knows no GPU.

mod arrange;
pub mod augment;
pub mod bad;
pub mod batch;
pub mod blur;
pub mod color;
#[cfg(feature = "native")]
pub mod decode;
pub mod draw;
mod entry;
pub mod eval;
#[cfg(feature = "native")]
mod files;
pub mod glyphs;
pub mod image;
pub mod labelled;
#[cfg(feature = "native")]
mod links;
#[cfg(feature = "native")]
pub mod loader;
pub mod masks;
#[cfg(feature = "native")]
mod open;
#[cfg(feature = "native")]
pub mod pack;
mod pictures;
#[cfg(feature = "native")]
mod place;
#[cfg(feature = "native")]
pub mod quiet;
pub mod source;
mod split;
#[cfg(feature = "native")]
pub mod stamp;
pub mod transform;

pub use split::Split;
