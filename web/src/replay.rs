//! Recorded steps in the browser: the proof that the numbers are the reference's here, too.

use crate::adapter::open;
use ijepa::model::weights;
use ijepa::train::config::Config;
use wasm_bindgen::prelude::*;

/// Runs the steps of a recording as `ijepa replay` does, and gives what that writes: the bytes of a safetensors file.
#[wasm_bindgen]
pub async fn replay(input: Vec<u8>, config: String, iterations_per_epoch: usize) -> Result<Vec<u8>, JsError> {
    let config = Config::from_yaml(&config, "the configuration")?;
    let gpu = open(None).await?;
    let tensors = ijepa::train::replay::replay(&gpu, &config, &input, "the recording", iterations_per_epoch).await?;
    Ok(weights::write(&tensors, &[])?)
}
