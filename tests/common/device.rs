//! The device of a test file: `IJEPA_TEST_ADAPTER`, or the best there is. Without one, a test fails with the sentence
//! that says how to get one.
#![allow(dead_code)]

use ijepa::gpu::{Gpu, Options};
use std::sync::OnceLock;

pub fn gpu() -> Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| open(Options::default())).clone()
}

/// The same adapter, opened in another way.
pub fn open(options: Options) -> Gpu {
    let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into());
    let adapter = adapter.parse().unwrap();
    pollster::block_on(Gpu::open(&Options { adapter, ..options })).unwrap_or_else(|e| panic!("{e}"))
}
