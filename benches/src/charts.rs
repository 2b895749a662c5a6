//! The two charts, as SVG.
//!
//! They have no background, and colours that can be read on a light and on a dark one: a picture on
//! a page does not always learn which of the two the page has.

use std::io;

use svg::node::element::{
    Circle, Description, Group, Line, Polyline, Rectangle, Style, Text, Title,
};
use svg::{Document, Node};

use crate::groups::{batch, crowds, thousands, titles};
use crate::machine::Machine;
use crate::methods::{bare, ours, peers};
use crate::results::{times, Measured};
use crate::summary::microseconds;

const TEXT: &str = "#747981";
const LINKABLE: &str = "#1f7ae0";
const PEER: &str = "#c2570c";

const WIDTH: f64 = 840.0;
const MARGIN: f64 = 8.0;
/// Between two panels.
const GAP: f64 = 20.0;
/// Above the panels: title, unit, legend or names.
const HEAD: f64 = 88.0;
/// Below them: the machine.
const FOOT: f64 = 36.0;

/// Many durable files: a row for each method, a panel for each file system.
pub fn batch(results: &[Measured], machine: &Machine) -> io::Result<String> {
    const FILE_SYSTEMS: [&str; 3] = ["ext4", "xfs", "btrfs"];
    const LABELS: f64 = 256.0;
    const ROW: f64 = 30.0;
    const BAR: f64 = 16.0;
    /// For the figure behind the longest bar.
    const FIGURE: f64 = 48.0;
    let rows = [
        ("linkable, one batch", ours::BATCH.name, LINKABLE),
        ("system calls alone, one syncfs", bare::BATCH.name, TEXT),
        ("linkable, one by one", ours::REPLACE_DURABLE.name, LINKABLE),
        (
            "tempfile, synced by the caller",
            peers::TEMPFILE_DURABLE.name,
            TEXT,
        ),
        ("cap-std-ext", peers::CAP_STD_EXT.name, TEXT),
        ("atomic-write-file", peers::ATOMIC_WRITE_FILE.name, TEXT),
    ];
    let panels = FILE_SYSTEMS
        .map(|file_system| {
            rows.iter()
                .map(|(_, method, _)| {
                    Ok(times(results, file_system, titles::BATCH, method)?[0].value)
                })
                .collect::<io::Result<Vec<_>>>()
        })
        .into_iter()
        .collect::<io::Result<Vec<_>>>()?;
    let longest = panels.iter().flatten().copied().fold(0.0, f64::max);

    let height = HEAD + ROW * count(rows.len()) + FOOT;
    let mut chart = Chart::new(
        height,
        &format!("{} files, all durable", thousands(batch::FILES)),
        "Microseconds for each file of 16 KiB, contents and name synced. Shorter is faster.",
        machine,
    );
    let top = |row: usize| HEAD + ROW * count(row);
    for (row, (label, _, color)) in rows.iter().enumerate() {
        let weight = if *color == LINKABLE { "strong" } else { "" };
        let at = (LABELS - 10.0, top(row) + BAR - 3.5);
        chart.add(
            text(at, label)
                .set("text-anchor", "end")
                .set("class", weight),
        );
    }
    let width = panel_width(LABELS, FILE_SYSTEMS.len());
    for (index, (file_system, values)) in FILE_SYSTEMS.iter().zip(&panels).enumerate() {
        let left = LABELS + (width + GAP) * count(index);
        chart.add(text((left, HEAD - 14.0), file_system).set("class", "strong"));
        for (row, (value, (_, _, color))) in values.iter().zip(&rows).enumerate() {
            let length = (width - FIGURE) * value / longest;
            let bar = Rectangle::new()
                .set("x", left)
                .set("y", top(row))
                .set("width", round(length))
                .set("height", BAR)
                .set("fill", *color);
            let figure = text(
                (left + length + 6.0, top(row) + BAR - 3.5),
                &microseconds(*value),
            );
            chart.add(bar);
            chart.add(figure);
        }
        let axis = line(
            (left, HEAD - 4.0),
            (left, top(rows.len()) - ROW + BAR + 4.0),
        );
        chart.add(axis);
    }
    Ok(chart.finish())
}

/// Threads that share a directory: a line for each method, a panel for each file system.
pub fn threads(results: &[Measured], machine: &Machine) -> io::Result<String> {
    const FILE_SYSTEMS: [&str; 4] = ["tmpfs", "ext4", "xfs", "btrfs"];
    const LABELS: f64 = 40.0;
    const PLOT: f64 = 200.0;
    const BELOW: f64 = 64.0;
    let lines = [
        ("system calls alone", bare::PUBLISH.name, TEXT),
        ("tempfile", peers::TEMPFILE_NOCLOBBER.name, PEER),
        ("linkable", ours::PUBLISH.name, LINKABLE),
    ];
    let panels = FILE_SYSTEMS
        .map(|file_system| {
            lines
                .iter()
                .map(|(_, method, _)| {
                    let mut times = times(results, file_system, titles::THREADS, method)?;
                    // The other cases have a directory for each thread.
                    times.truncate(crowds::THREADS.len());
                    Ok(times.iter().map(|time| time.value * 1e6).collect())
                })
                .collect::<io::Result<Vec<Vec<f64>>>>()
        })
        .into_iter()
        .collect::<io::Result<Vec<_>>>()?;
    let highest = panels
        .iter()
        .flatten()
        .flatten()
        .copied()
        .fold(0.0, f64::max);
    let step = step(highest);
    let ticks = (highest / step).ceil();

    let mut chart = Chart::new(
        HEAD + PLOT + BELOW + FOOT,
        "New files from several threads in one directory, not synced",
        "Elapsed microseconds divided by the number of files of 4 KiB. Lower is faster.",
        machine,
    );
    let mut left = MARGIN;
    for (name, _, color) in lines.iter().rev() {
        chart.add(stroke(line((left, 58.0), (left + 24.0, 58.0)), color));
        chart.add(marker((left + 12.0, 58.0), color));
        chart.add(text((left + 32.0, 62.5), name));
        left += 64.0 + 7.0 * count(name.len());
    }
    let height = |value: f64| HEAD + 14.0 + PLOT - PLOT * value / (step * ticks);
    let width = panel_width(LABELS, FILE_SYSTEMS.len());
    let mut tick = 0.0;
    while tick <= ticks {
        let value = tick * step;
        let at = (LABELS - 8.0, height(value) + 4.5);
        chart.add(text(at, &value.to_string()).set("text-anchor", "end"));
        tick += 1.0;
    }
    for (index, (file_system, values)) in FILE_SYSTEMS.iter().zip(&panels).enumerate() {
        let left = LABELS + (width + GAP) * count(index);
        chart.add(text((left, HEAD), file_system).set("class", "strong"));
        let mut tick = 0.0;
        while tick <= ticks {
            let y = height(tick * step);
            chart.add(line((left, y), (left + width, y)));
            tick += 1.0;
        }
        let pitch = width / count(crowds::THREADS.len());
        let x = |case: usize| left + pitch * (count(case) + 0.5);
        for (case, threads) in crowds::THREADS.iter().enumerate() {
            let at = (x(case), height(0.0) + 18.0);
            chart.add(text(at, &threads.to_string()).set("text-anchor", "middle"));
        }
        for (values, (_, _, color)) in values.iter().zip(&lines) {
            let points = values.iter().enumerate();
            let points: Vec<_> = points
                .map(|(case, value)| (round(x(case)), round(height(*value))))
                .collect();
            let joined = points.iter().map(|(x, y)| format!("{x},{y}"));
            let joined = joined.collect::<Vec<_>>().join(" ");
            let line = Polyline::new().set("points", joined).set("fill", "none");
            chart.add(stroke(line, color));
            for point in points {
                chart.add(marker(point, color));
            }
        }
    }
    let middle = LABELS + (WIDTH - MARGIN - LABELS) / 2.0;
    let at = (middle, height(0.0) + 40.0);
    chart.add(text(at, "threads").set("text-anchor", "middle"));
    Ok(chart.finish())
}

/// A chart with title, unit and machine.
struct Chart {
    document: Document,
    all: Group,
}

impl Chart {
    fn new(height: f64, title: &str, unit: &str, machine: &Machine) -> Self {
        let style = format!(
            "text {{ font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; \
             fill: {TEXT} }} .title {{ font-size: 16px; font-weight: 600 }} \
             .strong {{ font-weight: 600 }} .small {{ font-size: 11px }}"
        );
        let document = Document::new()
            .set("viewBox", (0, 0, WIDTH, height))
            .set("width", WIDTH)
            .set("height", height)
            .set("role", "img")
            .add(Title::new(title))
            .add(Description::new().add(svg::node::Text::new(unit)))
            .add(Style::new(style));
        let mut chart = Self {
            document,
            all: Group::new(),
        };
        chart.add(text((MARGIN, 20.0), title).set("class", "title"));
        chart.add(text((MARGIN, 40.0), unit));
        let foot = text((MARGIN, height - 10.0), &machine.line());
        chart.add(foot.set("class", "small"));
        chart
    }

    fn add(&mut self, node: impl Into<Box<dyn Node>>) {
        self.all.append(node);
    }

    fn finish(self) -> String {
        format!("{}\n", self.document.add(self.all))
    }
}

fn panel_width(labels: f64, panels: usize) -> f64 {
    let gaps = GAP * count(panels - 1);
    ((WIDTH - MARGIN - labels - gaps) / count(panels)).floor()
}

fn text((x, y): (f64, f64), content: &str) -> Text {
    Text::new(content).set("x", round(x)).set("y", round(y))
}

/// A thin line, for axes.
fn line(from: (f64, f64), to: (f64, f64)) -> Line {
    Line::new()
        .set("x1", round(from.0))
        .set("y1", round(from.1))
        .set("x2", round(to.0))
        .set("y2", round(to.1))
        .set("stroke", TEXT)
        .set("stroke-opacity", 0.35)
}

/// Makes a line one of data.
fn stroke<T: Node>(mut line: T, color: &str) -> T {
    line.assign("stroke", color);
    line.assign("stroke-opacity", 1);
    line.assign("stroke-width", if color == LINKABLE { 2.5 } else { 2.0 });
    if color == TEXT {
        line.assign("stroke-dasharray", "5 4");
    }
    line
}

fn marker((x, y): (f64, f64), color: &str) -> Box<dyn Node> {
    if color == PEER {
        let square = Rectangle::new()
            .set("x", round(x - 4.0))
            .set("y", round(y - 4.0))
            .set("width", 8)
            .set("height", 8);
        return Box::new(square.set("fill", color));
    }
    let radius = if color == LINKABLE { 4.0 } else { 2.5 };
    let circle = Circle::new()
        .set("cx", round(x))
        .set("cy", round(y))
        .set("r", radius);
    Box::new(circle.set("fill", color))
}

/// A distance between ticks that gives three to six of them.
fn step(highest: f64) -> f64 {
    let decade = 10_f64.powf(highest.log10().floor());
    let steps = [0.2, 0.5, 1.0, 2.0].map(|step| step * decade);
    let fits = |step: &&f64| highest / **step <= 5.0;
    *steps.iter().find(fits).unwrap_or(&decade)
}

/// A tenth of a pixel is enough.
fn round(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

#[allow(clippy::cast_precision_loss)]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Method;
    use crate::race::Times;
    use crate::results::Table;

    /// By the rule of the Web Content Accessibility Guidelines.
    fn luminance(color: &str) -> f64 {
        let linear = |at: usize| {
            let value = u8::from_str_radix(&color[at..at + 2], 16).unwrap();
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(1) + 0.7152 * linear(3) + 0.0722 * linear(5)
    }

    #[test]
    fn colors_can_be_read_on_light_and_dark() {
        // GitHub's and docs.rs's pages.
        let grounds = ["#ffffff", "#0d1117", "#000000"];
        for color in [TEXT, LINKABLE, PEER] {
            for ground in grounds {
                let mut both = [luminance(color), luminance(ground)];
                both.sort_by(f64::total_cmp);
                let contrast = (both[1] + 0.05) / (both[0] + 0.05);
                assert!(contrast >= 4.0, "{color} on {ground}: {contrast}");
            }
        }
    }

    /// Every method takes as many microseconds as the case has letters.
    fn results(file_systems: &[&str]) -> Vec<Measured> {
        let table = |title, methods: &[Method<()>], cases: &[&str]| {
            let table = Table::new(title, String::new(), methods);
            cases.iter().fold(table, |table, case| {
                let times = vec![vec![1e-6 * count(case.len())]; methods.len()];
                table.with((*case).to_owned(), &Times::from(times), 0)
            })
        };
        let one = [
            ours::PUBLISH.guarantee(),
            bare::PUBLISH.guarantee(),
            peers::TEMPFILE_NOCLOBBER.guarantee(),
        ];
        let many = [
            ours::BATCH.guarantee(),
            bare::BATCH.guarantee(),
            ours::REPLACE_DURABLE.guarantee(),
            peers::TEMPFILE_DURABLE.guarantee(),
            peers::CAP_STD_EXT.guarantee(),
            peers::ATOMIC_WRITE_FILE.guarantee(),
        ];
        let tables = || {
            vec![
                table(
                    titles::THREADS,
                    &one,
                    &["a", "ab", "abc", "ab", "a", "other"],
                ),
                table(titles::BATCH, &many, &["four"]),
            ]
        };
        let measured = |file_system: &&str| Measured {
            file_system: (*file_system).to_owned(),
            tables: tables(),
        };
        file_systems.iter().map(measured).collect()
    }

    #[test]
    fn charts_show_their_unit_figures_and_machine() {
        let machine = Machine::this().unwrap();
        let results = results(&["tmpfs", "ext4", "xfs", "btrfs"]);
        let (batch, threads) = (batch(&results, &machine), threads(&results, &machine));
        for chart in [batch.unwrap(), threads.unwrap()] {
            assert!(chart.contains("icroseconds"));
            assert!(chart.contains(&machine.date));
        }
    }

    #[test]
    fn a_chart_without_all_figures_is_refused() {
        let machine = Machine::this().unwrap();
        let results = results(&["tmpfs", "ext4", "xfs"]);
        assert!(batch(&results, &machine).is_err());
        assert!(threads(&results, &machine).is_err());
    }

    #[test]
    fn an_axis_has_three_to_six_ticks() {
        for highest in [0.9, 1.0, 4.2, 9.9, 10.0, 10.1, 54.6, 99.0, 100.0, 1_234.0] {
            let ticks = (highest / step(highest)).ceil();
            assert!((2.0..=5.0).contains(&ticks), "{highest}: {ticks}");
        }
    }
}
