//! From folders, archives and seeds to batches: every test makes its own input or reads tests/golden.

mod archive;
mod decode;
mod glyphs;
mod loader;
mod masks;
mod pack;
mod quiet;
mod source;
mod transform;
