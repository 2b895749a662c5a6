//! Many names in a directory, and many threads at once.

use std::fs::{self, File};
use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::Effort;
use crate::methods::{bare, ours, peers, Method};
use crate::place::{Place, Target};
use crate::race::{each, race, Run};
use crate::report::Report;
use crate::volume::Volume;

const CONTENTS: [u8; 4 << 10] = [b'x'; 4 << 10];
const METHODS: [Method; 3] = [ours::PUBLISH, bare::PUBLISH, peers::TEMPFILE_NOCLOBBER];

pub(super) fn directories(volume: &Volume, effort: Effort, report: &mut Report) -> io::Result<()> {
    let sizes = [10, 100, 1_000, 10_000, 100_000].map(|size| effort.files(size));
    let files = effort.files(100);
    let places = sizes
        .iter()
        .map(|&size| holding(size, volume))
        .collect::<io::Result<Vec<_>>>()?;
    let mut runs = Vec::new();
    for place in &places {
        for method in METHODS {
            runs.push(Box::new(move || among_others(place, method, files)) as Run<'_>);
        }
    }
    let times = race(effort.rounds_on(volume, 101, 31), &mut runs)?;
    let title = format!("{}: a new name among others, not synced", volume.name);
    let rows = sizes.map(|size| format!("{size} names"));
    report.grid(&title, &rows, &METHODS, &times);
    if !volume.on_disk {
        let ours = move |medians: &[f64]| {
            let ours = medians.iter().copied().step_by(METHODS.len());
            let (least, most) = (ours.clone().reduce(f64::min), ours.reduce(f64::max));
            most.expect("a time") / least.expect("a time")
        };
        report.goal(
            format!(
                "{}: dearest size of directory, to the cheapest",
                volume.name
            ),
            1.10,
            times.estimate(ours),
        );
    }
    Ok(())
}

/// A directory that holds so many names.
fn holding(names: usize, volume: &Volume) -> io::Result<Place> {
    let place = Place::new(&volume.root)?;
    for number in 0..names {
        File::create(place.path().join(format!("other-{number}")))?;
    }
    place.settle()?;
    Ok(place)
}

fn among_others(place: &Place, method: Method, files: usize) -> io::Result<f64> {
    let targets = place.targets(0..files);
    let begin = Instant::now();
    save(place, &targets, method)?;
    let elapsed = begin.elapsed();
    for target in targets {
        fs::remove_file(target.path)?;
    }
    Ok(each(elapsed, files))
}

fn save(place: &Place, targets: &[Target], method: Method) -> io::Result<()> {
    let mut targets = targets.iter();
    targets.try_for_each(|target| (method.save)(place, target, &CONTENTS))
}

/// Threads that save at the same time.
#[derive(Clone, Copy)]
struct Crowd {
    threads: usize,
    directories: usize,
    files_each: usize,
}

pub(super) fn threads(volume: &Volume, effort: Effort, report: &mut Report) -> io::Result<()> {
    let files = effort.files(800);
    let crowd = |threads, directories| Crowd {
        threads,
        directories,
        files_each: files / threads,
    };
    let mut crowds = vec![crowd(1, 1)];
    for threads in [2, 4, 8, 16] {
        crowds.extend([crowd(threads, 1), crowd(threads, threads)]);
    }
    let mut runs = Vec::new();
    for &crowd in &crowds {
        for method in METHODS {
            runs.push(Box::new(move || crowd.run(volume, method)) as Run<'_>);
        }
    }
    let times = race(effort.rounds_on(volume, 41, 15), &mut runs)?;
    let rows: Vec<_> = crowds.iter().map(Crowd::name).collect();
    let title = format!(
        "{}: a new name by many threads, not synced (wall time by number of files)",
        volume.name
    );
    report.grid(&title, &rows, &METHODS, &times);
    let two = crowds
        .iter()
        .position(|crowd| (crowd.threads, crowd.directories) == (2, 2))
        .expect("two threads")
        * METHODS.len();
    report.goal(
        format!(
            "{}: time of two threads in two directories by that of one, to the same of the bare calls",
            volume.name
        ),
        1.05,
        times.estimate(|medians| (medians[two] / medians[0]) / (medians[two + 1] / medians[1])),
    );
    Ok(())
}

impl Crowd {
    fn name(&self) -> String {
        match (self.threads, self.directories) {
            (1, _) => "1 thread".to_owned(),
            (threads, 1) => format!("{threads} threads, one directory"),
            (threads, _) => format!("{threads} threads, one directory each"),
        }
    }

    fn run(self, volume: &Volume, method: Method) -> io::Result<f64> {
        let places = (0..self.directories)
            .map(|_| Place::new(&volume.root))
            .collect::<io::Result<Vec<_>>>()?;
        let start = Barrier::new(self.threads);
        let work = |number: usize| {
            let place = &places[number % places.len()];
            let first = number * self.files_each;
            let targets = place.targets(first..first + self.files_each);
            start.wait();
            let begin = Instant::now();
            save(place, &targets, method)?;
            Ok((begin, Instant::now()))
        };
        let spans = thread::scope(|scope| {
            let work = &work;
            let workers: Vec<_> = (0..self.threads)
                .map(|number| scope.spawn(move || work(number)))
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().expect("no panic"))
                .collect::<io::Result<Vec<_>>>()
        })?;
        let begin = spans.iter().map(|span| span.0).min().expect("a thread");
        let end = spans.iter().map(|span| span.1).max().expect("a thread");
        let files = self.threads * self.files_each;
        Ok(each(end - begin, files))
    }
}
