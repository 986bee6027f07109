//! Two measurements side by side: what changed by more than the noise.

use super::super::print;
use ijepa::{Error, Result};
use serde_json::Value;
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

/// The last line of what `ijepa bench` printed.
pub fn read(path: &Path) -> Result<Value> {
    let show = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| Error::usage(format!("{show} can't be read: {e}")))?;
    let line = text.trim_end().lines().last().unwrap_or_default();
    let value: Option<Value> = serde_json::from_str(line).ok();
    value.filter(|value| value["kernels"].is_array() && value["step"]["ms"].is_number()).ok_or_else(|| {
        Error::usage(format!("{show} does not end with the JSON line of `ijepa bench`: make it with `ijepa bench --preset nano > {show}`"))
    })
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
    let head =
        |value: &Value| format!("{} of {} on {}", value["preset"], value["batch"], value["adapter"]).replace('"', "");
    let mut text = format!("A: {}\nB: {}\n", head(a), head(b));
    if head(a) != head(b) {
        text += "these are not measurements of the same thing: read the rows with care\n";
    }
    text += &format!("\n{:>19} {:>19} {:>8}\n", "A, ms", "B, ms", "change");
    text += &line("the whole step", range(&a["step"]), range(&b["step"]));
    let key = |row: &Value| (row["kernel"].to_string(), row["shapes"].to_string());
    let list = |value: &Value| value["kernels"].as_array().cloned().unwrap_or_default();
    let (before, after) = (list(a), list(b));
    let mut same = 0;
    for old in &before {
        let name = format!("{} {}", old["kernel"], old["shapes"]).replace('"', "");
        match after.iter().find(|new| key(new) == key(old)) {
            Some(new) if changed(range(old), range(new)) => text += &line(&name, range(old), range(new)),
            Some(_) => same += 1,
            None => text += &format!("only in A: {name}, {:.3} ms\n", range(old).0),
        }
    }
    for new in after
        .iter()
        .filter(|new| !before.iter().any(|old| key(old) == key(new)))
    {
        let name = format!("{} {}", new["kernel"], new["shapes"]).replace('"', "");
        text += &format!("only in B: {name}, {:.3} ms\n", range(new).0);
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
}
