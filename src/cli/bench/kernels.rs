//! Where the time of a step goes: every dispatch of some equal steps by the GPU's clock, summed by kernel and shape, beside
//! the ceiling that binds it.

use super::ceilings::{Ceilings, ON_UNITS};
use super::step::Bench;
use super::timing::rounded;
use ijepa::Result;
use ijepa::gpu::{Cost, Label, Timed};
use ijepa::ops::matmul::EPILOGUES;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Steps that are timed, after one that makes the pipelines.
const STEPS: usize = 5;

/// All dispatches of one kernel on one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub kernel: String,
    pub shapes: String,
    /// Of a step.
    pub dispatches: usize,
    /// Of a step, in the fastest and in the slowest of the timed ones.
    pub seconds: f64,
    pub slowest: f64,
    pub cost: Cost,
}

/// Times steps on one batch; the dearest row first.
pub fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    bench.equal_steps(1)?;
    bench.net.start_timing()?;
    let mut steps = vec![];
    for _ in 0..STEPS {
        bench.equal_steps(1)?;
        steps.push(pollster::block_on(bench.net.times())?);
    }
    Ok(rows(steps))
}

impl Row {
    pub fn gflops(&self) -> f64 {
        self.cost.flops / self.seconds / 1e9
    }

    pub fn gbs(&self) -> f64 {
        self.cost.bytes / self.seconds / 1e9
    }

    /// The ceiling that binds it, arithmetic (in shaders or on matrix units) or memory, and its share of that.
    pub fn bound(&self, ceilings: &Ceilings) -> (&'static str, f64) {
        let (name, ceiling) = match ceilings.units_gflops {
            Some(units) if self.kernel.starts_with(ON_UNITS) => ("units", units),
            _ => ("arithmetic", ceilings.gflops),
        };
        let (arithmetic, memory) = (self.gflops() / ceiling, self.gbs() / ceilings.gbs);
        match arithmetic >= memory {
            true => (name, arithmetic),
            false => ("memory", memory),
        }
    }

    pub fn text(&self, ceilings: &Ceilings, total: f64) -> String {
        let (bound, share) = self.bound(ceilings);
        format!(
            "{:>5.1}% {:>9.3} {:>6} {:>8.1} {:>7.2} {:>4.0}% {bound:<10}  {:<40} {}\n",
            100.0 * self.seconds / total,
            self.seconds * 1e3,
            self.dispatches,
            self.gflops(),
            self.gbs(),
            100.0 * share,
            self.kernel,
            self.shapes
        )
    }

    pub fn json(&self, ceilings: &Ceilings) -> Value {
        let (bound, share) = self.bound(ceilings);
        json!({
            "kernel": self.kernel, "shapes": self.shapes, "times": self.dispatches, "ms": self.seconds * 1e3,
            "ms_slowest": self.slowest * 1e3, "gflops": rounded(self.gflops()), "gb_s": rounded(self.gbs()),
            "bound": bound, "of_ceiling": rounded(share),
        })
    }
}

/// What stands over the rows.
pub fn header() -> String {
    format!(
        "{:>6} {:>9} {:>6} {:>8} {:>7} {:>5} {:<10}  {:<40} shapes\n",
        "share", "ms", "times", "GFLOP/s", "GB/s", "of", "ceiling", "kernel",
    )
}

/// The dispatches of equal steps, summed within each.
fn rows(steps: Vec<Vec<Timed>>) -> Vec<Row> {
    let mut all: BTreeMap<(String, String), Row> = BTreeMap::new();
    for step in steps {
        let mut sums: BTreeMap<(String, String), (usize, f64, Cost)> = BTreeMap::new();
        for Timed { label, seconds } in step {
            let sum = sums.entry((kernel(&label), shapes(&label))).or_default();
            sum.0 += 1;
            sum.1 += seconds;
            sum.2 += label.cost;
        }
        for ((kernel, shapes), (dispatches, seconds, cost)) in sums {
            let row = all.entry((kernel.clone(), shapes.clone())).or_insert(Row {
                kernel,
                shapes,
                dispatches,
                seconds,
                slowest: seconds,
                cost,
            });
            row.seconds = row.seconds.min(seconds);
            row.slowest = row.slowest.max(seconds);
        }
    }
    let mut rows: Vec<Row> = all.into_values().collect();
    // A clock that is too coarse for a kernel gives 0: nothing is divided by that.
    rows.iter_mut().for_each(|row| row.seconds = row.seconds.max(1e-9));
    rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    rows
}

/// The shader with what its operands are stored as, and its constants that are not 0; lanes are the same in all.
fn kernel(label: &Label) -> String {
    let of = |bits: &str| label.shared.iter().any(|word| word.starts_with(&format!("{bits}+")));
    let bits = ["bf16", "f16"].into_iter().find(|bits| of(bits));
    let name = bits.map_or(label.kernel.to_string(), |bits| format!("{} {bits}", label.kernel));
    let constants = label
        .constants
        .iter()
        .filter(|(name, value)| *value != 0 && *name != "LANES");
    constants.fold(name, |text, (name, value)| match (*name, *value) {
        ("FORM", 1) => text + " NT",
        ("FORM", 2) => text + " TN",
        ("EPILOGUE", value) if (value as usize) < EPILOGUES.len() => text + " " + EPILOGUES[value as usize],
        ("TAIL" | "AFFINE" | "ADD" | "EMA" | "BYTES" | "LATE" | "SCALED", _) => format!("{text} {name}"),
        _ => format!("{text} {name}={value}"),
    })
}

/// What the words behind a kernel's name mean.
const WORDS: [(&str, &str); 12] = [
    ("NT", "A times the transpose of B"),
    ("TN", "the transpose of A times B"),
    ("kept", "what GELU is given is written, too, for its gradient"),
    ("GELU'", "the derivative of GELU"),
    ("LATE", "sums are stored, then read again and finished (bias, GELU ...)"),
    ("ADD", "added to what the output holds"),
    ("TAIL", "sizes are no multiple of what a lane takes at once"),
    ("AFFINE", "with weight and bias"),
    ("EMA", "the target encoder follows in the same pass"),
    ("BYTES", "images come as bytes, and are normalised on the way"),
    ("SCALED", "by a factor that brings gradients into the range of 16 bits"),
    ("X=n", "what the kernel was compiled for: sizes, tiles, a lane's part"),
];

/// What stands below the rows: the words that occur in them, and how a share can be above one.
pub fn legend(rows: &[Row], ceilings: &Ceilings) -> String {
    let occurs = |word: &str| {
        let is = |part: &str| match word {
            "X=n" => part.contains('='),
            _ => part.trim_start_matches(['+', '*']) == word,
        };
        rows.iter().any(|row| row.kernel.split(' ').skip(1).any(is))
    };
    let words = WORDS.iter().filter(|(word, _)| occurs(word));
    let mut text: String = words.map(|(word, means)| format!("  {word:<6}  {means}\n")).collect();
    let quicker = "the machine was quicker than when its ceiling was measured";
    for (bound, why) in [
        (
            "memory",
            "its data stay in caches, and those of the copy that measures the ceiling don't",
        ),
        ("arithmetic", quicker),
        ("units", quicker),
    ] {
        // Below, the table says 100 %.
        let above = |row: &Row| row.bound(ceilings).0 == bound && row.bound(ceilings).1 >= 1.005;
        if rows.iter().any(above) {
            text += &format!("  a kernel above 100 % of {bound}: {why}\n");
        }
    }
    text
}

/// The first two tensors that are read and the first that is written, in words of 4 bytes: `2048x96 288x96 -> 2048x288`.
fn shapes(label: &Label) -> String {
    let show = |&[rows, cols]: &[usize; 2]| format!("{rows}x{cols}");
    let read: Vec<String> = label.shapes[..label.output].iter().take(2).map(show).collect();
    let written = label.shapes.get(label.output).map(show).unwrap_or_default();
    format!("{} -> {written}", read.join(" ")).trim_start().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILINGS: Ceilings = Ceilings {
        gflops: 100.0,
        units_gflops: Some(1000.0),
        gbs: 10.0,
        dispatch_us: 1.0,
        submit_us: 1.0,
        upload_gbs: 1.0,
        readback_gbs: 1.0,
    };

    fn timed(form: u32, rows: usize, seconds: f64) -> Timed {
        let label = Label {
            kernel: "matmul_any",
            constants: vec![("FORM", form), ("EPILOGUE", 3), ("LANES", 8)],
            shared: vec!["item_scalar", "operands_f32"],
            shapes: vec![[rows, 96], [288, 96], [1, 288], [rows, 288], [1, 1]],
            output: 3,
            cost: Cost::new(rows as f64, 1.0),
        };
        Timed { label, seconds }
    }

    #[test]
    fn dispatches_are_summed_by_kernel_and_shape_and_the_dearest_comes_first() {
        let rows = rows(vec![
            vec![
                timed(1, 64, 0.5),
                timed(0, 64, 0.1),
                timed(1, 64, 0.25),
                timed(1, 8, 2.0),
            ],
            vec![
                timed(1, 64, 0.5),
                timed(0, 64, 0.2),
                timed(1, 64, 0.5),
                timed(1, 8, 1.0),
            ],
        ]);
        let short: Vec<(&str, &str, usize, f64, f64)> = rows
            .iter()
            .map(|row| {
                (
                    row.kernel.as_str(),
                    row.shapes.as_str(),
                    row.dispatches,
                    row.seconds,
                    row.slowest,
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                ("matmul_any NT +bias +residual", "8x96 288x96 -> 8x288", 1, 1.0, 2.0),
                ("matmul_any NT +bias +residual", "64x96 288x96 -> 64x288", 2, 0.75, 1.0),
                ("matmul_any +bias +residual", "64x96 288x96 -> 64x288", 1, 0.1, 0.2),
            ]
        );
        assert_eq!(rows[1].cost.flops, 128.0);
    }

    #[test]
    fn the_ceiling_that_binds_is_the_one_that_is_nearer() {
        let row_of = |kernel: &str, flops: f64, bytes: f64| Row {
            kernel: kernel.to_string(),
            shapes: String::new(),
            dispatches: 1,
            seconds: 1.0,
            slowest: 1.0,
            cost: Cost { flops, bytes },
        };
        let row = |flops: f64, bytes: f64| row_of("matmul_tile f16", flops, bytes);
        let on_units = row_of("matmul_fragments f16", 500e9, 1e9);
        assert_eq!(on_units.bound(&CEILINGS), ("units", 0.5));
        assert_eq!(row(50e9, 1e9).bound(&CEILINGS), ("arithmetic", 0.5));
        assert_eq!(row(1e9, 8e9).bound(&CEILINGS), ("memory", 0.8));
        // Said where the table shows 101 % and more, and nowhere else.
        assert_eq!(legend(&[row(1e9, 10.04e9)], &CEILINGS), "");
        let above = legend(&[row(1e9, 11e9), row(1e9, 12e9)], &CEILINGS);
        assert!(
            above.starts_with("  a kernel above 100 % of memory: its data stay in caches"),
            "{above}"
        );
        assert_eq!(above.lines().count(), 1, "{above}");
        assert!(legend(&[row(150e9, 1e9)], &CEILINGS).contains("100 % of arithmetic"));
    }

    /// Each word that a kernel may have but for its sizes is explained, or is plain; and only those that occur.
    #[test]
    fn words_behind_a_kernels_name_are_explained() {
        let label = |constants: Vec<(&'static str, u32)>| Label {
            constants,
            ..timed(0, 1, 0.0).label
        };
        for (constants, name, words) in [
            (vec![("FORM", 0), ("EPILOGUE", 0), ("LATE", 0)], "matmul_any", vec![]),
            (
                vec![("FORM", 1), ("EPILOGUE", 6), ("LATE", 1)],
                "matmul_any NT +bias GELU LATE",
                vec!["NT", "LATE"],
            ),
            (
                vec![("FORM", 2), ("EPILOGUE", 5), ("FIXED_N", 384)],
                "matmul_any TN ADD FIXED_N=384",
                vec!["TN", "ADD", "X=n"],
            ),
            (vec![("EPILOGUE", 4)], "matmul_any *GELU'", vec!["GELU'"]),
            (vec![("EPILOGUE", 7)], "matmul_any EPILOGUE=7", vec!["X=n"]),
        ] {
            let timed = Timed {
                label: label(constants),
                seconds: 1.0,
            };
            let rows = rows(vec![vec![timed]]);
            assert_eq!(rows[0].kernel, name);
            let legend = legend(&rows, &CEILINGS);
            let explained: Vec<&str> = legend.lines().filter_map(|line| line.split(' ').nth(2)).collect();
            assert_eq!(explained, words, "{legend}");
        }
    }
}
