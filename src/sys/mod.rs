//! The operating system. Only this module names one.
//!
//! Every system has to provide what is re-exported here: either from [`unix`] and what only some
//! Unixes have, or from [`windows`], with the same names. On every other system than Linux each file
//! has a temporary name.

#[cfg(unix)]
mod file_id;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod not_linux;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
mod other;
#[cfg(unix)]
mod stale;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
#[cfg(unix)]
pub(crate) mod writers;

use std::fs::File;

#[cfg(unix)]
pub(crate) use self::file_id::{FileId, Status, MODE_AND_OWNER, SIZE};
#[cfg(any(target_os = "linux", target_os = "android"))]
use self::linux as linux_only;
#[cfg(any(target_os = "linux", target_os = "android"))]
use self::linux as system;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use self::not_linux as linux_only;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
use self::other as system;
#[cfg(unix)]
pub(crate) use self::stale::remove_stale;
#[cfg(unix)]
pub(crate) use self::unix::*;
#[cfg(windows)]
use self::windows as system;
#[cfg(windows)]
pub(crate) use self::windows::*;

pub(crate) use self::linux_only::{
    allocate, attributes, attributes_of, confined_by_apparmor, is_fuse, is_swap_file, link_unnamed,
    open_unnamed, open_unnamed_at, procfs_shows, start_write_out, syncfs, syncfs_keeps_errors,
    unnamed_harms, write_out, Acl, Xattrs,
};
#[cfg(unix)]
pub(crate) use self::system::{
    are_held, check_unnamed, is_written_here, most_descriptors, path_of, rename_noreplace, reopen,
    O_PATH, O_TMPFILE,
};

#[cfg(not(any(unix, windows)))]
compile_error!(
    "linkable supports Unix and Windows; on other systems, such as WASI, nothing of what it promises \
     was ever tested"
);

/// What a name stands for that is not a file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(windows), allow(dead_code))]
pub(crate) enum SpecialName {
    /// A device of Windows, such as `NUL`.
    Device,
    /// One of several contents of an NTFS file: `file:stream`.
    Stream,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    ReadWrite,
}

/// Syncs a file or a directory: fsync(2). On macOS, std calls fcntl(2) with `F_FULLFSYNC` instead.
///
/// Never fdatasync(2): on ext4 it leaves the directory entry out (measured on 6.18).
pub(crate) fn fsync(file: &File) -> Result<()> {
    let synced = file.sync_all();
    synced.or_else(|error| {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        system::fsync_instead(file, errno)
    })
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

/// What the syncs of a file system guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncRules {
    /// Whether a power cut loses what was synced of an unnamed file; `None` if that cannot be found
    /// out.
    ///
    /// - btrfs before 6.16 does not log such a file. Once the file is linked, anybody's sync of the
    ///   directory makes that name durable with an empty file behind it (found on 6.1).
    /// - Without a journal (ext2, or an ext4 made so) the directory can be on the disk before the
    ///   inode, whose link count there is still 0 (found on 6.18).
    /// - With `fast_commit`, ext4 logs an unnamed file in a way that it cannot replay, and then
    ///   does not mount (found on 5.10 to 7.2).
    /// - overlayfs behaves as the file system below it does, and does not show which that is.
    pub(crate) forgets_unnamed: Option<bool>,
    /// How far syncfs(2) can be relied on.
    ///
    /// overlayfs does not pass on the errors of the file system below it (found on 6.18). FUSE, SMB
    /// and 9p do not pass on the flush to the server. btrfs left names out in 4 of 25 runs of four
    /// threads that named files and synced the file system at once (6.18).
    pub(crate) syncfs: Syncfs,
    /// Whether contents that are written out before the file is named reach the disk before the
    /// name. The journals of xfs, and of ext4 if it orders data, flush the device before they
    /// commit a name (no bad point on 5.10, 6.1, 6.12, 6.18 and 7.2, see `tests/power-cut`).
    pub(crate) orders_data: bool,
    /// Whether the journal of an ext4 has fast commits; `None` if that is not known yet. Then an
    /// open unnamed file can make the file system unmountable after a power cut, and an fsync(2) of
    /// a file leaves out a directory entry that was just made.
    pub(crate) fast_commits: Option<bool>,
    /// Whether a file system that has shut down after an error says so to statx(2), and not to an
    /// fsync(2) of a directory: xfs, and overlayfs on it (6.18).
    pub(crate) statx_shows_shutdown: bool,
}
