//! What only Linux has: here are the answers of all other systems.

use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::path::Path;

use super::{
    Attributes, Dir, Errno, FileId, PathArg, RawFlags, RawPath, Result, Status, SyncRules, Syncfs,
};

pub(crate) fn open_unnamed(_: &OpenOptions, _flags: RawFlags, _: &Path) -> io::Result<File> {
    Err(Errno::OPNOTSUPP.into())
}

pub(crate) fn open_unnamed_at(_: Dir<'_>) -> io::Result<File> {
    Err(Errno::OPNOTSUPP.into())
}

pub(crate) fn link_unnamed<N: PathArg + Copy>(_: &File, _: Dir<'_>, _name: N) -> Result<()> {
    Err(Errno::OPNOTSUPP)
}

pub(crate) fn procfs_shows(_: &File) -> bool {
    false
}

pub(crate) fn confined_by_apparmor() -> bool {
    false
}

pub(crate) fn attributes<P: PathArg>(_: Dir<'_>, _: P) -> Option<Attributes> {
    None
}

pub(crate) fn attributes_of(_: &File) -> Option<Attributes> {
    None
}

/// Extended attributes, which are not written for these systems: none can be kept.
#[derive(Debug)]
pub(crate) struct Xattrs<'a>(PhantomData<&'a File>);

impl<'a> Xattrs<'a> {
    pub(crate) fn of(_: &'a File) -> Self {
        Self(PhantomData)
    }

    pub(crate) fn at(_: &'a RawPath) -> Option<Self> {
        Some(Self(PhantomData))
    }

    pub(crate) fn copy_to(
        &self,
        _: &File,
        _wanted: impl Fn(&[u8]) -> bool,
        tolerate: impl Fn(&[u8], Result<()>) -> Result<()>,
    ) -> Result<()> {
        tolerate(b"", Err(Errno::OPNOTSUPP))
    }

    pub(crate) fn acl(&self) -> Result<Option<Acl>> {
        Ok(None)
    }
}

/// An access control list: there is none.
#[derive(Debug)]
pub(crate) enum Acl {}

impl Acl {
    pub(crate) fn set(&self, _: &File) -> Result<()> {
        match *self {}
    }

    pub(crate) fn remove(_: &File) -> Result<()> {
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

/// Not written for these systems, where it would change the length of the file.
pub(crate) fn allocate(_: &File, _bytes: u64) -> Result<()> {
    Err(Errno::OPNOTSUPP)
}

pub(crate) fn syncfs(_: &File) -> Result<()> {
    Err(Errno::NOSYS)
}

pub(crate) fn write_out(_: &File) -> Result<()> {
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
