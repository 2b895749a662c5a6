//! The detailed tables, as Markdown.

use crate::machine::Machine;
use crate::race::Estimate;
use crate::results::{Case, Figure, Measured, Table};

/// How to read all tables.
const LEGEND: &str = "\
Times are for one file: the median, and the quartiles in brackets. A ratio is linkable's time divided \
by the other's: **below 1, linkable is faster**. It comes with the interval that holds it in 95 of 100 \
cases (bootstrap over rounds). Where a table has several rows or columns of linkable, the first is the \
one that is compared. Flushes and KiB are what reaches the disk for one file until the call returns: \
the median. The disk is a loop device, which cannot write past its cache, so one commit of a journal \
can take two flushes.";

/// The results of one file system.
#[must_use]
pub fn page(measured: &Measured, machine: &Machine) -> String {
    let head = head(&measured.file_system, "compare", machine);
    let tables: String = measured.tables.iter().map(table).collect();
    format!("{head}\n{LEGEND}\n{tables}")
}

/// Begins a page that `program` writes.
#[must_use]
pub fn head(title: &str, program: &str, machine: &Machine) -> String {
    let Machine { crates, .. } = machine;
    let line = machine.line();
    format!(
        "# {title}\n\n`{program}` writes this file, so changes to it get lost.\n\n{line}.\n\n{crates}.\n"
    )
}

/// One table with its title.
#[must_use]
pub fn table(table: &Table) -> String {
    let Table { title, effort, .. } = table;
    let rows = match &table.cases[..] {
        [only] => by_method(table, only),
        _ => by_case(table),
    };
    format!("\n## {title}\n\n{effort}.\n\n{rows}")
}

/// A row for each method.
fn by_method(table: &Table, case: &Case) -> String {
    let mut head = vec![
        "",
        "synced",
        "an existing file is",
        "a killed process leaves",
        "time",
        "ratio",
    ];
    if table.shows_tail {
        head.push("99 of 100 take at most");
    }
    let counts_disk = case.figures.iter().any(|figure| figure.disk.is_some());
    if counts_disk {
        head.extend(["flushes", "KiB to the disk"]);
    }
    let rows = table.methods.iter().zip(&case.figures);
    let rows = rows.map(|(method, figure)| {
        let mut row = vec![
            method.name.to_owned(),
            method.syncs.to_string(),
            method.taken.to_string(),
            method.litter.to_string(),
            time(figure.time),
            ratio(figure),
        ];
        if table.shows_tail {
            let (scale, unit) = scale(figure.tail);
            row.push(format!("{:.2} {unit}", figure.tail * scale));
        }
        let disk = figure.disk.map(|disk| [disk.flushes, disk.bytes / 1024.0]);
        row.extend(disk.into_iter().flatten().map(amount));
        row
    });
    grid(&head, 4, rows)
}

/// With as many digits as matter.
fn amount(amount: f64) -> String {
    match amount {
        0.0 => "0".to_owned(),
        amount if amount < 0.995 => format!("{amount:.3}"),
        amount => format!("{amount:.1}"),
    }
}

/// A row for each case. Each method has a column, and a second one if it is compared.
fn by_case(table: &Table) -> String {
    let mut head = vec![""];
    for (index, method) in table.methods.iter().enumerate() {
        head.push(method.name);
        head.extend((index > 0).then_some("ratio"));
    }
    let rows = table.cases.iter().map(|case| {
        let mut row = vec![case.name.clone()];
        for (index, figure) in case.figures.iter().enumerate() {
            row.push(time(figure.time));
            row.extend((index > 0).then(|| ratio(figure)));
        }
        row
    });
    grid(&head, 1, rows)
}

/// A table in Markdown: first some columns of text, then columns of figures.
pub fn grid<Row: AsRef<[String]>>(
    head: &[&str],
    texts: usize,
    rows: impl IntoIterator<Item = Row>,
) -> String {
    let figures = head.len() - texts;
    let mut lines = vec![
        format!("| {} |", head.join(" | ")),
        format!("|{}{}", "---|".repeat(texts), "--:|".repeat(figures)),
    ];
    let rows = rows.into_iter().map(|row| row.as_ref().join(" | "));
    lines.extend(rows.map(|row| format!("| {row} |")));
    lines.join("\n") + "\n"
}

fn ratio(figure: &Figure) -> String {
    figure.ratio.map_or_else(String::new, |ratio| {
        format!("{:.3} ({:.3}–{:.3})", ratio.value, ratio.low, ratio.high)
    })
}

fn scale(seconds: f64) -> (f64, &'static str) {
    match seconds {
        seconds if seconds < 1e-3 => (1e6, "µs"),
        seconds if seconds < 1.0 => (1e3, "ms"),
        _ => (1.0, "s"),
    }
}

fn time(time: Estimate) -> String {
    let (scale, unit) = scale(time.value);
    let [value, low, high] = [time.value, time.low, time.high].map(|seconds| seconds * scale);
    format!("{value:.2} {unit} ({low:.2}–{high:.2})")
}
