//! Which sync, and on what.

use std::collections::BTreeMap;
use std::fs::File;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::linkable_file::LinkableFile;
use crate::sys::{self, FileId, Status, SyncRules, Syncfs, SIZE};
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

/// How the contents of a [`PublishBatch`](crate::PublishBatch) reach the disk.
///
/// Where syncfs(2) fails, the files are synced one by one, to find out which of them it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BatchSync {
    /// [`FileSystem`](Self::FileSystem) for eight files or more on one file system, else
    /// [`EachFile`](Self::EachFile).
    #[default]
    Automatic,
    /// fsync(2) of each file: a flush for each, and no other program's data.
    EachFile,
    /// One syncfs(2) for each file system of a chunk, or subvolume: one flush for all files; on
    /// btrfs, whose fsync(2) of a directory then is not enough, one more for all names. It writes
    /// everything that is dirty there, other programs' data too, and waits for it: where others
    /// write much, it may take long, and slow them down. Where it could miss an error it is
    /// `EachFile`: before Linux 5.17, and on other file systems than btrfs, ext2, ext3, ext4, tmpfs
    /// and xfs.
    FileSystem,
}

/// From how many files on one file system a syncfs(2) is cheaper than as many fsync(2).
///
/// It pays from two on (ext4, xfs and btrfs of Linux 6.18), if nobody else writes there.
const WORTH_A_SYNCFS: usize = 8;

/// Opens what [`sync_name`] needs; `None` if that may not be read, which creating a file does not
/// need.
pub(super) fn open_directory(target: &Target<'_>) -> Result<Option<File>, Errno> {
    match target.open_parent(OFlags::RDONLY) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::ACCESS) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Syncs the name of a file: its directory or, if that is not open, the file once more.
pub(super) fn sync_name(file: &File, directory: Option<&File>) -> Result<(), Errno> {
    // Never fdatasync(2): on ext4 that leaves the name out (measured on 6.18).
    fsync(directory.unwrap_or(file))
}

fn fsync(file: &File) -> Result<(), Errno> {
    let synced = file.sync_all();
    synced.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// What a file has in it, and whether a syncfs(2) has brought that to the disk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flushed {
    pub(super) bytes: u64,
    pub(super) synced: bool,
}

/// The file systems of a chunk that syncfs(2) has synced, and how names reach the disk there.
///
/// By the device, which on btrfs is one for each subvolume. Not in a `HashMap`: that can panic
/// where a sandbox forbids getrandom(2).
#[derive(Default)]
pub(super) struct FileSystems(BTreeMap<u64, NameSync>);

enum NameSync {
    /// By fsync(2) of each directory.
    EachDirectory,
    /// By another syncfs(2) for all names; its result, if there was one.
    FileSystem(Option<Result<(), Errno>>),
}

impl FileSystems {
    /// Syncs the file systems on which enough of the files are, and reports on each file.
    pub(super) fn sync_contents(
        &mut self,
        files: &mut [&mut LinkableFile],
        how: BatchSync,
    ) -> Vec<Flushed> {
        let status = |file: &&mut LinkableFile| Status::of(file.as_file(), SIZE).ok();
        let status: Vec<_> = files.iter().map(status).collect();
        let at_least = match how {
            BatchSync::EachFile => usize::MAX,
            _ if sys::syncfs_keeps_errors() => usize::MAX,
            BatchSync::FileSystem => 1,
            BatchSync::Automatic => WORTH_A_SYNCFS,
        };
        for (device, files_there) in by_device(&status) {
            if files_there.len() < at_least {
                continue;
            }
            // syncfs(2) reports the errors since that file was opened: the first knows of all.
            let first = files_there
                .into_iter()
                .min_by_key(|&i| files[i].errors_seen_at());
            let name_sync = first.and_then(|first| sync_file_system(files[first]));
            if let Some(name_sync) = name_sync {
                self.0.insert(device, name_sync);
            }
        }
        let flushed = |status: Status| Flushed {
            bytes: status.size,
            synced: self.0.contains_key(&status.id.device()),
        };
        let all = status.into_iter();
        all.map(|status| status.map(flushed).unwrap_or_default())
            .collect()
    }

    /// Syncs a directory, or a file for its name.
    pub(super) fn sync_name(&mut self, file: &File) -> Result<(), Errno> {
        if self.0.is_empty() {
            return fsync(file);
        }
        // If the file system is not known, syncfs works everywhere.
        let mut unknown = NameSync::FileSystem(None);
        let name_sync = match FileId::of(file) {
            Ok(id) => self.0.get_mut(&id.device()),
            Err(_) => Some(&mut unknown),
        };
        match name_sync {
            Some(NameSync::FileSystem(outcome)) => {
                *outcome.get_or_insert_with(|| sys::syncfs(file))
            }
            Some(NameSync::EachDirectory) | None => fsync(file),
        }
    }
}

/// The numbers of the files on each device. One that could not be looked at is on none.
fn by_device(status: &[Option<Status>]) -> BTreeMap<u64, Vec<usize>> {
    let mut by_device = BTreeMap::<_, Vec<_>>::new();
    for (number, status) in status.iter().enumerate() {
        if let Some(status) = status {
            let device = status.id.device();
            by_device.entry(device).or_default().push(number);
        }
    }
    by_device
}

/// syncfs(2) by the descriptor of `file`, where that can be relied upon.
fn sync_file_system(file: &mut LinkableFile) -> Option<NameSync> {
    let name_sync = match SyncRules::of(file.as_file()).syncfs {
        Syncfs::Unreliable => return None,
        Syncfs::Contents => NameSync::EachDirectory,
        Syncfs::ForgetsNames => NameSync::FileSystem(None),
    };
    file.sync_file_system().ok().map(|()| name_sync)
}
