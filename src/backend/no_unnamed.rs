//! The file without a name, on systems that have no such thing.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::path::Arg;

use crate::custom_flags::CustomFlags;

pub(super) fn open(_: &OpenOptions, _: CustomFlags, _: &Path) -> io::Result<File> {
    Err(Errno::OPNOTSUPP.into())
}

pub(super) fn link<N: Arg + Copy>(_: &File, _: BorrowedFd<'_>, _: N) -> rustix::io::Result<()> {
    Err(Errno::OPNOTSUPP)
}
