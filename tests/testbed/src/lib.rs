//! What the tests and the benchmarks need from the kernel: faults, surroundings and file systems.
//!
//! Faults and surroundings are made by the kernel and not by the code under test, and last as long as
//! the thread. So a test does what cannot be undone [`in_thread`].
//!
//! The program `testbed` offers the [file systems](FileSystem) to shell scripts.

// The errors are the system's. What fails by panicking ends a test.
#![allow(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod file_system;
mod landlock;
mod mount;
mod seccomp;
mod thread;

pub use file_system::{FileSystem, Kind};
pub use landlock::{landlock_without, AccessFs, BitFlags};
pub use mount::{
    bind, contain, make_read_only, mount_new, mount_overlay, unmount_at, without_procfs, Mounted,
};
pub use seccomp::{deny, Rule};
pub use thread::{
    as_kernel, as_ordinary_user, as_ordinary_user_in, give_to_ordinary_user, in_child, in_thread,
    own_descriptors, own_fs, own_mounts, own_process_ids, own_users, with_fault,
};

use std::error::Error;
use std::io;
use std::process::Command;

/// The errno of an error, or of its source: an error of linkable explains the one of the system.
#[must_use]
pub fn errno(error: &io::Error) -> Option<i32> {
    let source = || error.source()?.downcast_ref::<io::Error>()?.raw_os_error();
    error.raw_os_error().or_else(source)
}

/// Runs a program, which must succeed, and returns what it prints.
///
/// The error has what the program says of it.
pub fn run(command: &mut Command) -> io::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{program}: {}: {}",
        output.status,
        text.trim()
    )))
}
