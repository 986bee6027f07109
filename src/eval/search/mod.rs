//! Images found by likeness: an index of features that grows and shrinks with its folder, what is nearest to a query, what is
//! there twice, and what belongs together.
//!
//! Likeness is the cosine of features less their mean. Without that all cosines of an encoder crowd near one, and no threshold
//! means the same twice; what it does to k-NN stands in `benches/RESULTS.md`.

pub mod cluster;
pub mod file;
mod graph;
pub mod groups;
pub mod index;
pub mod look;
