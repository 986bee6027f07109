//! The roofline picture: each kernel's rate over its operations a byte, below the lines that memory and arithmetic draw.

use super::ceilings::Ceilings;
use super::kernels::Row;
use ijepa::{Error, Result};
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 560);
/// Kernels that are numbered and named: the dearest.
const NAMED: usize = 10;
/// Less of a step than this is not shown.
const LEAST_SHARE: f64 = 1e-3;
const SEEN: RGBColor = RGBColor(29, 79, 145);
const ROOF: RGBColor = RGBColor(180, 71, 15);

/// An SVG of all rows with arithmetic in them; an area grows with its share of the step.
pub fn svg(title: &str, ceilings: &Ceilings, rows: &[Row]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, title, ceilings, rows)
        .map_err(|e| Error::run(format!("the roofline picture could not be drawn: {e}")))?;
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
    let roof = |x: f64| (x * ceilings.gbs).min(ceilings.gflops);
    let least = shown.iter().map(|row| intensity(row)).fold(0.25, f64::min) / 2.0;
    let most = shown.iter().map(|row| intensity(row)).fold(64.0, f64::max) * 4.0;
    let low = shown.iter().map(|row| row.gflops()).fold(ceilings.gflops, f64::min) / 2.0;

    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((least..most).log_scale(), (low..ceilings.gflops * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("operations for each byte of memory")
        .y_desc("GFLOP/s")
        .light_line_style(WHITE)
        .draw()?;
    let steps = 64;
    let xs = (0..=steps).map(|i| least * (most / least).powf(f64::from(i) / f64::from(steps)));
    chart.draw_series(LineSeries::new(xs.map(|x| (x, roof(x))), ROOF.stroke_width(2)))?;
    let label = format!("{:.1} GFLOP/s, {:.1} GB/s", ceilings.gflops, ceilings.gbs);
    let words = |words: String, at: (f64, f64), color: RGBColor| {
        Text::new(words, at, ("sans-serif", 12).into_font().color(&color))
    };
    chart.draw_series([words(label, (least * 1.1, ceilings.gflops * 1.5), ROOF)])?;
    for row in &shown {
        let size = (2.0 + 24.0 * (row.seconds / total).sqrt()) as i32;
        let at = (intensity(row), row.gflops());
        chart.draw_series([Circle::new(at, size, SEEN.mix(0.45).filled())])?;
    }
    let small = ("sans-serif", 12).into_font();
    for (i, row) in shown.iter().take(NAMED).enumerate() {
        let at = (intensity(row) * 1.12, row.gflops());
        chart.draw_series([words((i + 1).to_string(), at, BLACK)])?;
        // Below the roof on the right nothing is drawn.
        let share = 100.0 * row.seconds / total;
        let name = format!("{:>2}  {share:.1} %  {} {}", i + 1, row.kernel, row.shapes);
        let y = SIZE.1 as i32 - 74 - 16 * (NAMED.min(shown.len()) - i) as i32;
        root.draw(&Text::new(name, (440, y), small.clone()))?;
    }
    root.present()?;
    Ok(())
}
