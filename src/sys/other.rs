//! Systems without unnamed files. This is type-checked, but not run.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::{getrlimit, Resource};

use super::{Access, Attributes, FileId, Status, SyncRules, Syncfs};

pub(crate) const O_TMPFILE: i32 = 0;

#[cfg(target_os = "freebsd")]
pub(crate) use libc::O_PATH;
#[cfg(not(target_os = "freebsd"))]
pub(crate) const O_PATH: i32 = 0;

/// Opens a directory to look names up in it, which needs read permission here.
pub(in crate::sys) const DIRECTORY_BY_PATH: OFlags = OFlags::RDONLY;

/// Makes accessat(2) check the effective user.
pub(in crate::sys) const EFFECTIVE_USER: AtFlags = AtFlags::EACCESS;

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

pub(crate) fn open_unnamed(_: &OpenOptions, _flags: i32, _: &Path) -> io::Result<File> {
    Err(Errno::OPNOTSUPP.into())
}

pub(crate) fn link_unnamed<N: Arg + Copy>(
    _: &File,
    _: BorrowedFd<'_>,
    _name: N,
) -> rustix::io::Result<()> {
    Err(Errno::OPNOTSUPP)
}

/// There is no procfs that could open a file once more.
pub(crate) fn reopen(_: &File, _: Access) -> io::Result<File> {
    Err(Errno::NOENT.into())
}

/// A path that leads to an open directory, on some systems.
pub(crate) fn path_of(directory: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/dev/fd/{}", directory.as_raw_fd()))
}

/// How many descriptors this process may have open.
pub(crate) fn most_descriptors() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile).current;
    Some(limit.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX)))
}

pub(crate) fn procfs_shows(_: &File) -> bool {
    false
}

pub(crate) fn confined_by_apparmor() -> bool {
    false
}

pub(crate) fn attributes<P: Arg>(_: BorrowedFd<'_>, _: P) -> Option<Attributes> {
    None
}

pub(crate) fn attributes_of(_: &File) -> Option<Attributes> {
    None
}

/// Extended attributes. Not written for these systems: no file has any.
#[derive(Debug)]
pub(crate) struct Xattrs<'a>(PhantomData<&'a File>);

impl<'a> Xattrs<'a> {
    pub(crate) fn of(_: &'a File) -> Self {
        Self(PhantomData)
    }

    pub(crate) fn at(_: &'a CStr) -> Option<Self> {
        None
    }

    pub(crate) fn copy_to(
        &self,
        _: &File,
        _wanted: impl Fn(&[u8]) -> bool,
        _tolerate: impl Fn(&[u8], rustix::io::Result<()>) -> rustix::io::Result<()>,
    ) -> rustix::io::Result<()> {
        Ok(())
    }

    pub(crate) fn acl(&self) -> rustix::io::Result<Option<Acl>> {
        Ok(None)
    }
}

/// An access control list: there is none.
#[derive(Debug)]
pub(crate) enum Acl {}

impl Acl {
    pub(crate) fn set(&self, _: &File) -> rustix::io::Result<()> {
        match *self {}
    }

    pub(crate) fn remove(_: &File) -> rustix::io::Result<()> {
        Ok(())
    }

    pub(crate) fn classes(&self) -> [u32; 3] {
        match *self {}
    }

    pub(crate) fn set_classes(&mut self, _: [u32; 3]) {
        match *self {}
    }

    pub(crate) fn limit_named(&mut self, _most: u32) {
        match *self {}
    }

    pub(crate) fn mode(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn group_permissions(&self) -> u32 {
        match *self {}
    }
}

pub(crate) fn is_fuse(_: &File) -> bool {
    false
}

pub(crate) fn is_swap_file(_: FileId) -> bool {
    false
}

pub(crate) fn syncfs(_: &File) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

pub(crate) fn write_out(_: &File) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

pub(crate) fn start_write_out(_: &File) {}

pub(crate) fn unnamed_harms(_: &File) -> bool {
    false
}

pub(crate) fn syncfs_keeps_errors() -> bool {
    true
}

/// Every file has a name here, so fsync(2) keeps it.
impl SyncRules {
    pub(crate) fn with_status(file: &File, more: u32) -> (Self, Option<Status>) {
        (Self::of(file), Status::of(file, more).ok())
    }

    pub(crate) fn of(_: &File) -> Self {
        Self {
            forgets_unnamed: Some(false),
            syncfs: Syncfs::Unreliable,
            orders_data: false,
            fast_commits: Some(false),
            statx_shows_shutdown: false,
        }
    }
}
