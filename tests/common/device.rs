//! The device of a test file: `IJEPA_TEST_ADAPTER`, or the best there is. Without one, a test fails with the sentence
//! that says how to get one.
#![allow(dead_code)]

use ijepa::gpu::{Gpu, Options};
use std::sync::OnceLock;

pub fn gpu() -> Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    let open = || {
        let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into());
        let options = Options {
            adapter: adapter.parse().unwrap(),
            ..Options::default()
        };
        pollster::block_on(Gpu::open(&options)).unwrap_or_else(|e| panic!("{e}"))
    };
    GPU.get_or_init(open).clone()
}
