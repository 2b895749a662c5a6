//! Counts the instructions that linkable runs in user space, beside the same system calls without
//! a crate.
//!
//! ```text
//! instructions [--print]
//! ```
//!
//! Writes `benches/results/instructions.md`, or only prints it. Every operation runs under callgrind
//! (of Debian's package valgrind), which counts the same each time.

use std::env;
use std::error::Error;
use std::io;
use std::process::Command;

use linkable_benches::machine::Machine;
use linkable_benches::markdown;
use linkable_benches::methods::{bare, ours, Method, Taken};
use linkable_benches::output::Output;
use linkable_benches::place::{Place, Target};

/// An operation, how linkable does it, and the same system calls without a crate.
const PAIRS: [(&str, Method, Method); 6] = [
    ("open and drop", ours::OPEN, bare::OPEN),
    (
        "open with custom flags and drop",
        ours::OPEN_CUSTOM,
        bare::OPEN_CUSTOM,
    ),
    ("a new file, not synced", ours::PUBLISH, bare::PUBLISH),
    (
        "a new file, contents and name synced",
        ours::PUBLISH_DURABLE,
        bare::PUBLISH_DURABLE,
    ),
    ("replacing a file, not synced", ours::REPLACE, bare::REPLACE),
    (
        "replacing a file, contents and name synced",
        ours::REPLACE_DURABLE,
        bare::REPLACE_DURABLE,
    ),
];

/// The command line of the process whose instructions are counted begins with this.
const COUNTED: &str = "counted";
const LINKABLE: &str = "linkable";
const BARE: &str = "bare";

/// How often an operation is done.
const TIMES: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Output::repository().write("instructions.md", &page()?)?),
        ["--print"] => {
            print!("{}", page()?);
            Ok(())
        }
        [COUNTED, side, number] => {
            let (_, linkable, bare) = PAIRS[number.parse::<usize>()?];
            Ok(save(if side == LINKABLE { linkable } else { bare })?)
        }
        _ => Err("usage: instructions [--print]".into()),
    }
}

fn page() -> Result<String, Box<dyn Error>> {
    let title = "Instructions in user space";
    let machine = Machine::this()?;
    let head = markdown::head(title, "instructions", &machine);
    let rows = PAIRS.iter().enumerate().map(|(number, (name, ..))| {
        let (linkable, bare) = (count(LINKABLE, number)?, count(BARE, number)?);
        let figures = [linkable, bare, linkable - bare].map(|figure| figure.to_string());
        Ok([&[(*name).to_owned()], &figures[..]].concat())
    });
    let rows = rows.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let columns = ["", "linkable", "system calls alone", "difference"];
    let table = markdown::grid(&columns, 1, rows);
    let on = machine.images_on;
    Ok(format!(
        "{head}\nFor one file in `$TMPDIR`, on {on}: the mean of {TIMES}, after one that is not counted.\n\n\
         {table}\n\
         To open a file, linkable reads the custom flags from the `Debug` text of std's `OpenOptions`, \
         the only place where they can be read.\n"
    ))
}

/// Instructions inside of this are counted, and no others.
#[inline(never)]
fn measured<T>(operation: impl FnOnce() -> T) -> T {
    operation()
}

/// The instructions of one operation, which this program does in another process.
fn count(side: &str, number: usize) -> Result<i64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*instructions*measured*")
        .arg(env::current_exe()?)
        .args([COUNTED, side, &number.to_string()])
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

/// Saves [`TIMES`] files, after one that is not counted, because the first in a process does more.
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
