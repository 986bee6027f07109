//! The target encoder as what makes features: with all that training has, or alone.

use super::config::ModelConfig;
use super::encoder::Encoder;
use super::ijepa::{Ijepa, Images, Terms};
use super::memory::Memory;
use super::needs::Dims;
use super::parameters::{Copy, Parameters};
use super::positions::Positions;
use super::tensors::Tensors;
use crate::gpu::{Gpu, Recorder};
use crate::{Error, Result};

impl Ijepa {
    /// The target encoder alone, for `batch` images at once: no gradients, no moments, no predictor. What would train it is an
    /// error. `tensors` as for [`Ijepa::new`], of which the encoder's are enough.
    pub fn encoder(gpu: &Gpu, config: &ModelConfig, tensors: &Tensors, origin: &str, batch: usize) -> Result<Ijepa> {
        let parameters = Parameters::encoder(gpu, config, tensors, origin)?;
        Ok(Ijepa {
            trained: None,
            target: Encoder::of(&parameters, config, Copy::Target)?,
            positions: Positions::new(gpu, config, tensors, origin)?,
            memory: Memory::new(gpu, config, Dims::encode(batch))?,
            rec: Recorder::new(gpu),
            gpu: gpu.clone(),
            config: config.clone(),
            parameters,
            terms: Terms::default(),
            measured: vec![],
        })
    }

    /// The target encoder's output for whole images, `[B*N, D]`.
    pub async fn encode(&mut self, images: Images<'_>, batch: usize) -> Result<Vec<f32>> {
        if batch > self.memory.dims.batch {
            return Err(Error::run(format!(
                "{batch} images to encode, but memory is planned for {}",
                self.memory.dims.batch
            )));
        }
        let pixels = self.put_images(images, batch)?;
        let positions = &self.positions.target;
        let out = self
            .target
            .forward_all(&mut self.rec, &self.config, pixels, batch, positions, &self.memory)?;
        self.rec.read(&out).await
    }
}
