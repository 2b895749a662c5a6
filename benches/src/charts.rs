//! The two charts, as SVG.

mod bars;
mod canvas;
mod lines;

use std::io;

use crate::groups::{batch, crowds, thousands, titles};
use crate::machine::Machine;
use crate::methods::{bare, ours, peers};
use crate::results::{times, Measured};

use self::bars::Row;
use self::canvas::{Texts, LINKABLE, PEER, TEXT};
use self::lines::Series;

/// A file system, and its figures.
type Panel<T> = (&'static str, Vec<T>);

/// Many durable files: a bar for each method.
pub fn batch(results: &[Measured], machine: &Machine) -> io::Result<String> {
    let row = |label, method, color| Row {
        label,
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
    let panels = panels(&["ext4", "xfs", "btrfs"], |file_system| {
        let time = |row: &Row| Ok(times(results, file_system, titles::BATCH, row.method)?[0].value);
        rows.iter().map(time).collect()
    })?;
    let texts = Texts {
        title: &format!("{} files, all durable", thousands(batch::FILES)),
        unit: "Microseconds for each file of 16 KiB, contents and name synced. Shorter is faster.",
        machine: &machine.line(),
    };
    Ok(bars::draw(&texts, &rows, &panels))
}

/// Threads that save into one directory: a line for each method.
pub fn threads(results: &[Measured], machine: &Machine) -> io::Result<String> {
    // The first is in front of the others.
    let series = [
        Series {
            label: "linkable",
            method: ours::PUBLISH.name,
            color: LINKABLE,
        },
        Series {
            label: "tempfile",
            method: peers::TEMPFILE_NOCLOBBER.name,
            color: PEER,
        },
        Series {
            label: "system calls alone",
            method: bare::PUBLISH.name,
            color: TEXT,
        },
    ];
    let panels = panels(&["tmpfs", "ext4", "xfs", "btrfs"], |file_system| {
        let line = |series: &Series| {
            let times = times(results, file_system, titles::THREADS, series.method)?;
            // The cases after these have a directory for each thread.
            let times = times.iter().take(crowds::THREADS.len());
            Ok(times.map(|time| time.value * 1e6).collect())
        };
        series.iter().map(line).collect()
    })?;
    let texts = Texts {
        title: "New files from several threads in one directory, not synced",
        unit: "Elapsed microseconds divided by the number of files of 4 KiB. Lower is faster.",
        machine: &machine.line(),
    };
    let cases = crowds::THREADS.map(|threads| threads.to_string());
    Ok(lines::draw(&texts, ("threads", &cases), &series, &panels))
}

fn panels<T>(
    file_systems: &[&'static str],
    figures: impl Fn(&str) -> io::Result<Vec<T>>,
) -> io::Result<Vec<Panel<T>>> {
    let panel = |&file_system| Ok((file_system, figures(file_system)?));
    file_systems.iter().map(panel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Method;
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
}
