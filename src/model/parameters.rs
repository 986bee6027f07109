//! Parameters in GPU memory: arenas of as many buffers as the limits need, each wholly decayed or wholly not.

use super::config::ModelConfig;
use super::tensors::{Spec, Tensor, Tensors, encoder, find, predictor};
use crate::gpu::{Gpu, Recorder, View};
use crate::ops::adamw;
use crate::{Error, Result};
use std::collections::HashMap;

/// Tensors start at multiples of 64 values (256 bytes), as bindings must; the gaps hold zeros and stay so.
const ALIGN: usize = 64;

/// Tensors that share arenas: a network's, or those of a layer that learns at a rate of its own.
pub struct Group {
    pub specs: Vec<Spec>,
    /// What the learning rate is multiplied by.
    pub rate: f64,
    /// Whether there is a target, their moving average.
    pub averaged: bool,
}

/// Parameters of one group, all decayed or all not, side by side in buffers of equal layout.
struct Arena {
    decayed: bool,
    rate: f64,
    tensors: Vec<(Spec, usize)>,
    /// `None` where nothing is trained.
    trained: Option<Trained>,
    /// The target encoder's copy; the predictor has none.
    target: Option<View>,
}

/// What training needs of an arena.
struct Trained {
    weights: View,
    gradients: View,
    mean: View,
    square: View,
}

/// All trained parameters with gradients, moments and the target encoder's weights.
pub struct Parameters {
    arenas: Vec<Arena>,
    /// Arena and place of each parameter.
    places: HashMap<String, (usize, usize)>,
}

/// Which copy of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    Weights,
    Gradients,
    /// The gradients again, for who adds to them.
    Sums,
    Target,
}

/// Bytes that parameters need: (weights, gradients, moments, target).
pub fn sizes(config: &ModelConfig) -> [u64; 4] {
    let bytes = |specs: Vec<Spec>| specs.iter().map(|s| aligned(s) * 4).sum::<u64>();
    let (encoder, predictor) = (bytes(encoder(config)), bytes(predictor(config)));
    let all = encoder + predictor;
    [all, all, 2 * all, encoder]
}

/// Values that a parameter takes up. In 64 bits: what is refused for its size must be counted on 32-bit machines, too.
fn aligned(spec: &Spec) -> u64 {
    let values: u64 = spec.shape.iter().map(|&length| length as u64).product();
    values.next_multiple_of(ALIGN as u64)
}

/// Refuses a model with a tensor that the adapter can't bind: known before weights are drawn or read.
pub fn require(gpu: &Gpu, config: &ModelConfig) -> Result<()> {
    let limit = gpu.most_bytes() / 4;
    let specs = encoder(config).into_iter().chain(predictor(config));
    match { specs }.find(|spec| aligned(spec) > limit) {
        None => Ok(()),
        Some(spec) => Err(Error::usage(format!(
            "\"{}\" alone takes {} MiB, but this adapter binds at most {} MiB: use a smaller model",
            spec.name,
            aligned(&spec) >> 18,
            limit >> 18
        ))),
    }
}

impl Parameters {
    /// Uploads weights from `tensors` (`encoder.*`, `predictor.*`, `target_encoder.*` or else the encoder's own, and
    /// AdamW's `mean.*` and `square.*` where they are). `origin` names the tensors in messages.
    pub fn new(gpu: &Gpu, config: &ModelConfig, tensors: &Tensors, origin: &str) -> Result<Parameters> {
        require(gpu, config)?;
        let group = |specs, averaged| Group {
            specs,
            rate: 1.0,
            averaged,
        };
        // The reference's four groups: encoder decayed, predictor decayed, encoder rest, predictor rest.
        let groups = [group(encoder(config), true), group(predictor(config), false)];
        Parameters::of(gpu, &groups, tensors, origin)
    }

    /// The target encoder's weights alone, for who encodes: a quarter to a fifth of the memory.
    pub fn encoder(gpu: &Gpu, config: &ModelConfig, tensors: &Tensors, origin: &str) -> Result<Parameters> {
        require(gpu, config)?;
        let group = Group {
            specs: encoder(config),
            rate: 1.0,
            averaged: true,
        };
        Parameters::filled(gpu, &[group], false, tensors, origin)
    }

    /// The same of any groups: first what decays of each, then the rest of each.
    pub fn of(gpu: &Gpu, groups: &[Group], tensors: &Tensors, origin: &str) -> Result<Parameters> {
        Parameters::filled(gpu, groups, true, tensors, origin)
    }

    fn filled(gpu: &Gpu, groups: &[Group], trained: bool, tensors: &Tensors, origin: &str) -> Result<Parameters> {
        let limit = (gpu.most_bytes() / 4) as usize;
        let (mut arenas, mut places) = (vec![], HashMap::new());
        for (decayed, group) in [true, false]
            .into_iter()
            .flat_map(|decayed| groups.iter().map(move |g| (decayed, g)))
        {
            let mut some: Vec<(Spec, usize)> = vec![];
            let mut end = 0;
            for spec in group.specs.iter().filter(|spec| spec.decays() == decayed) {
                let length = spec.len().next_multiple_of(ALIGN);
                if end + length > limit {
                    arenas.push(Arena::new(
                        gpu,
                        (decayed, trained),
                        group,
                        std::mem::take(&mut some),
                        end,
                    )?);
                    end = 0;
                }
                some.push((spec.clone(), end));
                end += length;
            }
            if !some.is_empty() {
                arenas.push(Arena::new(gpu, (decayed, trained), group, some, end)?);
            }
        }
        for (i, arena) in arenas.iter().enumerate() {
            for (j, (spec, _)) in arena.tensors.iter().enumerate() {
                places.insert(spec.name.clone(), (i, j));
            }
            arena.fill(gpu, tensors, origin)?;
        }
        Ok(Parameters { arenas, places })
    }

    /// A parameter (by its `encoder.` or `predictor.` name) as the matrix that kernels see.
    pub fn view(&self, name: &str, copy: Copy) -> Result<View> {
        let missing = || Error::run(format!("there is no parameter \"{name}\""));
        let &(arena, place) = self.places.get(name).ok_or_else(missing)?;
        let arena = &self.arenas[arena];
        let (spec, start) = &arena.tensors[place];
        let buffer = match copy {
            Copy::Weights => arena.trained.as_ref().map(|trained| &trained.weights),
            Copy::Gradients | Copy::Sums => arena.trained.as_ref().map(|trained| &trained.gradients),
            Copy::Target => arena.target.as_ref(),
        };
        let buffer = buffer.ok_or_else(missing)?;
        let (rows, cols) = spec.matrix();
        buffer.part(*start, rows, cols)
    }

    /// All gradients, arena by arena.
    pub fn gradients(&self) -> Vec<&View> {
        self.trained().map(|(_, trained)| &trained.gradients).collect()
    }

    /// AdamW on every arena, at its own rate, and the target's moving average.
    pub fn update(&self, rec: &mut Recorder, step: adamw::Step, control: &View) -> Result<()> {
        for (arena, trained) in self.trained() {
            let step = adamw::Step {
                lr: arena.rate * step.lr,
                wd: if arena.decayed { step.wd } else { 0.0 },
                ..step
            };
            let tensors = adamw::Tensors {
                weights: &trained.weights,
                gradients: &trained.gradients,
                mean: &trained.mean,
                square: &trained.square,
                target: arena.target.as_ref(),
            };
            adamw::adamw(rec, step, tensors, control)?;
        }
        Ok(())
    }

    /// Reads weights, target and, where `moments`, AdamW's state back to the host.
    pub async fn read(&self, rec: &mut Recorder, moments: bool) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        for arena in &self.arenas {
            if let Some(trained) = &arena.trained {
                let weights = rec.read::<f32>(&trained.weights).await?;
                arena.split(&weights, &mut tensors, |name| name.to_string());
            }
            if let Some(target) = &arena.target {
                let values = rec.read::<f32>(target).await?;
                arena.split(&values, &mut tensors, |name| format!("target_{name}"));
            }
            if let Some(trained) = arena.trained.as_ref().filter(|_| moments) {
                let mean = rec.read::<f32>(&trained.mean).await?;
                arena.split(&mean, &mut tensors, |name| format!("mean.{name}"));
                let square = rec.read::<f32>(&trained.square).await?;
                arena.split(&square, &mut tensors, |name| format!("square.{name}"));
            }
        }
        Ok(tensors)
    }

    /// Reads the gradients of the last step, under the parameters' names.
    pub async fn read_gradients(&self, rec: &mut Recorder) -> Result<Tensors> {
        let mut tensors = Tensors::new();
        for (arena, trained) in self.trained() {
            let values = rec.read::<f32>(&trained.gradients).await?;
            arena.split(&values, &mut tensors, |name| name.to_string());
        }
        Ok(tensors)
    }

    fn trained(&self) -> impl Iterator<Item = (&Arena, &Trained)> {
        self.arenas
            .iter()
            .filter_map(|arena| Some((arena, arena.trained.as_ref()?)))
    }
}

impl Arena {
    fn new(
        gpu: &Gpu,
        (decayed, trained): (bool, bool),
        group: &Group,
        tensors: Vec<(Spec, usize)>,
        length: usize,
    ) -> Result<Arena> {
        let alloc = |what: &str| gpu.alloc(what, 1, length);
        let target = match group.averaged {
            true => Some(alloc("target weights")?),
            false => None,
        };
        let trained = match trained {
            true => Some(Trained {
                weights: alloc("weights")?,
                gradients: alloc("gradients")?,
                mean: alloc("mean of gradients")?,
                square: alloc("mean of squared gradients")?,
            }),
            false => None,
        };
        Ok(Arena {
            decayed,
            rate: group.rate,
            trained,
            target,
            tensors,
        })
    }

    fn fill(&self, gpu: &Gpu, tensors: &Tensors, origin: &str) -> Result<()> {
        let moments = tensors.keys().any(|name| name.starts_with("mean."));
        let own_target = tensors.keys().any(|name| name.starts_with("target_encoder."));
        if let Some(trained) = &self.trained {
            self.join(gpu, &trained.weights, tensors, origin, |name| name.to_string())?;
        }
        if let Some(target) = &self.target {
            let prefix = if own_target { "target_" } else { "" };
            self.join(gpu, target, tensors, origin, |name| format!("{prefix}{name}"))?;
        }
        if let Some(trained) = self.trained.as_ref().filter(|_| moments) {
            self.join(gpu, &trained.mean, tensors, origin, |name| format!("mean.{name}"))?;
            self.join(gpu, &trained.square, tensors, origin, |name| format!("square.{name}"))?;
        }
        Ok(())
    }

    fn join(
        &self,
        gpu: &Gpu,
        to: &View,
        tensors: &Tensors,
        origin: &str,
        rename: impl Fn(&str) -> String,
    ) -> Result<()> {
        let mut values = vec![0f32; to.len()];
        for (spec, start) in &self.tensors {
            let tensor = find(tensors, &rename(&spec.name), &spec.shape, origin)?;
            values[*start..start + spec.len()].copy_from_slice(&tensor.values);
        }
        gpu.write(to, &values)
    }

    fn split(&self, values: &[f32], tensors: &mut Tensors, rename: impl Fn(&str) -> String) {
        for (spec, start) in &self.tensors {
            let tensor = Tensor {
                shape: spec.shape.clone(),
                values: values[*start..start + spec.len()].to_vec(),
            };
            tensors.insert(rename(&spec.name), tensor);
        }
    }
}
