//! Surroundings for shell scripts.
//!
//! - `testbed mount NAME DIRECTORY` mounts a new file system. For the names see
//!   `testbed::FileSystem`. The image is in `$TMPDIR`, and has no name any more.
//! - `testbed kernel RELEASE COMMAND…` runs a command to which procfs tells of another kernel.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use testbed::FileSystem;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match carry_out(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testbed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["mount", name, directory] => {
            let file_system: FileSystem = name.parse()?;
            file_system.mount(Path::new(directory))?.keep();
            Ok(())
        }
        ["kernel", release, command, ref arguments @ ..] => {
            testbed::as_kernel(release);
            Err(Command::new(command).args(arguments).exec().into())
        }
        _ => Err("usage: testbed mount NAME DIRECTORY | kernel RELEASE COMMAND...".into()),
    }
}
