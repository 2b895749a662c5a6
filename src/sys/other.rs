//! Systems without unnamed files. This is type-checked, but not run.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fd::BorrowedFd;
use rustix::fs::{openat, AtFlags, Mode, OFlags};
use rustix::io::{retry_on_intr, Errno};
use rustix::process::{getrlimit, Resource};

use super::{Access, Dir, FileId};

pub(crate) const O_TMPFILE: i32 = 0;

#[cfg(target_os = "freebsd")]
pub(crate) use libc::O_PATH;
#[cfg(not(target_os = "freebsd"))]
pub(crate) const O_PATH: i32 = 0;

/// Opens a directory to look names up in it, which needs read permission here.
pub(in crate::sys) const DIRECTORY_BY_PATH: OFlags = OFlags::RDONLY;

/// Makes accessat(2) check the effective user.
pub(in crate::sys) const EFFECTIVE_USER: AtFlags = AtFlags::EACCESS;

/// Syncs a file where std could not: its fcntl(2) with `F_FULLFSYNC` works on APFS, HFS+, FAT and
/// UDF, says the manual. On others, such as those of servers, there is only fsync(2).
#[cfg(target_vendor = "apple")]
pub(in crate::sys) fn fsync_instead(file: &File, errno: Errno) -> rustix::io::Result<()> {
    match errno {
        Errno::NOTSUP | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOTTY => {
            retry_on_intr(|| rustix::fs::fsync(file))
        }
        errno => Err(errno),
    }
}

/// There is no other way to sync a file.
#[cfg(not(target_vendor = "apple"))]
pub(in crate::sys) fn fsync_instead(_: &File, errno: Errno) -> rustix::io::Result<()> {
    Err(errno)
}

/// renameatx_np(2), which fails with `EEXIST` if the new name is taken.
#[cfg(target_vendor = "apple")]
pub(crate) fn rename_noreplace(
    from: BorrowedFd<'_>,
    old: &Path,
    to: BorrowedFd<'_>,
    new: &CStr,
) -> rustix::io::Result<()> {
    use rustix::fs::{renameat_with, RenameFlags};

    // Linux has one number for both of these errors.
    renameat_with(from, old, to, new, RenameFlags::NOREPLACE).map_err(|errno| match errno {
        Errno::NOTSUP => Errno::OPNOTSUPP,
        errno => errno,
    })
}

/// POSIX has no such call; the caller links and unlinks instead.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn rename_noreplace(
    _from: BorrowedFd<'_>,
    _old: &Path,
    _to: BorrowedFd<'_>,
    _new: &CStr,
) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// Opens a file again by its temporary name: there is no procfs that could do it without.
pub(crate) fn reopen(
    file: &File,
    name: Option<(Dir<'_>, &Path)>,
    access: Access,
) -> io::Result<File> {
    let (directory, path) = name.ok_or(Errno::NOENT)?;
    let flags = OFlags::from(access) | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let again = retry_on_intr(|| openat(directory, path, flags, Mode::empty()))?;
    if FileId::of(&again)? == FileId::of(file)? {
        Ok(again.into())
    } else {
        Err(Errno::NOENT.into())
    }
}

pub(crate) fn check_unnamed(_: &File) -> io::Result<()> {
    let text = "only Linux can publish a file that was opened elsewhere; open it with anonymous_in";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// There is no procfs that could show who has a file open.
pub(crate) fn are_held(files: &[(&OsStr, FileId)]) -> Vec<bool> {
    vec![false; files.len()]
}

pub(crate) fn is_written_here(_: &File) -> bool {
    false
}

/// The path of an open directory: fcntl(2) with `F_GETPATH`. Nothing can be looked up in `/dev/fd/N`.
#[cfg(target_vendor = "apple")]
pub(crate) fn path_of(directory: BorrowedFd<'_>) -> PathBuf {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    match rustix::fs::getpath(directory) {
        Ok(path) => OsString::from_vec(path.into_bytes()).into(),
        Err(_) => path_of_descriptor(directory),
    }
}

/// A path that leads to an open directory, where such a file system is mounted.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn path_of(directory: BorrowedFd<'_>) -> PathBuf {
    path_of_descriptor(directory)
}

fn path_of_descriptor(directory: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/dev/fd/{}", directory.as_raw_fd()))
}

/// How many descriptors this process may have open.
pub(crate) fn most_descriptors() -> Option<usize> {
    // `OPEN_MAX` of macOS, which holds even if getrlimit(2) says that there is no limit.
    let most = if cfg!(target_vendor = "apple") {
        10_240
    } else {
        usize::MAX
    };
    let limit = getrlimit(Resource::Nofile).current;
    Some(limit.map_or(most, |limit| limit.try_into().unwrap_or(most).min(most)))
}
