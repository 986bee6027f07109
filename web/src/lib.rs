//! The library in a browser: thin bindings around it, without a rule of their own.
#![cfg(target_arch = "wasm32")] // elsewhere there is nothing to bind: commands for the whole workspace still work

mod adapter;
mod images;
mod inspector;
mod measure;
mod replay;
mod trainer;

use wasm_bindgen::prelude::*;

/// A panic says in the console what it was, instead of `unreachable`.
#[wasm_bindgen(start, skip_typescript)]
fn start() {
    console_error_panic_hook::set_once();
}

/// A plain JavaScript object, which can be posted from a worker to its page.
fn object(value: &serde_json::Value) -> Result<JsValue, JsError> {
    js_sys::JSON::parse(&value.to_string()).map_err(|_| JsError::new("a value has no form in JavaScript"))
}
