//! Removes files that nobody holds, by their names.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{open, statat, unlinkat, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::{retry_on_intr, Errno};

use super::{are_held, FileId, Result, Status};

/// How long a file may be empty and still be in the hands of open(2), which shows it in the
/// directory before the process has its descriptor.
const OPENING: Duration = Duration::from_secs(5);

/// How often procfs is searched. During a search, a descriptor can move from one number or process
/// to another, and be missed.
const SEARCHES: usize = 2;

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
    let cannot_list = |errno| (None, errno);
    let directory = open_directory(dir).map_err(cannot_list)?;
    let mut stale = list(directory.as_fd(), older_than, is_ours).map_err(cannot_list)?;
    for _ in 0..SEARCHES {
        retain_unheld(&mut stale);
    }
    for file in stale {
        let outcome = file.remove(directory.as_fd(), older_than);
        let name = OsString::from_vec(file.name.into_bytes());
        match outcome {
            Ok(true) => removed(name),
            Ok(false) => {}
            Err(errno) => return Err((Some(name), errno)),
        }
    }
    Ok(())
}

/// A file with a temporary name that is old enough.
#[derive(PartialEq, Eq)]
struct Stale {
    name: CString,
    id: FileId,
    /// Its `ctime`, since 1970.
    changed: Duration,
}

/// Opens a directory to list it.
fn open_directory(dir: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry_on_intr(|| open(dir, flags, Mode::empty()))
}

/// What in the directory is old enough.
fn list(
    directory: BorrowedFd<'_>,
    older_than: Duration,
    is_ours: fn(&OsStr) -> bool,
) -> Result<Vec<Stale>> {
    let mut stale = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_ours(OsStr::from_bytes(name.to_bytes())) {
            stale.extend(Stale::look(directory, name, older_than)?);
        }
    }
    Ok(stale)
}

/// Leaves out the files that a process is seen to have open.
fn retain_unheld(stale: &mut Vec<Stale>) {
    if stale.is_empty() {
        return;
    }
    let files: Vec<_> = stale
        .iter()
        .map(|file| (OsStr::from_bytes(file.name.to_bytes()), file.id))
        .collect();
    let mut held = are_held(&files).into_iter();
    stale.retain(|_| held.next() == Some(false));
}

impl Stale {
    /// The file, if it is a regular one and old enough.
    fn look(directory: BorrowedFd<'_>, name: &CStr, older_than: Duration) -> Result<Option<Self>> {
        let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let changed = changed(&stat);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let age = now.ok().and_then(|now| now.checked_sub(changed));
        let wanted = if stat.st_size == 0 {
            older_than.max(OPENING)
        } else {
            older_than
        };
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_file || age.map_or(true, |age| age < wanted) {
            return Ok(None);
        }
        Ok(Some(Self {
            name: name.into(),
            id: Status::from(stat).id,
            changed,
        }))
    }

    /// Removes the file, if it still is the same and has not changed. Whether it did.
    fn remove(&self, directory: BorrowedFd<'_>, older_than: Duration) -> Result<bool> {
        if Self::look(directory, &self.name, older_than)?.as_ref() != Some(self) {
            return Ok(false);
        }
        match unlinkat(directory, &*self.name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::PERM | Errno::ACCESS) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}

// The fields have other types on other architectures.
#[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
fn changed(stat: &Stat) -> Duration {
    let seconds = u64::try_from(stat.st_ctime).unwrap_or(0);
    let nanoseconds = u64::try_from(stat.st_ctime_nsec).unwrap_or(0);
    Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds))
}
