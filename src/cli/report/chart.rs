//! A chart as SVG within a page: in the page's colours of text, its lines in those that are set there.

use crate::cli::sheet::KINDS;
use crate::cli::sheet::paint::hex;
use ijepa::{Error, Result};
use plotters::prelude::*;

/// Values beyond this have no place on an axis: already the span between two of them may be infinite.
const MOST: f64 = 1e300;

/// Whether a value has a place in a chart.
pub fn drawable(value: f64) -> bool {
    value.abs() <= MOST
}

/// One line of a chart.
pub struct Line {
    pub name: String,
    /// Step and value.
    pub points: Vec<(f64, f64)>,
    /// What is compared with: a thin line.
    pub thin: bool,
}

impl Line {
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Line {
        Line {
            name: name.into(),
            points: points.into_iter().filter(|point| drawable(point.1)).collect(),
            thin: false,
        }
    }

    /// A level from the chart's beginning to `end`.
    pub fn level(name: impl Into<String>, value: f64, end: f64) -> Line {
        Line {
            thin: true,
            ..Line::new(name, [(0.0, value), (end, value)])
        }
    }
}

/// More points than this would only thicken a line: each shown one is the mean of its share of the steps.
const MOST_POINTS: usize = 300;
/// Of so few each is marked: a single one makes no line.
const FEW: usize = 20;
const SIZE: (u32, u32) = (560, 300);
/// What stands for the page's colour of text until the chart is done.
const INK: RGBColor = RGBColor(1, 2, 3);

/// Lines over steps; `None` where there is nothing to draw. The vertical axis begins at 0 where `from_zero`.
pub fn chart(what: &str, lines: &[Line], from_zero: bool) -> Result<Option<String>> {
    over("step", what, lines, from_zero)
}

/// The same over what the horizontal axis counts.
pub fn over(axis: &str, what: &str, lines: &[Line], from_zero: bool) -> Result<Option<String>> {
    let lines: Vec<Line> = lines
        .iter()
        .map(thinned)
        .filter(|line| !line.points.is_empty())
        .collect();
    if lines.iter().all(|line| line.thin) {
        return Ok(None);
    }
    let values = || lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let last = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.0)
        .fold(1.0, f64::max);
    let (low, high) = (
        values().fold(f64::INFINITY, f64::min),
        values().fold(f64::NEG_INFINITY, f64::max),
    );
    let low = if from_zero { low.min(0.0) } else { low };
    let room = match high > low {
        true => (high - low) * 0.06,
        false => high.abs().max(1e-6) * 0.5,
    };
    let bottom = if from_zero && low == 0.0 { 0.0 } else { low - room };
    let mut text = String::new();
    draw(&mut text, (axis, what), &lines, last, (bottom, high + room))
        .map_err(|e| Error::run(format!("the chart \"{what}\" could not be drawn: {e}")))?;
    let mut text = text.replace("#010203", "currentColor");
    for (i, colour) in KINDS.iter().enumerate() {
        text = text.replace(&hex(*colour).to_uppercase(), &format!("var(--k{i})"));
    }
    let inside = text.split_once('>').map_or("", |(_, inside)| inside);
    let (width, height) = SIZE;
    Ok(Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" \
         aria-label=\"{}\">{inside}",
        crate::cli::html::escaped(what)
    )))
}

fn draw(
    text: &mut String,
    (axis, what): (&str, &str),
    lines: &[Line],
    last: f64,
    values: (f64, f64),
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
    let span = values.1 - values.0;
    let digits = |value: &f64| match value.abs() {
        0.0 => "0".to_string(),
        _ if span < 0.01 => format!("{value:.1e}"),
        _ if span < 0.5 => format!("{value:.3}"),
        _ if span < 5.0 => format!("{value:.2}"),
        _ if span < 1e6 => format!("{value:.0}"),
        _ => format!("{value:.1e}"),
    };
    let mut chart = ChartBuilder::on(&root)
        .caption(what, font(17))
        .margin(6)
        .margin_right(16)
        .x_label_area_size(34)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..last, values.0..values.1)?;
    chart
        .configure_mesh()
        .x_desc(axis)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&digits)
        .label_style(font(13))
        .axis_style(INK.mix(0.5))
        .bold_line_style(INK.mix(0.12))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (i, line) in lines.iter().enumerate() {
        let [r, g, b] = KINDS[i % KINDS.len()];
        let width = if line.thin { 1 } else { 2 };
        let style = RGBColor(r, g, b).stroke_width(width);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        if !line.thin && line.points.len() <= FEW {
            let dots = line.points.iter().map(|&point| Circle::new(point, 3, style.filled()));
            chart.draw_series(dots)?;
        }
    }
    if lines.len() > 1 {
        // In the corner at the right that the lines leave free.
        let late = || {
            lines
                .iter()
                .flat_map(|line| &line.points)
                .filter(|point| point.0 > 0.65 * last)
        };
        let above = late().filter(|point| point.1 > values.1 - 0.3 * span).count();
        let below = late().filter(|point| point.1 < values.0 + 0.3 * span).count();
        let position = match above > below {
            true => SeriesLabelPosition::LowerRight,
            false => SeriesLabelPosition::UpperRight,
        };
        chart
            .configure_series_labels()
            .position(position)
            .label_font(font(13))
            .background_style(TRANSPARENT)
            .border_style(TRANSPARENT)
            .draw()?;
    }
    root.present()?;
    Ok(())
}

fn thinned(line: &Line) -> Line {
    let share = line.points.len().div_ceil(MOST_POINTS).max(1);
    let mean = |part: &[(f64, f64)]| {
        let n = part.len() as f64;
        (
            part.iter().map(|p| p.0).sum::<f64>() / n,
            part.iter().map(|p| p.1).sum::<f64>() / n,
        )
    };
    Line {
        name: line.name.clone(),
        points: line.points.chunks(share).map(mean).collect(),
        thin: line.thin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_well_formed_and_takes_the_pages_colours() {
        let line = |name: &str| Line::new(name, (0..1000).map(|i| (i as f64, (i as f64).sqrt())));
        let lines = [line("a <b> & \"c\""), Line::level("level", 3.0, 999.0)];
        let text = chart("loss & more", &lines, true).unwrap().unwrap();
        resvg::usvg::roxmltree::Document::parse(&text).unwrap();
        for part in ["var(--k0)", "var(--k1)", "currentColor", "&lt;b&gt;"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("#010203") && text.len() < 40_000);
        // Nothing that can be drawn, and one value alone.
        assert_eq!(chart("none", &[line("x")][..0], true).unwrap(), None);
        assert_eq!(chart("none", &[Line::new("x", [(1.0, f64::NAN)])], true).unwrap(), None);
        let one = chart("one", &[Line::new("x", [(1.0, 2.0)])], false).unwrap().unwrap();
        assert!(one.contains("<circle") && !text.contains("<circle"), "{one}");
    }

    #[test]
    fn values_without_a_place_on_an_axis_are_not_drawn() {
        let wild = |size: f64| Line::new("x", [(1.0, size), (2.0, -size), (3.0, f64::INFINITY)]);
        assert_eq!(chart("wild", &[wild(1e308)], true).unwrap(), None);
        let text = chart("large", &[wild(1e300)], true).unwrap().unwrap();
        assert!(text.contains("e300") && text.len() < 40_000, "{text}");
    }
}
