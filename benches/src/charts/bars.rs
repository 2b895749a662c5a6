//! A chart with a row for each method, and a panel for each file system.

use svg::node::element::Rectangle;

use super::canvas::{count, line, panels, round, text, Canvas, Texts, FOOT, HEAD, LINKABLE};
use super::Panel;
use crate::summary::microseconds;

/// The width of the labels on the left.
const LABELS: f64 = 256.0;
const ROW: f64 = 30.0;
const BAR: f64 = 16.0;
/// From the top of a bar to the base line of its text.
const BASE_LINE: f64 = 12.5;
/// Room for the figure behind the longest bar.
const FIGURE: f64 = 48.0;

/// A method.
pub(super) struct Row {
    pub(super) label: &'static str,
    /// Of the table that it is taken from.
    pub(super) title: &'static str,
    pub(super) method: &'static str,
    pub(super) color: &'static str,
}

/// Two lengths in seconds, one upon the other.
#[derive(Clone, Copy)]
pub(super) struct Bar {
    pub(super) dark: f64,
    /// Not less than `dark`.
    pub(super) all: f64,
}

/// Draws the seconds in `panels` as microseconds.
pub(super) fn draw(texts: &Texts<'_>, rows: &[Row], file_systems: &[Panel]) -> String {
    let mut canvas = Canvas::new(HEAD + ROW * count(rows.len()) + FOOT, texts);
    let top = |row: usize| HEAD + ROW * count(row);
    for (number, row) in rows.iter().enumerate() {
        let at = (LABELS - 10.0, top(number) + BASE_LINE);
        let label = text(at, row.label).set("text-anchor", "end");
        let ours = row.color == LINKABLE;
        canvas.add(if ours {
            label.set("class", "strong")
        } else {
            label
        });
    }
    let bars = file_systems.iter().flat_map(|(_, bars)| bars);
    let longest = bars.map(|bar| bar.all).fold(0.0, f64::max);
    for ((file_system, bars), (left, width)) in
        file_systems.iter().zip(panels(LABELS, file_systems.len()))
    {
        canvas.add(text((left, HEAD - 14.0), file_system).set("class", "strong"));
        for (number, (bar, row)) in bars.iter().zip(rows).enumerate() {
            let length = |seconds: f64| (width - FIGURE) * seconds / longest;
            let rectangle = |seconds| {
                Rectangle::new()
                    .set("x", left)
                    .set("y", top(number))
                    .set("width", round(length(seconds)))
                    .set("height", BAR)
                    .set("fill", row.color)
            };
            if bar.all > bar.dark {
                canvas.add(rectangle(bar.all).set("fill-opacity", 0.4));
            }
            canvas.add(rectangle(bar.dark));
            let at = (left + length(bar.all) + 6.0, top(number) + BASE_LINE);
            canvas.add(text(at, &microseconds(bar.all)));
        }
        let bottom = top(rows.len() - 1) + BAR;
        canvas.add(line((left, HEAD - 4.0), (left, bottom + 4.0)));
    }
    canvas.finish()
}
