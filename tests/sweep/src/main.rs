//! Fails, and kills at, every system call of the library's operations, and judges what it has
//! promised.
//!
//!     sweep [--only OPERATION] [--verbose]
//!
//! Each operation is done, on each route, in a process of its own whose system calls a seccomp
//! supervisor decides over. Then it is done again for each of its calls and each errno which that
//! call can have, once and lastingly; after each fault that leads to other calls than before, those
//! are failed in turn, the clean-up among them; and at the border between any two calls the process
//! is killed. Prints a table, and fails if a promise was broken.
//!
//!     sweep run OPERATION ROUTE publish|drop DIRECTORY [CALL:ERRNO[+] | CALL:kill]...
//!
//! does one of these runs in an empty directory, and prints its calls: what is left of the handle
//! is published without a fault, or dropped. `+` is a fault that lasts.

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

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use pico_args::Arguments;

use crate::fault::Fault;
use crate::operation::Operation;
use crate::route::Route;
use crate::sweep::{sweep, Tally};
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
        route: Route::ALL
            .into_iter()
            .find(|known| known.name() == route)
            .ok_or_else(|| format!("{route} is no route"))?,
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

fn operation_of(name: &str) -> Result<Operation, String> {
    let mut all = Operation::all().into_iter();
    all.find(|operation| operation.name() == name)
        .ok_or_else(|| format!("{name} is no operation"))
}

/// All runs; whether everything was kept.
fn sweep_all(mut arguments: Arguments) -> Result<bool, String> {
    let verbose = arguments.contains("--verbose");
    let only: Option<String> = arguments
        .opt_value_from_str("--only")
        .map_err(|error| error.to_string())?;
    let operations = match only {
        Some(name) => vec![operation_of(&name)?],
        None => Operation::all(),
    };
    let rows = operations.into_iter().flat_map(|operation| {
        let routes = Route::ALL.into_iter();
        routes
            .filter(move |route| route.matters_to(operation))
            .map(move |route| (operation, route))
    });

    println!("| operation | route | calls | faults | kills | broken | s |");
    println!("|---|---|---|---|---|---|---|");
    let rows = Mutex::new(rows);
    let total = Mutex::new(Tally::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| loop {
                let row = rows.lock().expect("no panic").next();
                let Some((operation, route)) = row else { break };
                let start = Instant::now();
                let tally = sweep(operation, route, verbose);
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
