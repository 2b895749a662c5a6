//! One file, saved by a program that has just started: what is asked only once counts in full.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use testbed::run;

use super::{describe, Effort};
use crate::methods::{bare, ours, peers, Method};
use crate::place::{Place, Target};
use crate::race::{race, Cost, Run};
use crate::results::Table;
use crate::volume::Volume;

const CONTENTS: [u8; 4 << 10] = [b'x'; 4 << 10];

const METHODS: [Method; 4] = [
    ours::REPLACE_SYNCED,
    ours::REPLACE_SYNCED_FSYNC,
    bare::REPLACE_SYNCED,
    peers::TEMPFILE_SYNCED,
];

pub(super) fn fresh(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let rounds = effort.rounds(51);
    let run = |number| Box::new(move || in_new_process(volume, number)) as Run<'_>;
    let times = race(rounds, &mut (0..METHODS.len()).map(run).collect::<Vec<_>>())?;
    let effort = describe(rounds, 1, CONTENTS.len());
    let effort = format!("{effort}, each in a process of its own; its start does not count");
    let title = "Replacing a file in a new process, contents synced";
    let table = Table::new(title, effort, &METHODS);
    Ok(vec![table.with(String::new(), &times, 0)])
}

fn in_new_process(volume: &Volume, method: usize) -> io::Result<Cost> {
    // Even if the program was built anew meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg(SAVE_ONE).arg(method.to_string());
    let seconds = run(command.arg(&volume.root))?;
    let seconds = seconds.trim().parse::<f64>();
    seconds.map(Cost::from).map_err(io::Error::other)
}

/// The first argument of a process that calls [`save_one`].
pub const SAVE_ONE: &str = "save-one";

/// Saves one file in `directory` by the method of this number: the seconds it took.
pub fn save_one(method: usize, directory: &Path) -> io::Result<f64> {
    let method = METHODS
        .get(method)
        .ok_or_else(|| io::Error::other("no such method"))?;
    let place = Place::new(directory)?;
    let target = &place.targets(0..1)[0];
    Target::take(target)?;
    place.settle()?;
    let begin = Instant::now();
    (method.save)(&place, target, &CONTENTS)?;
    Ok(begin.elapsed().as_secs_f64())
}
