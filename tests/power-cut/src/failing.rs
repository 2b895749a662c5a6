//! A disk that fails for good, with `EIO`, at its Nth write or flush, for every N.
//!
//! What was reported must be so when the file system is mounted again on a sound disk: `Ok` means
//! the new contents, "not published" the old ones, "not durable" either.

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use linkable::{Durability, LinkableFile, PublishError, PublishErrorKind, SyncMethod};

use crate::case::Room;
use crate::disk::Disks;
use crate::kinds::{Holds, Kind};
use crate::library::{self, Batch, Way};
use crate::volume::{Mounted, Purpose};
use crate::workload::without_o_tmpfile;
use crate::Tally;

const OLD: &[u8] = b"old";
/// A journal that has failed tells the first who asks: with more than one directory, more ask.
const DIRECTORIES: [&str; 2] = ["one", "two"];

/// What was reported of a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    Saved,
    NotPublished,
    NotDurable,
}

/// What was reported of each file, or what was wrong with that.
type Reports = Vec<Result<Report, String>>;

/// How many files are saved, and how.
#[derive(Clone, Copy)]
enum Work {
    One,
    /// Files in each of the directories, at once.
    Batch,
    /// A file in each of the directories, by a thread of its own.
    Threads,
}

struct Row {
    kind: &'static Kind,
    work: Work,
    named: bool,
    replace: bool,
}

/// Prints a row for each work, for each route, and for a new name and a taken one.
pub(crate) fn rows(kind: &'static Kind) -> Tally {
    let mut total = Tally::default();
    if kind.promised.full == Holds::Always {
        for work in [Work::One, Work::Batch, Work::Threads] {
            for (named, replace) in [(false, false), (false, true), (true, false), (true, true)] {
                let row = Row {
                    kind,
                    work,
                    named,
                    replace,
                };
                total += row.run();
            }
        }
    }
    total
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Batch => "batch",
            Self::Threads => "threads",
        }
    }

    /// The files that are saved below `root`.
    fn targets(self, root: &Path) -> Vec<PathBuf> {
        let files: &[&str] = match self {
            Self::One => return vec![root.join(DIRECTORIES[0]).join("file")],
            Self::Batch => &["a", "b", "c"],
            Self::Threads => &["file"],
        };
        let in_each = |directory| files.iter().map(move |file| (directory, *file));
        let all = DIRECTORIES.into_iter().flat_map(in_each);
        all.map(|(directory, file)| root.join(directory).join(file))
            .collect()
    }

    fn save(self, targets: &[PathBuf], named: bool, replace: bool) -> Reports {
        let start = if named { without_o_tmpfile } else { || {} };
        thread::scope(|scope| {
            let batch = move || {
                start();
                save_together(targets, replace)
            };
            if let Self::Batch = self {
                return scope.spawn(batch).join().expect("no panic");
            }
            let mut runs = Vec::new();
            for target in targets {
                runs.push(scope.spawn(move || {
                    start();
                    save(target, replace)
                }));
            }
            let join = |run: thread::ScopedJoinHandle<'_, _>| run.join().expect("no panic");
            runs.into_iter().map(join).collect()
        })
    }
}

impl Row {
    fn run(&self) -> Tally {
        let start = Instant::now();
        let (mut points, mut broken) = (0, 0);
        let mut all = Vec::new();
        for nth in 0.. {
            let (reports, wrong, failed) = self.save_on_failing_disk(nth);
            for what in &wrong {
                eprintln!("{}: write {nth} fails: {what}", self.kind.name);
            }
            broken += wrong.len();
            all.extend(reports);
            points += 1;
            if !failed {
                break;
            }
        }
        let count = |wanted| all.iter().filter(|&&report| report == wanted).count();
        println!(
            "| {} | {} | {} | {} | {points} | {} | {} | {} | {broken} | {:.1} |",
            self.kind.name,
            self.work.name(),
            if self.named { "named" } else { "anonymous" },
            if self.replace { "taken" } else { "new" },
            count(Report::Saved),
            count(Report::NotPublished),
            count(Report::NotDurable),
            start.elapsed().as_secs_f64(),
        );
        Tally::of_row(points, broken == 0 || !self.is_promised())
    }

    /// Whether nothing may be broken. ext4 reports a failed commit of its journal to the first sync
    /// only, and two threads can be in one commit: `Durability` says so.
    fn is_promised(&self) -> bool {
        let is_ext4 = ["ext3", "ext4"].contains(&self.kind.driver);
        !(is_ext4 && matches!(self.work, Work::Threads))
    }

    /// What was reported, what of it was not so, and whether the disk has come to fail at all.
    fn save_on_failing_disk(&self, nth: u32) -> (Vec<Report>, Vec<String>, bool) {
        let room = Room::new(self.kind);
        let disks = Disks::<()>::new(&room.disks, &self.kind.sizes());
        self.kind.make(&disks.paths);
        let mount = |purpose| Mounted::new(self.kind, &disks.paths, &room.mounted, purpose);
        let mounted = mount(Purpose::Work).expect("a new file system");
        let targets = self.work.targets(&mounted.root);
        for directory in DIRECTORIES {
            fs::create_dir(mounted.root.join(directory)).expect("room for a directory");
        }
        if self.replace {
            for target in &targets {
                fs::write(target, OLD).expect("room for a file");
            }
        }
        rustix::fs::syncfs(fs::File::open(&mounted.root).expect("a directory")).expect("a sync");

        disks.log.fail_after(nth);
        let saved = self.work.save(&targets, self.named, self.replace);
        let failed = disks.log.heal();
        drop(mounted);

        let reports = saved.iter().flatten().copied().collect();
        let mut wrong: Vec<_> = saved.iter().cloned().filter_map(Result::err).collect();
        match mount(Purpose::Look) {
            Err(error) => wrong.push(format!("cannot be mounted: {error}")),
            Ok(mounted) => {
                let left = self.work.targets(&mounted.root);
                let known = left.iter().zip(saved);
                let known = known.filter_map(|(target, report)| Some((target, report.ok()?)));
                wrong.extend(known.filter_map(|(target, report)| self.check(target, report).err()));
            }
        }
        (reports, wrong, failed)
    }

    /// Whether what is left of a file is what was reported.
    fn check(&self, target: &Path, report: Report) -> Result<(), String> {
        let left = fs::read(target).ok();
        let old = self.replace.then(|| OLD.to_vec());
        let allowed = match report {
            Report::Saved => vec![Some(new())],
            Report::NotPublished => vec![old],
            Report::NotDurable => vec![old, Some(new())],
        };
        if allowed.contains(&left) {
            return Ok(());
        }
        let length = left.map(|left| left.len());
        let name = target.file_name().unwrap_or_default();
        Err(format!(
            "{name:?}: {report:?}, and {length:?} bytes are left"
        ))
    }
}

fn new() -> Vec<u8> {
    b"new ".repeat(10_000)
}

fn way(level: Durability, batch: bool) -> Way {
    let method = SyncMethod::Automatic;
    Way {
        level,
        batch,
        method,
    }
}

/// Saves a file, and checks what comes back if that fails.
fn save(target: &Path, replace: bool) -> Result<Report, String> {
    let Ok(file) = write(target) else {
        return Ok(Report::NotPublished);
    };
    match way(Durability::Full, false).publish(file, target, replace) {
        Ok(()) => Ok(Report::Saved),
        Err(error) => judge(error, target, replace),
    }
}

/// Saves files as a batch, and checks what comes back of those that fail.
fn save_together(targets: &[PathBuf], replace: bool) -> Reports {
    let mut batch = Batch::new(way(Durability::Full, true));
    let mut reports = vec![Ok(Report::NotPublished); targets.len()];
    let mut added = Vec::new();
    for (number, target) in targets.iter().enumerate() {
        if let Ok(file) = write(target) {
            batch.add(file, target, replace);
            added.push(number);
            reports[number] = Ok(Report::Saved);
        }
    }
    for (nth, error) in batch.commit() {
        let number = added[nth];
        reports[number] = judge(error, &targets[number], replace);
    }
    reports
}

/// What an error reports, if the file that it gives back is as it was.
fn judge(error: PublishError, target: &Path, replace: bool) -> Result<Report, String> {
    let kind = error.kind();
    match error {
        PublishError::NotDurable { .. } => Ok(Report::NotDurable),
        PublishError::NotPublished { mut file, .. } => {
            let mut contents = Vec::new();
            let read = file.rewind().and_then(|()| file.read_to_end(&mut contents));
            // A file system that has given up may not even read, and what could not be synced may have
            // been dropped.
            if read.is_ok() && contents != new() && kind != PublishErrorKind::SyncFailed {
                return Err(format!("{kind:?}: the file came back with other contents"));
            }
            if kind == PublishErrorKind::SyncFailed {
                let again = way(Durability::None, false).publish(file, target, replace);
                if again.err().map(|error| error.kind()) != Some(PublishErrorKind::SyncFailed) {
                    return Err("a spoilt file has become sound".to_owned());
                }
            }
            Ok(Report::NotPublished)
        }
        error => Err(error.to_string()),
    }
}

fn write(target: &Path) -> io::Result<LinkableFile> {
    let directory = target.parent().unwrap_or(target);
    let mut file = library::open(directory, 0)?;
    file.write_all(&new())?;
    Ok(file)
}
