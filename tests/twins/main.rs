//! The f64 twins: known answers, every backward against finite differences of its forward, and the whole model
//! against both finite differences and the golden cases.

mod difference;
#[path = "../common/golden.rs"]
mod golden;
mod gradients;
mod known;
mod model;
mod replay;
