//! Devices, random tensors and comparison for the kernel tests.

use ijepa::gpu::{Gpu, Kind, Options, Recorder, UnitsChoice, View};
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// A device for all tests of this file, with a forced variant (`""`: the adapter's own choice) and kind. A test without
/// an adapter fails with the sentence that says how to get one; `IJEPA_TEST_ADAPTER` chooses another.
pub fn gpu(variant: &'static str, kind: Option<Kind>) -> Gpu {
    type Devices = Mutex<HashMap<(&'static str, Option<Kind>), Gpu>>;
    static DEVICES: OnceLock<Devices> = OnceLock::new();
    let mut devices = DEVICES.get_or_init(Mutex::default).lock().unwrap();
    let open = || {
        let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into());
        let options = Options {
            adapter: adapter.parse().unwrap(),
            variant: (!variant.is_empty() && variant != UNITS).then(|| variant.to_string()),
            units: match variant {
                UNITS => UnitsChoice::Plain,
                _ => UnitsChoice::Off,
            },
            kind,
            ..Options::default()
        };
        pollster::block_on(Gpu::open(&options)).unwrap_or_else(|e| panic!("{e}"))
    };
    devices.entry((variant, kind)).or_insert_with(open).clone()
}

/// As a variant: f16 by the kernel for matrix units, in plain WGSL.
pub const UNITS: &str = "matrix units";

/// Every family of kernels. On an adapter that can't run one, the next best is chosen by the code under test.
pub use ijepa::gpu::VARIANTS;

/// Both ways in which lanes share the work; each runs on every adapter.
pub const KINDS: [Kind; 2] = [Kind::Software, Kind::Hardware];

/// A recorder with tensors beside it: uploads and reads by name of what is tested.
pub struct Bench {
    pub rec: Recorder,
    pub label: String,
}

impl Bench {
    /// With this variant of matmul, and the adapter's own kind.
    pub fn new(variant: &'static str, label: impl Into<String>) -> Bench {
        Bench::open(variant, None, label)
    }

    /// With lanes as on this kind of adapter.
    pub fn of(kind: Kind, label: impl Into<String>) -> Bench {
        Bench::open("", Some(kind), label)
    }

    pub fn open(variant: &'static str, kind: Option<Kind>, label: impl Into<String>) -> Bench {
        let gpu = gpu(variant, kind);
        let (kind, sep) = (gpu.kind(), if variant.is_empty() { "" } else { ", " });
        let label = format!("{} on {}, {kind:?} lanes{sep}{variant}", label.into(), gpu.info().name);
        Bench {
            rec: Recorder::new(&gpu),
            label,
        }
    }

    pub fn kind(&self) -> Kind {
        self.rec.gpu().kind()
    }

    pub fn put<T: bytemuck::Pod>(&self, rows: usize, cols: usize, values: &[T]) -> View {
        assert_eq!(values.len(), rows * cols);
        self.rec.gpu().upload("test", rows, cols, values).unwrap()
    }

    /// An output that the kernel must overwrite: full of NaN.
    pub fn poisoned(&self, rows: usize, cols: usize) -> View {
        self.put(rows, cols, &vec![f32::NAN; rows * cols])
    }

    /// Scratch memory: full of NaN, and larger than asked for, as a plan for several tensors is.
    pub fn scratch(&self, values: usize) -> View {
        self.poisoned(1, values + 100)
    }

    /// Fills a view with NaN again, after what was recorded so far.
    pub fn poison(&mut self, view: &View) {
        self.rec.submit().unwrap();
        self.rec.gpu().write(view, &vec![f32::NAN; view.len()]).unwrap();
    }

    pub fn get(&mut self, view: &View) -> Vec<f32> {
        pollster::block_on(self.rec.read(view)).unwrap_or_else(|e| panic!("{}: {e}", self.label))
    }

    /// The bits of `view`: what must be equal, not near.
    pub fn bits(&mut self, view: &View) -> Vec<u32> {
        pollster::block_on(self.rec.read(view)).unwrap_or_else(|e| panic!("{}: {e}", self.label))
    }

    /// Reads `view` and compares with f64.
    pub fn check(&mut self, name: &str, view: &View, want: &[f64], tolerance: f64) {
        let got = self.get(view);
        self.compare(name, view.cols, &got, want, tolerance);
    }

    /// Compares values that were read already.
    pub fn compare(&self, name: &str, cols: usize, got: &[f32], want: &[f64], tolerance: f64) {
        if let Err(text) = compare(&format!("{}: {name}", self.label), cols, got, want, tolerance) {
            panic!("{text}");
        }
    }
}

/// What f32 sums of `length` products may be off, relative to the value or to the tensor's root mean square, whichever
/// is larger: rounding grows like a random walk, 6e-8 a step; four times that for the worst of many values.
pub fn sum_of(length: usize) -> f64 {
    2.5e-7 * (length as f64).sqrt().max(2.0)
}

/// Element-wise work: a handful of roundings, and driver functions (exp, sqrt) of some 1e-7.
pub const ELEMENTWISE: f64 = 2e-6;

/// `Err` with the worst place when a value is off by more than `tolerance` x max(|want|, rms(want)), or not finite.
pub fn compare(label: &str, cols: usize, got: &[f32], want: &[f64], tolerance: f64) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{label}: {} values, f64 has {}", got.len(), want.len()));
    }
    let rms = (want.iter().map(|w| w * w).sum::<f64>() / want.len().max(1) as f64).sqrt();
    let (mut wrong, mut worst, mut place) = (0, 0.0, 0);
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let allowed = tolerance * w.abs().max(rms).max(1e-30);
        let off = match (f64::from(g) - w).abs() {
            0.0 => 0.0,
            off if off.is_nan() => f64::INFINITY,
            off => off / allowed,
        };
        wrong += usize::from(off > 1.0);
        if off > worst {
            (worst, place) = (off, i);
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    Err(format!(
        "{label}[{}, {}] is {}, f64 says {} ({worst:.1} times what is allowed, {tolerance:.1e}; {wrong} of {} values)",
        place / cols,
        place % cols,
        got[place],
        want[place],
        want.len()
    ))
}

/// Normal-ish values in about [-2, 2], the same for a seed everywhere; f32 values, so that both sides start equal.
pub fn random(seed: u64, length: usize) -> Vec<f32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..length)
        .map(|_| (0..4).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>() * 0.8)
        .collect()
}

pub fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

#[test]
fn the_comparison_sees_what_is_wrong() {
    let want = [1.0, -2.0, 0.5];
    assert!(compare("x", 3, &[1.0, -2.0, 0.5], &want, 1e-6).is_ok());
    assert!(compare("x", 3, &[1.0, -2.0, 0.50001], &want, 1e-6).is_err());
    assert!(compare("x", 3, &[1.0, f32::NAN, 0.5], &want, 1e-6).is_err());
    assert!(compare("x", 3, &[1.0, -2.0], &want, 1e-6).is_err());
    assert!(compare("x", 3, &[1.0, -2.0, 0.5], &want, 0.0).is_ok());
    assert!(compare("x", 3, &[1.0, -2.0, 0.5000001], &want, 0.0).is_err());
    assert!(compare("x", 3, &[1.0, -2.0, f32::NAN], &want, 0.0).is_err());
}
