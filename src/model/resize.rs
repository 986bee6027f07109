//! Networks that are shown images of another size: weights stay, positions and memory are those of its grid.

use super::config::ModelConfig;
use super::ijepa::Ijepa;
use super::memory::Memory;
use super::needs::{Dims, Need, too_large};
use super::positions::at_size;
use crate::data::image::Size;
use crate::gpu::Gpu;
use crate::{Error, Result};

impl Ijepa {
    /// Takes images of this size from now on, and plans memory for `dims`. Positions are laid over those that the networks were
    /// made with, which [`Ijepa::tensors`] goes on to give.
    ///
    /// Errors: usage, where patches do not fill the size, or where it is too large for this adapter; the network then is as it
    /// was, unless memory itself was refused.
    pub fn resize(&mut self, image: Size, dims: Dims) -> Result<()> {
        let dims = Dims {
            regularized: dims.regularized || self.terms.regularized(),
            ..dims
        };
        if image == self.config.image && dims == self.memory.dims {
            return Ok(());
        }
        let config = at_size(&self.config, image)?;
        if let Some(need) = too_large(self.gpu.kind(), &config, &dims, self.gpu.most_bytes()) {
            return Err(too_large_images(&self.gpu, &config, &dims, &need));
        }
        self.rec.submit()?; // with the positions that were
        self.positions.lay(&self.gpu, config.grid())?;
        self.config = config;
        self.replan(dims)
    }

    /// Memory for these lengths instead.
    pub(super) fn replan(&mut self, dims: Dims) -> Result<()> {
        self.rec.submit()?;
        self.rec.forget_bindings();
        let control = self.memory.control.clone();
        // The old plan goes first: both together may be more than there is.
        self.memory = Memory::new(&self.gpu, &self.config, Dims::encode(1))?;
        self.gpu.reclaim()?;
        self.memory = Memory::new(&self.gpu, &self.config, dims)?;
        // The flag outlives the plan.
        self.rec.copy(&control, &self.memory.control)
    }
}

/// That the images of `config` are too large, of which `need` says why; and the largest square that is not, one at a time.
pub(super) fn too_large_images(gpu: &Gpu, config: &ModelConfig, dims: &Dims, need: &Need) -> Error {
    let fits = |side: usize| {
        let square = ModelConfig {
            image: Size::square(side * config.patch),
            ..config.clone()
        };
        // Masks cover the share that they cover here.
        let share = |patches: usize| (patches * square.num_patches()).div_ceil(config.num_patches());
        let dims = Dims {
            batch: 1,
            k_context: share(dims.k_context),
            k_target: share(dims.k_target),
            ..*dims
        };
        too_large(gpu.kind(), &square, &dims, gpu.most_bytes()).is_none()
    };
    // What fits is below what does not.
    let (mut most, mut above) = (0, config.image.height.max(config.image.width) / config.patch + 1);
    while above - most > 1 {
        let middle = most.midpoint(above);
        match fits(middle) {
            true => most = middle,
            false => above = middle,
        }
    }
    let image = config.image;
    let way = match most {
        0 => "no size fits".to_string(),
        side => format!("squares of {} pixels fit", side * config.patch),
    };
    Error::usage(format!(
        "images of {image} pixels are too large for this model here: {way} ({})",
        need.refusal(gpu)
    ))
}
