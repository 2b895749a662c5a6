//! One file after the other, in one thread.

use std::io;
use std::thread;
use std::time::Instant;

use testbed::{deny, Rule};

use super::{describe, measure, titles, Effort};
use crate::methods::{bare, ours, peers, Method, Syncs};
use crate::place::{Place, Target};
use crate::race::{each, race, Cost, Run};
use crate::results::Table;
use crate::volume::Volume;

const FILE_SIZE: usize = 4 << 10;
const SMALL_FILE_SIZE: usize = 512;
const LARGE_FILE_SIZE: usize = 256 << 20;

/// What every method does in a round.
struct Task<'a> {
    volume: &'a Volume,
    files: usize,
    contents: &'a [u8],
    /// Whether the files exist already.
    taken: bool,
    rounds: usize,
}

impl Task<'_> {
    fn compare(&self, title: &'static str, methods: &[Method]) -> io::Result<Table> {
        let run = |&method| Box::new(move || self.run(method)) as Run<'_>;
        let times = race(
            self.rounds,
            &mut methods.iter().map(run).collect::<Vec<_>>(),
        )?;
        let effort = describe(self.rounds, self.files, self.contents.len());
        Ok(Table::new(title, effort, methods).with(String::new(), &times, 0))
    }

    fn run(&self, method: Method) -> io::Result<Cost> {
        let place = Place::new(&self.volume.root)?;
        let targets = place.targets(0..self.files);
        if self.taken {
            targets.iter().try_for_each(Target::take)?;
        }
        let mut targets = targets.iter();
        let mut save =
            || targets.try_for_each(|target| (method.save)(&place, target, self.contents));
        if method.syncs != Syncs::Nothing {
            place.settle()?;
            return measure(self.volume, self.files, save);
        }
        let begin = Instant::now();
        save()?;
        Ok(each(begin.elapsed(), self.files).into())
    }
}

/// A task that takes microseconds.
fn quick(volume: &Volume, effort: Effort, taken: bool) -> Task<'_> {
    Task {
        volume,
        files: effort.files(100),
        contents: &[b'x'; FILE_SIZE],
        taken,
        rounds: effort.rounds_on(volume, 201, 51),
    }
}

/// A task that waits for the disk, if there is one.
fn slow(volume: &Volume, effort: Effort, taken: bool) -> Task<'_> {
    Task {
        files: effort.files(if volume.on_disk { 4 } else { 100 }),
        rounds: effort.rounds(61),
        ..quick(volume, effort, taken)
    }
}

pub(super) fn new(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let refusing = [
        ours::PUBLISH,
        bare::PUBLISH,
        peers::TEMPFILE_NOCLOBBER,
        peers::TEMPFILE_FAST_NOCLOBBER,
        bare::WRITE,
    ];
    let replacing = [
        ours::REPLACE,
        bare::REPLACE,
        peers::TEMPFILE,
        peers::TEMPFILE_FAST,
        peers::CAP_TEMPFILE,
        bare::WRITE,
    ];
    let small = Task {
        files: effort.files(5_000),
        contents: &[b'x'; SMALL_FILE_SIZE],
        rounds: effort.rounds_on(volume, 11, 5),
        ..quick(volume, effort, false)
    };
    let task = quick(volume, effort, false);
    Ok(vec![
        task.compare(titles::NEW, &refusing)?,
        task.compare(
            "A new file that could have replaced another, not synced",
            &replacing,
        )?,
        small.compare("Small new files in one directory, not synced", &refusing)?,
    ])
}

pub(super) fn replace(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let methods = [
        ours::REPLACE,
        ours::REPLACE_KEEPING,
        bare::REPLACE,
        bare::REPLACE_BY_LINK,
        bare::REPLACE_ONLY,
        peers::TEMPFILE,
        peers::TEMPFILE_FAST,
        peers::CAP_TEMPFILE,
        bare::WRITE,
    ];
    let table = quick(volume, effort, true).compare(titles::REPLACE, &methods)?;
    Ok(vec![table])
}

pub(super) fn contents(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let new = [
        ours::PUBLISH_SYNCED,
        ours::PUBLISH_SYNCED_FSYNC,
        bare::PUBLISH_SYNCED,
        peers::TEMPFILE_NOCLOBBER_SYNCED,
        peers::TEMPFILE_FAST_NOCLOBBER_SYNCED,
    ];
    let replace = [
        ours::REPLACE_SYNCED,
        ours::REPLACE_SYNCED_FSYNC,
        bare::REPLACE_SYNCED,
        peers::TEMPFILE_SYNCED,
        peers::TEMPFILE_FAST_SYNCED,
        peers::CAP_TEMPFILE_SYNCED,
    ];
    Ok(vec![
        slow(volume, effort, false).compare("A new file, contents synced", &new)?,
        slow(volume, effort, true).compare(titles::REPLACE_SYNCED, &replace)?,
    ])
}

pub(super) fn full(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let new = [
        ours::PUBLISH_DURABLE,
        ours::PUBLISH_DURABLE_FSYNC,
        bare::PUBLISH_DURABLE,
        peers::ATOMICWRITES_NOCLOBBER,
        peers::TEMPFILE_NOCLOBBER_DURABLE,
    ];
    let replace = [
        ours::REPLACE_DURABLE,
        ours::REPLACE_DURABLE_FSYNC,
        bare::REPLACE_DURABLE,
        peers::ATOMIC_WRITE_FILE,
        peers::ATOMIC_WRITE_FILE_UNNAMED,
        peers::CAP_STD_EXT,
        peers::ATOMICWRITES,
        peers::TEMPFILE_DURABLE,
    ];
    Ok(vec![
        slow(volume, effort, false).compare("A new file, contents and name synced", &new)?,
        slow(volume, effort, true).compare(titles::REPLACE_DURABLE, &replace)?,
    ])
}

/// As on a file system without `O_TMPFILE`, in a thread where the kernel refuses it.
pub(super) fn fallback(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let new = [
        ours::PUBLISH_NAMED,
        bare::PUBLISH_NAMED,
        peers::TEMPFILE_NOCLOBBER,
    ];
    let replace = [ours::REPLACE_NAMED, bare::REPLACE_NAMED, peers::TEMPFILE];
    let measure = || {
        deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
        Ok(vec![
            quick(volume, effort, false)
                .compare("A new file without `O_TMPFILE`, not synced", &new)?,
            quick(volume, effort, true)
                .compare("Replacing a file without `O_TMPFILE`, not synced", &replace)?,
        ])
    };
    thread::scope(|scope| scope.spawn(measure).join()).expect("no panic")
}

pub(super) fn large(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let contents = vec![b'x'; effort.files(LARGE_FILE_SIZE)];
    let task = Task {
        files: 1,
        contents: &contents,
        rounds: effort.rounds_on(volume, 15, 5),
        ..quick(volume, effort, false)
    };
    let table = if volume.on_disk {
        let methods = [
            ours::PUBLISH_SYNCED,
            bare::PUBLISH_SYNCED,
            peers::TEMPFILE_NOCLOBBER_SYNCED,
        ];
        task.compare("A large file, contents synced", &methods)?
    } else {
        let methods = [ours::PUBLISH, bare::PUBLISH, peers::TEMPFILE_NOCLOBBER];
        task.compare("A large file, not synced", &methods)?
    };
    Ok(vec![table])
}
