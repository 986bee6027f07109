//! The training step of a recorded case in Burn, as the published code takes it: the last line is JSON.
//!
//!     burn-flex CASE.safetensors        (or burn-wgpu)
//!
//! A case comes from `ijepa bench --step --record CASE.safetensors`: weights, images, masks and rates. Written from the paper
//! and the names in the file alone. Layers, loss, optimizer and the loading of weights are Burn's.

mod case;
mod model;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::nn::loss::{Reduction, SmoothL1LossConfig};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::container::TensorContainer;
use burn::tensor::{Device, Distribution, Tensor};
use case::{Batch, Case};
use model::{Encoder, Networks};
use std::path::Path;
use std::time::Instant;

/// Seconds of a round; five are timed.
const ROUND: f64 = 1.0;

/// Takes the steps of the case that the command line names, and prints.
pub fn run(backend: &str, device: Device) {
    let path = std::env::args().nth(1).expect("usage: PROGRAM CASE.safetensors");
    let mut step = Step::new(Path::new(&path), device);
    let losses: Vec<f32> = (0..step.batches.len()).map(|_| step.step().into_scalar()).collect();
    let rates = [(); 5].map(|()| step.round());
    let json = serde_json::json!({
        "peer": format!("Burn 0.22.1 {backend}"),
        "losses": losses,
        "images_per_s": rates.iter().copied().fold(0.0, f64::max),
        "images_per_s_slowest": rates.iter().copied().fold(f64::INFINITY, f64::min),
        "matmul_gflops": matmul_gflops(&step.device, [2048, 384, 384]),
    });
    println!("{json}");
}

struct Step {
    case: Case,
    batches: Vec<Batch>,
    device: Device,
    /// Taken out during the update.
    networks: Option<Networks>,
    target: Option<Encoder>,
    /// Of the target's features: no weights, and the usual eps.
    norm: LayerNorm,
    optimizer: ModuleOptimizer,
    taken: usize,
}

impl Step {
    fn new(path: &Path, device: Device) -> Step {
        let bytes = std::fs::read(path).expect("a case");
        let (case, batches) = case::read(&bytes, &device);
        let mut networks = Networks::new(&case, &device.clone().autodiff());
        let mut store = SafetensorsStore::from_file(path).with_from_adapter(PyTorchToBurnAdapter);
        networks.load_from(&mut store).expect("all weights");
        let adamw = AdamWConfig::new().with_epsilon(1e-8);
        let mut vectors = Vectors(vec![]);
        networks.visit(&mut vectors);
        let optimizer = adamw.clone().with_weight_decay(case.wd as f32).init().with_group(
            ParamGroup::from_ids(vectors.0),
            adamw.with_weight_decay(0.0).build(),
            None,
        );
        Step {
            target: Some(networks.encoder.valid()),
            networks: Some(networks),
            norm: LayerNormConfig::new(case.dim).with_bias(false).init(&device),
            optimizer,
            taken: 0,
            case,
            batches,
            device,
        }
    }

    fn step(&mut self) -> Tensor<1> {
        let batch = &self.batches[self.taken % self.batches.len()];
        self.taken += 1;
        let (mut networks, target) = (self.networks.take().expect("kept"), self.target.take().expect("kept"));
        // Without autodiff, as the target's weights are.
        let targets = self.norm.forward(target.forward(batch.images.clone(), None));
        let targets = batch.targets.of_images(targets);
        let context = networks.encoder.forward(batch.images.clone(), Some(&batch.context));
        let predictions = networks.predictor.forward(context, &batch.context, &batch.targets);
        let loss = SmoothL1LossConfig::new().init();
        let loss = loss.forward_with_reduction(predictions, targets, Reduction::Mean);
        let grads = GradientsParams::from_grads(loss.backward(), &networks);
        networks = self.optimizer.step(self.case.lr, networks, grads);
        let mut ema = Ema::of(&networks.encoder, self.case.momentum);
        self.target = Some(target.map(&mut ema));
        self.networks = Some(networks);
        loss.inner()
    }

    /// Images per second of a round of whole passes over the batches.
    fn round(&mut self) -> f64 {
        let (began, mut count) = (Instant::now(), 0);
        loop {
            let mut loss = None;
            for _ in 0..self.batches.len() {
                loss = Some(self.step());
            }
            self.device.sync().expect("steps that ran");
            count += self.batches.len();
            let took = began.elapsed().as_secs_f64();
            if took > ROUND {
                let loss: f32 = loss.expect("batches").into_scalar();
                assert!(loss.is_finite());
                return (count * self.case.batch) as f64 / took;
            }
        }
    }
}

/// The parameters of one axis (norms and biases), whose weights don't decay.
struct Vectors(Vec<ParamId>);

impl ModuleVisitor for Vectors {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 1 {
            self.0.push(param.id);
        }
    }
}

/// The target moves towards the encoder; a copy's parameters keep their ids.
struct Ema {
    encoder: TensorContainer<ParamId>,
    momentum: f64,
}

impl Ema {
    fn of(encoder: &Encoder, momentum: f64) -> Ema {
        let encoder_tensors = TensorContainer::new();
        let mut ema = Ema {
            encoder: encoder_tensors,
            momentum,
        };
        encoder.visit(&mut ema);
        ema
    }
}

impl ModuleVisitor for Ema {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.encoder.register(param.id, param.val().inner());
    }
}

impl ModuleMapper for Ema {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let other: Tensor<D> = self.encoder.remove(&param.id).expect("a copy's parameter");
        param.map(|own| own * self.momentum + other * (1.0 - self.momentum))
    }
}

/// f32 products of one size, so that the rate of the step can be set beside it.
fn matmul_gflops(device: &Device, [m, k, n]: [usize; 3]) -> f64 {
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
    let (a, b) = (random([m, k]), random([k, n]));
    let mut best: f64 = 0.0;
    for _ in 0..5 {
        let (began, mut count) = (Instant::now(), 0);
        let took = loop {
            for _ in 0..8 {
                let _ = a.clone().matmul(b.clone());
            }
            device.sync().expect("products that ran");
            count += 8;
            let took = began.elapsed().as_secs_f64();
            if took > 0.2 {
                break took;
            }
        };
        best = best.max((2 * m * k * n * count) as f64 / took / 1e9);
    }
    best
}
