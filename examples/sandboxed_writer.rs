//! Writes OUT in a child process that may not write to any directory, and publishes it in the parent:
//! `sandboxed_writer OUT < IN`. OUT is IN in capital letters.
//!
//!     cargo run --example sandboxed_writer -- OUT < IN
//!
//! System calls of the parent: open(2) with `O_TMPFILE`, and again read-only, through procfs;
//! flock(2), until no process has the file open for writing; fsync(2), linkat(2) and, if OUT exists,
//! rename(2). The child has one descriptor to write to, and enters a sandbox (Landlock).
use linkable::OpenOptionsAnonymousExt;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::{env, path::Path, process::Command, process::ExitCode};
use testbed::{landlock_without, AccessFs, BitFlags};

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let outcome = match &args[..] {
        [out] => publish(out.as_ref()),
        [flag, out] if flag == "--child" => write(out.as_ref()),
        _ => Err("usage: sandboxed_writer OUT < IN".into()),
    };
    if let Err(error) = &outcome {
        let _ = writeln!(io::stderr(), "sandboxed_writer: {error}");
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

/// The parent, which has access to the directory of `out`.
fn publish(out: &Path) -> Result<(), Box<dyn Error>> {
    let file = OpenOptions::new().anonymous_beside(out)?;
    let child = Command::new(env::current_exe()?)
        .arg("--child")
        .arg(out)
        .stdout(file.as_file().try_clone()?)
        .status()?;
    if !child.success() {
        // The file is dropped, and nothing was ever there.
        return Err(format!("the child failed: {child}").into());
    }
    // Nobody can change the file any more, not even a process that the child has left behind.
    let file = file.into_read_only().map_err(|(_file, error)| error)?;
    let published = file.replace(out);
    published.map_err(|error| format!("{error}: {}", error.io_error()))?;
    Ok(())
}

/// The child: it is given the file as its standard output.
fn write(out: &Path) -> Result<(), Box<dyn Error>> {
    let reading = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
    landlock_without(BitFlags::all() & !reading);
    if File::create(out.with_extension("escaped")).is_ok() {
        return Err("the sandbox does not hold".into());
    }
    let mut file = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        writeln!(file, "{}", line?.to_uppercase())?;
    }
    file.flush()?;
    Ok(())
}
