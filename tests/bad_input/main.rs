//! What bad input gets: a sentence, an exit code, and nothing lost. Through the binary, as users meet it; the layers'
//! own tests go into the details.

mod checkpoints;
mod configuration;
mod data;
mod findings;
mod output;
mod packs;
mod probe;
mod recordings;
mod room;
#[path = "../common/tiny.rs"]
mod tiny;

use std::path::Path;

/// Refused with this code by a message that holds `wanted`; the folder `out` that a run was to write is not made.
#[track_caller]
fn refused(place: &Path, code: i32, arguments: &[&str], wanted: &str) {
    let message = tiny::fails(place, code, arguments);
    assert!(message.contains(wanted), "{wanted:?} is not in: {message}");
    assert!(!place.join("out").exists(), "{message}: but something was written");
}
