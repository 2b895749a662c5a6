//! Which file something is: the pair that stat(2) calls `st_dev` and `st_ino`.

use rustix::fd::AsFd;
use rustix::fs::{fstat, statat, AtFlags, Stat};
use rustix::io::Result;
use rustix::path::Arg;

/// The identity of an inode, for as long as something keeps that inode alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The device that the file system is on.
    pub(crate) fn device(self) -> u64 {
        self.device
    }

    /// Of an open file.
    pub(crate) fn of<Fd: AsFd>(file: Fd) -> Result<Self> {
        Self::and_size(file).map(|(id, _)| id)
    }

    /// Of an open file, and how many bytes are in it.
    pub(crate) fn and_size<Fd: AsFd>(file: Fd) -> Result<(Self, u64)> {
        by_statx(&file, "", AtFlags::EMPTY_PATH).unwrap_or_else(|| fstat(file).map(by_stat))
    }

    /// Of what `path` leads to, relative to `directory`; with `AT_SYMLINK_NOFOLLOW` of a symlink itself.
    pub(crate) fn at<Fd: AsFd, P: Arg + Copy>(
        directory: Fd,
        path: P,
        flags: AtFlags,
    ) -> Result<Self> {
        by_statx(&directory, path, flags)
            .unwrap_or_else(|| statat(directory, path, flags).map(by_stat))
            .map(|(id, _)| id)
    }
}

// The fields are narrower than 64 bits on some architectures. No file is shorter than nothing.
#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    clippy::cast_sign_loss
)]
fn by_stat(stat: Stat) -> (FileId, u64) {
    let id = FileId {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
    };
    (id, stat.st_size as u64)
}

/// The answer of statx(2), Linux 4.11, unless there is none, or a sandbox that says so.
///
/// stat(2) asks for the times, too. A file that was asked gets times of its own from the next change
/// on (multigrain timestamps, Linux 6.13), which makes its sync dearer: on 6.18 a durable publish by
/// 4 to 8 %, on ext4 and xfs. And a network file system asks its server.
#[cfg(target_os = "linux")]
fn by_statx<Fd: AsFd, P: Arg>(
    directory: Fd,
    path: P,
    flags: AtFlags,
) -> Option<Result<(FileId, u64)>> {
    use rustix::fs::{makedev, statx, StatxFlags};
    use rustix::io::Errno;

    match statx(
        directory,
        path,
        flags | AtFlags::STATX_DONT_SYNC,
        StatxFlags::INO | StatxFlags::SIZE,
    ) {
        Err(Errno::NOSYS | Errno::PERM) => None,
        answer => Some(answer.map(|statx| {
            let id = FileId {
                device: makedev(statx.stx_dev_major, statx.stx_dev_minor),
                inode: statx.stx_ino,
            };
            (id, statx.stx_size)
        })),
    }
}

/// The sandbox of old Androids kills for it; elsewhere there is none.
#[cfg(not(target_os = "linux"))]
fn by_statx<Fd: AsFd, P: Arg>(_: Fd, _: P, _: AtFlags) -> Option<Result<(FileId, u64)>> {
    None
}
