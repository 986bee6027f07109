//! The GPU.

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
    #[wasm_bindgen(js_name = hasSubgroups)]
    async fn has_subgroups() -> JsValue;
}

/// Opens the GPU and says what it is.
#[wasm_bindgen(unchecked_return_type = "Adapter")]
pub async fn adapter() -> Result<JsValue, JsError> {
    open(None).await?;
    Ok(describe().await)
}

/// A device of its own, with the kernels that suit the adapter unless others are asked for.
pub async fn open(variant: Option<String>) -> Result<Gpu, ijepa::Error> {
    let name = js_sys::Reflect::get(&describe().await, &"name".into());
    let options = Options {
        name: name.ok().and_then(|name| name.as_string()),
        subgroups: has_subgroups().await.is_truthy(),
        variant,
        ..Options::default()
    };
    Gpu::open(&options).await
}
