//! The f64 twins: known answers, and every backward against finite differences of its forward.

mod difference;
mod gradients;
mod known;
