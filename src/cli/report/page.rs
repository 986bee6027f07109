//! The frame of a report: one HTML file without scripts and without a network, in light and in dark, on paper, too.

use crate::cli::html::shown;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Tells a report of ours from another file.
const MADE_BY: &str = concat!("ijepa ", env!("CARGO_PKG_VERSION"), " report");

/// Whether a page that begins so is a report, of this version of the program or of another.
pub fn is_ours(start: &str) -> bool {
    let made_by = start.split_once("<meta name=\"generator\" content=\"ijepa ");
    let version = made_by.and_then(|(_, rest)| rest.split_once('"')?.0.strip_suffix(" report"));
    version.is_some_and(|version| !version.is_empty() && !version.contains(char::is_whitespace))
}

/// Nothing is fetched and nothing runs, whatever names or settings may hold.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

const STYLE: &str = "
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1b1f; --faint: #5d5d66; --line: #d9d9e0; --card: #f5f5f8;
  --good: #00734f; --bad: #b03a00; --k0: #0072b2; --k1: #c47f00; --k2: #009e73; --k3: #b5588f; --k4: #3a9ad9; --k5: #d55e00;
  --k6: #a99a00; --k7: #6e6e6e; }
@media (prefers-color-scheme: dark) { :root { --ground: #16161a; --ink: #e8e8ec; --faint: #a3a3ad; --line: #3a3a42;
  --card: #212127; --good: #3fd0a0; --bad: #ff9a62; --k0: #56b4e9; --k1: #e69f00; --k2: #2cc79a; --k3: #dc97be; --k4: #8fd0f5;
  --k5: #ff8a3c; --k6: #f0e442; --k7: #b0b0b0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .3rem 0 .7rem; max-width: 62rem; }
.faint { color: var(--faint); }
.good { color: var(--good); } .bad { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .7rem; margin: 1rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.3rem; line-height: 1.3; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem; }
svg { display: block; max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
.warn { border-left: 4px solid var(--bad); background: var(--card); padding: .5rem .9rem; margin: .5rem 0; border-radius: .2rem; }
table { border-collapse: collapse; margin: .6rem 0; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; min-width: 4.5rem; }
.numbers td:not(:first-child), .numbers th:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums; }
.settings { columns: 2 26rem; column-gap: 2.5rem; font-size: .87rem; }
.settings div { display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid var(--line); break-inside: avoid; }
.settings span:last-child { text-align: right; overflow-wrap: anywhere; }
.set { font-weight: 650; }
code { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: .9em; overflow-wrap: anywhere; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
.bar { display: inline-block; height: .75em; background: var(--k0); vertical-align: baseline; }
@media print {
  :root { color-scheme: light; --ground: #fff; --ink: #000; --faint: #444; --line: #bbb; --card: #f6f6f6; --good: #00734f;
    --bad: #b03a00; --k0: #0072b2; --k1: #c47f00; --k2: #009e73; --k3: #b5588f; --k4: #3a9ad9; --k5: #d55e00; --k7: #6e6e6e; }
  body { padding: 0; max-width: none; font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2, h3 { break-after: avoid; }
  .charts { grid-template-columns: 1fr 1fr; }
  figure, .tile, tr, .charts > * { break-inside: avoid; }
}
figure { margin: .6rem 0; }
@page { margin: 14mm; }
";

/// The whole file.
pub fn page(title: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(MADE_BY);
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    shown(&page.into_string())
}

/// A picture that this program has drawn.
pub fn figure(svg: &str) -> Markup {
    html! { figure .wide { (PreEscaped(svg)) } }
}

/// Charts side by side, those that there are.
pub fn charts(charts: &[Option<String>]) -> Markup {
    html! {
        div .charts {
            @for svg in charts.iter().flatten() { figure { (PreEscaped(svg)) } }
        }
    }
}

/// A number with what it is.
pub fn tile(name: &str, value: &str, more: &str) -> Markup {
    html! {
        div .tile {
            span .faint { (name) }
            b { (value) }
            @if !more.is_empty() { span .faint { (more) } }
        }
    }
}

/// A list of sentences.
pub fn list(items: &[String]) -> Markup {
    html! { ul { @for item in items { li { (item) } } } }
}

/// Seconds as people say them.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..120 => format!("{whole} s"),
        120..7200 => format!("{} min", (seconds / 60.0).round()),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_every_version_are_known() {
        let ours = page("a title", html! {}).chars().take(1000).collect::<String>();
        assert!(is_ours(&ours));
        assert!(is_ours(&ours.replace(MADE_BY, "ijepa 12.0.0-rc.1 report")));
        for other in ["ijepa 1.0 page", "ijepa report", "another 1.0 report"] {
            assert!(!is_ours(&ours.replace(MADE_BY, other)), "{other}");
        }
        assert!(!is_ours("<h1>ijepa 0.1.0 report</h1>"));
    }
}
