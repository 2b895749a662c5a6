//! One file after the other, by one thread.

use std::io;
use std::thread;
use std::time::Instant;

use super::{ours_to_fastest, Effort};
use crate::kernel::{deny, Rule};
use crate::methods::{bare, ours, peers, Litter, Method, Role, Syncs};
use crate::place::{Place, Target};
use crate::race::{each, race, Run, Times};
use crate::report::Report;
use crate::volume::Volume;

const FILE_SIZE: usize = 4 << 10;
const SMALL_FILE_SIZE: usize = 512;
const LARGE_FILE_SIZE: usize = 256 << 20;

/// What every method is to do in a round.
struct Task<'a> {
    volume: &'a Volume,
    files: usize,
    contents: &'a [u8],
    /// Whether the names are taken.
    taken: bool,
    rounds: usize,
}

impl Task<'_> {
    fn compare(&self, methods: &[Method]) -> io::Result<Times> {
        let run = |&method| Box::new(move || self.run(method)) as Run<'_>;
        race(
            self.rounds,
            &mut methods.iter().map(run).collect::<Vec<_>>(),
        )
    }

    fn run(&self, method: Method) -> io::Result<f64> {
        let place = Place::new(&self.volume.root)?;
        let targets = place.targets(0..self.files);
        if self.taken {
            targets.iter().try_for_each(Target::take)?;
        }
        if method.syncs != Syncs::Nothing {
            place.settle()?;
        }
        let begin = Instant::now();
        for target in &targets {
            (method.save)(&place, target, self.contents)?;
        }
        Ok(each(begin.elapsed(), self.files))
    }
}

/// A task for what takes microseconds.
fn quick(volume: &Volume, effort: Effort, taken: bool) -> Task<'_> {
    Task {
        volume,
        files: effort.files(100),
        contents: &[b'x'; FILE_SIZE],
        taken,
        rounds: effort.rounds_on(volume, 201, 51),
    }
}

/// A task for what waits for the disk.
fn slow(volume: &Volume, effort: Effort, taken: bool) -> Task<'_> {
    Task {
        files: effort.files(4),
        rounds: effort.rounds(101),
        ..quick(volume, effort, taken)
    }
}

fn is_bare(method: &Method) -> bool {
    method.role == Role::Bare
}

pub(super) fn new(volume: &Volume, effort: Effort, report: &mut Report) -> io::Result<()> {
    let name = &volume.name;
    let methods = [
        ours::PUBLISH,
        bare::PUBLISH,
        peers::TEMPFILE_NOCLOBBER,
        peers::TEMPFILE_FAST_NOCLOBBER,
        bare::WRITE,
    ];
    let times = quick(volume, effort, false).compare(&methods)?;
    report.methods(&format!("{name}: a new name, not synced"), &methods, &times);
    report.goal(
        format!("{name}: new name, to the bare calls"),
        1.03,
        ours_to_fastest(&methods, &times, is_bare),
    );
    if !volume.on_disk {
        report.goal(
            format!("{name}: new name, to tempfile's `persist_noclobber`"),
            0.85,
            ours_to_fastest(&methods, &times, |method| {
                method.name == peers::TEMPFILE_NOCLOBBER.name
            }),
        );
    }
    let small = Task {
        files: effort.files(5_000),
        contents: &[b'x'; SMALL_FILE_SIZE],
        rounds: effort.rounds_on(volume, 11, 5),
        ..quick(volume, effort, false)
    };
    let times = small.compare(&methods)?;
    let title = format!(
        "{name}: {} files of {SMALL_FILE_SIZE} bytes in one directory, not synced",
        small.files
    );
    report.methods(&title, &methods, &times);

    let methods = [
        ours::REPLACE,
        bare::REPLACE,
        peers::TEMPFILE,
        peers::TEMPFILE_FAST,
        peers::CAP_TEMPFILE,
        bare::WRITE,
    ];
    let times = quick(volume, effort, false).compare(&methods)?;
    let title = format!("{name}: a new name that could have been taken, not synced");
    report.methods(&title, &methods, &times);
    Ok(())
}

pub(super) fn replace(volume: &Volume, effort: Effort, report: &mut Report) -> io::Result<()> {
    let name = &volume.name;
    let methods = [
        ours::REPLACE,
        bare::REPLACE,
        bare::REPLACE_ONLY,
        peers::TEMPFILE,
        peers::TEMPFILE_FAST,
        peers::CAP_TEMPFILE,
        bare::WRITE,
    ];
    let times = quick(volume, effort, true).compare(&methods)?;
    report.methods(&format!("{name}: replace, not synced"), &methods, &times);
    report.goal(
        format!("{name}: replace, to the bare calls that do the same"),
        1.05,
        ours_to_fastest(&methods, &times, is_bare),
    );
    report.goal(
        format!("{name}: replace, to the fastest peer without litter"),
        1.0,
        ours_to_fastest(&methods, &times, |method| {
            method.role == Role::Peer && method.litter == Litter::WhileReplacing
        }),
    );
    Ok(())
}

pub(super) fn contents(volume: &Volume, effort: Effort, report: &mut Report) -> io::Result<()> {
    let name = &volume.name;
    let methods = [
        ours::PUBLISH_SYNCED,
        bare::PUBLISH_SYNCED,
        peers::TEMPFILE_NOCLOBBER_SYNCED,
        peers::TEMPFILE_FAST_NOCLOBBER_SYNCED,
    ];
    let times = slow(volume, effort, false).compare(&methods)?;
    report.methods(
        &format!("{name}: a new name, contents synced"),
        &methods,
        &times,
    );

    let methods = [
        ours::REPLACE_SYNCED,
        bare::REPLACE_SYNCED,
        peers::TEMPFILE_SYNCED,
        peers::TEMPFILE_FAST_SYNCED,
    ];
    let times = slow(volume, effort, true).compare(&methods)?;
    report.methods(
        &format!("{name}: replace, contents synced"),
        &methods,
        &times,
    );
    Ok(())
}

pub(super) fn full(volume: &Volume, effort: Effort, report: &mut Report) -> io::Result<()> {
    let name = &volume.name;
    let methods = [
        ours::PUBLISH_DURABLE,
        bare::PUBLISH_DURABLE,
        peers::ATOMICWRITES_NOCLOBBER,
        peers::TEMPFILE_NOCLOBBER_DURABLE,
    ];
    let times = slow(volume, effort, false).compare(&methods)?;
    report.methods(&format!("{name}: a new name, durable"), &methods, &times);

    let methods = [
        ours::REPLACE_DURABLE,
        bare::REPLACE_DURABLE,
        peers::ATOMIC_WRITE_FILE,
        peers::ATOMIC_WRITE_FILE_UNNAMED,
        peers::CAP_STD_EXT,
        peers::ATOMICWRITES,
        peers::TEMPFILE_DURABLE,
    ];
    let times = slow(volume, effort, true).compare(&methods)?;
    report.methods(&format!("{name}: replace, durable"), &methods, &times);
    report.goal(
        format!("{name}: durable replace, to the fastest peer that syncs file and directory"),
        0.95,
        ours_to_fastest(&methods, &times, |method| method.role == Role::Peer),
    );
    Ok(())
}

/// As on a file system without `O_TMPFILE`: in a thread that is told so.
pub(super) fn fallback(volume: &Volume, effort: Effort, report: &mut Report) -> io::Result<()> {
    let name = &volume.name;
    let compare = |taken, methods: &[Method]| {
        let measure = || {
            deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
            quick(volume, effort, taken).compare(methods)
        };
        thread::scope(|scope| scope.spawn(measure).join()).expect("no panic")
    };
    let mut goal = |what: &str, methods: &[Method], times: &Times| {
        report.methods(
            &format!("{name}: {what}, without `O_TMPFILE`"),
            methods,
            times,
        );
        report.goal(
            format!("{name}: {what} without `O_TMPFILE`, to tempfile"),
            1.05,
            ours_to_fastest(methods, times, |method| method.role == Role::Peer),
        );
    };
    let new = [
        ours::PUBLISH_NAMED,
        bare::PUBLISH_NAMED,
        peers::TEMPFILE_NOCLOBBER,
    ];
    goal("a new name, not synced", &new, &compare(false, &new)?);
    let replace = [ours::REPLACE_NAMED, bare::REPLACE_NAMED, peers::TEMPFILE];
    goal("replace, not synced", &replace, &compare(true, &replace)?);
    Ok(())
}

pub(super) fn large(volume: &Volume, effort: Effort, report: &mut Report) -> io::Result<()> {
    let contents = vec![b'x'; effort.files(LARGE_FILE_SIZE)];
    let task = Task {
        files: 1,
        contents: &contents,
        rounds: effort.rounds_on(volume, 15, 5),
        ..quick(volume, effort, false)
    };
    let (methods, synced) = if volume.on_disk {
        let methods = [
            ours::PUBLISH_SYNCED,
            bare::PUBLISH_SYNCED,
            peers::TEMPFILE_NOCLOBBER_SYNCED,
        ];
        (methods, "contents synced")
    } else {
        let methods = [ours::PUBLISH, bare::PUBLISH, peers::TEMPFILE_NOCLOBBER];
        (methods, "not synced")
    };
    let times = task.compare(&methods)?;
    let title = format!(
        "{}: a file of {} MiB, {synced}",
        volume.name,
        contents.len() >> 20
    );
    report.methods(&title, &methods, &times);
    Ok(())
}
