//! A picture of the loss over the steps, as SVG.

use super::folder::{at, replaced};
use crate::{Error, Result};
use plotters::prelude::*;
use std::path::{Path, PathBuf};

/// One line of the picture: its name and its value after each step (step, value).
pub struct Series<'a> {
    pub name: &'a str,
    pub points: &'a [(u64, f64)],
}

/// More points than this would only thicken the line: each shown point is the mean of its share of the steps.
const MOST_POINTS: usize = 400;
const SIZE: (u32, u32) = (800, 480);

/// The curves in one picture. Values that are not finite are left out.
///
/// Errors: run, where the drawing itself fails.
pub fn svg(title: &str, series: &[Series]) -> Result<String> {
    let lines: Vec<Vec<(f64, f64)>> = series.iter().map(|s| thinned(s.points)).collect();
    let all = || lines.iter().flatten();
    let last = all().map(|p| p.0).fold(1.0, f64::max);
    let top = all().map(|p| p.1).fold(0.0, f64::max);
    let bottom = all().map(|p| p.1).fold(0.0, f64::min);
    // A run without one finite value still gets its axes.
    let top = if top > bottom { top * 1.05 } else { bottom + 1.0 };
    let mut text = String::new();
    draw(&mut text, title, series, lines, last, bottom..top)
        .map_err(|e| Error::run(format!("the picture \"{title}\" could not be drawn: {e}")))?;
    Ok(text)
}

fn draw(
    text: &mut String,
    title: &str,
    series: &[Series],
    lines: Vec<Vec<(f64, f64)>>,
    last: f64,
    values: std::ops::Range<f64>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..last, values)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .label_style(("sans-serif", 17))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (i, (one, line)) in series.iter().zip(lines).enumerate() {
        let color = Palette99::pick(i).to_rgba();
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)))?
            .label(one.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .label_font(("sans-serif", 17))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}

fn thinned(points: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let finite: Vec<(f64, f64)> = points
        .iter()
        .map(|p| (p.0 as f64, p.1))
        .filter(|p| p.1.is_finite())
        .collect();
    let share = finite.len().div_ceil(MOST_POINTS).max(1);
    let mean = |chunk: &[(f64, f64)]| {
        let n = chunk.len() as f64;
        (
            chunk.iter().map(|p| p.0).sum::<f64>() / n,
            chunk.iter().map(|p| p.1).sum::<f64>() / n,
        )
    };
    finite.chunks(share).map(mean).collect()
}

/// The loss after each step as an SVG, from the run's CSV.
pub fn loss_picture(folder: &Path, tag: &str) -> Result<PathBuf> {
    let path = folder.join(format!("{tag}_r0.csv"));
    let text = std::fs::read_to_string(&path).map_err(at(&path))?;
    let column = |index: usize| -> Vec<(u64, f64)> {
        let rows = text.lines().skip(1).enumerate();
        rows.filter_map(|(i, row)| Some((i as u64 + 1, row.split(',').nth(index)?.parse().ok()?)))
            .collect()
    };
    let (loss, regularizer) = (column(2), column(6));
    let mut series = vec![Series {
        name: "smooth-L1 loss",
        points: &loss,
    }];
    if !regularizer.is_empty() {
        series.push(Series {
            name: "regularizer",
            points: &regularizer,
        });
    }
    let picture = svg("Loss", &series)?;
    replaced(folder, "loss.svg", picture.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever has the picture open, or another name for it, keeps the one that was.
    #[test]
    fn a_new_picture_takes_the_place_of_the_old_one_whole() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("jepa_r0.csv"), "epoch,itr,loss\n1,0,0.5\n1,1,0.4\n").unwrap();
        std::fs::write(at("loss.svg"), "old").unwrap();
        std::fs::hard_link(at("loss.svg"), at("held.svg")).unwrap();
        loss_picture(place.path(), "jepa").unwrap();
        assert_eq!(std::fs::read_to_string(at("held.svg")).unwrap(), "old");
        assert!(
            std::fs::read_to_string(at("loss.svg"))
                .unwrap()
                .contains("smooth-L1 loss")
        );
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 3);
    }
}
