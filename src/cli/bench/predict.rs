//! What a step should take on an adapter with other ceilings: cost and dispatches of each kernel, as measured here, and the
//! share of its ceiling that each kernel reaches.

use super::super::print;
use super::ceilings::ON_UNITS;
use super::compare::{read, unsteady, word};
use ijepa::{Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An adapter, as far as a prediction looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// f32 products and sums a second.
    flops: f64,
    /// The same of f16 on matrix units; f32's where it has none.
    units: f64,
    /// Bytes a second.
    bandwidth: f64,
    /// Seconds of one more dispatch.
    dispatch: f64,
}

/// What `--predict` takes: an adapter, or the one that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Where {
    Same,
    Machine(Machine),
}

/// `flops=82e12,bandwidth=2e12,units=160e12,dispatch=4e-6`, or `same`.
pub fn machine(text: &str) -> Result<Where, String> {
    if text == "same" {
        return Ok(Where::Same);
    }
    let wrong = || {
        "write flops=F,bandwidth=B and, if known, units=U and dispatch=S (a second's operations and bytes, those of f16 on \
         matrix units, seconds of a dispatch; such as flops=82e12,bandwidth=1e12,dispatch=4e-6; the rates from 1e6 to 1e21, \
         the seconds at most 1), or same"
            .to_string()
    };
    let mut values = BTreeMap::new();
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(wrong)?;
        let value: f64 = value.trim().parse().ok().ok_or_else(wrong)?;
        let key = key.trim();
        // Beyond these the answer is no time at all.
        let there_is = match key {
            "flops" | "bandwidth" | "units" => (1e6..=1e21).contains(&value),
            "dispatch" => (0.0..=1.0).contains(&value),
            _ => false,
        };
        if !there_is || values.insert(key, value).is_some() {
            return Err(wrong());
        }
    }
    let get = |key: &str| values.get(key).copied();
    let flops = get("flops").ok_or_else(wrong)?;
    Ok(Where::Machine(Machine {
        flops,
        units: get("units").unwrap_or(flops),
        bandwidth: get("bandwidth").ok_or_else(wrong)?,
        dispatch: get("dispatch").unwrap_or(5e-6),
    }))
}

/// A kernel on one shape, from a measurement's JSON.
struct Row {
    /// The shader.
    kernel: String,
    /// What it does beside; without sizes that it was compiled for, which are other ones at other shapes.
    words: Vec<String>,
    dispatches: f64,
    seconds: f64,
    flops: f64,
    bytes: f64,
}

impl Row {
    fn of(value: &Value) -> Row {
        let number = |key: &str| value[key].as_f64().unwrap_or(0.0);
        let seconds = number("ms") / 1e3;
        let name = word(&value["kernel"]);
        let mut words = name.split(' ').map(str::to_string);
        Row {
            kernel: words.next().unwrap_or_default(),
            words: words.filter(|word| !word.starts_with("FIXED_")).collect(),
            dispatches: number("times"),
            seconds,
            flops: number("gflops") * 1e9 * seconds,
            bytes: number("gb_s") * 1e9 * seconds,
        }
    }

    /// Seconds at the ceilings.
    fn ideal(&self, machine: &Machine) -> f64 {
        let flops = match self.kernel.as_str() {
            ON_UNITS => machine.units,
            _ => machine.flops,
        };
        (self.flops / flops).max(self.bytes / machine.bandwidth)
    }

    /// How far apart a dispatch of this and one of another are, in powers of e of their operations and bytes; one more where one
    /// does something beside that the other doesn't.
    fn distance(&self, other: &Row) -> f64 {
        let apart = |of: fn(&Row) -> f64| {
            let each = |row: &Row| of(row).max(1.0) / row.dispatches.max(1.0);
            (each(self) / each(other)).ln()
        };
        let other_words = f64::from(u8::from(self.words != other.words));
        apart(|row| row.flops).hypot(apart(|row| row.bytes)) + other_words
    }
}

fn rows(measured: &Value) -> Vec<Row> {
    let list = measured["kernels"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(Row::of).collect()
}

/// The adapter of a measurement.
fn measured_on(value: &Value, name: &Path) -> Result<Machine> {
    let of = |key: &str| value["ceilings"][key].as_f64().filter(|v| (0.0..1e12).contains(v));
    match (of("gflops"), of("gb_s"), of("dispatch_us")) {
        (Some(gflops), Some(gbs), Some(dispatch)) if gflops >= 1e-3 && gbs >= 1e-3 && dispatch <= 1e6 => Ok(Machine {
            flops: gflops * 1e9,
            units: of("units_gflops").filter(|&rate| rate >= 1e-3).unwrap_or(gflops) * 1e9,
            bandwidth: gbs * 1e9,
            dispatch: dispatch / 1e6,
        }),
        _ => Err(Error::usage(format!(
            "{} has no ceilings, or not all of them (gflops, gb_s, dispatch_us): measure again with this version",
            name.display()
        ))),
    }
}

/// What each kernel reached on each of its shapes: seconds at the ceilings, and what it took beside the cost of its dispatches.
#[derive(Default)]
struct Shares(Vec<Reached>);

struct Reached {
    row: Row,
    ideal: f64,
    work: f64,
}

impl Reached {
    fn share(&self) -> f64 {
        (self.ideal / self.work).clamp(1e-4, MOST_SHARE)
    }
}

impl Shares {
    fn add(&mut self, measured: &Value, machine: &Machine) {
        for row in rows(measured) {
            // A kernel that is all dispatch tells nothing of its share: then half of its time counts as work.
            let work = (row.seconds - row.dispatches * machine.dispatch).max(row.seconds / 2.0);
            let ideal = row.ideal(machine);
            // What costs less than the file's digits can tell says nothing.
            if ideal > 0.0 && work > 0.0 {
                self.0.push(Reached { row, ideal, work });
            }
        }
    }

    fn know(&self, row: &Row) -> bool {
        self.0.iter().any(|reached| reached.row.kernel == row.kernel)
    }

    /// What a kernel should reach: what it reached on this very shape, or else the mean (of logarithms) of what it reached on others,
    /// of which near ones count most. One that was nowhere measured goes as all others together do.
    fn of(&self, row: &Row) -> f64 {
        let same: Vec<(f64, f64)> = self
            .0
            .iter()
            .filter(|reached| reached.row.kernel == row.kernel)
            .map(|reached| (row.distance(&reached.row), reached.share().ln()))
            .collect();
        let mean = |weighed: &mut dyn Iterator<Item = (f64, f64)>| {
            let add = |sum: (f64, f64), (weight, log): (f64, f64)| (sum.0 + weight * log, sum.1 + weight);
            let (sum, weights) = weighed.fold((0.0, 0.0), add);
            (weights > 0.0).then(|| (sum / weights).exp())
        };
        let exact = |(distance, log): &(f64, f64)| (*distance < EXACT).then_some((1.0, *log));
        let near = |(distance, log): &(f64, f64)| ((distance + NEAR).powi(-2), *log);
        mean(&mut same.iter().filter_map(exact))
            .or_else(|| mean(&mut same.iter().map(near)))
            .unwrap_or_else(|| {
                let sum = |of: fn(&Reached) -> f64| self.0.iter().map(of).sum::<f64>();
                let (ideal, work) = (sum(|reached| reached.ideal), sum(|reached| reached.work));
                if work > 0.0 { ideal / work } else { 1.0 }
            })
    }
}

/// Two shapes are one: what is left is how many digits a file has.
const EXACT: f64 = 1e-3;
/// The distance within which one shape is as good as another.
const NEAR: f64 = 0.1;
/// Caches can do better than the memory that a ceiling was measured with, but not by any factor.
const MOST_SHARE: f64 = 4.0;

/// What a step should take.
#[derive(Default)]
struct Likely {
    /// Seconds at the ceilings; and of these the kernels' own, without their dispatches.
    ceiling: f64,
    ideal: f64,
    /// Kernels that were not measured elsewhere.
    unknown: Vec<String>,
    /// At the kernels' shares of them.
    seconds: f64,
    /// The kernels' shares, each over all of its shapes.
    shares: BTreeMap<String, f64>,
}

fn predict(measured: &Value, shares: &Shares, machine: &Machine) -> Likely {
    let mut likely = Likely::default();
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for row in rows(measured) {
        let (ideal, asked) = (row.ideal(machine), row.dispatches * machine.dispatch);
        let work = ideal / shares.of(&row);
        likely.ceiling += ideal + asked;
        likely.ideal += ideal;
        if !shares.know(&row) && !likely.unknown.contains(&row.kernel) {
            likely.unknown.push(row.kernel.clone());
        }
        likely.seconds += work + asked;
        let sum = sums.entry(row.kernel).or_default();
        *sum = (sum.0 + ideal, sum.1 + work);
    }
    let share = |(ideal, work): (f64, f64)| if work > 0.0 { ideal / work } else { 1.0 };
    likely.shares = sums.into_iter().map(|(kernel, sum)| (kernel, share(sum))).collect();
    likely
}

/// Prints what the step measured in `of` should take at `wanted`, with the shares that kernels reached in `from`.
pub fn run(wanted: Where, of: &Path, from: &[PathBuf]) -> Result<()> {
    let step = read(of)?;
    let mut shares = Shares::default();
    let (mut adapters, mut said) = (vec![], vec![]);
    for path in from {
        let reached = read(path)?;
        let before = shares.0.len();
        shares.add(&reached, &measured_on(&reached, path)?);
        if shares.0.len() == before {
            let text = format!("{} has kernels that cost nothing: measure again", path.display());
            return Err(Error::usage(text));
        }
        said.extend(unsteady(&step, &reached));
        let adapter = word(&reached["adapter"]);
        if !adapters.contains(&adapter) {
            adapters.push(adapter);
        }
    }
    let machine = match wanted {
        Where::Machine(machine) => machine,
        Where::Same => measured_on(&step, of)?,
    };
    let likely = predict(&step, &shares, &machine);
    if likely.ideal <= 0.0 {
        let text = format!("{} has kernels that cost nothing: measure again", of.display());
        return Err(Error::usage(text));
    }
    let batch = step["batch"].as_f64().unwrap_or(0.0);
    let took = step["step"]["ms"].as_f64().unwrap_or(f64::NAN) / 1e3;
    let mut text = format!(
        "{} of {} images, measured on {}: {:.2} ms a step\n\
         with {:.3e} operations and {:.3e} bytes a second, {:.1} us a dispatch:\n  \
         {:.3} ms ({:.0} images/s) with every kernel at its ceiling\n  \
         {:.3} ms ({:.0} images/s) with each at the share that it reached on {}\n",
        word(&step["preset"]),
        batch,
        word(&step["adapter"]),
        took * 1e3,
        machine.flops,
        machine.bandwidth,
        machine.dispatch * 1e6,
        likely.ceiling * 1e3,
        batch / likely.ceiling,
        likely.seconds * 1e3,
        batch / likely.seconds,
        adapters.join(", "),
    );
    if !likely.unknown.is_empty() {
        let names: Vec<String> = likely.unknown.iter().take(5).cloned().collect();
        text += &format!(
            "  of {} kernels the share was not measured there, and is that of all others together: {}{}\n",
            likely.unknown.len(),
            names.join(", "),
            if names.len() < likely.unknown.len() { " ..." } else { "" },
        );
    }
    for said in said {
        text += &format!("  {said}\n");
    }
    if wanted == Where::Same {
        text += &format!(
            "  measured: {:.3} ms, so the prediction is off by {:+.1} %\n",
            took * 1e3,
            100.0 * (likely.seconds / took - 1.0)
        );
    }
    let line = json!({
        "ms_at_ceilings": likely.ceiling * 1e3, "ms": likely.seconds * 1e3, "ms_measured": took * 1e3,
        "images_per_s": batch / likely.seconds, "shares": likely.shares,
    });
    print(&format!("{text}{line}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_read_and_nonsense_is_refused() {
        let want = Machine {
            flops: 82e12,
            units: 82e12,
            bandwidth: 1e12,
            dispatch: 5e-6,
        };
        assert_eq!(machine("flops=82e12,bandwidth=1e12"), Ok(Where::Machine(want)));
        let with_units = Machine { units: 160e12, ..want };
        assert_eq!(
            machine("flops=82e12,units=160e12,bandwidth=1e12"),
            Ok(Where::Machine(with_units))
        );
        let quick = Machine { dispatch: 0.0, ..want };
        assert_eq!(
            machine("bandwidth=1e12, flops=82e12,dispatch=0"),
            Ok(Where::Machine(quick))
        );
        assert_eq!(machine("same"), Ok(Where::Same));
        for text in [
            "",
            "flops=1",
            "flops=0,bandwidth=1",
            "flops=x,bandwidth=1",
            "flops=1e9,bandwidth=inf",
            "flops=1e9,flops=2e9,bandwidth=1e9",
            "flops=1e-300,bandwidth=1e9",
            "flops=1e9,bandwidth=1e9,dispatch=1e300",
            "flops=1e9,bandwidth=1e9,dispatch=-1",
            "flops=1e9,bandwidth=1e9,dispatch=nan",
            "speed=1",
        ] {
            assert!(machine(text).unwrap_err().contains("write flops=F"), "{text}");
        }
    }

    /// Two kernels at known shares, one bound by arithmetic, one by memory.
    #[test]
    fn what_was_measured_is_predicted_and_scales_with_the_ceilings() {
        let here = Machine {
            flops: 100e9,
            units: 800e9,
            bandwidth: 10e9,
            dispatch: 1e-3,
        };
        let measured = json!({"kernels": [
            {"kernel": "matmul_any NT", "times": 2, "ms": 22.0, "gflops": 1e9 / 0.022 / 1e9, "gb_s": 0.0}, // 10 of 20 ms
            {"kernel": "adamw", "times": 1, "ms": 9.0, "gflops": 0.0, "gb_s": 0.02e9 / 0.009 / 1e9}, // 2 of 8 ms
        ]});
        let mut shares = Shares::default();
        shares.add(&measured, &here);
        let likely = predict(&measured, &shares, &here);
        assert!(
            (likely.shares["matmul_any"] - 0.5).abs() < 1e-9 && (likely.shares["adamw"] - 0.25).abs() < 1e-9,
            "{:?}",
            likely.shares
        );
        assert!((likely.ceiling - 0.015).abs() < 1e-9 && (likely.seconds - 0.031).abs() < 1e-9);
        let faster = Machine {
            flops: 1000e9,
            units: 1000e9,
            bandwidth: 10e9,
            dispatch: 0.0,
        };
        assert!((predict(&measured, &shares, &faster).seconds - 0.010).abs() < 1e-9);
        // A kernel that the other measurement did not have goes as all others together do: 12 of 28 ms.
        let other = json!({"kernels": [{"kernel": "new", "times": 0, "ms": 1.0, "gflops": 1.0, "gb_s": 0.0}]});
        let want = 1e6 / 100e9 / (12.0 / 28.0);
        assert!((predict(&other, &shares, &here).seconds - want).abs() < 1e-9);
    }

    /// Shares of a narrow and of a wide network: what lies between them lies between their shares, nearer to the nearer one.
    #[test]
    fn near_shapes_count_most() {
        let here = Machine {
            flops: 1e9,
            units: 8e9,
            bandwidth: 1e9,
            dispatch: 0.0,
        };
        // 8e6 operations a dispatch at 0.2 of the ceiling, 512e6 at 0.8; the same with a bias at another one.
        let row = |name: &str, flops: f64, share: f64| {
            let seconds = flops / 1e9 / share;
            json!({"kernel": name, "times": 1, "ms": seconds * 1e3, "gflops": flops / seconds / 1e9, "gb_s": 0.0})
        };
        let mut shares = Shares::default();
        shares.add(&json!({"kernels": [row("m FIXED_N=8", 8e6, 0.2)]}), &here);
        shares.add(&json!({"kernels": [row("m FIXED_N=9", 512e6, 0.8)]}), &here);
        let of = |shares: &Shares, name: &str, flops: f64| shares.of(&Row::of(&row(name, flops, 1.0)));
        let [narrow, middle, wide] = [8e6, 64e6, 512e6].map(|flops| of(&shares, "m", flops));
        assert!(
            (narrow - 0.2).abs() < 0.01 && (wide - 0.8).abs() < 0.01,
            "{narrow} {wide}"
        );
        assert!((middle - 0.4).abs() < 0.01, "{middle}");
        let units = Row::of(&row(ON_UNITS, 8e6, 1.0));
        assert!((units.ideal(&here) - 1e-3).abs() < 1e-9);
        assert!(of(&shares, "m", 32e6) < middle);
        shares.add(&json!({"kernels": [row("m +bias", 64e6, 0.1)]}), &here);
        assert!((of(&shares, "m +bias", 64e6) - 0.1).abs() < 0.01);
        assert!((0.12..0.3).contains(&of(&shares, "m", 64e6)));
    }
}
