//! The library in a browser: thin bindings around it, without a rule of their own.
#![cfg(target_arch = "wasm32")] // elsewhere there is nothing to bind: commands for the whole workspace still work

use ijepa::gpu::{Gpu, Options};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = "
/** The GPU as the browser describes it. */
export interface Adapter {
    name: string;
    /** Shaders run on the processor. */
    software: boolean;
    /** Lanes of a subgroup, where subgroups may be used and all have this width. */
    subgroupWidth: number | null;
}
";

#[wasm_bindgen(module = "/src/browser.js")]
extern "C" {
    async fn describe() -> JsValue;
}

/// A panic says in the console what it was, instead of `unreachable`.
#[wasm_bindgen(start, skip_typescript)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Opens the GPU and says what it is.
#[wasm_bindgen(unchecked_return_type = "Adapter")]
pub async fn adapter() -> Result<JsValue, JsError> {
    Gpu::open(&Options::default()).await?;
    Ok(describe().await)
}
