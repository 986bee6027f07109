//! Where the time of a step goes: every dispatch of some steps by the GPU's clock, summed by kernel and shape.

use super::super::print;
use super::step::Bench;
use super::timing::rounded;
use ijepa::Result;
use ijepa::gpu::{Cost, Label, Timed};
use std::collections::HashMap;

/// Steps that are timed, after one that makes the pipelines.
const STEPS: usize = 3;

/// All dispatches of one kernel on one shape.
struct Row {
    kernel: String,
    shapes: String,
    /// Of a step.
    dispatches: usize,
    /// Of a step, in the fastest of the timed ones.
    seconds: f64,
    cost: Cost,
}

/// Times and prints.
pub fn run(bench: &mut Bench, name: &str) -> Result<()> {
    bench.steps(1)?;
    bench.net.start_timing()?;
    let mut best: Option<Vec<Row>> = None;
    for _ in 0..STEPS {
        bench.steps(1)?;
        let rows = rows(pollster::block_on(bench.net.times())?);
        let total = |rows: &Vec<Row>| rows.iter().map(|row| row.seconds).sum::<f64>();
        if best.as_ref().is_none_or(|best| total(&rows) < total(best)) {
            best = Some(rows);
        }
    }
    let rows = best.unwrap_or_default();
    let total: f64 = rows.iter().map(|row| row.seconds).sum();
    let adapter = bench.net.gpu().info().name.clone();
    print(&format!(
        "{name}: the kernels of a training step of {} images, on {adapter}: {:.1} ms (the fastest of {STEPS} steps)\n\n\
         {:>6} {:>9} {:>6} {:>8} {:>7}  {:<44} shapes\n",
        bench.batch(),
        total * 1e3,
        "share",
        "ms",
        "times",
        "GFLOP/s",
        "GB/s",
        "kernel",
    ))?;
    let mut list = vec![];
    for row in &rows {
        let (gflops, gbs) = (row.cost.flops / row.seconds / 1e9, row.cost.bytes / row.seconds / 1e9);
        print(&format!(
            "{:>5.1}% {:>9.3} {:>6} {gflops:>8.1} {gbs:>7.2}  {:<44} {}\n",
            100.0 * row.seconds / total,
            row.seconds * 1e3,
            row.dispatches,
            row.kernel,
            row.shapes
        ))?;
        list.push(serde_json::json!({
            "kernel": row.kernel, "shapes": row.shapes, "times": row.dispatches, "ms": rounded(row.seconds * 1e3),
            "gflops": rounded(gflops), "gb_s": rounded(gbs),
        }));
    }
    let line = serde_json::json!({
        "preset": name, "batch": bench.batch(), "ms": rounded(total * 1e3), "adapter": adapter, "kernels": list,
    });
    print(&format!("{line}\n"))
}

/// One step's dispatches, summed; the dearest first.
fn rows(timed: Vec<Timed>) -> Vec<Row> {
    let mut sums: HashMap<(String, String), Row> = HashMap::new();
    for Timed { label, seconds } in timed {
        let (kernel, shapes) = (kernel(&label), shapes(&label));
        let row = sums.entry((kernel.clone(), shapes.clone())).or_insert(Row {
            kernel,
            shapes,
            dispatches: 0,
            seconds: 0.0,
            cost: Cost::default(),
        });
        row.dispatches += 1;
        row.seconds += seconds;
        row.cost += label.cost;
    }
    let mut rows: Vec<Row> = sums.into_values().collect();
    rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then_with(|| a.shapes.cmp(&b.shapes)));
    rows
}

/// The shader with its constants that are not 0; lanes are the same in all.
fn kernel(label: &Label) -> String {
    let constants = label
        .constants
        .iter()
        .filter(|(name, value)| *value != 0 && *name != "LANES");
    constants.fold(label.kernel.to_string(), |text, (name, value)| match (*name, *value) {
        ("FORM", 1) => text + " NT",
        ("FORM", 2) => text + " TN",
        ("TAIL" | "AFFINE" | "ADD" | "EMA" | "BYTES", _) => format!("{text} {name}"),
        _ => format!("{text} {name}={value}"),
    })
}

/// The first two tensors that are read and the first that is written: `2048x96 288x96 -> 2048x288`.
fn shapes(label: &Label) -> String {
    let show = |&[rows, cols]: &[usize; 2]| format!("{rows}x{cols}");
    let read: Vec<String> = label.shapes[..label.output].iter().take(2).map(show).collect();
    let written = label.shapes.get(label.output).map(show).unwrap_or_default();
    format!("{} -> {written}", read.join(" ")).trim_start().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(form: u32, rows: usize, seconds: f64) -> Timed {
        let label = Label {
            kernel: "matmul_any",
            constants: vec![("FORM", form), ("EPILOGUE", 3), ("LANES", 8)],
            shapes: vec![[rows, 96], [288, 96], [1, 288], [rows, 288], [1, 1]],
            output: 3,
            cost: Cost::new(rows as f64, 1.0),
        };
        Timed { label, seconds }
    }

    #[test]
    fn dispatches_are_summed_by_kernel_and_shape_and_the_dearest_comes_first() {
        let rows = rows(vec![
            timed(1, 64, 0.5),
            timed(0, 64, 0.1),
            timed(1, 64, 0.25),
            timed(1, 8, 1.0),
        ]);
        let short: Vec<(&str, &str, usize, f64)> = rows
            .iter()
            .map(|row| (row.kernel.as_str(), row.shapes.as_str(), row.dispatches, row.seconds))
            .collect();
        assert_eq!(
            short,
            [
                ("matmul_any NT EPILOGUE=3", "8x96 288x96 -> 8x288", 1, 1.0),
                ("matmul_any NT EPILOGUE=3", "64x96 288x96 -> 64x288", 2, 0.75),
                ("matmul_any EPILOGUE=3", "64x96 288x96 -> 64x288", 1, 0.1),
            ]
        );
        assert_eq!(rows[1].cost.flops, 128.0);
    }
}
