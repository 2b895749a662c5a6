//! What open(2) and rename(2) of a system can do, where the systems differ.
//!
//! Linux is what the library is written for and tested on. The others are only type-checked: there
//! every file has a temporary name.

pub(crate) use self::system::{rename_noreplace, DIRECTORY_BY_PATH, O_PATH, O_TMPFILE};

use rustix::fs::AtFlags;

/// Makes accessat(2) ask for the effective user; Android's libc has no such flag, and no set-user-ID
/// programs.
#[cfg(not(target_os = "android"))]
pub(crate) const EFFECTIVE_USER: AtFlags = AtFlags::EACCESS;
#[cfg(target_os = "android")]
pub(crate) const EFFECTIVE_USER: AtFlags = AtFlags::empty();

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::ffi::CStr;
    use std::path::Path;

    pub(crate) use libc::{O_PATH, O_TMPFILE};
    use rustix::fd::BorrowedFd;
    use rustix::fs::{renameat_with, OFlags, RenameFlags};

    /// For a directory in which names are looked up: needs search permission only.
    pub(crate) const DIRECTORY_BY_PATH: OFlags = OFlags::PATH;

    /// renameat2(2), which says `EEXIST` if the new name is taken.
    pub(crate) fn rename_noreplace(
        from: BorrowedFd<'_>,
        old: &Path,
        to: BorrowedFd<'_>,
        new: &CStr,
    ) -> rustix::io::Result<()> {
        renameat_with(from, old, to, new, RenameFlags::NOREPLACE)
    }
}

#[cfg(target_vendor = "apple")]
mod system {
    use std::ffi::CStr;
    use std::path::Path;

    use rustix::fd::BorrowedFd;
    use rustix::fs::{renameat_with, OFlags, RenameFlags};
    use rustix::io::Errno;

    pub(crate) const O_PATH: i32 = 0;
    pub(crate) const O_TMPFILE: i32 = 0;

    /// For a directory in which names are looked up: it must be readable here.
    pub(crate) const DIRECTORY_BY_PATH: OFlags = OFlags::RDONLY;

    /// renameatx_np(2), where `ENOTSUP` and `EOPNOTSUPP` are two.
    pub(crate) fn rename_noreplace(
        from: BorrowedFd<'_>,
        old: &Path,
        to: BorrowedFd<'_>,
        new: &CStr,
    ) -> rustix::io::Result<()> {
        renameat_with(from, old, to, new, RenameFlags::NOREPLACE).map_err(|errno| match errno {
            Errno::NOTSUP => Errno::OPNOTSUPP,
            errno => errno,
        })
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod system {
    use std::ffi::CStr;
    use std::path::Path;

    use rustix::fd::BorrowedFd;
    use rustix::fs::OFlags;
    use rustix::io::Errno;

    #[cfg(target_os = "freebsd")]
    pub(crate) use libc::O_PATH;
    #[cfg(not(target_os = "freebsd"))]
    pub(crate) const O_PATH: i32 = 0;
    pub(crate) const O_TMPFILE: i32 = 0;

    /// For a directory in which names are looked up: it must be readable here.
    pub(crate) const DIRECTORY_BY_PATH: OFlags = OFlags::RDONLY;

    /// POSIX has none; the caller links and unlinks instead.
    pub(crate) fn rename_noreplace(
        _from: BorrowedFd<'_>,
        _old: &Path,
        _to: BorrowedFd<'_>,
        _new: &CStr,
    ) -> rustix::io::Result<()> {
        Err(Errno::NOSYS)
    }
}
