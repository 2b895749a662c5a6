//! Thousands of files, which all are to survive a power cut in the end.

use std::io;
use std::time::Instant;

use linkable::BatchSync;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use super::Effort;
use crate::methods::{bare, ours, peers, Method};
use crate::place::{Place, Target};
use crate::race::{each, race, Run};
use crate::report::Report;
use crate::volume::Volume;

const CONTENTS: [u8; 16 << 10] = [b'x'; 16 << 10];

/// How many files are open at once: with two descriptors for each of 100 directories that is within
/// the usual limit of 1,024.
const CHUNK: usize = 750;

/// Files that are saved together.
struct Batch {
    places: Vec<Place>,
    /// Each with the place that it is in.
    targets: Vec<(usize, Target)>,
}

/// A way to save a batch.
struct Saver {
    name: &'static str,
    save: Box<Save>,
}

type Save = dyn Fn(&Batch) -> io::Result<()>;

/// The way against which others are judged: as few flushes as there can be.
fn by_hand() -> Saver {
    Saver {
        name: "bare calls: write all, one `syncfs`, link all, one `fsync` of each directory",
        save: Box::new(|batch| bare::save_all(&batch.places, &batch.targets, &CONTENTS, CHUNK)),
    }
}

fn batch_with(sync: BatchSync) -> Saver {
    let name = match sync {
        BatchSync::EachFile => "**linkable**, `PublishBatch`, `EachFile`",
        BatchSync::FileSystem => "**linkable**, `PublishBatch`, `FileSystem`",
        _ => "**linkable**, `PublishBatch`",
    };
    let save = move |batch: &Batch| ours::save_all(&batch.places, &batch.targets, &CONTENTS, sync);
    Saver {
        name,
        save: Box::new(save),
    }
}

fn one_by_one(method: Method) -> Saver {
    Saver {
        name: method.name,
        save: Box::new(move |batch| {
            let mut targets = batch.targets.iter();
            targets
                .try_for_each(|(at, target)| (method.save)(&batch.places[*at], target, &CONTENTS))
        }),
    }
}

pub(super) fn batch(volume: &Volume, effort: Effort, report: &mut Report) -> io::Result<()> {
    let one_directory = [
        by_hand(),
        batch_with(BatchSync::Automatic),
        batch_with(BatchSync::EachFile),
        one_by_one(ours::PUBLISH_DURABLE),
        one_by_one(peers::ATOMIC_WRITE_FILE),
        one_by_one(peers::CAP_STD_EXT),
    ];
    compare(volume, effort, report, (1_000, 1), &one_directory)?;
    // From how many files on one flush for all is worth it.
    for files in [2, 4, 8, 16] {
        let ways = [BatchSync::EachFile, BatchSync::FileSystem].map(batch_with);
        compare(volume, effort, report, (files, 1), &ways)?;
    }
    let all_at_once = [by_hand(), batch_with(BatchSync::Automatic)];
    compare(volume, effort, report, (10_000, 100), &all_at_once)?;

    let usual = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(1_024),
        ..usual
    };
    setrlimit(Resource::Nofile, few)?;
    let result = compare(volume, effort, report, (100_000, 100), &all_at_once);
    setrlimit(Resource::Nofile, usual)?;
    result
}

fn compare(
    volume: &Volume,
    effort: Effort,
    report: &Report,
    (files, directories): (usize, usize),
    savers: &[Saver],
) -> io::Result<()> {
    let files = effort.files(files);
    let directories = effort.files(directories);
    let run = |saver: &Saver| -> io::Result<f64> {
        let batch = Batch::new(volume, files, directories)?;
        let begin = Instant::now();
        (saver.save)(&batch)?;
        Ok(each(begin.elapsed(), files))
    };
    let mut runs: Vec<_> = savers
        .iter()
        .map(|saver| Box::new(move || run(saver)) as Run<'_>)
        .collect();
    let times = race(effort.rounds(3), &mut runs)?;
    let title = format!(
        "{}: {files} files of {} KiB in {directories} directories, all durable",
        volume.name,
        CONTENTS.len() >> 10
    );
    let names: Vec<_> = savers.iter().map(|saver| saver.name).collect();
    report.list(&title, &names, &times);
    Ok(())
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
