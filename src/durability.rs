//! Which sync, when, and on what.

use std::fs::File;
use std::io;

use rustix::fs::{openat, Mode, OFlags, CWD};
use rustix::io::{retry_on_intr, Errno};

use crate::target::Target;

/// What a published file survives.
///
/// | level | killed process | power cut after the call has returned `Ok` | flushes |
/// |---|---|---|---|
/// | [`None`](Self::None) | whole | anything, an empty file included | 0 |
/// | [`Contents`](Self::Contents) | whole | the old file, no file, or the whole new one | 1 |
/// | [`Full`](Self::Full) | whole | the whole new one | 2 |
///
/// A flush is what takes the time: an fsync(2), which waits for the disk. `Full` for a name that
/// replaces another costs the same two. [`PublishBatch`](crate::PublishBatch) shares them among
/// files.
///
/// # Where this is proven
///
/// The repository has a harness, `tests/power-cut`, that cuts the power at every write which a file
/// system makes, with and without random subsets and torn sectors of the writes that were not
/// flushed yet, and mounts and judges what is left. `Contents` and `Full` held at every point for
/// new and replaced files, one by one and in a [batch](crate::PublishBatch), with and without
/// `O_TMPFILE`, by one thread and by four, on ext4, xfs and btrfs of Linux 6.18 and on btrfs of
/// 6.12; on btrfs of 6.1 at a sample of points, and of 5.10 at one with one thread, anonymous files
/// only. The harness also found every wrong order out that it was given. It lets the disk fail,
/// too, with `EIO` at every one of its writes: what was reported was so.
///
/// # Platform-specific behavior
///
/// - **btrfs before Linux 6.16**, and overlayfs upon it, do not log a file that has no name when it
///   is synced: once it is linked, anybody's sync of the directory makes the name durable with an
///   empty file behind it. There a file gets its temporary name before the sync, and goes on as a
///   named one does: a kill may leave that name, and where nothing can be renamed (an append-only
///   directory, some sandboxes) only `None` publishes.
/// - **Without a journal** (ext2, and ext4 made without one, as sysfs tells) a directory can reach
///   the disk before the inode that it names, so there the same is done. Then `Full` held at every
///   point, for one thread, if the disk kept the order of writes (Linux 6.18). No more is promised:
///   at `Contents` the replaced file may be gone before its name is, what several programs write at
///   once arrives in any order, and a file system check may be needed first.
/// - **ext4 mounted with `data=writeback`** uses the blocks of a replaced file again before the
///   rename is on the disk, so that the old file can come back with another one's bytes. New names
///   are safe.
/// - **A temporary name** can come back after a power cut, where there was one and the rename had
///   not reached the disk; [`Full`](Self::Full) leaves none once it has returned.
/// - **No library can promise** anything of a disk that reports a flush which it has not made, or
///   that tears a sector; nor does a file system survive a torn superblock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Survives a killed process, not a power cut: nothing is synced.
    ///
    /// For caches and build products, which can be made again. After a power cut the name may be
    /// there with an empty or torn file behind it, even on ext4, whose protection against that
    /// (`auto_da_alloc`) covers a rename over an existing file only.
    None,
    /// The contents are on disk before the name is there: fsync(2) of the file comes first.
    ///
    /// A power cut then leaves the old file, no file, or the whole new one, never a torn or an
    /// empty one. Which of these it is depends on when the kernel writes the directory, commonly
    /// within 30 seconds.
    #[default]
    Contents,
    /// Both the contents and the name are on disk when the call returns `Ok`.
    ///
    /// The file is synced, then named, then its directory is synced. A directory that may be
    /// written and not read (mode `-wx`) cannot be opened for that; there the file is synced
    /// once more, which writes its name too on ext4, xfs and btrfs (measured on Linux 6.18).
    Full,
}

impl Durability {
    /// The first step: what is in the file.
    pub(crate) fn sync_contents(self, file: &File) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Contents | Self::Full => file.sync_all(),
        }
    }

    /// Opens what [`Self::sync_name`] needs, before there is a name: after it, only the sync
    /// itself can fail.
    pub(crate) fn open_directory(self, target: &Target<'_>) -> io::Result<Option<File>> {
        if self != Self::Full {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match retry_on_intr(|| openat(CWD, target.parent(), flags, Mode::empty())) {
            Ok(directory) => Ok(Some(directory.into())),
            // Creating a file needs no permission to read the directory.
            Err(Errno::ACCESS) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The last step: where the file is.
    pub(crate) fn sync_name(self, file: &File, directory: Option<&File>) -> io::Result<()> {
        match (self, directory) {
            (Self::None | Self::Contents, _) => Ok(()),
            (Self::Full, Some(directory)) => directory.sync_all(),
            // Never fdatasync(2): on ext4 that leaves the name out (measured on 6.18).
            (Self::Full, None) => file.sync_all(),
        }
    }
}
