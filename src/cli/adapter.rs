//! Which GPU computes: the arguments that every computing command takes.

use super::tune::cache;
use ijepa::Result;
use ijepa::gpu::{AdapterChoice, Gpu, Options, UnitsChoice, VARIANTS};
use ijepa::ops::cast::Bits;
use ijepa::ops::fragments::try_units;
use ijepa::train::snapshot::Machine;

#[derive(clap::Args)]
pub struct AdapterArgs {
    /// GPU to compute on: auto, software, or the index or part of the name that `ijepa doctor` lists [default: auto]
    #[arg(long, value_name = "WHICH")]
    adapter: Option<String>,
    /// Graphics interface to reach it by [default: whichever it has]
    #[arg(long, value_name = "NAME", value_parser = ["vulkan", "dx12", "metal"])]
    backend: Option<String>,
    /// Kernels for matrix products, and of the same kind for attention and norms [default: what suits the adapter]
    #[arg(long, value_name = "NAME", value_parser = VARIANTS)]
    variant: Option<String>,
    /// GiB of its memory to use at most, such as 7.5 on a card that others use, too [default: all there is]
    #[arg(long, value_name = "GIB", value_parser = gibibytes)]
    memory: Option<u64>,
}

/// Bytes of a number of GiB above 0.
fn gibibytes(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number < 1e6 => Ok((number * (1u64 << 30) as f64) as u64),
        _ => Err("a number of GiB above 0 is wanted, such as 8 or 7.5".to_string()),
    }
}

impl AdapterArgs {
    /// The GPU and the kernels that computed a run so far, unless others are asked for; whatever there is, where that GPU is
    /// not.
    pub fn open_again(&self, was: Option<Machine>, bits: Option<Bits>, say: &dyn Fn(&str)) -> Result<Gpu> {
        let Some(was) = was.filter(|_| self.adapter.is_none() && self.backend.is_none() && self.variant.is_none())
        else {
            return self.open_for(bits, say);
        };
        let again = AdapterArgs {
            adapter: Some(was.adapter),
            backend: Some(was.backend),
            variant: was.variant,
            memory: self.memory,
        };
        again.open_for(bits, say).or_else(|_| self.open_for(bits, say))
    }

    /// Opens the GPU with what `ijepa tune` found on it; `say` gets one line about that, where there is something to say.
    pub fn open_tuned(&self, say: &dyn Fn(&str)) -> Result<Gpu> {
        self.open_for(None, say)
    }

    /// The same for products in these bits: with the matrix units that they may use, once these have passed their test.
    pub fn open_for(&self, bits: Option<Bits>, say: &dyn Fn(&str)) -> Result<Gpu> {
        let gpu = self.open_untuned(bits, say)?;
        cache::apply(&gpu, bits, say);
        Ok(gpu)
    }

    /// The same with matrix units whatever the bits, for whoever measures what the adapter can do.
    pub fn open_whole(&self, bits: Option<Bits>, say: &dyn Fn(&str)) -> Result<Gpu> {
        let gpu = self.open_units(say)?;
        cache::apply(&gpu, bits, say);
        Ok(gpu)
    }

    /// The same as [`open_for`](AdapterArgs::open_for), without what `ijepa tune` found.
    pub fn open_untuned(&self, bits: Option<Bits>, say: &dyn Fn(&str)) -> Result<Gpu> {
        match bits {
            Some(Bits::F16) => self.open_units(say),
            _ => self.open(),
        }
    }

    fn open_units(&self, say: &dyn Fn(&str)) -> Result<Gpu> {
        let gpu = pollster::block_on(Gpu::open(&Options {
            units: UnitsChoice::Auto,
            ..self.options()
        }))?;
        match pollster::block_on(try_units(&gpu)) {
            Ok(wrong) => {
                wrong.iter().for_each(|wrong| say(wrong));
                Ok(gpu)
            }
            Err(e) => {
                say(&format!(
                    "matrix units are of no use here, f16 is multiplied without them: {e}"
                ));
                self.open()
            }
        }
    }

    /// Opens the GPU as it is without `ijepa tune`, or says which there are.
    pub fn open(&self) -> Result<Gpu> {
        pollster::block_on(Gpu::open(&self.options()))
    }

    /// Whether one family of kernels was asked for.
    pub fn fixed(&self) -> bool {
        self.variant.is_some()
    }

    pub fn options(&self) -> Options {
        let backends = match self.backend.as_deref() {
            Some("vulkan") => wgpu::Backends::VULKAN,
            Some("dx12") => wgpu::Backends::DX12,
            Some("metal") => wgpu::Backends::METAL,
            _ => wgpu::Backends::all(),
        };
        let Ok(adapter) = self.adapter.as_deref().unwrap_or("auto").parse::<AdapterChoice>();
        Options {
            adapter,
            backends,
            variant: self.variant.clone(),
            memory: self.memory,
            units: UnitsChoice::Off, // what no one asked for is neither opened nor tried
            ..Options::default()
        }
    }
}
