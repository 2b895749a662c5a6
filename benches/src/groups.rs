//! What is compared with what.

pub(crate) mod batch;
mod crowds;
mod fresh;
pub(crate) mod latency;
mod single;
mod tree;

use std::io;
use std::time::Instant;

use crate::race::{each, Cost, OnDisk};
use crate::results::Table;
use crate::volume::Volume;

/// Comparisons that are chosen together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its name on the command line.
    pub name: &'static str,
    /// Measures all of it, on one file system.
    pub run: fn(&Volume, Effort) -> io::Result<Vec<Table>>,
}

pub use self::fresh::{save_one, SAVE_ONE};

/// All of them, in the order of the results.
pub const GROUPS: [Group; 13] = [
    group("new", single::new),
    group("replace", single::replace),
    group("contents", single::contents),
    group("full", single::full),
    group("latency", latency::latency),
    group("fresh", fresh::fresh),
    group("fallback", single::fallback),
    group("large", single::large),
    group("directories", crowds::directories),
    group("threads", crowds::threads),
    group("batch", batch::batch),
    group("many", batch::many),
    group("tree", tree::tree),
];

const fn group(name: &'static str, run: fn(&Volume, Effort) -> io::Result<Vec<Table>>) -> Group {
    Group { name, run }
}

/// The titles of the tables that the summary and the charts are made from.
pub mod titles {
    /// One file after the other.
    pub const NEW: &str = "A new file, not synced";
    /// The same, where a file is replaced.
    pub const REPLACE: &str = "Replacing a file, not synced";
    /// The same, but the file is synced.
    pub const REPLACE_SYNCED: &str = "Replacing a file, contents synced";
    /// The same, but file and directory are synced.
    pub const REPLACE_DURABLE: &str = "Replacing a file, contents and name synced";
    /// The same while another program writes, one file at a time.
    pub const BUSY_SYNCED: &str = "Replacing a file on a busy disk, contents synced";
    /// The same, but file and directory are synced.
    pub const BUSY_DURABLE: &str = "Replacing a file on a busy disk, contents and name synced";
    /// Many files that are saved together.
    pub const BATCH: &str = "Many files in one directory, contents and names synced";
}

/// How much time to spend.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The number of rounds of each comparison, if not the usual one.
    pub rounds: Option<usize>,
    /// Only shows that everything works.
    pub smoke: bool,
}

impl Effort {
    /// What readers of the results must know about it.
    #[must_use]
    pub fn remark(self) -> String {
        match self {
            Self { smoke: true, .. } => "; a smoke test, whose figures mean nothing".to_owned(),
            Self {
                rounds: Some(rounds),
                ..
            } => format!("; a trial with {rounds} rounds"),
            Self { rounds: None, .. } => String::new(),
        }
    }

    fn rounds(self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.smoke { 2 } else { usual })
    }

    /// For what takes much longer on a disk than in memory.
    fn rounds_on(self, volume: &Volume, in_memory: usize, on_disk: usize) -> usize {
        self.rounds(if volume.on_disk { on_disk } else { in_memory })
    }

    fn files(self, usual: usize) -> usize {
        if self.smoke {
            usual.div_ceil(50)
        } else {
            usual
        }
    }
}

/// Does something for a number of files, and measures what one of them takes.
#[allow(clippy::cast_precision_loss)]
fn measure(
    volume: &Volume,
    files: usize,
    work: impl FnOnce() -> io::Result<()>,
) -> io::Result<Cost> {
    let before = volume.traffic()?;
    let begin = Instant::now();
    work()?;
    let time = each(begin.elapsed(), files);
    let disk = before.zip(volume.traffic()?).map(|(before, now)| {
        let traffic = now.since(before);
        OnDisk {
            flushes: traffic.flushes as f64 / files as f64,
            bytes: traffic.bytes as f64 / files as f64,
        }
    });
    Ok(Cost { time, disk })
}

/// What a comparison does, for the line above its table.
fn describe(rounds: usize, files: usize, bytes: usize) -> String {
    let size = size(bytes);
    let files = match files {
        1 => format!("one file of {size}"),
        files => format!("{} files of {size}", thousands(files)),
    };
    format!("{rounds} rounds of {files}")
}

fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

/// A number, readable.
pub(crate) fn thousands(number: usize) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    format!("{},{:03}", thousands(number / 1_000), number % 1_000)
}
