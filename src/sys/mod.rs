//! The operating system. Only this module names one.
//!
//! Every system has to provide what is re-exported here. The library is written for Linux and
//! tested on it. On every other system each file has a temporary name.

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

/// How far syncfs(2) is reliable on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syncfs {
    /// It may not flush all that fsync(2) would, or may not report its errors.
    Unreliable,
    /// It syncs contents. Directory entries still need an fsync(2) of each directory.
    Contents,
    /// It syncs contents. Directory entries need another syncfs(2), because an fsync(2) of the
    /// directory may leave some out.
    ForgetsNames,
}
