//! data
pub mod masks;
