//! Counts what linkable costs in user space, in instructions, and what reading the custom flags
//! does.
//!
//!     instructions
//!
//! Prints Markdown. Every operation runs once more under callgrind (of Debian's package valgrind),
//! which counts the same each time.

use std::env;
use std::error::Error;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::time::Instant;

use linkable_benches::methods::{bare, ours, Method, Taken};
use linkable_benches::place::{Place, Target};
use linkable_benches::race::{race, Estimate, Run};

#[allow(dead_code)]
#[path = "../../../src/custom_flags.rs"]
mod custom_flags;
#[allow(dead_code, unused_imports)]
#[path = "../../../src/platform.rs"]
mod platform;

use crate::custom_flags::CustomFlags;

/// What linkable does, the bare calls for it, and how many instructions more it may take.
const PAIRS: [(&str, Method, Method, Option<i64>); 4] = [
    ("a new name", ours::PUBLISH, bare::PUBLISH, Some(1_500)),
    (
        "a new name, durable",
        ours::PUBLISH_DURABLE,
        bare::PUBLISH_DURABLE,
        None,
    ),
    ("replace", ours::REPLACE, bare::REPLACE, None),
    (
        "replace, durable",
        ours::REPLACE_DURABLE,
        bare::REPLACE_DURABLE,
        None,
    ),
];

/// What operations are called by the process that has them counted.
const OURS: &str = "ours";
const BARE: &str = "bare";
const FLAGS: &str = "flags";

/// How many nanoseconds reading the custom flags may take.
const FLAGS_AT_MOST: f64 = 150.0;

/// How often an operation is done.
const TIMES: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => tables(),
        [FLAGS] => {
            let options = options();
            (0..TIMES).for_each(|_| measured(|| read_flags(&options)));
            Ok(())
        }
        [side, number] => {
            let (_, ours, bare, _) = PAIRS[number.parse::<usize>()?];
            Ok(save(if side == OURS { ours } else { bare })?)
        }
        _ => Err("there is nothing to say on the command line".into()),
    }
}

fn tables() -> Result<(), Box<dyn Error>> {
    println!("| user space, instructions | linkable | bare calls | more | at most | |");
    println!("|---|--:|--:|--:|--:|---|");
    for (number, (name, .., at_most)) in PAIRS.iter().enumerate() {
        let count = |side| count(&[side, &number.to_string()]);
        let (ours, bare) = (count(OURS)?, count(BARE)?);
        let more = ours - bare;
        let goal = at_most.map_or(" | |".to_owned(), |at_most| {
            format!(" {at_most} | {} |", verdict(more <= at_most))
        });
        println!("| {name} | {ours} | {bare} | {more} |{goal}");
    }

    let options = options();
    let time = time(&options)?.value * 1e9;
    let allocations = allocation_counter::measure(|| read_flags(&options)).count_total;
    println!("\n| reading the custom flags | | at most | |\n|---|--:|--:|---|");
    println!("| instructions | {} | | |", count(&[FLAGS])?);
    println!(
        "| nanoseconds | {time:.0} | {FLAGS_AT_MOST:.0} | {} |",
        verdict(time <= FLAGS_AT_MOST)
    );
    println!(
        "| allocations | {allocations} | 0 | {} |",
        verdict(allocations == 0)
    );
    Ok(())
}

fn verdict(met: bool) -> &'static str {
    if met {
        "met"
    } else {
        "not met"
    }
}

/// What is inside of this is counted, and nothing else.
#[inline(never)]
fn measured<T>(operation: impl FnOnce() -> T) -> T {
    operation()
}

/// The instructions of one operation, which this program does in another process.
fn count(operation: &[&str]) -> Result<i64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*instructions*measured*")
        .arg(env::current_exe()?)
        .args(operation)
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    // "==1234== Collected : 56789"
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse::<i64>().ok())
        .filter(|&collected| output.status.success() && collected > 0)
        .ok_or_else(|| format!("valgrind counted nothing: {text}"))?;
    Ok(collected / i64::try_from(TIMES)?)
}

/// Saves [`TIMES`] files, after one that is not counted: the first one in a process does more.
fn save(method: Method) -> io::Result<()> {
    let place = Place::new(&env::temp_dir())?;
    let targets = place.targets(0..TIMES + 1);
    if method.taken == Taken::Replaced {
        targets.iter().try_for_each(Target::take)?;
    }
    let contents = [b'x'; 4 << 10];
    (method.save)(&place, &targets[0], &contents)?;
    targets[1..]
        .iter()
        .try_for_each(|target| measured(|| (method.save)(&place, target, &contents)))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_SYNC);
    options
}

fn read_flags(options: &OpenOptions) {
    let flags = CustomFlags::of(black_box(options));
    black_box(flags).expect("flags that are understood");
}

/// The seconds that it takes to read the flags of `options` once.
fn time(options: &OpenOptions) -> io::Result<Estimate> {
    const READS: u32 = 10_000;
    let run = || {
        let begin = Instant::now();
        (0..READS).for_each(|_| read_flags(options));
        Ok(begin.elapsed().as_secs_f64() / f64::from(READS))
    };
    let times = race(201, &mut [Box::new(run) as Run<'_>])?;
    Ok(times.quartiles(0))
}
