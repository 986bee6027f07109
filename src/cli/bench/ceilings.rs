//! What the adapter can do at most, measured: arithmetic, memory, and what it costs to ask for something.

use super::timing::{recorded, rounded, rounds};
use ijepa::Result;
use ijepa::gpu::{Gpu, Kind, Recorder, Units};
use ijepa::ops::ceiling::{arithmetic, copy, fragments};
use serde_json::{Value, json};

/// Bytes that are copied: more than most caches hold.
const COPIED: u64 = 256 << 20;
/// Bytes that are uploaded and read back.
const MOVED: u64 = 64 << 20;
/// Dispatches in one submission, beside one alone.
const DISPATCHES: usize = 801;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// f32 products and sums, GFLOP/s.
    pub gflops: f64,
    /// f16 products with f32 sums on matrix units, GFLOP/s, where the device has some that compute right.
    pub units_gflops: Option<f64>,
    /// Bytes read and written by shaders, GB/s.
    pub gbs: f64,
    /// Microseconds of one more dispatch in a submission.
    pub dispatch_us: f64,
    /// Microseconds of a submission with one dispatch, waited for.
    pub submit_us: f64,
    /// From and to the host, GB/s.
    pub upload_gbs: f64,
    pub readback_gbs: f64,
}

impl Ceilings {
    pub fn measure(gpu: &Gpu) -> Result<Ceilings> {
        let mut rec = Recorder::new(gpu);
        // A submission of some hundredths of a second on either kind.
        let (lanes, rounds_of_one) = match gpu.kind() {
            Kind::Software => (1 << 13, 1 << 8),
            Kind::Hardware => (1 << 20, 1 << 8),
        };
        let sums = gpu.alloc("sums", lanes, 4)?;
        let work = |rec: &mut Recorder| arithmetic(rec, &sums, rounds_of_one, (0.75, 0.5));
        let (gflops, _) = rate(&mut rec, work)?;

        let units_gflops = match gpu.units() {
            Some(units) => Some(of_units(&mut rec, units)?),
            None => None,
        };

        let bytes = COPIED.min(gpu.most_bytes());
        let [x, y] = [
            gpu.alloc("from", (bytes / 16) as usize, 4)?,
            gpu.alloc("to", (bytes / 16) as usize, 4)?,
        ];
        let best = recorded(&mut rec, |rec| copy(rec, &x, &y))?.best;
        let gbs = 2.0 * bytes as f64 / best / 1e9;

        // Dispatches that do next to nothing: what is left is what they cost.
        let [few, one] = [gpu.alloc("few", 1, 4)?, gpu.alloc("one", 1, 4)?];
        let mut of = |dispatches: usize| -> Result<f64> {
            let timing = rounds(0.1, |repeats| {
                for _ in 0..repeats {
                    for _ in 0..dispatches {
                        copy(&mut rec, &few, &one)?;
                    }
                    pollster::block_on(rec.read::<u32>(&one))?;
                }
                Ok(())
            });
            Ok(timing?.best)
        };
        let (alone, many) = (of(1)?, of(DISPATCHES)?);

        let bytes = MOVED.min(gpu.most_bytes());
        let values = vec![0u32; (bytes / 4) as usize];
        let moved = gpu.alloc("moved", values.len(), 1)?;
        let upload = rounds(0.2, |repeats| {
            for _ in 0..repeats {
                gpu.write(&moved, &values)?;
                gpu.reclaim()?;
            }
            Ok(())
        })?;
        let readback = rounds(0.2, |repeats| {
            for _ in 0..repeats {
                pollster::block_on(rec.read::<u32>(&moved))?;
            }
            Ok(())
        })?;
        Ok(Ceilings {
            gflops,
            units_gflops,
            gbs,
            dispatch_us: (many - alone).max(0.0) / (DISPATCHES - 1) as f64 * 1e6,
            submit_us: alone * 1e6,
            upload_gbs: bytes as f64 / upload.best / 1e9,
            readback_gbs: bytes as f64 / readback.best / 1e9,
        })
    }

    pub fn text(&self) -> String {
        let units = match self.units_gflops {
            Some(rate) => format!("{rate:.1} GFLOP/s of f16 on matrix units"),
            None => "no matrix units for f16".to_string(),
        };
        format!(
            "at most here: {:.1} GFLOP/s of f32 products and sums, {units}, {:.1} GB/s of memory read and written\n\
             a dispatch takes {:.1} us, a submission that is waited for {:.0} us; upload {:.1} GB/s, read-back {:.1} GB/s\n",
            self.gflops, self.gbs, self.dispatch_us, self.submit_us, self.upload_gbs, self.readback_gbs
        )
    }

    pub fn json(&self) -> Value {
        json!({
            "gflops": rounded(self.gflops), "units_gflops": self.units_gflops.map(rounded), "gb_s": rounded(self.gbs), "dispatch_us": rounded(self.dispatch_us),
            "submit_us": rounded(self.submit_us), "upload_gb_s": rounded(self.upload_gbs),
            "readback_gb_s": rounded(self.readback_gbs),
        })
    }
}

/// GFLOP/s of what `work` records, and seconds of it.
fn rate(rec: &mut Recorder, mut work: impl FnMut(&mut Recorder) -> Result<()>) -> Result<(f64, f64)> {
    let before = rec.total.flops;
    work(rec)?;
    let flops = rec.total.flops - before;
    let seconds = recorded(rec, work)?.best;
    Ok((flops / seconds / 1e9, seconds))
}

/// The kernel whose ceiling are the matrix units.
pub const ON_UNITS: &str = "matmul_fragments";

/// A dispatch that takes so many seconds tells the rate, and no driver takes the device for lost.
const LONG_ENOUGH: f64 = 0.01;

/// The better rate of few fragments that leave room for many subgroups, and of many.
fn of_units(rec: &mut Recorder, units: Units) -> Result<f64> {
    let side = units.side as usize;
    let hardware = rec.gpu().kind() == Kind::Hardware && !units.plain;
    let subgroups = if hardware { 1 << 12 } else { 4 };
    let sums = rec.gpu().alloc("sums of fragments", subgroups, side * side)?;
    let counts: &[u32] = if hardware { &[2, 4] } else { &[2] };
    let mut best = 0.0f64;
    for &count in counts {
        // More and more rounds: no one knows beforehand how quick units are.
        let mut rounds_of_one = 16;
        loop {
            let (gflops, seconds) = rate(rec, |rec| fragments(rec, &sums, count, rounds_of_one, (0.5, 0.25)))?;
            best = best.max(gflops);
            if seconds >= LONG_ENOUGH || rounds_of_one >= 1 << 14 {
                break;
            }
            rounds_of_one *= 8;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ijepa::gpu::{Options, UnitsChoice};

    /// With what stands in for units, on any adapter.
    #[test]
    fn units_have_a_rate() {
        let options = Options {
            units: UnitsChoice::Plain,
            ..Options::default()
        };
        let gpu = pollster::block_on(Gpu::open(&options)).unwrap();
        let rate = of_units(&mut Recorder::new(&gpu), gpu.units().unwrap()).unwrap();
        assert!(rate.is_finite() && rate > 0.0, "{rate}");
    }
}
