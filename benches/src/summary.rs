//! The table on the page: five operations on three file systems.

use std::io;
use std::iter;

use crate::groups::{batch, thousands, titles};
use crate::machine::Machine;
use crate::markdown::grid;
use crate::methods::{bare, ours, peers, Method, Role, Syncs};
use crate::results::{figures, Measured};

/// The file systems on the page. The other tables have more.
const FILE_SYSTEMS: [&str; 3] = ["tmpfs", "ext4", "xfs"];

/// The columns after the first three.
const COLUMNS: [&str; 5] = [
    "**linkable**",
    "system calls alone",
    "tempfile",
    "cap-tempfile, cap-std-ext",
    "atomic-write-file",
];

/// What lies between these lines belongs to `compare`, and the rest of the page to people.
const BEGIN: &str = "<!-- summary: written by compare -->\n";
const END: &str = "<!-- end of summary -->\n";

/// A row for each file system.
struct Operation {
    name: &'static str,
    /// Of the table that it is taken from.
    title: &'static str,
    linkable: Method<()>,
    /// One for each of the other columns, where a crate offers it.
    others: [Option<Method<()>>; COLUMNS.len() - 1],
}

const OPERATIONS: [Operation; 5] = [
    Operation {
        name: "New file",
        title: titles::NEW,
        linkable: ours::PUBLISH.guarantee(),
        others: [
            Some(bare::PUBLISH.guarantee()),
            Some(peers::TEMPFILE_NOCLOBBER.guarantee()),
            None,
            None,
        ],
    },
    Operation {
        name: "Replace",
        title: titles::REPLACE,
        linkable: ours::REPLACE.guarantee(),
        others: [
            Some(bare::REPLACE.guarantee()),
            Some(peers::TEMPFILE.guarantee()),
            Some(peers::CAP_TEMPFILE.guarantee()),
            None,
        ],
    },
    Operation {
        name: "Replace",
        title: titles::REPLACE_SYNCED,
        linkable: ours::REPLACE_SYNCED.guarantee(),
        others: [
            Some(bare::REPLACE_SYNCED.guarantee()),
            Some(peers::TEMPFILE_SYNCED.guarantee()),
            Some(peers::CAP_TEMPFILE_SYNCED.guarantee()),
            None,
        ],
    },
    Operation {
        name: "Replace",
        title: titles::REPLACE_DURABLE,
        linkable: ours::REPLACE_DURABLE.guarantee(),
        others: [
            Some(bare::REPLACE_DURABLE.guarantee()),
            Some(peers::TEMPFILE_DURABLE.guarantee()),
            Some(peers::CAP_STD_EXT.guarantee()),
            Some(peers::ATOMIC_WRITE_FILE.guarantee()),
        ],
    },
    Operation {
        name: "Batch",
        title: titles::BATCH,
        linkable: ours::BATCH.guarantee(),
        others: [
            Some(bare::BATCH.guarantee()),
            Some(peers::TEMPFILE_DURABLE.guarantee()),
            Some(peers::CAP_STD_EXT.guarantee()),
            Some(peers::ATOMIC_WRITE_FILE.guarantee()),
        ],
    },
];

/// The table, and what is needed to understand it.
pub fn table(results: &[Measured], machine: &Machine) -> io::Result<String> {
    let head = [&["µs a file", "guarantee", "on"], &COLUMNS[..]].concat();
    let rows = OPERATIONS
        .iter()
        .flat_map(|operation| FILE_SYSTEMS.map(|file_system| operation.row(results, file_system)));
    let table = grid(&head, 3, rows.collect::<io::Result<Vec<_>>>()?);
    Ok(format!(
        "{table}\n\
         \\* The crate does not sync, so the caller does. – The crate does not offer this.\n\n\
         “New file” fails if the file exists; the others replace it. “Batch” saves {} files of 16 KiB \
         together; the crates that have no batch save one after the other. Files have 4 KiB otherwise. \
         All times are medians.\n\n\
         {}.\n",
        thousands(batch::FILES),
        machine.line()
    ))
}

impl Operation {
    fn row(&self, results: &[Measured], file_system: &str) -> io::Result<Vec<String>> {
        let cell = |method: Option<Method<()>>| -> io::Result<String> {
            let Some(method) = method else {
                return Ok("–".to_owned());
            };
            let median = figures(results, file_system, self.title, method.name)?[0]
                .time
                .value;
            let mark = match method.role {
                Role::PeerAndCaller => r"\*",
                Role::Ours | Role::SystemCalls | Role::Peer => "",
            };
            Ok(format!("{}{mark}", microseconds(median)))
        };
        let guarantee = match self.linkable.syncs {
            Syncs::Nothing => "not synced",
            Syncs::File => "contents synced",
            Syncs::FileAndDirectory => "contents and name synced",
        };
        let texts = [self.name, guarantee, file_system].map(|text| Ok(text.to_owned()));
        let methods = iter::once(Some(self.linkable)).chain(self.others);
        texts.into_iter().chain(methods.map(cell)).collect()
    }
}

/// Three digits that matter.
pub(crate) fn microseconds(seconds: f64) -> String {
    match seconds * 1e6 {
        time if time < 9.995 => format!("{time:.2}"),
        time if time < 99.95 => format!("{time:.1}"),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        time => thousands(time.round() as usize),
    }
}

/// `page` with another summary. Nothing else of it changes.
pub fn put_into(page: &str, summary: &str) -> io::Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    match parts {
        Some((before, after)) if page.matches(BEGIN).count() == 1 => {
            Ok(format!("{before}{BEGIN}\n{summary}\n{END}{after}"))
        }
        _ => Err(io::Error::other(format!(
            "the page needs the line {BEGIN:?} once, and {END:?} after it"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_methods_of_a_row_guarantee_the_same() {
        for operation in &OPERATIONS {
            for method in operation.others.iter().flatten() {
                assert_eq!(method.syncs, operation.linkable.syncs, "{}", method.name);
                assert_eq!(method.taken, operation.linkable.taken, "{}", method.name);
            }
        }
    }

    #[test]
    fn only_the_summary_changes() {
        let page = |summary: &str| format!("# Prose\r\n\n{BEGIN}{summary}{END}\nMore prose, µ\n");
        let once = put_into(&page("old\n"), "new\n").unwrap();
        assert_eq!(once, page("\nnew\n\n"));
        assert_eq!(put_into(&once, "new\n").unwrap(), once);
    }

    #[test]
    fn a_page_without_its_lines_is_refused() {
        for page in [
            "prose".to_owned(),
            BEGIN.to_owned(),
            format!("{END}{BEGIN}"),
            format!("{BEGIN}{END}{BEGIN}{END}"),
        ] {
            assert!(put_into(&page, "new").is_err(), "{page}");
        }
    }

    #[test]
    fn times_have_three_digits() {
        let times = [8.914e-6, 9.999e-6, 19.59e-6, 563.1e-6, 1.1402e-3];
        let texts = times.map(microseconds);
        assert_eq!(texts, ["8.91", "10.0", "19.6", "563", "1,140"]);
    }
}
