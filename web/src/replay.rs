//! Recorded steps in the browser: the proof that the numbers are the reference's here, too.

use crate::adapter::open;
use ijepa::model::weights;
use ijepa::train::config::Config;
use wasm_bindgen::prelude::*;

/// Runs the steps of a recording as `ijepa replay` does, and gives what that writes: the bytes of a safetensors file.
#[wasm_bindgen]
pub async fn replay(
    input: js_sys::Uint8Array,
    config: String,
    iterations_per_epoch: usize,
) -> Result<Vec<u8>, JsError> {
    let config = Config::from_yaml(&config, "the configuration")?;
    ijepa::train::host::require_file(input.length().into())?;
    let input = input.to_vec();
    let gpu = open(None).await?;
    let tensors = ijepa::train::replay::replay(&gpu, &config, &input, "the recording", iterations_per_epoch).await?;
    Ok(weights::write(&tensors, &[])?)
}
