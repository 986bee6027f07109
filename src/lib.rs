//! I-JEPA (Assran et al., CVPR 2023) on any GPU: WGSL kernels for all tensor work, a thin Rust host over wgpu.
//!
//! Arrows point one way: [`gpu`] <- [`ops`] <- [`model`] <- [`train`] / [`eval`] <- the commands.
//! [`data`] knows no GPU; [`cpu`] holds the slow f64 twins that prove the kernels.
//!
//! Load images, build a model, train it, encode with it; the loop that `ijepa train` runs is [`train::run::train`]:
//!
//! ```
//! use ijepa::data::{Split, glyphs, masks};
//! use ijepa::eval::features::encode;
//! use ijepa::gpu::{Gpu, Options};
//! use ijepa::model::ijepa::{Ijepa, Images, Terms};
//! use ijepa::model::{init, needs::Dims};
//! use ijepa::train::{config::Config, schedule::Schedule};
//!
//! # fn main() -> ijepa::Result<()> {
//! # pollster::block_on(async {
//! let mut config = Config::preset("demo")?;
//! config.data.batch_size = 8;
//! config.optimization.steps = Some(100);
//! let images: Vec<u8> = (0..8).flat_map(|i| glyphs::image(0, Split::Train, i)).collect(); // [8, 32, 32, 3]
//!
//! let options = Options::default(); // the best adapter there is
//! # let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into()).parse().unwrap();
//! # let options = Options { adapter, ..options };
//! let gpu = Gpu::open(&options).await?;
//! let (model, sampler) = (config.model()?, config.masks());
//! let weights = init::draw(&model, config.meta.init, config.meta.seed);
//! let (k_context, k_target) = masks::max_lengths(&sampler);
//! let dims = Dims { num_enc: 1, num_pred: 4, k_context, k_target, ..Dims::encode(8) };
//! let mut net = Ijepa::new(&gpu, &model, &weights, "the drawn weights", Terms::default(), dims)?;
//!
//! let schedule = Schedule::new(&config.optimization, 10);
//! for step in 1..=3 {
//!     let drawn = masks::sample(&sampler, config.meta.seed, step - 1, 8);
//!     let pending = net.step(Images::Bytes(&images), &drawn, schedule.at(step as usize).step(step))?;
//!     let outcome = pending.outcome().await?; // or read it a step later, as the training loop does
//!     assert!(outcome.finite && outcome.loss > 0.0);
//! }
//! let features = encode(&mut net, &images, 8).await?; // [8, 64], the target encoder's patches averaged
//! assert_eq!(features.len(), 8 * 64);
//! # Ok(())
//! # })
//! # }
//! ```

pub mod cpu;
pub mod data;
pub mod error;
pub mod eval;
pub mod gpu;
pub mod model;
pub mod ops;
#[cfg(feature = "native")]
pub mod ordinary;
mod parallel;
pub mod train;
#[cfg(feature = "native")]
pub mod weights;

pub use error::{Error, Result};
