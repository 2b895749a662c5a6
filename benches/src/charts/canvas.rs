//! What both charts are made of.
//!
//! They have no background, and colours that can be read on a light and on a dark one, because a
//! picture does not always learn which of the two its page has.

use svg::node::element::{Description, Group, Line, Style, Text, Title};
use svg::{Document, Node};

pub(super) const TEXT: &str = "#747981";
pub(super) const LINKABLE: &str = "#1f7ae0";

pub(super) const WIDTH: f64 = 840.0;
pub(super) const MARGIN: f64 = 8.0;
/// Above the panels: title, unit, and a legend or the names of the panels.
pub(super) const HEAD: f64 = 88.0;
/// Below them: the machine.
pub(super) const FOOT: f64 = 36.0;
/// Between two panels.
const GAP: f64 = 20.0;

/// What a chart says in words.
pub(super) struct Texts<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    pub(super) machine: &'a str,
}

/// A chart that is being drawn.
pub(super) struct Canvas {
    document: Document,
    drawn: Group,
}

impl Canvas {
    pub(super) fn new(height: f64, texts: &Texts<'_>) -> Self {
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
            .add(Title::new(texts.title))
            .add(Description::new().add(svg::node::Text::new(texts.unit)))
            .add(Style::new(style));
        let drawn = Group::new()
            .add(text((MARGIN, 20.0), texts.title).set("class", "title"))
            .add(text((MARGIN, 40.0), texts.unit))
            .add(text((MARGIN, height - 10.0), texts.machine).set("class", "small"));
        Self { document, drawn }
    }

    pub(super) fn add(&mut self, node: impl Into<Box<dyn Node>>) {
        self.drawn.append(node);
    }

    pub(super) fn finish(self) -> String {
        format!("{}\n", self.document.add(self.drawn))
    }
}

/// Where panels are, and how wide, if labels are to the left of them.
pub(super) fn panels(labels: f64, number: usize) -> impl Iterator<Item = (f64, f64)> {
    let gaps = GAP * count(number - 1);
    let width = ((WIDTH - MARGIN - labels - gaps) / count(number)).floor();
    (0..number).map(move |panel| (labels + (width + GAP) * count(panel), width))
}

pub(super) fn text((x, y): (f64, f64), content: &str) -> Text {
    Text::new(content).set("x", round(x)).set("y", round(y))
}

/// A thin line, for axes.
pub(super) fn line(from: (f64, f64), to: (f64, f64)) -> Line {
    Line::new()
        .set("x1", round(from.0))
        .set("y1", round(from.1))
        .set("x2", round(to.0))
        .set("y2", round(to.1))
        .set("stroke", TEXT)
        .set("stroke-opacity", 0.35)
}

/// A tenth of a pixel is enough.
pub(super) fn round(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for color in [TEXT, LINKABLE] {
            for ground in grounds {
                let mut both = [luminance(color), luminance(ground)];
                both.sort_by(f64::total_cmp);
                let contrast = (both[1] + 0.05) / (both[0] + 0.05);
                assert!(contrast >= 4.0, "{color} on {ground}: {contrast}");
            }
        }
    }
}
