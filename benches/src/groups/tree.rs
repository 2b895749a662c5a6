//! A directory tree, as a package manager installs it.

use std::env;
use std::fs;
use std::io;
use std::time::Instant;

use super::{describe, Effort};
use crate::methods::{bare, ours};
use crate::place::Place;
use crate::race::{each, race, Cost, Run};
use crate::results::Table;
use crate::volume::Volume;

/// About as many as Rust's HTML documentation has, and as large on average.
const DIRECTORIES: usize = 200;
const FILES_EACH: usize = 13;
static CONTENTS: [u8; 48 << 10] = [b'x'; 48 << 10];

pub(super) fn tree(volume: &Volume, effort: Effort) -> io::Result<Vec<Table>> {
    let directories = effort.files(DIRECTORIES);
    let files = directories * FILES_EACH;
    let rounds = effort.rounds(7);
    let source = Place::new(&env::temp_dir())?;
    for directory in 0..directories {
        let directory = source.path().join(directory.to_string());
        fs::create_dir(&directory)?;
        for file in 0..FILES_EACH {
            fs::write(directory.join(file.to_string()), CONTENTS)?;
        }
    }
    let methods = [ours::TREE, bare::TREE];
    let run = |save: fn(&Place, &Place) -> io::Result<()>| -> io::Result<Cost> {
        let target = Place::new(&volume.root)?;
        target.settle()?;
        let begin = Instant::now();
        save(&source, &target)?;
        Ok(each(begin.elapsed(), files).into())
    };
    let mut runs = methods.map(|method| Box::new(move || run(method.save)) as Run<'_>);
    let times = race(rounds, &mut runs)?;
    let effort = describe(rounds, files, CONTENTS.len());
    let effort = format!("{effort} in {directories} directories, copied from `$TMPDIR`");
    let table = Table::new(
        "Copying a tree, contents and names synced",
        effort,
        &methods,
    );
    Ok(vec![table.with(String::new(), &times, 0)])
}
