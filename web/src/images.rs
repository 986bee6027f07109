//! Images that the browser has decoded.

use ijepa::data::Split;
use ijepa::data::image::Image;
use ijepa::data::source::Dataset;
use wasm_bindgen::prelude::*;

/// A set of images to train on. Names with folders in them give classes (`photos/cats/1.jpg`) and splits (`train/`, `test/`).
#[wasm_bindgen]
#[derive(Default)]
pub struct Images(Vec<(String, Image)>);

#[wasm_bindgen]
impl Images {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Images {
        Images::default()
    }

    /// Adds an image: `rgba` has width x height x 4 bytes, as a canvas gives them. Alpha is ignored.
    pub fn add(&mut self, name: String, width: usize, height: usize, rgba: &[u8]) -> Result<(), JsError> {
        if width == 0 || height == 0 || Some(rgba.len()) != width.checked_mul(height).and_then(|n| n.checked_mul(4)) {
            let text = format!("{name}: {} bytes are no image of {width} x {height} pixels", rgba.len());
            return Err(JsError::new(&text));
        }
        let pixels = rgba
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect();
        self.0.push((name, Image { width, height, pixels }));
        Ok(())
    }

    /// Images so far.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> usize {
        self.0.len()
    }
}

impl Images {
    pub fn dataset(self) -> Result<Dataset, ijepa::Error> {
        Dataset::held("your images", self.0, Split::Train)
    }
}
