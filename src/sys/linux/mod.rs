//! Linux, and the Linux that is Android.

mod attributes;
mod ext4;
mod file_system;
mod holders;
mod kernel;
mod procfs;
mod unnamed;
mod write_out;
mod xattr;
mod xfs;

use std::ffi::CStr;
use std::fs::File;
use std::path::Path;

use rustix::fd::BorrowedFd;
use rustix::fs::{fallocate, renameat_with, AtFlags, FallocateFlags, OFlags, RenameFlags};
use rustix::io::{retry_on_intr, Errno};

pub(crate) use libc::{O_PATH, O_TMPFILE};
pub(crate) use rustix::fs::syncfs;

pub(crate) use self::attributes::{attributes, attributes_of, is_fuse, is_swap_file};
pub(crate) use self::file_system::{syncfs_keeps_errors, unnamed_harms};
pub(crate) use self::holders::{are_held, is_written_here};
pub(crate) use self::procfs::{
    confined_by_apparmor, most_descriptors, path_of, reopen, shows as procfs_shows,
};
pub(crate) use self::unnamed::{
    check_unnamed, link as link_unnamed, open as open_unnamed, open_at as open_unnamed_at,
};
pub(crate) use self::write_out::{start_write_out, write_out};
pub(crate) use self::xattr::{Acl, Xattrs};

/// Opens a directory to look names up in it, which needs search permission only.
pub(in crate::sys) const DIRECTORY_BY_PATH: OFlags = OFlags::PATH;

/// Makes accessat(2) check the effective user. Android's libc has no such flag, and Android has no
/// set-user-ID programs.
#[cfg(not(target_os = "android"))]
pub(in crate::sys) const EFFECTIVE_USER: AtFlags = AtFlags::EACCESS;
#[cfg(target_os = "android")]
pub(in crate::sys) const EFFECTIVE_USER: AtFlags = AtFlags::empty();

/// There is no other way to sync a file.
pub(in crate::sys) fn fsync_instead(_: &File, errno: Errno) -> rustix::io::Result<()> {
    Err(errno)
}

/// renameat2(2), which fails with `EEXIST` if the new name is taken.
pub(crate) fn rename_noreplace(
    from: BorrowedFd<'_>,
    old: &Path,
    to: BorrowedFd<'_>,
    new: &CStr,
) -> rustix::io::Result<()> {
    renameat_with(from, old, to, new, RenameFlags::NOREPLACE)
}

/// Reserves space for the first bytes of a file, and leaves its length as it is: fallocate(2).
pub(crate) fn allocate(file: &File, bytes: u64) -> rustix::io::Result<()> {
    // The kernel's length is signed. One that is too large is EFBIG, a negative one would be EINVAL.
    let bytes = bytes.min(i64::MAX.unsigned_abs());
    retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes))
}
