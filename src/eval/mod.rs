//! Has it learned? Features judged by neighbours, a linear fit, their spread and pictures. Accuracies are per cent
//! throughout. Everything here runs on the host, on features that an encoder has made, and gives the same answer with any
//! number of threads.

#[cfg(feature = "native")]
pub mod comparison;
pub mod eigen;
pub mod features;
pub mod foreground;
pub mod inspector;
pub mod knn;
#[cfg(feature = "native")]
pub mod labelled;
#[cfg(feature = "native")]
pub mod map;
pub mod maps;
pub mod monitor;
pub mod neighbours;
pub mod pca;
#[cfg(feature = "native")]
pub mod probe;
pub mod rank;
#[cfg(feature = "native")]
pub mod ridge;
pub mod rows;
pub mod samples;
#[cfg(feature = "native")]
pub mod search;
