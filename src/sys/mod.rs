//! The operating system. Only this module names one.
//!
//! Every system has to provide what is re-exported here. The library is written for Linux and
//! tested on it. On every other system each file has a temporary name.

mod file_id;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other;

#[cfg(any(target_os = "linux", target_os = "android"))]
use self::linux as system;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use self::other as system;

use rustix::io::{Errno, Result};

pub(crate) use self::file_id::{FileId, Status, SIZE};
pub(crate) use self::system::{
    acl, attributes, confined_by_apparmor, copy_xattrs, group_permissions, is_fuse, is_swap_file,
    link_unnamed, most_descriptors, open_unnamed, path_of, procfs_shows, rename_noreplace, reopen,
    set_acl, start_write_out, syncfs, syncfs_keeps_errors, unnamed_harms, write_out, SyncRules,
    DIRECTORY_BY_PATH, EFFECTIVE_USER, O_PATH, O_TMPFILE,
};

#[cfg(not(unix))]
compile_error!(
    "linkable supports Unix only, and works best on Linux, which can link a file that has no name; \
     on Windows use the crate tempfile"
);

/// Repeats a call that fails with `EINTR` or `EAGAIN`.
pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    // Servers of network file systems return EAGAIN. Give up if one returns nothing else.
    let mut tries = 0;
    loop {
        match call() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if tries < 100 => tries += 1,
            outcome => return outcome,
        }
    }
}

/// Attributes of a file besides its mode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) immutable: bool,
    pub(crate) append_only: bool,
    /// Whether something is mounted at the file; `None` if that is unknown.
    pub(crate) mount_root: Option<bool>,
}

impl Attributes {
    pub(crate) fn forbid_change(self) -> bool {
        self.immutable || self.append_only
    }
}

/// How far syncfs(2) can be relied on, and what it leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code))]
pub(crate) enum Syncfs {
    /// It may not flush all that fsync(2) would, or may not report its errors.
    Unreliable,
    /// It syncs contents. Directory entries still need an fsync(2) of each directory.
    Contents,
    /// It syncs contents. Directory entries need another syncfs(2), because an fsync(2) of the
    /// directory may leave some out.
    ForgetsNames,
}
