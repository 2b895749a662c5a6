//! The two charts, as SVG.

mod bars;
mod canvas;

use std::io;

use crate::groups::{batch, thousands, titles};
use crate::machine::Machine;
use crate::methods::{bare, ours, peers, Method};
use crate::results::{figures, Figure, Measured};

use self::bars::{Bar, Row};
use self::canvas::{Texts, LINKABLE, TEXT};

/// A file system, and a bar for each row.
type Panel = (&'static str, Vec<Bar>);

/// Many durable files: a bar for each method.
pub fn batch(results: &[Measured], machine: &Machine) -> io::Result<String> {
    let row = |label, method, color| Row {
        label,
        title: titles::BATCH,
        method,
        color,
    };
    let rows = [
        row("linkable, one batch", ours::BATCH.name, LINKABLE),
        row("system calls alone, together", bare::BATCH.name, TEXT),
        row("linkable, one by one", ours::REPLACE_DURABLE.name, LINKABLE),
        row(
            "tempfile, one by one, caller syncs",
            peers::TEMPFILE_DURABLE.name,
            TEXT,
        ),
        row("cap-std-ext, one by one", peers::CAP_STD_EXT.name, TEXT),
        row(
            "atomic-write-file, one by one",
            peers::ATOMIC_WRITE_FILE.name,
            TEXT,
        ),
    ];
    let panels = panels(results, &rows, |figure| Bar {
        dark: figure.time.value,
        all: figure.time.value,
    })?;
    let texts = Texts {
        title: &format!("{} files, all durable", thousands(batch::FILES)),
        unit: "Microseconds for each file of 16 KiB, contents and name synced. Shorter is faster.",
        machine: &machine.line(),
    };
    Ok(bars::draw(&texts, &rows, &panels))
}

/// One file on a busy disk: a bar for each method, to the slowest of 100 saves but one.
pub fn latency(results: &[Measured], machine: &Machine) -> io::Result<String> {
    let contents = |label, method: Method, color| Row {
        label,
        title: titles::BUSY_SYNCED,
        method: method.name,
        color,
    };
    let full = |label, method: Method, color| Row {
        title: titles::BUSY_DURABLE,
        ..contents(label, method, color)
    };
    let rows = [
        contents("contents: linkable", ours::REPLACE_SYNCED, LINKABLE),
        contents("linkable, Fsync", ours::REPLACE_SYNCED_FSYNC, LINKABLE),
        contents("tempfile, caller syncs", peers::TEMPFILE_SYNCED, TEXT),
        full(
            "contents and name: linkable",
            ours::REPLACE_DURABLE,
            LINKABLE,
        ),
        full("linkable, Fsync", ours::REPLACE_DURABLE_FSYNC, LINKABLE),
        full("atomic-write-file", peers::ATOMIC_WRITE_FILE, TEXT),
    ];
    let panels = panels(results, &rows, |figure| Bar {
        dark: figure.time.value,
        all: figure.tail,
    })?;
    let texts = Texts {
        title: "One file, while another program writes and syncs",
        unit: "Microseconds that 99 of 100 saves of 4 KiB take at most; dark is the median. \
               Shorter is faster.",
        machine: &machine.line(),
    };
    Ok(bars::draw(&texts, &rows, &panels))
}

fn panels(
    results: &[Measured],
    rows: &[Row],
    bar: impl Fn(Figure) -> Bar,
) -> io::Result<Vec<Panel>> {
    let panel = |file_system| {
        let bar = |row: &Row| Ok(bar(figures(results, file_system, row.title, row.method)?[0]));
        let bars = rows.iter().map(bar).collect::<io::Result<_>>()?;
        Ok((file_system, bars))
    };
    ["ext4", "xfs", "btrfs"].into_iter().map(panel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::Times;
    use crate::results::Table;

    /// Every method takes as many microseconds as the case has letters.
    fn results(file_systems: &[&str]) -> Vec<Measured> {
        let table = |title, methods: &[Method<()>], cases: &[&str]| {
            let table = Table::new(title, String::new(), methods);
            cases.iter().fold(table, |table, case| {
                let times =
                    vec![vec![1e-6 * f64::from(u8::try_from(case.len()).unwrap())]; methods.len()];
                table.with((*case).to_owned(), &Times::from(times), 0)
            })
        };
        let synced = [
            ours::REPLACE_SYNCED.guarantee(),
            ours::REPLACE_SYNCED_FSYNC.guarantee(),
            peers::TEMPFILE_SYNCED.guarantee(),
        ];
        let durable = [
            ours::REPLACE_DURABLE.guarantee(),
            ours::REPLACE_DURABLE_FSYNC.guarantee(),
            peers::ATOMIC_WRITE_FILE.guarantee(),
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
                table(titles::BUSY_SYNCED, &synced, &["four"]),
                table(titles::BUSY_DURABLE, &durable, &["four"]),
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
        let results = results(&["ext4", "xfs", "btrfs"]);
        let (batch, latency) = (batch(&results, &machine), latency(&results, &machine));
        for chart in [batch.unwrap(), latency.unwrap()] {
            assert!(chart.contains("icroseconds"));
            assert!(chart.contains(&machine.date));
        }
    }

    #[test]
    fn a_chart_without_all_figures_is_refused() {
        let machine = Machine::this().unwrap();
        let results = results(&["ext4", "xfs"]);
        assert!(batch(&results, &machine).is_err());
        assert!(latency(&results, &machine).is_err());
    }
}
