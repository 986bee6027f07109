//! The whole measurement: ceilings, a step, its kernels; as a table, as JSON, as a picture.

use super::super::number::prefixed;
use super::super::print;
use super::ceilings::Ceilings;
use super::kernels::{self, Row};
use super::roofline;
use super::step::Bench;
use super::timing::{ROUNDS, rounded, rounds};
use ijepa::Result;
use ijepa::gpu::Gpu;
use ijepa::train::config::Config;
use serde_json::json;
use std::path::Path;

/// Seconds of a round of steps.
const ROUND: f64 = 1.0;

/// Measures and prints; the last line is JSON. `picture`: where the roofline goes.
pub fn run(gpu: &Gpu, config: &Config, name: &str, picture: Option<&Path>) -> Result<()> {
    let mut bench = Bench::new(gpu, config)?;
    bench.equal_steps(1)?;
    let ceilings = Ceilings::measure(gpu)?;
    let adapter = gpu.info();
    print(&format!(
        "{name}, steps of {} images, on {} ({} {})\n{}",
        bench.batch(),
        adapter.name,
        adapter.backend,
        adapter.driver_info,
        ceilings.text()
    ))?;
    let step = rounds(ROUND, |repeats| bench.equal_steps(repeats))?;
    let rows = kernels::measure(&mut bench)?;
    let total: f64 = rows.iter().map(|row| row.seconds).sum();
    let gaps = step.best - total;
    let flops: f64 = rows.iter().map(|row| row.cost.flops).sum();
    print(&format!(
        "a step: {:.2} ms by the wall clock (the best of {ROUNDS} rounds of {}, slowest round {:.2}) = {:.2} ms in kernels by the GPU's clock \
         {} {:.2} ms of {}; {}FLOP, {:.1} GFLOP/s\n\n{}",
        step.best * 1e3,
        step.repeats,
        step.worst * 1e3,
        total * 1e3,
        if gaps < 0.0 { "-" } else { "+" },
        gaps.abs() * 1e3,
        if gaps < 0.0 {
            "what timing them one by one costs"
        } else {
            "gaps"
        },
        prefixed(flops),
        flops / step.best / 1e9,
        kernels::header(),
    ))?;
    print(&rows.iter().map(|row| row.text(&ceilings, total)).collect::<String>())?;
    print(&format!("\n{}", kernels::legend(&rows, &ceilings)))?;
    let list: Vec<_> = rows.iter().map(|row: &Row| row.json(&ceilings)).collect();
    let line = json!({
        "version": env!("CARGO_PKG_VERSION"), "preset": name, "batch": bench.batch(),
        "adapter": adapter.name, "backend": adapter.backend.to_string(), "driver": adapter.driver_info,
        "ceilings": ceilings.json(),
        "step": {
            "ms": rounded(step.best * 1e3), "ms_slowest": rounded(step.worst * 1e3), "kernels_ms": rounded(total * 1e3),
            "gaps_ms": rounded(gaps * 1e3), "gflop": rounded(flops / 1e9),
            "images_per_s": rounded(bench.batch() as f64 / step.best),
        },
        "kernels": list,
    });
    print(&format!("{line}\n"))?;
    // Last: where it fails, what was measured is out.
    match picture {
        Some(path) => roofline::write(path, &format!("{name} on {}", adapter.name), &ceilings, &rows),
        None => Ok(()),
    }
}
