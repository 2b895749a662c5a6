//! Which file something is: the pair that stat(2) calls `st_dev` and `st_ino`.

use rustix::fd::AsFd;
use rustix::fs::{fstat, Stat};
use rustix::io::Result;

/// The identity of an inode, for as long as something keeps that inode alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The device that the file system is on.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn device(self) -> u64 {
        self.device
    }

    pub(crate) fn of<Fd: AsFd>(file: Fd) -> Result<Self> {
        fstat(file).map(Self::from)
    }
}

impl From<Stat> for FileId {
    // The fields are narrower than 64 bits on some architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    fn from(stat: Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
        }
    }
}
