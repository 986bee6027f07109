//! What a page measures: one matrix product, and the dispatches of a step.

use crate::adapter::open;
use crate::object;
use crate::trainer::Trainer;
use ijepa::gpu::{Recorder, View};
use ijepa::ops::matmul::{Epilogue, Form, product, variant};
use serde_json::json;
use wasm_bindgen::prelude::*;

/// C `[m, n]` = A `[m, k]` times B `[k, n]`, by the kernel that a training step takes for these sizes.
#[wasm_bindgen]
pub struct Product {
    recorder: Recorder,
    a: View,
    b: View,
    c: View,
}

#[wasm_bindgen]
impl Product {
    pub async fn create(m: usize, k: usize, n: usize) -> Result<Product, JsError> {
        let gpu = open(None).await?;
        let values = |count: usize| -> Vec<f32> { (0..count).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect() };
        Ok(Product {
            a: gpu.upload("a", m, k, &values(m * k))?,
            b: gpu.upload("b", k, n, &values(k * n))?,
            c: gpu.alloc("c", m, n)?,
            recorder: Recorder::new(&gpu),
        })
    }

    /// The kernel's name.
    #[wasm_bindgen(getter)]
    pub fn variant(&self) -> String {
        let (m, k, n) = (self.c.rows, self.a.cols, self.c.cols);
        variant(self.recorder.gpu(), Form::Nn, m, n, k).name().to_string()
    }

    /// Computes it so many times, and waits for the last.
    pub async fn run(&mut self, times: usize) -> Result<(), JsError> {
        for _ in 0..times {
            product(&mut self.recorder, Form::Nn, &self.a, &self.b, &self.c, Epilogue::Plain)?;
        }
        self.recorder.read::<f32>(&self.c.shaped(1, 1)?).await?;
        Ok(())
    }
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = "
/** One dispatch of a step, timed by the GPU's clock. */
export interface Dispatch {
    /** The kernel, with its constants that are not 0. */
    kernel: string;
    /** Rows and columns of what is bound. */
    shapes: [number, number][];
    milliseconds: number;
    flops: number;
    bytes: number;
}
";

#[wasm_bindgen]
impl Trainer {
    /// From now on every dispatch is timed, which makes steps a little slower; `dispatches` reads the times.
    #[wasm_bindgen(js_name = timeDispatches)]
    pub fn time_dispatches(&mut self) -> Result<(), JsError> {
        Ok(self.net().start_timing()?)
    }

    /// The dispatches since the last call, in their order.
    #[wasm_bindgen(unchecked_return_type = "Dispatch[]")]
    pub async fn dispatches(&mut self) -> Result<JsValue, JsError> {
        let timed = self.net().times().await?;
        let list: Vec<serde_json::Value> = timed
            .iter()
            .map(|one| {
                let constants = one.label.constants.iter().filter(|(_, value)| *value != 0);
                let kernel = constants.fold(one.label.kernel.to_string(), |text, (name, value)| {
                    format!("{text} {name}={value}")
                });
                json!({
                    "kernel": kernel, "shapes": one.label.shapes, "milliseconds": one.seconds * 1e3,
                    "flops": one.label.cost.flops, "bytes": one.label.cost.bytes,
                })
            })
            .collect();
        object(&json!(list))
    }
}
