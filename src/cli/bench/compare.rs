//! Two measurements side by side: what changed by more than the noise.

use super::super::{escaped, print};
use ijepa::{Error, Result, ordinary};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A time with the slowest of its rounds: its noise.
type Range = (f64, f64);

/// Prints what became slower or faster from `a` to `b`: ranges of rounds that don't touch.
pub fn run(paths: &[PathBuf]) -> Result<()> {
    let [a, b] = paths else {
        return Err(Error::usage(
            "--compare takes two files, written by `ijepa bench > FILE`",
        ));
    };
    print(&text(&read(a)?, &read(b)?))
}

/// More bytes than any measurement has.
const MOST_BYTES: u64 = 16 << 20;
/// More than any number in one, and milliseconds that no clock tells.
const MOST: f64 = 1e12;
const LEAST: f64 = 1e-9;
/// What makes a measurement.
const MAKE: &str = "make one with `ijepa bench --preset nano > FILE`";

/// The last line of what `ijepa bench` printed: one whose texts and numbers are all there.
pub fn read(path: &Path) -> Result<Value> {
    let show = path.display();
    let text = ordinary::text(path, MOST_BYTES)
        .map_err(|e| Error::usage(format!("{show} can't be read: {e}; {MAKE}, in UTF-8")))?;
    let line = text.trim_end().lines().last().unwrap_or_default();
    let line = line.trim_start_matches('\u{feff}'); // where a shell writes it
    let value = serde_json::from_str(line).unwrap_or(Value::Null);
    match wrong(&value) {
        None => Ok(value),
        Some(wrong) => Err(Error::usage(format!("{show} {wrong}: {MAKE}"))),
    }
}

/// Why this is no measurement of a step and its kernels.
fn wrong(value: &Value) -> Option<String> {
    if !value["kernels"].is_array() || !value["step"]["ms"].is_number() {
        let only = [
            ("losses", "--step"),
            ("tokens", "--attention"),
            ("m", "--matmul"),
            ("cols", "--rows"),
        ];
        let only = only
            .iter()
            .find(|(key, _)| !value[key].is_null() && value["adapter"].is_string());
        return Some(match only {
            Some((_, option)) => {
                format!("is a measurement with {option}, and one without is wanted, which has all kernels in it")
            }
            None => "does not end with the JSON line of `ijepa bench`".to_string(),
        });
    }
    let number = |of: &Value, key: &str| of[key].as_f64().is_some_and(|number| (0.0..MOST).contains(&number));
    let time =
        |of: &Value| number(of, "ms") && number(of, "ms_slowest") && range(of).0 >= LEAST && range(of).1 >= range(of).0;
    let row = |row: &Value| {
        ["kernel", "shapes"].iter().all(|key| row[key].is_string())
            && ["times", "gflops", "gb_s"].iter().all(|key| number(row, key))
            && time(row)
    };
    let kernels = value["kernels"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut seen = HashSet::new();
    let at = match kernels
        .iter()
        .position(|kernel| !row(kernel) || !seen.insert(key(kernel)))
    {
        _ if !["preset", "adapter"].iter().all(|key| value[key].is_string()) => "preset or adapter".to_string(),
        _ if value["batch"].as_u64().is_none_or(|batch| batch == 0) => "batch".to_string(),
        _ if !time(&value["step"]) => "step".to_string(),
        _ if kernels.is_empty() => "kernels".to_string(),
        Some(wrong) => format!("kernel {}", wrong + 1),
        None => return None,
    };
    Some(format!("is no whole measurement (see its {at})"))
}

/// What a row of kernels is known by: there is one of each.
fn key(row: &Value) -> (&str, &str) {
    let of = |name: &str| row[name].as_str().unwrap_or_default();
    (of("kernel"), of("shapes"))
}

/// A measurement's ceilings, arithmetic's and memory's, GFLOP/s and GB/s, where it has them.
fn ceilings(value: &Value) -> Option<[f64; 2]> {
    let of = |key: &str| {
        value["ceilings"][key]
            .as_f64()
            .filter(|rate| (1e-3..MOST).contains(rate))
    };
    Some([of("gflops")?, of("gb_s")?])
}

/// What is to be said where the same adapter had other ceilings in another measurement: other work ran, or its clock changed.
pub fn unsteady(a: &Value, b: &Value) -> Option<String> {
    let [of_a, of_b] = [ceilings(a)?, ceilings(b)?];
    let apart = |i: usize| (of_a[i] / of_b[i]).max(of_b[i] / of_a[i]) > STEADY;
    (a["adapter"] == b["adapter"] && (apart(0) || apart(1))).then(|| {
        format!(
            "the machine was not steady: its ceilings were {:.1} GFLOP/s and {:.1} GB/s, then {:.1} and {:.1}; measure again, in turn",
            of_a[0], of_a[1], of_b[0], of_b[1]
        )
    })
}

/// Ceilings that differ by more belong to another machine, or to one that does something else, too.
const STEADY: f64 = 1.15;

/// A text of a measurement, of which a terminal takes nothing for a command.
pub fn word(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn range(value: &Value) -> Range {
    let of = |key: &str| value[key].as_f64().unwrap_or(f64::NAN);
    (of("ms"), of("ms_slowest"))
}

/// Do the ranges say that it changed?
fn changed(a: Range, b: Range) -> bool {
    a.1 < b.0 || b.1 < a.0
}

fn line(name: &str, a: Range, b: Range) -> String {
    let change = 100.0 * (b.0 / a.0 - 1.0);
    let verdict = match (changed(a, b), b.0 > a.0) {
        (false, _) => "within noise",
        (true, true) => "slower",
        (true, false) => "faster",
    };
    format!(
        "{:>9.3}–{:<9.3} {:>9.3}–{:<9.3} {change:>+7.1}%  {verdict:<12}  {name}\n",
        a.0, a.1, b.0, b.1
    )
}

fn text(a: &Value, b: &Value) -> String {
    let head = |value: &Value| {
        let [preset, adapter] = ["preset", "adapter"].map(|key| word(&value[key]));
        format!("{preset} of {} on {adapter}", value["batch"])
    };
    let mut text = format!("A: {}\nB: {}\n", head(a), head(b));
    if head(a) != head(b) {
        text += "these are not measurements of the same thing: read the rows with care\n";
    }
    text += &unsteady(a, b).map(|said| said + "\n").unwrap_or_default();
    text += &format!("\n{:>19} {:>19} {:>8}\n", "A, ms", "B, ms", "change");
    text += &line("the whole step", range(&a["step"]), range(&b["step"]));
    let name = |row: &Value| format!("{} {}", word(&row["kernel"]), word(&row["shapes"]));
    let [before, after] = [a, b].map(|value| value["kernels"].as_array().map(Vec::as_slice).unwrap_or_default());
    let [old_rows, new_rows]: [HashMap<_, &Value>; 2] =
        [before, after].map(|rows| rows.iter().map(|row| (key(row), row)).collect());
    let mut same = 0;
    for old in before {
        match new_rows.get(&key(old)) {
            Some(new) if changed(range(old), range(new)) => text += &line(&name(old), range(old), range(new)),
            Some(_) => same += 1,
            None => text += &format!("only in A: {}, {:.3} ms\n", name(old), range(old).0),
        }
    }
    for new in after.iter().filter(|new| !old_rows.contains_key(&key(new))) {
        text += &format!("only in B: {}, {:.3} ms\n", name(new), range(new).0);
    }
    text + &format!("{same} kernels are within noise\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changed_beyond_the_noise_is_named() {
        let with = |ms: f64, slowest: f64, extra: &str| {
            json!({
                "preset": "nano", "batch": 32, "adapter": "x", "step": {"ms": 10.0, "ms_slowest": 12.0},
                "kernels": [
                    {"kernel": "matmul", "shapes": "1x2", "ms": ms, "ms_slowest": slowest},
                    {"kernel": "gelu", "shapes": "1x2", "ms": 1.0, "ms_slowest": 2.0},
                    {"kernel": extra, "shapes": "", "ms": 1.0, "ms_slowest": 1.0},
                ],
            })
        };
        let text = text(&with(4.0, 5.0, "old"), &with(6.0, 7.0, "new"));
        assert!(text.contains("within noise  the whole step"), "{text}");
        assert!(text.contains("+50.0%  slower        matmul 1x2"), "{text}");
        assert!(
            text.contains("only in A: old") && text.contains("only in B: new"),
            "{text}"
        );
        assert!(
            text.contains("1 kernels are within noise") && !text.contains("gelu"),
            "{text}"
        );
        assert!(!text.contains("not measurements of the same thing"), "{text}");
    }

    #[test]
    fn a_machine_that_was_not_steady_is_said() {
        let of = |adapter: &str, gflops: f64, gbs: f64| json!({"adapter": adapter, "ceilings": {"gflops": gflops, "gb_s": gbs}});
        let here = of("x", 100.0, 10.0);
        assert!(unsteady(&here, &of("x", 110.0, 9.5)).is_none());
        assert!(
            unsteady(&here, &of("y", 50.0, 10.0)).is_none(),
            "another adapter may have others"
        );
        assert!(unsteady(&here, &json!({"adapter": "x"})).is_none());
        for other in [of("x", 50.0, 10.0), of("x", 100.0, 20.0)] {
            assert!(
                unsteady(&here, &other)
                    .unwrap()
                    .contains("not steady: its ceilings were 100.0 GFLOP/s")
            );
        }
    }
}
