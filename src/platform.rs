//! What open(2) and rename(2) of a system can do, where the systems differ.
//!
//! Linux is what the library is written for and tested on. The others are only type-checked: there
//! every file has a temporary name.

use std::ffi::CStr;
use std::path::Path;

use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, OFlags};

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use libc::O_TMPFILE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const O_TMPFILE: i32 = 0;

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) use libc::O_PATH;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) const O_PATH: i32 = 0;

/// For a directory in which names are looked up: needs search permission only, and elsewhere that
/// of reading, too.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const DIRECTORY_BY_PATH: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const DIRECTORY_BY_PATH: OFlags = OFlags::RDONLY;

/// Makes accessat(2) ask for the effective user; Android's libc has no such flag, and no
/// set-user-ID programs.
#[cfg(not(target_os = "android"))]
pub(crate) const EFFECTIVE_USER: AtFlags = AtFlags::EACCESS;
#[cfg(target_os = "android")]
pub(crate) const EFFECTIVE_USER: AtFlags = AtFlags::empty();

/// renameat2(2) or renameatx_np(2), which say `EEXIST` if the new name is taken.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn rename_noreplace(
    from: BorrowedFd<'_>,
    old: &Path,
    to: BorrowedFd<'_>,
    new: &CStr,
) -> rustix::io::Result<()> {
    use rustix::fs::{renameat_with, RenameFlags};

    let renamed = renameat_with(from, old, to, new, RenameFlags::NOREPLACE);
    // On Linux that is EOPNOTSUPP itself.
    #[cfg(target_vendor = "apple")]
    let renamed = renamed.map_err(|errno| match errno {
        rustix::io::Errno::NOTSUP => rustix::io::Errno::OPNOTSUPP,
        errno => errno,
    });
    renamed
}

/// POSIX has none; the caller links and unlinks instead.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn rename_noreplace(
    _from: BorrowedFd<'_>,
    _old: &Path,
    _to: BorrowedFd<'_>,
    _new: &CStr,
) -> rustix::io::Result<()> {
    Err(rustix::io::Errno::NOSYS)
}
