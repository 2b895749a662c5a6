//! Many files, all of which survive a power cut in the end.

use std::fs;
use std::io;

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use super::{describe, measure, size, thousands, titles, Effort};
use crate::methods::{bare, ours, peers, Method, SaveAll};
use crate::place::{Place, Target};
use crate::race::{race, Cost, Run, Times};
use crate::results::Table;
use crate::volume::Volume;

const CONTENTS: [u8; 16 << 10] = [b'x'; 16 << 10];

const BESIDE_OTHERS: &str = "Many files in one directory, while others have written and not synced";

/// How much others have written, in bytes.
const OTHERS: usize = 64 << 20;

/// How many files the summary and a chart show.
pub(crate) const FILES: usize = 1_000;

/// Files that are saved together.
struct Batch {
    places: Vec<Place>,
    /// Each with the index of its place.
    targets: Vec<(usize, Target)>,
}

type SaveBatch = Box<dyn Fn(&Batch) -> io::Result<()>>;

fn together(method: Method<SaveAll>) -> Method<SaveBatch> {
    method.map(|save| {
        Box::new(move |batch: &Batch| save(&batch.places, &batch.targets, &CONTENTS)) as SaveBatch
    })
}

fn one_by_one(method: Method) -> Method<SaveBatch> {
    method.map(|save| {
        Box::new(move |batch: &Batch| {
            let mut targets = batch.targets.iter();
            targets.try_for_each(|(at, target)| save(&batch.places[*at], target, &CONTENTS))
        }) as SaveBatch
    })
}

pub(super) fn batch(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let mut tables = vec![one_directory(volume, effort)?];
    // Nothing is synced in memory.
    if volume.on_disk {
        tables.extend([few_files(volume, effort)?, beside_others(volume, effort)?]);
    }
    Ok(tables)
}

pub(super) fn many(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    // 100,000 files would fill the memory.
    if !volume.on_disk {
        return Ok(Vec::new());
    }
    Ok(vec![many_directories(volume, effort)?])
}

fn one_directory(volume: &Volume, effort: Effort) -> io::Result<Table> {
    let methods = [
        together(ours::BATCH),
        together(ours::BATCH_FILE_SYSTEM),
        together(ours::BATCH_FSYNC),
        together(bare::BATCH),
        one_by_one(ours::REPLACE_DURABLE),
        one_by_one(peers::TEMPFILE_DURABLE),
        one_by_one(peers::CAP_STD_EXT),
        one_by_one(peers::ATOMIC_WRITE_FILE),
    ];
    let (rounds, files) = (effort.rounds(5), effort.files(FILES));
    let times = compare(volume, rounds, (files, 1), &methods)?;
    let effort = describe(rounds, files, CONTENTS.len());
    Ok(Table::new(titles::BATCH, effort, &methods).with(String::new(), &times, 0))
}

/// From how many files on one flush for all is faster than one for each.
fn few_files(volume: &Volume, effort: Effort) -> io::Result<Table> {
    let methods = [ours::BATCH, ours::BATCH_FILE_SYSTEM, ours::BATCH_FSYNC].map(together);
    let rounds = effort.rounds(11);
    let title = "A few files in one directory, contents and name synced";
    let mut table = Table::new(title, format!("{rounds} rounds"), &methods);
    for files in [2, 4, 8, 16] {
        let times = compare(volume, rounds, (files, 1), &methods)?;
        table = table.with(format!("{files} files of 16 KiB"), &times, 0);
    }
    Ok(table)
}

/// What others have written and not synced need not reach the disk.
fn beside_others(volume: &Volume, effort: Effort) -> io::Result<Table> {
    let methods = [ours::BATCH, ours::BATCH_FILE_SYSTEM, ours::BATCH_FSYNC].map(together);
    let (rounds, files) = (effort.rounds(5), effort.files(FILES));
    let others = vec![b'x'; effort.files(OTHERS)];
    let run = |method: &Method<SaveBatch>| -> io::Result<Cost> {
        let batch = Batch::new(volume, files, 1)?;
        let theirs = Place::new(&volume.root)?;
        fs::write(theirs.path().join("not-synced"), &others)?;
        measure(volume, files, || (method.save)(&batch))
    };
    let runs = methods.iter();
    let mut runs: Vec<_> = runs
        .map(|method| Box::new(move || run(method)) as Run<'_>)
        .collect();
    let times = race(rounds, &mut runs)?;
    let effort = describe(rounds, files, CONTENTS.len());
    let effort = format!(
        "{effort}; another file of {} is not synced",
        size(others.len())
    );
    Ok(Table::new(BESIDE_OTHERS, effort, &methods).with(String::new(), &times, 0))
}

fn many_directories(volume: &Volume, effort: Effort) -> io::Result<Table> {
    let methods = [together(ours::BATCH), together(bare::BATCH)];
    let rounds = effort.rounds(3);
    let [some, many] = [10_000, 100_000].map(|files| effort.files(files));
    let directories = effort.files(100);
    let title = "Many files in many directories, contents and names synced";
    let note = format!("{rounds} rounds, {directories} directories, files of 16 KiB");
    let table = Table::new(title, note, &methods);
    let times = compare(volume, rounds, (some, directories), &methods)?;
    let table = table.with(format!("{} files", thousands(some)), &times, 0);

    let usual = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(1_024),
        ..usual
    };
    setrlimit(Resource::Nofile, few)?;
    let times = compare(volume, rounds, (many, directories), &methods);
    setrlimit(Resource::Nofile, usual)?;
    let name = format!("{} files, `RLIMIT_NOFILE` 1,024", thousands(many));
    Ok(table.with(name, &times?, 0))
}

fn compare(
    volume: &Volume,
    rounds: usize,
    (files, directories): (usize, usize),
    methods: &[Method<SaveBatch>],
) -> io::Result<Times> {
    let run = |method: &Method<SaveBatch>| -> io::Result<Cost> {
        let batch = Batch::new(volume, files, directories)?;
        measure(volume, files, || (method.save)(&batch))
    };
    let mut runs: Vec<_> = methods
        .iter()
        .map(|method| Box::new(move || run(method)) as Run<'_>)
        .collect();
    race(rounds, &mut runs)
}

impl Batch {
    fn new(volume: &Volume, files: usize, directories: usize) -> io::Result<Self> {
        let places = (0..directories)
            .map(|_| Place::new(&volume.root))
            .collect::<io::Result<Vec<_>>>()?;
        let files_each = files.div_ceil(directories);
        let in_place = |(at, place): (usize, &Place)| {
            let targets = place.targets(0..files_each);
            targets.into_iter().map(move |target| (at, target))
        };
        let targets = places.iter().enumerate().flat_map(in_place).collect();
        places[0].settle()?;
        Ok(Self { places, targets })
    }
}
