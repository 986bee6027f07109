//! The roofline picture: each kernel's rate over its operations a byte, below the lines that memory and arithmetic draw.

use super::super::write;
use super::ceilings::Ceilings;
use super::kernels::Row;
use ijepa::{Error, Result};
use plotters::prelude::*;
use std::path::Path;

const WIDTH: u32 = 900;
/// Without what is named below it.
const CHART: u32 = 560;
/// A line of names.
const LINE: u32 = 16;
/// Characters of one at most: in wide fonts some are 8 pixels wide.
const MOST_CHARS: usize = 105;
/// By which a picture of ours is known, whatever is drawn.
const MARK: &str = "<!-- roofline by ijepa bench -->";
/// Kernels that are numbered and named: the dearest.
const NAMED: usize = 10;
/// Less of a step than this is not shown.
const LEAST_SHARE: f64 = 1e-3;
const SEEN: RGBColor = RGBColor(29, 79, 145);
const ROOF: RGBColor = RGBColor(180, 71, 15);

const OTHER: &str = "choose another file";

/// Refuses a place where nothing can be written, and one where there is anything but such a picture.
pub fn possible(path: &Path) -> Result<()> {
    replaceable(path)?;
    write::possible(path, OTHER)
}

fn replaceable(path: &Path) -> Result<()> {
    write::only_over(path, "picture of `ijepa bench --svg`", is_ours, OTHER)
}

fn is_ours(file: &[u8]) -> bool {
    file.starts_with(b"<svg ") && file.trim_ascii_end().ends_with(format!("{MARK}\n</svg>").as_bytes())
}

/// Writes an SVG of all rows with arithmetic in them; an area grows with its share of the step.
pub fn write(path: &Path, title: &str, ceilings: &Ceilings, rows: &[Row]) -> Result<()> {
    write::whole_where(path, svg(title, ceilings, rows)?.as_bytes(), &|| replaceable(path))
}

fn svg(title: &str, ceilings: &Ceilings, rows: &[Row]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, title, ceilings, rows)
        .map_err(|e| Error::run(format!("the roofline picture could not be drawn: {e}")))?;
    let end = text.rfind("</svg>").unwrap_or(text.len());
    text.insert_str(end, &format!("{MARK}\n"));
    Ok(text)
}

fn draw(
    text: &mut String,
    title: &str,
    ceilings: &Ceilings,
    rows: &[Row],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let intensity = |row: &Row| row.cost.flops / row.cost.bytes;
    let total: f64 = rows.iter().map(|row| row.seconds).sum();
    let seen = |row: &&Row| row.cost.flops > 0.0 && row.cost.bytes > 0.0 && row.seconds >= LEAST_SHARE * total;
    let shown: Vec<&Row> = rows.iter().filter(seen).collect();
    // Of arithmetic in shaders; and of matrix units, where there are some.
    let mut tops = vec![(ceilings.gflops, "")];
    tops.extend(ceilings.units_gflops.map(|rate| (rate, " of f16 on matrix units")));
    let highest = tops.iter().map(|top| top.0).fold(0.0, f64::max);
    let least = shown.iter().map(|row| intensity(row)).fold(0.25, f64::min) / 2.0;
    let most = shown.iter().map(|row| intensity(row)).fold(64.0, f64::max) * 4.0;
    let low = shown.iter().map(|row| row.gflops()).fold(ceilings.gflops, f64::min) / 2.0;

    let named = NAMED.min(shown.len());
    let size = (WIDTH, CHART + LINE * named as u32 + 14);
    let root = SVGBackend::with_string(text, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (above, names) = root.split_vertically(CHART);
    let mut chart = ChartBuilder::on(&above)
        .caption(title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((least..most).log_scale(), (low..highest * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("operations for each byte of memory")
        .y_desc("GFLOP/s")
        .light_line_style(WHITE)
        .draw()?;
    let steps = 64;
    let xs = (0..=steps).map(|i| least * (most / least).powf(f64::from(i) / f64::from(steps)));
    let words = |words: String, at: (f64, f64), color: RGBColor| {
        Text::new(words, at, ("sans-serif", 12).into_font().color(&color))
    };
    for (top, of) in tops {
        let roof = xs.clone().map(|x| (x, (x * ceilings.gbs).min(top)));
        chart.draw_series(LineSeries::new(roof, ROOF.stroke_width(2)))?;
        let label = format!("{top:.1} GFLOP/s{of}, {:.1} GB/s", ceilings.gbs);
        // The units' at the other end: where both are nearly as quick, they would lie on each other.
        let x = if of.is_empty() {
            least * 1.1
        } else {
            (least * most).sqrt()
        };
        chart.draw_series([words(label, (x, top * 1.5), ROOF)])?;
    }
    for row in &shown {
        let size = (2.0 + 24.0 * (row.seconds / total).sqrt()) as i32;
        let at = (intensity(row), row.gflops());
        chart.draw_series([Circle::new(at, size, SEEN.mix(0.45).filled())])?;
    }
    let small = ("sans-serif", 12).into_font();
    for (i, row) in shown.iter().take(NAMED).enumerate() {
        let at = (intensity(row) * 1.12, row.gflops());
        chart.draw_series([words((i + 1).to_string(), at, BLACK)])?;
        let share = 100.0 * row.seconds / total;
        let mut name = format!("{:>2}  {share:.1} %  {} {}", i + 1, row.kernel, row.shapes);
        if let Some((end, _)) = name.char_indices().nth(MOST_CHARS) {
            name.replace_range(end.., "…");
        }
        names.draw(&Text::new(name, (64, LINE as i32 * i as i32), small.clone()))?;
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ijepa::gpu::Cost;

    #[test]
    fn a_picture_holds_all_that_it_names_and_is_known_again() {
        let ceilings = Ceilings {
            gflops: 100.0,
            units_gflops: Some(800.0),
            gbs: 10.0,
            dispatch_us: 1.0,
            submit_us: 1.0,
            upload_gbs: 1.0,
            readback_gbs: 1.0,
        };
        let row = |i: usize| Row {
            kernel: "attention_broadcast_backward DIM=16 TOKENS=64".repeat(1 + i % 3),
            shapes: "2048x1152 2048x384 -> 2048x1152".to_string(),
            dispatches: 1,
            seconds: 0.1 * i as f64,
            slowest: 1.0,
            cost: Cost::new(1e9 * i as f64, 1e9),
        };
        let rows: Vec<Row> = (1..13).map(row).collect();
        let svg = svg("a title", &ceilings, &rows).unwrap();
        let mut names = 0;
        for text in svg.split("<text ").skip(1) {
            let number = |name: &str| -> f64 {
                let after = text.split_once(&format!("{name}=\"")).unwrap().1;
                after.split('"').next().unwrap().parse().unwrap()
            };
            let (x, y) = (number("x"), number("y"));
            let words = text.split_once('>').unwrap().1.split('<').next().unwrap().trim();
            if words.contains(" %  ") {
                names += 1;
                let wide = words.chars().count() as f64 * 7.5;
                assert!(x + wide < f64::from(WIDTH) && y >= f64::from(CHART), "{text}");
                assert!(y + 12.0 < f64::from(CHART + 14 + LINE * NAMED as u32), "{text}");
            }
        }
        assert_eq!(names, NAMED, "{svg}");
        assert!(is_ours(svg.as_bytes()));
        assert!(!is_ours(svg.replace(MARK, "").as_bytes()) && !is_ours(MARK.as_bytes()) && !is_ours(b""));
    }
}
