//! One file at a time, while another program keeps the disk busy: how long a save can take.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::{describe, size, titles, Effort};
use crate::methods::{bare, ours, peers, Method};
use crate::place::{Place, Target};
use crate::race::{race, Cost, Run};
use crate::results::Table;
use crate::volume::Volume;

const CONTENTS: [u8; 4 << 10] = [b'x'; 4 << 10];

/// What the other program writes before it syncs, in bytes.
const WRITTEN: usize = 32 << 20;

pub(super) fn latency(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    // Nothing is synced in memory.
    if !volume.on_disk {
        return Ok(Vec::new());
    }
    let synced = [
        ours::REPLACE_SYNCED,
        ours::REPLACE_SYNCED_FSYNC,
        bare::REPLACE_SYNCED,
        peers::TEMPFILE_SYNCED,
    ];
    let durable = [
        ours::REPLACE_DURABLE,
        ours::REPLACE_DURABLE_FSYNC,
        bare::REPLACE_DURABLE,
        peers::ATOMIC_WRITE_FILE,
    ];
    let compare = |title, methods: &[Method]| -> io::Result<Table> {
        let rounds = effort.rounds(101);
        let place = Place::new(&volume.root)?;
        let run = |&method| {
            let place = &place;
            Box::new(move || save(place, method)) as Run<'_>
        };
        let times = race(rounds, &mut methods.iter().map(run).collect::<Vec<_>>())?;
        let effort = describe(rounds, 1, CONTENTS.len());
        let written = size(WRITTEN);
        let effort = format!(
            "{effort}, while another thread writes {written} and syncs them, again and again"
        );
        let table = Table::new(title, effort, methods).showing_tail();
        Ok(table.with(String::new(), &times, 0))
    };
    beside_writer(volume, || {
        Ok(vec![
            compare(titles::BUSY_SYNCED, &synced)?,
            compare(titles::BUSY_DURABLE, &durable)?,
        ])
    })
}

fn save(place: &Place, method: Method) -> io::Result<Cost> {
    let target = &place.targets(0..1)[0];
    Target::take(target)?;
    // What reaches the disk is not counted: most of it is the other's.
    let begin = Instant::now();
    (method.save)(place, target, &CONTENTS)?;
    Ok(begin.elapsed().as_secs_f64().into())
}

/// Does something while another thread writes, and syncs what it has written.
fn beside_writer<T>(volume: &Volume, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let place = Place::new(&volume.root)?;
    let stop = AtomicBool::new(false);
    let block = vec![b'x'; 1 << 20];
    let write = || -> io::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let mut file = File::create(place.path().join("busy"))?;
            for _ in 0..WRITTEN / block.len() {
                file.write_all(&block)?;
            }
            file.sync_all()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let writer = scope.spawn(write);
        let outcome = work();
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("no panic")?;
        outcome
    })
}
