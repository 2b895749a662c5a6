//! Removes temporary names that nobody holds.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::is_temporary_name;
use crate::io_error;
use crate::sys;
use crate::target;

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
/// other Unixes than Linux and Android, the age alone decides.
///
/// Windows does not let this open a file that anybody else has open, so that file stays. The age is
/// that of the last write.
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
    let mut removed = Vec::new();
    let is_ours = |name: &OsStr| is_temporary_name(name);
    let outcome = sys::remove_stale(target::or_current(dir), older_than, is_ours, |name| {
        removed.push(dir.join(name));
    });
    match outcome {
        Ok(()) => Ok(removed),
        Err((None, errno)) => {
            let tried = "cannot look for temporary files in";
            Err(io_error::at(errno.into(), tried, dir, ""))
        }
        Err((Some(name), errno)) => {
            let path = dir.join(name);
            Err(io_error::at(errno.into(), "cannot remove", &path, ""))
        }
    }
}
