//! The promises of linkable that can hold on Windows, as far as wine shows them.
//!
//! Nothing here asserts what wine 8 gets wrong: that a name is gone while its file is open, that a
//! read-only file is not replaced, and that a file can be replaced while a reader has it open.
#![cfg(windows)]

mod batch;
mod canaries;
mod copying;
mod errors;
mod names;
mod opening;
mod publishing;
mod races;
mod replacing;
mod stale;
mod writing;

use std::fs::OpenOptions;
use std::io::Write;

use linkable::{LinkableFile, OpenOptionsAnonymousExt};
use windows_tests::Bed;

/// A new file with something in it.
fn file(bed: &Bed, contents: &str) -> LinkableFile {
    let mut file = OpenOptions::new().anonymous_in(bed.dir()).unwrap();
    file.write_all(contents.as_bytes()).unwrap();
    file
}
