//! The operating system: the only room that names one.
//!
//! What is re-exported here is all that a system has to offer. Linux is what the library is written
//! for and tested on. On every other system each file has a temporary name.

mod file_id;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other;
mod xattr;

#[cfg(any(target_os = "linux", target_os = "android"))]
use self::linux as system;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use self::other as system;

pub(crate) use self::file_id::{FileId, Status, SIZE};
pub(crate) use self::system::{
    confined_by_apparmor, link_unnamed, open_unnamed, procfs_shows, rename_noreplace, reopen,
    syncfs, syncfs_keeps_errors, SyncRules, DIRECTORY_BY_PATH, EFFECTIVE_USER, O_PATH, O_TMPFILE,
};
pub(crate) use self::xattr::copy as copy_xattrs;

#[cfg(not(unix))]
compile_error!(
    "linkable supports Unix only, and works best on Linux, which can link a file that has no name; \
     on Windows use the crate tempfile"
);

/// Which syncfs(2) calls can be relied upon on a file system, and what they leave to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syncfs {
    /// It is not known to flush all that fsync(2) would, and to report its errors.
    Unreliable,
    /// The names of the files still need an fsync(2) of each directory.
    Contents,
    /// The names still need another syncfs(2): an fsync(2) of a directory may leave some out.
    ForgetsNames,
}
