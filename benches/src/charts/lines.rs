//! A chart with a line for each method, and a panel for each file system.

use svg::node::element::{Circle, Polyline, Rectangle};
use svg::Node;

use super::canvas::{
    count, line, panels, round, text, Canvas, Texts, FOOT, HEAD, LINKABLE, MARGIN, PEER, TEXT,
    WIDTH,
};
use super::Panel;

/// The width of the figures on the left.
const LABELS: f64 = 40.0;
/// The height of a panel, and of what is below it.
const PLOT: f64 = 200.0;
const BELOW: f64 = 58.0;
const LEGEND: f64 = 58.0;

/// A method.
pub(super) struct Series {
    pub(super) label: &'static str,
    pub(super) method: &'static str,
    pub(super) color: &'static str,
}

/// Draws the figures of all file systems to one scale.
pub(super) fn draw(
    texts: &Texts<'_>,
    (axis, cases): (&str, &[String]),
    series: &[Series],
    file_systems: &[Panel<Vec<f64>>],
) -> String {
    let mut canvas = Canvas::new(HEAD + PLOT + BELOW + FOOT, texts);
    legend(&mut canvas, series);

    let figures = file_systems.iter().flat_map(|(_, lines)| lines).flatten();
    let ticks = ticks(figures.copied().fold(0.0, f64::max));
    let bottom = HEAD + PLOT + 14.0;
    let y = |figure: f64| bottom - PLOT * figure / ticks[ticks.len() - 1];
    for tick in &ticks {
        let at = (LABELS - 8.0, y(*tick) + 4.5);
        canvas.add(text(at, &tick.to_string()).set("text-anchor", "end"));
    }
    let middle = LABELS + (WIDTH - MARGIN - LABELS) / 2.0;
    canvas.add(text((middle, bottom + 40.0), axis).set("text-anchor", "middle"));

    for ((file_system, lines), (left, width)) in
        file_systems.iter().zip(panels(LABELS, file_systems.len()))
    {
        canvas.add(text((left, HEAD), file_system).set("class", "strong"));
        for tick in &ticks {
            canvas.add(line((left, y(*tick)), (left + width, y(*tick))));
        }
        let x = |case: usize| left + width / count(cases.len()) * (count(case) + 0.5);
        for (number, case) in cases.iter().enumerate() {
            let at = (x(number), bottom + 18.0);
            canvas.add(text(at, case).set("text-anchor", "middle"));
        }
        for (figures, series) in lines.iter().zip(series).rev() {
            let figures = figures.iter().enumerate();
            let points: Vec<_> = figures
                .map(|(case, figure)| (x(case), y(*figure)))
                .collect();
            canvas.add(curve(&points, series.color));
            for point in points {
                canvas.add(marker(point, series.color));
            }
        }
    }
    canvas.finish()
}

fn legend(canvas: &mut Canvas, series: &[Series]) {
    let mut left = MARGIN;
    for Series { label, color, .. } in series {
        canvas.add(curve(&[(left, LEGEND), (left + 24.0, LEGEND)], color));
        canvas.add(marker((left + 12.0, LEGEND), color));
        canvas.add(text((left + 34.0, LEGEND + 4.5), label));
        left += 64.0 + 7.0 * count(label.len());
    }
}

fn curve(points: &[(f64, f64)], color: &'static str) -> Polyline {
    let joined = points.iter();
    let joined = joined.map(|(x, y)| format!("{},{}", round(*x), round(*y)));
    let line = Polyline::new()
        .set("points", joined.collect::<Vec<_>>().join(" "))
        .set("fill", "none")
        .set("stroke", color)
        .set("stroke-width", if color == LINKABLE { 2.5 } else { 2.0 });
    if color == TEXT {
        return line.set("stroke-dasharray", "5 4");
    }
    line
}

/// A dot, or a square, so that colours are not all that differs.
fn marker((x, y): (f64, f64), color: &'static str) -> Box<dyn Node> {
    if color == PEER {
        let square = Rectangle::new()
            .set("x", round(x - 4.0))
            .set("y", round(y - 4.0))
            .set("width", 8)
            .set("height", 8);
        return Box::new(square.set("fill", color));
    }
    let circle = Circle::new().set("cx", round(x)).set("cy", round(y));
    let radius = if color == LINKABLE { 4.0 } else { 2.5 };
    Box::new(circle.set("r", radius).set("fill", color))
}

/// Round figures from 0 to `highest` or just above, three to six of them.
fn ticks(highest: f64) -> Vec<f64> {
    let decade = 10_f64.powf(highest.log10().floor());
    let steps = [0.2, 0.5, 1.0].map(|step| step * decade);
    let step = steps.into_iter().find(|step| highest / step <= 5.0);
    let step = step.unwrap_or(2.0 * decade);
    let mut ticks = vec![0.0];
    while ticks[ticks.len() - 1] < highest {
        ticks.push(count(ticks.len()) * step);
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_three_to_six_ticks() {
        for highest in [0.9, 1.0, 4.2, 9.9, 10.0, 10.1, 54.6, 99.0, 100.0, 1_234.0] {
            let ticks = ticks(highest);
            assert!((3..=6).contains(&ticks.len()), "{highest}: {ticks:?}");
            assert!(ticks[ticks.len() - 1] >= highest, "{highest}: {ticks:?}");
        }
    }
}
