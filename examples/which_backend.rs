//! Says whether new files in each DIR are anonymous, or named because `O_TMPFILE` does not work.
//!
//!     cargo run --example which_backend -- DIR...
//!
//! System calls, for each DIR: open(2) with `O_TMPFILE`; where that is not supported, open(2) of
//! DIR itself with `O_PATH` and of a hidden name in it with `O_CREAT`; open(2) with `O_TMPFILE`
//! again, for its errno; unlinkat(2) of the hidden name.
use linkable::OpenOptionsAnonymousExt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let dirs: Vec<_> = env::args_os().skip(1).collect();
    if dirs.is_empty() {
        let _ = writeln!(io::stderr(), "which_backend: usage: which_backend DIR...");
        return ExitCode::from(2);
    }
    let mut status = ExitCode::SUCCESS;
    for dir in dirs.iter().map(Path::new) {
        if let Err(text) = report(dir) {
            let _ = writeln!(io::stderr(), "which_backend: {text}");
            status = ExitCode::FAILURE;
        }
    }
    status
}

/// Prints the line of `dir`, or says why there is none.
fn report(dir: &Path) -> Result<(), String> {
    let answer = answer(dir)?;
    let line = writeln!(io::stdout(), "{}: {answer}", dir.display());
    line.map_err(|error| format!("cannot print the answer: {error}"))
}

#[cfg(unix)]
fn answer(dir: &Path) -> Result<String, String> {
    use std::os::unix::fs::OpenOptionsExt;

    let usual = OpenOptions::new().anonymous_in(dir);
    // With O_TMPFILE among the flags, no named file takes the place of an anonymous one.
    let strict = OpenOptions::new()
        .custom_flags(libc::O_TMPFILE)
        .anonymous_in(dir);
    Ok(match (usual, strict) {
        (Ok(file), _) if file.is_anonymous() => "anonymous: O_TMPFILE works".to_owned(),
        (Ok(_), Err(why)) => format!("named: open(2) with O_TMPFILE says: {}", cause(&why)),
        (Ok(_), Ok(_)) => "named a moment ago, anonymous now".to_owned(),
        (Err(error), Err(why)) if cause(&error) != cause(&why) => {
            return Err(format!("{error}; nor an anonymous one: {}", cause(&why)));
        }
        (Err(error), _) => return Err(error.to_string()),
    })
}

/// The system's words.
#[cfg(unix)]
fn cause(error: &io::Error) -> String {
    use std::error::Error;

    error.source().unwrap_or(error).to_string()
}

#[cfg(windows)]
fn answer(dir: &Path) -> Result<String, String> {
    let opened = OpenOptions::new().anonymous_in(dir);
    let named = |_| "named: Windows".to_owned();
    opened.map(named).map_err(|error| error.to_string())
}
