//! One matrix product, to be timed by a page.

use crate::adapter::open;
use ijepa::gpu::{Recorder, View};
use ijepa::ops::matmul::{Epilogue, Form, product, variant};
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
