//! Compares linkable with the same system calls without a crate, and with other crates.
//!
//! ```text
//! compare [--only GROUP]… [--file-system NAME]… [--rounds N] [--smoke]
//! ```
//!
//! Prints the tables, and writes them to `benches/results`, with two charts. In `BENCHMARKS.md` it
//! replaces the summary. If anything is left out, everything goes to `target/compare` instead, so
//! that the repository holds complete results only.
//!
//! Root mounts tmpfs, ext4, xfs and btrfs, the latter three from images in `$TMPDIR`. Other users
//! have `tmpfs`, in /dev/shm, and `tmpdir`. `--smoke` shows in seconds that everything works, and
//! its figures mean nothing.
//!
//! `compare save-one` is a new process of the group `fresh`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use linkable_benches::groups::{save_one, Effort, GROUPS, SAVE_ONE};
use linkable_benches::machine::Machine;
use linkable_benches::markdown;
use linkable_benches::output::Output;
use linkable_benches::results::Measured;
use linkable_benches::volume::{self, Volume, MOUNTABLE};
use pico_args::Arguments;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = Arguments::from_env();
    if arguments.subcommand()?.as_deref() == Some(SAVE_ONE) {
        let (method, directory) = (
            arguments.free_from_str()?,
            arguments.free_from_str::<PathBuf>()?,
        );
        println!("{}", save_one(method, &directory)?);
        return Ok(ExitCode::SUCCESS);
    }
    let effort = Effort {
        rounds: arguments.opt_value_from_str("--rounds")?,
        smoke: arguments.contains("--smoke"),
    };
    let groups = chosen(
        &arguments.values_from_str::<_, String>("--only")?,
        &GROUPS.map(|group| group.name),
    )?;
    let volumes = chosen(
        &arguments.values_from_str::<_, String>("--file-system")?,
        Volume::available(),
    )?;
    if let Some(unknown) = arguments.finish().first() {
        return Err(format!("unknown argument {}", unknown.to_string_lossy()).into());
    }

    volume::own_mounts();
    let machine = Machine {
        remark: effort.remark(),
        ..Machine::this()?
    };
    let mut results = Vec::new();
    let mut missing = false;
    for name in &volumes {
        match Volume::open(name) {
            Ok(volume) => results.push(measure(&volume, &groups, effort)?),
            Err(error) => {
                eprintln!("{name} could not be mounted: {error}");
                missing = true;
            }
        }
    }

    let everything = results.len() == MOUNTABLE.len() && groups.len() == GROUPS.len();
    let output = if everything && !effort.smoke {
        Output::repository()
    } else {
        Output::scratch()?
    };
    for measured in &results {
        output.tables(measured, &machine)?;
    }
    if everything {
        output.summary(&results, &machine)?;
    } else {
        eprintln!("no summary and no charts: they need all groups and all file systems");
    }
    eprintln!("the results are in {}", output.directory().display());
    Ok(if missing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn measure(volume: &Volume, groups: &[String], effort: Effort) -> std::io::Result<Measured> {
    let mut tables = Vec::new();
    for group in &GROUPS {
        if !groups.iter().any(|name| name == group.name) {
            continue;
        }
        for table in (group.run)(volume, effort)? {
            println!("# {}{}", volume.name, markdown::table(&table));
            tables.push(table);
        }
    }
    Ok(Measured {
        file_system: volume.name.clone(),
        tables,
    })
}

/// What was asked for, without doubles, or everything.
fn chosen(wanted: &[String], all: &[&str]) -> Result<Vec<String>, String> {
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(&name.as_str())) {
        return Err(format!("{unknown} is none of {}", all.join(", ")));
    }
    let wanted = |name: &&str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    Ok(all
        .iter()
        .filter(|name| wanted(name))
        .map(|&name| name.to_owned())
        .collect())
}
