//! A model with weights, images and masks, for the GPU and for f64 alike.

use crate::device;
use ijepa::cpu;
use ijepa::data::draw::Draw;
use ijepa::data::image::Size;
use ijepa::data::masks::Masks;
use ijepa::gpu::{Gpu, Kind, Options};
use ijepa::model::config::{Init, ModelConfig};
use ijepa::model::ijepa::{Ijepa, Images, Terms};
use ijepa::model::init;
use ijepa::model::needs::Dims;
use ijepa::model::positions::sine_cosine;
use ijepa::model::tensors::{Tensor, Tensors};
use ijepa::ops::adamw;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// A device for all tests of this file, with a forced kernel family (`""`: the adapter's own choice) and kind.
pub fn gpu(variant: &'static str, kind: Option<Kind>) -> Gpu {
    type Devices = Mutex<HashMap<(&'static str, Option<Kind>), Gpu>>;
    static DEVICES: OnceLock<Devices> = OnceLock::new();
    let mut devices = DEVICES.get_or_init(Mutex::default).lock().unwrap();
    let open = || {
        device::open(Options {
            variant: (!variant.is_empty()).then(|| variant.to_string()),
            kind,
            ..Options::default()
        })
    };
    devices.entry((variant, kind)).or_insert_with(open).clone()
}

/// Rates of a step that changes every weight.
pub fn rates(t: u64) -> adamw::Step {
    adamw::Step {
        lr: 1e-3,
        wd: 0.05,
        momentum: 0.9,
        t,
    }
}

/// What a model computes with.
pub struct Case {
    pub config: ModelConfig,
    pub tensors: Tensors,
    pub masks: Masks,
    /// `[B, crop, crop, 3]`
    pub bytes: Vec<u8>,
    pub terms: Terms,
}

/// `[B, E, M, K_e, K_p]`
pub type Lengths = [usize; 5];

impl Case {
    /// Weights as drawn, but with no zeros and no ones among biases and norms, and a target that is not the encoder's
    /// copy: whatever is left out or mixed up then shows.
    pub fn new(config: ModelConfig, lengths: Lengths, terms: Terms) -> Case {
        let mut tensors = init::draw(&config, Init::Xavier, 7);
        let mut draw = Draw::keyed("weights", 7, 0, 0);
        for (name, tensor) in &mut tensors {
            let scale = if name.starts_with("target_encoder.") || tensor.shape.len() == 1 {
                0.2
            } else {
                0.02
            };
            tensor
                .values
                .iter_mut()
                .for_each(|v| *v += draw.between(-scale, scale) as f32);
        }
        for (name, width) in [
            ("encoder.pos_embed", config.embed_dim),
            ("target_encoder.pos_embed", config.embed_dim),
            ("predictor.predictor_pos_embed", config.pred_emb_dim),
        ] {
            let (shape, values) = (vec![1, config.num_patches(), width], sine_cosine(width, config.grid()));
            tensors.insert(name.to_string(), Tensor { shape, values });
        }
        let masks = masks(1, config.num_patches(), lengths);
        Case {
            bytes: bytes(2, masks.batch * config.image.values()),
            config,
            tensors,
            masks,
            terms,
        }
    }

    /// A small model with a short way to its gradient: what is compared bit by bit need not be large.
    pub fn small(terms: Terms) -> Case {
        let config = ModelConfig {
            image: Size::square(20),
            patch: 5,
            embed_dim: 24,
            depth: 2,
            num_heads: 2,
            mlp_ratio: 2.0,
            pred_emb_dim: 16,
            pred_depth: 1,
        };
        Case::new(config, [3, 1, 2, 5, 3], terms)
    }

    /// Lengths that fit the masks exactly.
    pub fn dims(&self) -> Dims {
        let Masks {
            batch,
            num_enc,
            num_pred,
            k_context,
            k_target,
            ..
        } = self.masks;
        Dims {
            batch,
            parts: 1,
            num_enc,
            num_pred,
            k_context,
            k_target,
            float_images: true,
            recompute: false,
            bits: None,
            regularized: self.terms.regularized(),
        }
    }

    pub fn net(&self, gpu: &Gpu, dims: Dims) -> Ijepa {
        Ijepa::new(gpu, &self.config, &self.tensors, "a test", self.terms, dims).unwrap_or_else(|e| panic!("{e}"))
    }

    /// The images as the reference feeds them: `[B, 3, crop, crop]`, normalised.
    pub fn floats(&self) -> Vec<f32> {
        let pixels = self.config.image.height * self.config.image.width;
        let value = |i: usize| {
            let (image, channel, pixel) = (i / (3 * pixels), i / pixels % 3, i % pixels);
            let byte = f64::from(self.bytes[(image * pixels + pixel) * 3 + channel]);
            (byte / 255.0 - cpu::patchify::MEAN[channel]) / cpu::patchify::STD[channel]
        };
        (0..self.bytes.len()).map(|i| value(i) as f32).collect()
    }

    /// Loss, gradients and activations in f64, from the same f32 weights and images.
    pub fn twin(&self) -> cpu::ijepa::Outcome {
        let parameters = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), f64s(&tensor.values)));
        let terms = cpu::ijepa::Terms {
            variance: self.terms.variance,
            covariance: self.terms.covariance,
        };
        cpu::ijepa::gradients(
            &self.config,
            &parameters.collect(),
            &f64s(&self.floats()),
            &self.masks,
            terms,
        )
    }

    /// Takes steps with these images, each with the masks given, and reads everything that training carries.
    pub fn train(&self, net: &mut Ijepa, masks: &[&Masks]) -> Tensors {
        for (i, masks) in masks.iter().enumerate() {
            let images = self.floats();
            let outcome = net.step(Images::Floats(&images), masks, rates(i as u64 + 1));
            assert!(pollster::block_on(outcome.unwrap().outcome()).unwrap().finite);
        }
        pollster::block_on(net.tensors(true)).unwrap()
    }
}

pub fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Ascending patches, other ones for each mask and image.
pub fn masks(seed: u64, patches: usize, [batch, num_enc, num_pred, k_context, k_target]: Lengths) -> Masks {
    let mut draw = Draw::keyed("masks", seed, 0, 0);
    let mut lists = |count: usize, length: usize| -> Vec<u32> {
        let mut all = vec![];
        for _ in 0..count * batch {
            let mut list = draw.permutation(patches);
            list.truncate(length);
            list.sort_unstable();
            all.extend(list);
        }
        all
    };
    Masks {
        batch,
        num_enc,
        num_pred,
        k_context,
        k_target,
        context: lists(num_enc, k_context),
        targets: lists(num_pred, k_target),
    }
}

fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut draw = Draw::keyed("bytes", seed, 0, 0);
    (0..count).map(|_| draw.below(256) as u8).collect()
}

/// The bits of every tensor.
pub fn bits(tensors: &Tensors) -> Vec<(&String, Vec<u32>)> {
    let bits = |tensor: &Tensor| tensor.values.iter().map(|v| v.to_bits()).collect();
    tensors.iter().map(|(name, tensor)| (name, bits(tensor))).collect()
}
