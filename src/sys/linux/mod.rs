//! Linux, and the Linux that is Android.

mod attributes;
mod ext4;
mod file_system;
mod kernel;
mod procfs;
mod unnamed;
mod write_out;
mod xattr;
mod xfs;

use std::ffi::CStr;
use std::path::Path;

use rustix::fd::BorrowedFd;
use rustix::fs::{renameat_with, AtFlags, OFlags, RenameFlags};

pub(crate) use libc::{O_PATH, O_TMPFILE};
pub(crate) use rustix::fs::syncfs;

pub(crate) use self::attributes::{attributes, attributes_of, is_fuse, is_swap_file};
pub(crate) use self::file_system::{syncfs_keeps_errors, unnamed_harms};
pub(crate) use self::procfs::{
    confined_by_apparmor, most_descriptors, path_of, reopen, shows as procfs_shows,
};
pub(crate) use self::unnamed::{link as link_unnamed, open as open_unnamed};
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

/// renameat2(2), which fails with `EEXIST` if the new name is taken.
pub(crate) fn rename_noreplace(
    from: BorrowedFd<'_>,
    old: &Path,
    to: BorrowedFd<'_>,
    new: &CStr,
) -> rustix::io::Result<()> {
    renameat_with(from, old, to, new, RenameFlags::NOREPLACE)
}
