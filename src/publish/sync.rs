//! The levels of durability, the methods of syncing, and the calls for them.

use std::collections::BTreeMap;
use std::fs::File;

use crate::linkable_file::LinkableFile;
use crate::sys::{self, Errno, FileId, OpenDirectory, Status, SyncRules, Syncfs, SIZE};

/// What a published file survives.
///
/// | level | after a killed process | after a power cut, once the call has returned `Ok` | flushes |
/// |---|---|---|---|
/// | [`None`](Self::None) | complete | anything, even an empty file | 0 |
/// | [`Contents`](Self::Contents) | complete | the old file, no file, or the complete new one | 0 or 1 |
/// | [`Full`](Self::Full) | complete | the complete new one | 1 or 2 |
///
/// Most of the time of a durable save goes into flushes, because each waits for the disk. On ext4
/// and xfs the smaller number holds: the flush of their journal also covers the contents, see
/// [`SyncMethod::WriteOut`]. Replacing a file takes as many flushes as a new file. A
/// [`PublishBatch`](crate::PublishBatch) shares them among its files.
///
/// # How this is tested
///
/// The harness `tests/power-cut` in the repository cuts the power at every write that a file system
/// makes, mounts what is left, and judges it. It also keeps random subsets of the writes that were
/// not flushed yet, and tears their sectors. `Contents` and `Full` held
///
/// - at every point on ext4, xfs and btrfs of Linux 6.18, and on btrfs of 6.12;
/// - at a sample of points on ext4 and xfs of 5.10, 6.1, 6.12 and 7.2, and on btrfs of 6.1;
/// - at a sample of points on btrfs of 5.10, with one thread and anonymous files only.
///
/// This covers new and replaced files, one by one and in a [batch](crate::PublishBatch), with and
/// without `O_TMPFILE`, by one thread and by four. The harness also detected every wrong order of
/// system calls that it was given. And it lets the disk fail with `EIO` at each of its writes while
/// files are saved one by one: every result that the crate reported was true.
///
/// # Platform-specific behavior
///
/// - **btrfs before Linux 6.16**: fsync(2) does not log a file that has no name. Once the file is
///   linked, any sync of the directory, by anyone, makes the directory entry durable, but with an
///   empty file. So there the file gets a temporary name before the sync, and is then renamed. If
///   the process is killed, the temporary name may stay. Where nothing can be renamed (an
///   append-only directory, some sandboxes), only `None` can publish.
/// - **File systems without a journal** (ext2, and ext4 made without one): a directory can reach
///   the disk before the inodes of its files. So there a file also gets a temporary name before the
///   sync. `Full` then held at every point, with one thread and a disk that keeps the order of
///   writes (Linux 6.18). Nothing more is promised. With `Contents` the replaced file may be lost
///   while its directory entry is still there. Writes of several programs at once reach the disk in
///   any order. And the file system may need a check first.
/// - **overlayfs**, and any file system that the crate cannot look into, because a sandbox hides
///   procfs or no descriptor is left: it may be one of the above. So a file gets a temporary name
///   before the sync there, too, except in an append-only directory, which would keep that name. An
///   overlayfs keeps no more than the file system below it.
/// - **ext4 with `fast_commit`** (not a default of mkfs.ext4): while any process has an unnamed
///   file open, be it anonymous or deleted, any fsync(2) can write a log that the kernel cannot
///   replay (found on Linux 5.10 to 7.2). The file system then does not mount until e2fsck(8) has
///   repaired it. procfs shows the feature once somebody has called fsync(2) since the mount. A
///   process looks for it at each durable publish, until it knows. If it finds the feature, its
///   later files there have temporary names. Do not use the feature with programs that keep
///   unnamed files open.
/// - **ext4 mounted with `data=writeback`** reuses the blocks of a replaced file before the rename
///   is on the disk. So the old file can come back with the bytes of another file. New files are
///   safe.
/// - **A temporary name** can come back after a power cut if the rename was not on the disk yet.
///   Once [`Full`](Self::Full) has returned, it cannot, unless it was in another directory, which
///   the process may not read.
/// - **A rename on btrfs** of a file with a temporary name: if another thread or program calls
///   fsync(2) or syncfs(2) at the same moment, the fsync(2) of the directory can leave the rename
///   out (Linux 6.18: 11 of 321 points with four threads and one more program that syncs). After a
///   power cut, the file then has its temporary name. This was never found for anonymous files.
/// - **A failing disk**: ext4 reports a failed commit of its journal only to the first sync (Linux
///   6.18). If two threads publish with `Full` at the same moment and the disk fails just then, one
///   of them may get `Ok`. A [`PublishBatch`](crate::PublishBatch) reports the error for all its
///   files.
/// - **Windows**: `Full` syncs the file once more after it has its name, which on NTFS writes the name,
///   too. The power was never cut there to test this, and FAT promises nothing. See
///   [Windows](crate::platforms#windows).
/// - **Disks that lie**: no library can help if a disk reports a flush that it has not done, or
///   tears a sector. And no file system survives a torn superblock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Syncs nothing: the file survives a killed process, but not a power cut.
    ///
    /// Use it for caches and build products, which can be made again. After a power cut the file
    /// may be there, but empty or torn. This is so even on ext4, whose protection against that
    /// (`auto_da_alloc`) covers only a rename over an existing file.
    None,
    /// Syncs the contents before the file appears at its path.
    ///
    /// A power cut then leaves the old file, no file, or the complete new one, never a torn or an
    /// empty one. Which of these it is depends on when the kernel writes the directory, commonly
    /// within 30 seconds.
    #[default]
    Contents,
    /// Like `Contents`, and also syncs the directory after the file appears at its path.
    ///
    /// Once the call has returned `Ok`, the file stays at its path. A directory without read
    /// permission (mode `-wx`) cannot be opened to sync it. There the file is synced once more,
    /// which on ext4, xfs and btrfs also writes its directory entry (measured on Linux 6.18).
    Full,
}

/// How contents reach the disk before their file appears at its path.
///
/// [`Durability`] chooses what a file survives; this chooses the system call for it. Every method
/// keeps the promise: where a method is not known to do so, the crate calls fsync(2) instead.
///
/// # Examples
///
/// ```
/// use std::fs::OpenOptions;
/// use std::io::Write;
/// use linkable::{OpenOptionsAnonymousExt, PublishOptions, SyncMethod};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let mut file = OpenOptions::new().anonymous_in(dir)?;
/// file.write_all(b"by the book")?;
/// PublishOptions::new()
///     .sync_method(SyncMethod::Fsync)
///     .publish(file, dir.join("posix"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncMethod {
    /// The cheapest method that is proven for the file system.
    ///
    /// This is [`WriteOut`](Self::WriteOut) where it works. Elsewhere it is
    /// [`FileSystem`](Self::FileSystem) for eight or more files of a [batch](crate::PublishBatch),
    /// and [`Fsync`](Self::Fsync) for fewer.
    #[default]
    Automatic,
    /// Calls fsync(2) on each file, which flushes the disk.
    ///
    /// It relies on POSIX alone. With [`Durability::Full`] it takes two flushes a file.
    Fsync,
    /// Writes the contents out and waits, but does not flush the disk: sync_file_range(2).
    ///
    /// It relies on the journal of ext4 and xfs. The journal gets the name of the file after the
    /// contents were written out, and flushes the disk before it commits the name. That flush
    /// covers the contents, too. So [`Durability::Contents`] takes no flush, and
    /// [`Durability::Full`] takes one.
    ///
    /// The crate uses it on ext4 with `data=ordered` or `data=journal`, barriers, a journal on the
    /// same device and no fast commits, and on xfs without other devices. Both need Linux 5.10 or
    /// newer. The power was cut on Linux 5.10, 6.1, 6.12, 6.18 and 7.2; the kernels between them
    /// count as tested. Everywhere else, and where it cannot find that out, the crate calls
    /// fsync(2). On an ext4 where nobody has called fsync(2) since the mount, the first save does,
    /// because only that shows whether there are fast commits.
    ///
    /// Like fsync(2), this breaks on a disk that lies about flushes. It would also break if a later
    /// kernel committed names before their contents, or without a flush.
    WriteOut,
    /// Calls syncfs(2) once for each file system (or btrfs subvolume): for all its files in a chunk
    /// of a [batch](crate::PublishBatch), or for a single file.
    ///
    /// That is one flush for the contents of all files. btrfs needs one more for all directory
    /// entries, because an fsync(2) of the directory is not enough there. If syncfs(2) fails, the
    /// files are synced one by one, to find out which of them failed.
    ///
    /// syncfs(2) writes everything that is dirty on the file system, also the data of other
    /// programs, and waits for it. If they write much, it can take long and slow them down.
    ///
    /// Where syncfs(2) could miss an error, this is the same as [`Fsync`](Self::Fsync): before
    /// Linux 5.17, and on any file system but btrfs, ext2, ext3, ext4, tmpfs and xfs.
    FileSystem,
}

/// How the contents of a file reach the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ContentSync {
    #[default]
    Fsync,
    WriteOut,
    /// One syncfs(2) for all files on the file system.
    Syncfs,
}

impl SyncMethod {
    /// How to sync each of that many `files` on a file system with these rules.
    pub(super) fn contents(self, rules: SyncRules, files: usize) -> ContentSync {
        let enough_for_syncfs = match self {
            Self::Automatic | Self::WriteOut if rules.orders_data => return ContentSync::WriteOut,
            Self::Fsync | Self::WriteOut => return ContentSync::Fsync,
            Self::Automatic => WORTH_A_SYNCFS,
            Self::FileSystem => 1,
        };
        let is_reliable = || rules.syncfs != Syncfs::Unreliable && !sys::syncfs_keeps_errors();
        if files >= enough_for_syncfs && is_reliable() {
            ContentSync::Syncfs
        } else {
            ContentSync::Fsync
        }
    }

    /// Whether the rules of the file system make a difference.
    pub(super) fn depends_on_rules(self) -> bool {
        self != Self::Fsync
    }
}

/// With at least this many files on one file system, `Automatic` calls syncfs(2).
///
/// It is cheaper from two on (btrfs of Linux 6.18) if nobody else writes there.
const WORTH_A_SYNCFS: usize = 8;

/// Opens the directory of the file's temporary name to sync it, unless it is `directory`. Without
/// that sync, a power cut can bring the name back.
///
/// Also `None` without permission to read it: the name can come back then.
pub(super) fn open_left_directory(
    file: &LinkableFile,
    directory: Option<&OpenDirectory>,
) -> sys::Result<Option<OpenDirectory>> {
    if file.is_anonymous() {
        return Ok(None);
    }
    let synced = directory.and_then(|directory| FileId::of(sys::as_file(directory)).ok());
    if synced.is_some() && synced == file.directory_id() {
        return Ok(None);
    }
    file.open_directory()
}

/// Whether the file system of a synced directory still works, as far as statx(2) shows.
///
/// An fsync(2) of a directory on xfs returns 0 if the journal was given up meanwhile, because of an
/// error that another sync has reported (found on 6.18).
pub(super) fn check_shutdown(directory: &File) -> Result<(), Errno> {
    match Status::of(directory, 0) {
        Err(Errno::IO) => Err(Errno::IO),
        // A refusal says nothing of the disk.
        _ => Ok(()),
    }
}

/// The first error that a sync has reported on each device.
///
/// The kernel may report an error once, to whichever sync comes first, although it concerns all
/// files.
#[derive(Default)]
pub(super) struct Errors(BTreeMap<Option<u64>, Errno>);

impl Errors {
    /// Remembers the error of a sync of `file`.
    pub(super) fn note(&mut self, file: &File, errno: Errno) {
        self.0.entry(device(file)).or_insert(errno);
    }

    /// The same for an outcome, which is returned.
    pub(super) fn noting(&mut self, file: &File, outcome: Result<(), Errno>) -> Result<(), Errno> {
        outcome.map_err(|errno| {
            self.note(file, errno);
            errno
        })
    }

    /// The first error on the device of `file`, or on a device that is unknown.
    pub(super) fn of(&self, file: &File) -> Option<Errno> {
        if self.0.is_empty() {
            return None;
        }
        let on_device = self.0.get(&device(file));
        on_device.or_else(|| self.0.get(&None)).copied()
    }
}

fn device(file: &File) -> Option<u64> {
    FileId::of(file).ok().map(FileId::device)
}

/// What is known of a file before it is synced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) rules: SyncRules,
    status: Option<Status>,
}

impl Look {
    pub(super) fn at(file: &LinkableFile) -> Self {
        let (rules, status) = SyncRules::with_status(file.inner(), SIZE);
        Self { rules, status }
    }
}

/// The size of a file, and what its contents still need.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contents {
    pub(super) bytes: u64,
    /// [`ContentSync::Syncfs`] if they need nothing, because syncfs(2) was called.
    pub(super) sync: ContentSync,
}

/// The file systems of a chunk that syncfs(2) has synced, and how to sync directory entries there.
///
/// The key is the device; on btrfs each subvolume has its own. Not a `HashMap`, which can panic
/// where a sandbox forbids getrandom(2).
#[derive(Default)]
pub(super) struct FileSystems(BTreeMap<u64, NameSync>);

enum NameSync {
    /// With an fsync(2) of each directory.
    EachDirectory,
    /// With one more syncfs(2) for all of them; its result, once it was called.
    FileSystem(Option<Result<(), Errno>>),
}

impl FileSystems {
    /// Calls syncfs(2) on each file system where the method wants it, and reports on each file.
    pub(super) fn sync_contents(
        &mut self,
        files: &mut [(&mut LinkableFile, Look)],
        method: SyncMethod,
    ) -> Vec<Contents> {
        let mut by_device = BTreeMap::<_, Vec<_>>::new();
        for (number, (_, look)) in files.iter().enumerate() {
            if let Some(status) = look.status {
                let device = status.id.device();
                by_device.entry(device).or_default().push(number);
            }
        }
        for (device, files_there) in by_device {
            // syncfs(2) reports the errors since its file was opened: the oldest one shows all.
            let number = files_there.len();
            let oldest = files_there
                .into_iter()
                .min_by_key(|&i| files[i].0.errors_seen_at());
            if let Some((file, look)) = oldest.map(|oldest| &mut files[oldest]) {
                if method.contents(look.rules, number) == ContentSync::Syncfs {
                    self.sync_file_system(file, device, look.rules);
                }
            }
        }
        let contents = |(_, look): &(_, Look)| Contents {
            bytes: look.status.map_or(0, |status| status.size),
            sync: match look.status {
                Some(status) if self.0.contains_key(&status.id.device()) => ContentSync::Syncfs,
                _ => match method.contents(look.rules, 1) {
                    // It has failed, so the file is synced by itself.
                    ContentSync::Syncfs => ContentSync::Fsync,
                    by_itself => by_itself,
                },
            },
        };
        files.iter().map(contents).collect()
    }

    fn sync_file_system(&mut self, file: &mut LinkableFile, device: u64, rules: SyncRules) {
        if file.sync_file_system().is_ok() {
            let name_sync = match rules.syncfs {
                Syncfs::ForgetsNames => NameSync::FileSystem(None),
                Syncfs::Contents | Syncfs::Unreliable => NameSync::EachDirectory,
            };
            self.0.insert(device, name_sync);
        }
    }

    /// Makes the path of a file durable: syncs its directory or, if that is not open, the file
    /// again.
    pub(super) fn sync_name(&mut self, file: &File, directory: Option<&File>) -> Result<(), Errno> {
        match directory {
            Some(directory) => self.sync(directory),
            // syncfs(2) always makes a full commit.
            None if SyncRules::of(file).fast_commits == Some(true) => sys::syncfs(file),
            None => self.sync(file),
        }
    }

    /// Syncs a directory, or a file for its directory entry.
    pub(super) fn sync(&mut self, file: &File) -> Result<(), Errno> {
        if self.0.is_empty() {
            return sys::fsync(file);
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
            Some(NameSync::EachDirectory) | None => sys::fsync(file),
        }
    }
}
