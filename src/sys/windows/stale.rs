//! Removes files that nobody holds, by their names.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::{Errno, Result};

const FILE_SHARE_DELETE: u32 = 4;

/// Removes the files in `dir` with names that are ours, and that are old enough. Tells the name of
/// each.
///
/// If it fails, the error has the name of the file, or none if `dir` cannot be read.
pub(crate) fn remove_stale(
    dir: &Path,
    older_than: Duration,
    is_ours: fn(&OsStr) -> bool,
    mut removed: impl FnMut(OsString),
) -> std::result::Result<(), (Option<OsString>, Errno)> {
    for entry in fs::read_dir(dir).map_err(|error| (None, error.into()))? {
        let name = entry.map_err(|error| (None, error.into()))?.file_name();
        if !is_ours(&name) {
            continue;
        }
        match remove(&dir.join(&name), older_than) {
            Ok(true) => removed(name),
            Ok(false) => {}
            Err(errno) => return Err((Some(name), errno)),
        }
    }
    Ok(())
}

/// Removes a file, unless it is too young, held, or gone.
fn remove(path: &Path, older_than: Duration) -> Result<bool> {
    match try_remove(path, older_than) {
        // Somebody has it open; it is read-only; or it is gone.
        Err(Errno::IN_USE | Errno::ACCESS | Errno::DELETE_PENDING | Errno::NOENT) => Ok(false),
        outcome => outcome,
    }
}

fn try_remove(path: &Path, older_than: Duration) -> Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    let age = metadata.modified()?.elapsed();
    // A time in the future is not old.
    if !metadata.is_file() || age.map_or(true, |age| age < older_than) {
        return Ok(false);
    }
    // This fails if anybody has the file open. While it is open here, nobody can open it to read or
    // to write.
    let mut options = OpenOptions::new();
    options.write(true).share_mode(FILE_SHARE_DELETE);
    let _held = options.open(path)?;
    fs::remove_file(path)?;
    Ok(true)
}
