//! Compares linkable with the bare system calls and with other crates, in one process.
//!
//!     compare [--only GROUP]… [--file-system NAME]… [--rounds N] [--smoke]
//!
//! Prints Markdown. Root mounts tmpfs, ext4, xfs and btrfs for it, the latter from images in
//! `$TMPDIR`; everybody else has `tmpfs` in /dev/shm, and `tmpdir`. `--smoke` shows in seconds that
//! everything works, and its figures mean nothing. A goal that is not met is no failure; what could
//! not be measured is.

use std::error::Error;
use std::process::ExitCode;

use linkable_benches::groups::{Effort, GROUPS};
use linkable_benches::report::Report;
use linkable_benches::volume::{self, Volume};
use pico_args::Arguments;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = Arguments::from_env();
    let effort = Effort {
        rounds: arguments.opt_value_from_str("--rounds")?,
        smoke: arguments.contains("--smoke"),
    };
    let groups = chosen(
        arguments.values_from_str("--only")?,
        &GROUPS.map(|group| group.name),
    )?;
    let volumes = chosen(
        arguments.values_from_str("--file-system")?,
        Volume::available(),
    )?;
    if let Some(unknown) = arguments.finish().first() {
        return Err(format!("what is {}?", unknown.to_string_lossy()).into());
    }

    volume::alone();
    let mut report = Report::begin()?;
    for name in volumes {
        let volume = match Volume::open(&name) {
            Ok(volume) => volume,
            Err(error) => {
                report.missing(name, error);
                continue;
            }
        };
        for group in GROUPS
            .iter()
            .filter(|group| groups.iter().any(|name| name == group.name))
        {
            if volume.on_disk || !group.on_disk {
                (group.run)(&volume, effort, &mut report)?;
            }
        }
    }
    Ok(if report.end() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What was asked for, or all that there is.
fn chosen(wanted: Vec<String>, all: &[&str]) -> Result<Vec<String>, String> {
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(&name.as_str())) {
        return Err(format!("there is no {unknown}, but {}", all.join(", ")));
    }
    if wanted.is_empty() {
        return Ok(all.iter().map(|&name| name.to_owned()).collect());
    }
    Ok(wanted)
}
