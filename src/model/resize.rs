//! Networks that are shown images of another size: weights stay, positions and memory are those of its grid.

use super::ijepa::Ijepa;
use super::memory::Memory;
use super::needs::{Dims, too_large};
use super::positions::at_size;
use crate::data::image::Size;
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
            return Err(Error::usage(format!(
                "images of {image} pixels are too large: {}",
                need.refusal(&self.gpu)
            )));
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
