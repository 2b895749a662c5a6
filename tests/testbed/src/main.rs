//! Mounts a new file system, for shell scripts: `testbed mount NAME DIRECTORY`.
//!
//! For the names see `testbed::FileSystem`. The image is in `$TMPDIR`, and has no name any more.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use testbed::FileSystem;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match mount(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testbed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn mount(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [command, name, directory] = arguments else {
        return Err("usage: testbed mount NAME DIRECTORY".into());
    };
    if command != "mount" {
        return Err(format!("unknown command '{command}'").into());
    }
    let file_system: FileSystem = name.parse()?;
    file_system.mount(Path::new(directory))?.keep();
    Ok(())
}
