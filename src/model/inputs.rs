//! What a step is fed: images and index lists, written to the memory that is planned for them.

use super::config::ModelConfig;
use super::ijepa::{Ijepa, Images};
use super::lists::Lists;
use super::memory::Memory;
use super::predictor::Lengths;
use crate::data::masks::Masks;
use crate::gpu::Gpu;
use crate::ops::patchify::Pixels;
use crate::{Error, Result};

impl Images<'_> {
    /// Errors: run, where they are not so many images of the model's size.
    pub(super) fn check(&self, batch: usize, config: &ModelConfig) -> Result<()> {
        let length = match self {
            Images::Bytes(bytes) => bytes.len(),
            Images::Floats(values) => values.len(),
        };
        let expected = batch * config.image.values();
        if length != expected {
            return Err(Error::run(format!(
                "{batch} images of {} pixels have {expected} values, but {length} came",
                config.image
            )));
        }
        Ok(())
    }
}

impl Memory {
    /// Writes the images of a batch; what is submitted later reads them.
    pub(super) fn put_images(&self, gpu: &Gpu, config: &ModelConfig, images: Images, batch: usize) -> Result<Pixels> {
        images.check(batch, config)?;
        let (pixels, floats) = match images {
            Images::Bytes(_) => (Pixels::Bytes, false),
            Images::Floats(_) => (Pixels::Floats, true),
        };
        if floats && !self.dims.float_images {
            return Err(Error::run("memory is planned for 8-bit images, but floats came"));
        }
        match images {
            Images::Bytes(bytes) => gpu.write(&self.images, bytes)?,
            Images::Floats(values) => gpu.write(&self.images, values)?,
        }
        Ok(pixels)
    }
}

impl Ijepa {
    /// Images and index lists into memory; what is submitted later reads them.
    pub(super) fn put(&mut self, images: Images, masks: &Masks) -> Result<(Pixels, Lengths)> {
        let pixels = self.put_images(images, masks.batch)?;
        self.put_lists(&Lists::new(masks, self.config.num_patches())?)?;
        let lengths = Lengths {
            contexts: masks.num_enc * masks.batch,
            masks: masks.num_pred,
            k_context: masks.k_context,
            k_target: masks.k_target,
        };
        Ok((pixels, lengths))
    }

    pub(super) fn put_images(&mut self, images: Images, batch: usize) -> Result<Pixels> {
        self.memory.put_images(&self.gpu, &self.config, images, batch)
    }

    fn put_lists(&mut self, lists: &Lists) -> Result<()> {
        let memory = &self.memory;
        for (view, list) in [
            (&memory.context_list, &lists.context),
            (&memory.target_list, &lists.targets),
            (&memory.source, &lists.source),
            (&memory.place, &lists.place),
            (&memory.pulled_list, &lists.pulled),
            (&memory.source_starts, &lists.source_inverse.0),
            (&memory.source_copies, &lists.source_inverse.1),
            (&memory.pulled_starts, &lists.pulled_inverse.0),
            (&memory.pulled_copies, &lists.pulled_inverse.1),
        ] {
            self.gpu.write(view, list)?;
        }
        Ok(())
    }
}
