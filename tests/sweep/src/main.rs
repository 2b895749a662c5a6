//! Fails, and kills at, every system call of the library's operations, and judges what it has
//! promised.
//!
//!     sweep [--only OPERATION] [--route ROUTE] [--one-in N [--seed N]] [--verbose]
//!
//! Each operation is done, on each route, in a process of its own whose system calls a seccomp
//! supervisor decides over. Then it is done again for each of its calls and each errno which that
//! call can have, once and lastingly; after each fault that leads to other calls than before, those
//! are failed in turn, the clean-up among them; and at the border between any two calls the process
//! is killed. Prints a table, and fails if a promise was broken. With `--one-in` only a sample of the
//! second faults is made, and of the kills after a first one.
//!
//! The route `ext4` needs root, to mount one. Nothing else depends on the file system of `$TMPDIR`.
//!
//!     sweep run OPERATION ROUTE publish|drop DIRECTORY [CALL:ERRNO[+] | CALL:kill]...
//!
//! does one of these runs in an empty directory, and prints its calls: what is left of the handle
//! is published without a fault, or dropped. `+` is a fault that lasts. For the route `ext4` the
//! directory must be on one.

mod call;
mod directory;
mod fault;
mod judge;
mod manual;
mod operation;
mod route;
mod supervisor;
mod sweep;
mod worker;

use std::env;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use pico_args::Arguments;
use tempfile::TempDir;
use testbed::{FileSystem, Kind, Mounted};

use crate::fault::Fault;
use crate::operation::Operation;
use crate::route::Route;
use crate::sweep::{sweep, Sample, Tally};
use crate::worker::{Afterwards, Plan};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_env();
    let done = match arguments.subcommand() {
        Ok(Some(command)) if command == "run" => run(arguments).map(|()| true),
        Ok(None) => sweep_all(arguments),
        other => Err(format!("{other:?}? See the first lines of main.rs")),
    };
    match done {
        Ok(kept) => ExitCode::from(u8::from(!kept)),
        Err(error) => {
            eprintln!("sweep: {error}");
            ExitCode::from(2)
        }
    }
}

/// One run, told by its arguments.
fn run(mut arguments: Arguments) -> Result<(), String> {
    let mut next = || {
        let argument: Result<String, _> = arguments.free_from_str();
        argument.map_err(|error| error.to_string())
    };
    let (operation, route, afterwards, dir) = (next()?, next()?, next()?, next()?);
    let faults = arguments.finish().into_iter();
    let faults: Result<Vec<Fault>, _> = faults
        .map(|fault| fault.to_string_lossy().parse())
        .collect();
    let plan = Plan {
        operation: operation_of(&operation)?,
        route: route_of(&route)?,
        afterwards: match afterwards.as_str() {
            "publish" => Afterwards::Publish,
            "drop" => Afterwards::Drop,
            _ => return Err(format!("{afterwards} is neither publish nor drop")),
        },
        dir: PathBuf::from(dir),
        faults: faults?,
    };
    plan.carry_out().map_err(|error| error.to_string())
}

fn route_of(name: &str) -> Result<Route, String> {
    let mut all = Route::ALL.into_iter();
    all.find(|route| route.name() == name)
        .ok_or_else(|| format!("{name} is no route"))
}

fn operation_of(name: &str) -> Result<Operation, String> {
    let mut all = Operation::all().into_iter();
    all.find(|operation| operation.name() == name)
        .ok_or_else(|| format!("{name} is no operation"))
}

fn number(arguments: &mut Arguments, name: &'static str, default: u64) -> Result<u64, String> {
    let given = arguments.opt_value_from_str(name);
    Ok(given.map_err(|error| error.to_string())?.unwrap_or(default))
}

fn is_root() -> bool {
    // SAFETY: the call cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// A new ext4, mounted for this process alone. It is unmounted before its directory is removed.
struct Ext4 {
    _mounted: Mounted,
    at: TempDir,
}

impl Ext4 {
    fn mount() -> io::Result<Self> {
        testbed::own_mounts();
        let at = tempfile::tempdir()?;
        let mounted = FileSystem::from(Kind::Ext4).mount(at.path())?;
        // It shows whether it has fast commits once somebody has called fsync(2).
        File::create(at.path().join("other"))?.sync_all()?;
        Ok(Self {
            _mounted: mounted,
            at,
        })
    }

    fn path(&self) -> &Path {
        self.at.path()
    }
}

/// All runs; whether everything was kept.
fn sweep_all(mut arguments: Arguments) -> Result<bool, String> {
    let verbose = arguments.contains("--verbose");
    let only: Option<String> = arguments
        .opt_value_from_str("--only")
        .map_err(|error| error.to_string())?;
    let only_route: Option<String> = arguments
        .opt_value_from_str("--route")
        .map_err(|error| error.to_string())?;
    let only_route = only_route.map(|name| route_of(&name)).transpose()?;
    let sample = Sample {
        one_in: number(&mut arguments, "--one-in", 1)?.max(1),
        seed: number(&mut arguments, "--seed", 0)?,
    };
    let unknown = arguments.finish();
    if !unknown.is_empty() {
        return Err(format!("{unknown:?}? See the first lines of main.rs"));
    }
    let operations = match only {
        Some(name) => vec![operation_of(&name)?],
        None => Operation::all(),
    };
    let mut rows = operations
        .into_iter()
        .flat_map(|operation| Route::ALL.map(|route| (operation, route)))
        .filter(|(operation, route)| route.matters_to(*operation))
        .filter(|(_, route)| only_route.is_none_or(|only| only == *route))
        .collect::<Vec<_>>();
    let needs_ext4 = rows.iter().any(|(_, route)| *route == Route::Ext4);
    let ext4 = if needs_ext4 && is_root() {
        Some(Ext4::mount().map_err(|error| error.to_string())?)
    } else {
        None
    };
    if needs_ext4 && ext4.is_none() {
        println!("SKIPPED: the route ext4, which needs root\n");
        rows.retain(|(_, route)| *route != Route::Ext4);
    }
    let scratch_of = |route| match &ext4 {
        Some(mounted) if route == Route::Ext4 => mounted.path().to_owned(),
        _ => env::temp_dir(),
    };

    println!("| operation | route | calls | faults | kills | broken | s |");
    println!("|---|---|---|---|---|---|---|");
    let rows = Mutex::new(rows.into_iter());
    let total = Mutex::new(Tally::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| loop {
                let row = rows.lock().expect("no panic").next();
                let Some((operation, route)) = row else { break };
                let start = Instant::now();
                let tally = sweep(operation, route, &scratch_of(route), sample, verbose);
                println!(
                    "| {} | {} | {} | {} | {} | {} | {:.1} |",
                    operation.name(),
                    route.name(),
                    tally.calls,
                    tally.faults,
                    tally.kills,
                    tally.broken,
                    start.elapsed().as_secs_f64(),
                );
                *total.lock().expect("no panic") += tally;
            });
        }
    });
    let total = total.into_inner().expect("no panic");
    println!("\n{} faults, {} kills", total.faults, total.kills);
    println!(
        "{} passed, {} failed",
        total.runs - total.broken,
        total.broken
    );
    Ok(total.broken == 0)
}
