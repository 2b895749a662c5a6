//! A disk that fails for good, with `EIO`, at its Nth write or flush, for every N.
//!
//! What was reported must be so when the file system is mounted again on a sound disk: `Ok` means
//! the new contents, "not published" the old ones, "not durable" either.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Instant;

use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, PublishError, PublishErrorKind,
    PublishOptions,
};

use crate::case::Room;
use crate::disk::Disk;
use crate::volume::{Kind, Mounted, Promised};
use crate::workload::{without_o_tmpfile, MODE};
use crate::Tally;

const OLD: &[u8] = b"old";
const NAME: &str = "file";

/// What was reported of a save.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Report {
    Saved,
    NotPublished,
    NotDurable,
}

struct Row {
    kind: &'static Kind,
    named: bool,
    replace: bool,
}

/// Prints a row for each route, and for a new name and a taken one.
pub(crate) fn rows(kind: &'static Kind) -> Tally {
    let mut total = Tally::default();
    if kind.promised == Promised::Everything {
        for (named, replace) in [(false, false), (false, true), (true, false), (true, true)] {
            let row = Row {
                kind,
                named,
                replace,
            };
            total += row.run();
        }
    }
    total
}

impl Row {
    fn run(&self) -> Tally {
        let start = Instant::now();
        let (mut reports, mut broken) = (Vec::new(), 0);
        for nth in 0.. {
            let (report, outcome, failed) = self.save_on_failing_disk(nth);
            if let Err(what) = outcome {
                eprintln!("{}: write {nth} fails: {what}", self.kind.name);
                broken += 1;
            }
            reports.push(report);
            if !failed {
                break;
            }
        }
        let count = |wanted| reports.iter().filter(|&&report| report == wanted).count();
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {broken} | {:.1} |",
            self.kind.name,
            if self.named { "named" } else { "anonymous" },
            if self.replace { "taken" } else { "new" },
            reports.len(),
            count(Report::Saved),
            count(Report::NotPublished),
            count(Report::NotDurable),
            start.elapsed().as_secs_f64(),
        );
        Tally::of_row(
            u32::try_from(reports.len()).expect("not so many"),
            broken == 0,
        )
    }

    /// What was reported, whether it was so, and whether the disk has come to fail at all.
    fn save_on_failing_disk(&self, nth: u32) -> (Report, Result<(), String>, bool) {
        let room = Room::new(self.kind);
        let disk = Disk::<()>::new(&room.disk, self.kind.size);
        self.kind.make(&disk.path);
        let mount = || Mounted::new(self.kind, &disk.path, &room.mounted);
        let mounted = mount().expect("a new file system");
        let target = room.mounted.join(NAME);
        if self.replace {
            fs::write(&target, OLD).expect("room for a file");
        }
        rustix::fs::syncfs(fs::File::open(&room.mounted).expect("a directory")).expect("a sync");

        disk.log.fail_after(nth);
        let (named, replace) = (self.named, self.replace);
        let directory = room.mounted.clone();
        let saved = thread::spawn(move || {
            if named {
                without_o_tmpfile();
            }
            save(&directory, replace)
        });
        let saved = saved.join().expect("no panic");
        let failed = disk.log.heal();
        drop(mounted);

        let (report, sound) = match saved {
            Ok(report) => (report, Ok(())),
            Err(what) => (Report::NotPublished, Err(what)),
        };
        let _mounted = match mount() {
            Ok(mounted) => mounted,
            Err(error) => return (report, Err(format!("cannot be mounted: {error}")), failed),
        };
        let left = fs::read(&target).ok();
        let old = self.replace.then(|| OLD.to_vec());
        let allowed = match report {
            Report::Saved => vec![Some(new())],
            Report::NotPublished => vec![old],
            Report::NotDurable => vec![old, Some(new())],
        };
        let kept = allowed.contains(&left).then_some(()).ok_or_else(|| {
            let length = left.map(|left| left.len());
            format!("{length:?} bytes are left")
        });
        (report, sound.and(kept), failed)
    }
}

fn new() -> Vec<u8> {
    b"new ".repeat(10_000)
}

/// Saves the file, and checks what comes back if that fails.
fn save(directory: &Path, replace: bool) -> Result<Report, String> {
    let mut how = PublishOptions::new();
    how.replace(replace).durability(Durability::Full);
    let target = directory.join(NAME);
    let Ok(file) = write(directory) else {
        return Ok(Report::NotPublished);
    };
    let Err(error) = how.publish(file, &target) else {
        return Ok(Report::Saved);
    };
    let kind = error.kind();
    match error {
        PublishError::NotDurable { .. } => Ok(Report::NotDurable),
        PublishError::NotPublished { mut file, .. } => {
            let mut contents = Vec::new();
            let read = file.rewind().and_then(|()| file.read_to_end(&mut contents));
            // A file system that has given up may not even read.
            if read.is_ok() && contents != new() {
                return Err("the file came back with other contents".to_owned());
            }
            if kind == PublishErrorKind::SyncFailed {
                how.durability(Durability::None);
                let again = how.publish(file, &target).map_err(|error| error.kind());
                if again.err() != Some(PublishErrorKind::SyncFailed) {
                    return Err("a spoilt file has become sound".to_owned());
                }
            }
            Ok(Report::NotPublished)
        }
        error => Err(error.to_string()),
    }
}

fn write(directory: &Path) -> io::Result<LinkableFile> {
    let mut options = OpenOptions::new();
    let mut file = options.read(true).mode(MODE).anonymous_in(directory)?;
    file.write_all(&new())?;
    Ok(file)
}
