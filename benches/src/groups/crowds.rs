//! Directories with many files, and many threads at once.

use std::fs::{self, File};
use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::{describe, thousands, Effort};
use crate::methods::{bare, ours, peers, Method};
use crate::place::{Place, Target};
use crate::race::{each, race, Cost, Run};
use crate::results::Table;
use crate::volume::Volume;

const CONTENTS: [u8; 4 << 10] = [b'x'; 4 << 10];
const METHODS: [Method; 3] = [ours::PUBLISH, bare::PUBLISH, peers::TEMPFILE_NOCLOBBER];

pub(super) fn directories(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let sizes = [10, 100, 1_000, 10_000, 100_000].map(|size| effort.files(size));
    let files = effort.files(100);
    let rounds = effort.rounds_on(volume, 101, 31);
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
    let times = race(rounds, &mut runs)?;
    let mut table = Table::new(
        "A new file among others, not synced",
        describe(rounds, files, CONTENTS.len()),
        &METHODS,
    );
    for (row, &size) in sizes.iter().enumerate() {
        let name = format!("{} others", thousands(size));
        table = table.with(name, &times, row * METHODS.len());
    }
    Ok(vec![table])
}

/// A directory with some files in it.
fn holding(files: usize, volume: &Volume) -> io::Result<Place> {
    let place = Place::new(&volume.root)?;
    for number in 0..files {
        File::create(place.path().join(format!("other-{number}")))?;
    }
    place.settle()?;
    Ok(place)
}

fn among_others(place: &Place, method: Method, files: usize) -> io::Result<Cost> {
    let targets = place.targets(0..files);
    let begin = Instant::now();
    save(place, &targets, method)?;
    let elapsed = begin.elapsed();
    for target in targets {
        fs::remove_file(target.path)?;
    }
    Ok(each(elapsed, files).into())
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

const THREADS: [usize; 5] = [1, 2, 4, 8, 16];

pub(super) fn threads(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let files = effort.files(800);
    let rounds = effort.rounds_on(volume, 41, 15);
    let crowd = |threads, directories| Crowd {
        threads,
        directories,
        files_each: files / threads,
    };
    let shared = THREADS.map(|threads| crowd(threads, 1));
    let apart = THREADS[1..].iter().map(|&threads| crowd(threads, threads));
    let crowds: Vec<_> = shared.into_iter().chain(apart).collect();
    let mut runs = Vec::new();
    for &crowd in &crowds {
        for method in METHODS {
            runs.push(Box::new(move || crowd.run(volume, method)) as Run<'_>);
        }
    }
    let times = race(rounds, &mut runs)?;
    let effort = describe(rounds, files, CONTENTS.len());
    let effort = format!("{effort}; elapsed time divided by the number of files");
    let mut table = Table::new(
        "New files from several threads, not synced",
        effort,
        &METHODS,
    );
    for (row, crowd) in crowds.iter().enumerate() {
        table = table.with(crowd.name(), &times, row * METHODS.len());
    }
    Ok(vec![table])
}

impl Crowd {
    fn name(&self) -> String {
        match (self.threads, self.directories) {
            (1, _) => "1 thread".to_owned(),
            (threads, 1) => format!("{threads} threads, one directory"),
            (threads, _) => format!("{threads} threads, one directory each"),
        }
    }

    fn run(self, volume: &Volume, method: Method) -> io::Result<Cost> {
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
        Ok(each(end - begin, files).into())
    }
}
