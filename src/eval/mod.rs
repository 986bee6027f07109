//! Has it learned? Features judged by neighbours, a linear fit, their spread and pictures. Accuracies are per cent
//! throughout. Features are what an encoder has made; what is fitted to them runs on the host, and gives the same answer with
//! any number of threads, but for the probes that are trained ([`linear`], [`attentive`]), which run on the adapter.

#[cfg(feature = "native")]
pub mod attentive;
#[cfg(feature = "native")]
pub mod comparison;
pub mod eigen;
pub mod features;
pub mod foreground;
pub mod inspector;
pub mod knn;
#[cfg(feature = "native")]
pub mod labelled;
pub mod linear;
#[cfg(feature = "native")]
pub mod map;
pub mod maps;
pub mod monitor;
pub mod neighbours;
pub mod parts;
pub mod pca;
#[cfg(feature = "native")]
pub mod probe;
#[cfg(feature = "native")]
pub mod protocol;
pub mod rank;
#[cfg(feature = "native")]
pub mod ridge;
pub mod rows;
pub mod samples;
pub mod scaling;
pub mod scores;
#[cfg(feature = "native")]
pub mod search;
#[cfg(feature = "native")]
pub mod tokens;

/// Hears how far a long computation is: what was done, of how much.
pub type Tell<'a> = &'a mut dyn FnMut(usize, usize);
