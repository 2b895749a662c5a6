//! Removes temporary names that nobody holds.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{open, statat, unlinkat, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::{retry_on_intr, Errno, Result};

use crate::backend::is_temporary_name;
use crate::io_error;
use crate::sys::{self, FileId, Status};

/// How long a file may be empty and still be in the hands of open(2), which shows it in the
/// directory before the process has its descriptor.
const OPENING: Duration = Duration::from_secs(5);

/// How often procfs is searched. During a search, a descriptor can move from one number or process
/// to another, and be missed.
const SEARCHES: usize = 2;

/// Removes the temporary files in `dir` that killed processes have left, and returns their paths.
///
/// A process that is killed can leave a file with a
/// [temporary name](crate::platforms#temporary-names) behind. This removes a file if all of this is
/// true:
///
/// - It has a [temporary name](is_temporary_name), is a regular file, and is in `dir` itself, not in
///   a directory below it.
/// - Its last change is at least `older_than` ago. That is the change of its inode, `ctime`: each
///   write counts, and so does each change of its names. A time in the future is not old.
/// - No process has it open, as far as this process can see.
///
/// Choose an age that no publish ever takes, such as an hour or a day. A process cannot see what
/// processes of other users or in other containers have open, nor, on a network file system, those
/// of other machines. For their files, the age alone decides. [`Duration::ZERO`] is safe only if
/// procfs is there, and if all who write to the directory are processes of your own, in the same
/// container.
///
/// Files that other processes create, publish or remove meanwhile do no harm, and neither do other
/// calls of this function. A file that this process may not remove stays, for example another user's
/// in a sticky directory.
///
/// # Errors
///
/// Returns the error of open(2), getdents(2), fstatat(2) or unlinkat(2), and names the path. What
/// was removed before stays removed.
///
/// - `ENOENT` or `ENOTDIR` if the directory does not exist.
/// - `EACCES` without permission to read and to search it.
/// - `EROFS` if the file system is read-only, and something is to be removed.
///
/// # Platform-specific behavior
///
/// Looks through `/proc/<pid>/task/<tid>/fd`, if there is anything to remove. Without procfs, and on
/// other systems than Linux and Android, the age alone decides.
///
/// An empty file is left alone for five seconds, because another process may just be creating it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// # let tempdir = tempfile::tempdir()?;
/// # let dir = tempdir.path();
/// // At the start of a program that saves its files in `dir`.
/// let day = Duration::from_secs(24 * 60 * 60);
/// for path in linkable::remove_stale(dir, day)? {
///     println!("removed {}", path.display());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "cleanup")]
#[doc(alias = "tmpfiles")]
#[doc(alias = "garbage")]
pub fn remove_stale<P: AsRef<Path>>(dir: P, older_than: Duration) -> io::Result<Vec<PathBuf>> {
    let dir = dir.as_ref();
    let cannot = |what, path: &Path, errno: Errno| {
        let error = io::Error::from(errno);
        io_error::at(error, what, path, "")
    };
    let cannot_list = |errno| cannot("cannot look for temporary files in", dir, errno);
    let directory = open_directory(dir).map_err(cannot_list)?;
    let mut stale = list(directory.as_fd(), older_than).map_err(cannot_list)?;
    for _ in 0..SEARCHES {
        retain_unheld(&mut stale);
    }
    let mut removed = Vec::new();
    for file in stale {
        let path = dir.join(OsStr::from_bytes(file.name.to_bytes()));
        match file.remove(directory.as_fd(), older_than) {
            Ok(true) => removed.push(path),
            Ok(false) => {}
            Err(errno) => return Err(cannot("cannot remove", &path, errno)),
        }
    }
    Ok(removed)
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
    let path = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry_on_intr(|| open(path, flags, Mode::empty()))
}

/// What in the directory is old enough.
fn list(directory: BorrowedFd<'_>, older_than: Duration) -> Result<Vec<Stale>> {
    let mut stale = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_temporary_name(OsStr::from_bytes(name.to_bytes())) {
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
    let mut held = sys::are_held(&files).into_iter();
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
