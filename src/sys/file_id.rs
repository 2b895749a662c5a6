//! The identity of a file: what stat(2) calls `st_dev` and `st_ino`.

use rustix::fd::AsFd;
use rustix::fs::{fstat, statat, AtFlags, FileType, Stat};
use rustix::io::Result;
use rustix::path::Arg;

/// The identity of an inode, for as long as something keeps that inode alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of an open file.
    pub(crate) fn of<Fd: AsFd>(file: Fd) -> Result<Self> {
        Status::of(file, 0).map(|status| status.id)
    }

    /// Of the file at `path`, relative to `directory`. With `AT_SYMLINK_NOFOLLOW` that can be a
    /// symlink.
    pub(crate) fn at<Fd: AsFd, P: Arg + Copy>(
        directory: Fd,
        path: P,
        flags: AtFlags,
    ) -> Result<Self> {
        Status::at(directory, path, flags, 0).map(|status| status.id)
    }

    /// Whether both are the same file, as far as the system shows.
    pub(crate) fn may_be(self, other: Self) -> bool {
        self == other
    }

    /// The device that the file system is on.
    pub(crate) fn device(self) -> u64 {
        self.device
    }
}

/// What statx(2) returns for a file.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) struct Status {
    pub(crate) id: FileId,
    /// The length in bytes, if that was asked for.
    pub(crate) size: u64,
    /// Type and permissions, owner and group, if they were asked for.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The unique ID of the mount, which no other mount ever gets, if that was asked for (Linux
    /// 6.8).
    pub(crate) mount: Option<u64>,
}

/// What can be asked for, see statx(2).
pub(crate) const SIZE: u32 = 0x200;
pub(crate) const MODE_AND_OWNER: u32 = 0x1 | 0x2 | 0x8 | 0x10;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(super) const MNT_ID_UNIQUE: u32 = 0x4000;

impl Status {
    /// Of an open file.
    pub(crate) fn of<Fd: AsFd>(file: Fd, more: u32) -> Result<Self> {
        Self::by_statx(&file, "", OPEN_FILE, more).unwrap_or_else(|| fstat(file).map(Self::from))
    }

    /// Of the file at `path`, relative to `directory`. With `AT_SYMLINK_NOFOLLOW` that can be a
    /// symlink.
    pub(crate) fn at<Fd: AsFd, P: Arg + Copy>(
        directory: Fd,
        path: P,
        flags: AtFlags,
        more: u32,
    ) -> Result<Self> {
        Self::by_statx(&directory, path, flags, more)
            .unwrap_or_else(|| statat(directory, path, flags).map(Self::from))
    }

    /// Whether an attribute forbids to replace the file: there is none.
    #[allow(clippy::unused_self)]
    pub(crate) fn is_read_only(&self) -> bool {
        false
    }

    /// What kind of file it is, if [`MODE_AND_OWNER`] was asked for.
    pub(crate) fn file_type(&self) -> FileType {
        // The type of a mode is narrower on some systems.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        FileType::from_raw_mode(self.mode as _)
    }

    /// `None` where the kernel (before 4.11) or a sandbox does not have statx(2).
    ///
    /// Unlike stat(2), this does not ask for the times. Once they were read, the next change of the
    /// file sets a finer timestamp (multigrain timestamps, Linux 6.13), and the sync after it takes
    /// longer: with one more fstat(2), the bare calls of a durable publish took 2 to 8 % longer on
    /// ext4 and xfs (6.18).
    #[cfg(target_os = "linux")]
    fn by_statx<Fd: AsFd, P: Arg>(
        directory: Fd,
        path: P,
        flags: AtFlags,
        more: u32,
    ) -> Option<Result<Self>> {
        use rustix::fs::{makedev, statx, StatxFlags};
        use rustix::io::Errno;

        let wanted = StatxFlags::INO | StatxFlags::from_bits_retain(more);
        match statx(directory, path, flags, wanted) {
            Err(Errno::NOSYS | Errno::PERM) => None,
            answer => Some(answer.map(|status| Self {
                id: FileId {
                    device: makedev(status.stx_dev_major, status.stx_dev_minor),
                    inode: status.stx_ino,
                },
                size: status.stx_size,
                mode: status.stx_mode.into(),
                uid: status.stx_uid,
                gid: status.stx_gid,
                mount: Some(status.stx_mnt_id).filter(|_| status.stx_mask & MNT_ID_UNIQUE != 0),
            })),
        }
    }

    /// Android's old seccomp policy kills the process for statx(2); other systems have none.
    #[cfg(not(target_os = "linux"))]
    fn by_statx<Fd: AsFd, P: Arg>(_: Fd, _: P, _: AtFlags, _: u32) -> Option<Result<Self>> {
        None
    }
}

/// `AT_EMPTY_PATH`, and `AT_STATX_DONT_SYNC`, because no server needs to be asked for these fields.
/// rustix does not have the latter everywhere.
#[cfg(target_os = "linux")]
const OPEN_FILE: AtFlags = AtFlags::from_bits_retain(0x1000 | 0x4000);
#[cfg(not(target_os = "linux"))]
const OPEN_FILE: AtFlags = AtFlags::empty();

impl From<Stat> for Status {
    // The fields are narrower than 64 bits on some architectures. `st_size` is never negative.
    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        clippy::cast_sign_loss
    )]
    fn from(stat: Stat) -> Self {
        Self {
            id: FileId {
                device: stat.st_dev as u64,
                inode: stat.st_ino as u64,
            },
            size: stat.st_size as u64,
            mode: stat.st_mode as u32,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mount: None,
        }
    }
}
