//! How many files reach the disk together.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Instant;

use rustix::io::Errno;

use crate::file_id::{FileId, Status, SIZE};
use crate::file_system;
use crate::kernel;
use crate::linkable_file::LinkableFile;

/// From how many files on one file system a syncfs(2) is cheaper than as many fsync(2).
///
/// It pays from two on (ext4, xfs and btrfs of Linux 6.18), if nobody else writes there.
const WORTH_A_SYNCFS: usize = 8;

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

/// What a file has in it, and whether that has reached the disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) bytes: u64,
    pub(crate) synced: bool,
}

/// The file systems of a chunk that syncfs(2) has synced.
///
/// By the device, which on btrfs is one for each subvolume. Not in a `HashMap`: that can panic
/// where a sandbox forbids getrandom(2).
#[derive(Default)]
pub(crate) struct FileSystems(BTreeMap<u64, Names>);

/// How names reach the disk after that.
enum Names {
    /// By fsync(2) of each directory.
    EachDirectory,
    /// By another syncfs(2) for all; what came of it, if there was one.
    FileSystem(Option<Result<(), Errno>>),
}

impl FileSystems {
    /// Syncs those on which enough of `files` are, and tells of each file.
    pub(crate) fn sync_contents(
        &mut self,
        files: &mut [&mut LinkableFile],
        how: BatchSync,
    ) -> Vec<Contents> {
        let at_least = match how {
            BatchSync::EachFile => usize::MAX,
            _ if kernel::BEFORE_5_17.get() => usize::MAX,
            BatchSync::FileSystem => 1,
            BatchSync::Automatic => WORTH_A_SYNCFS,
        };
        let status = |file: &&mut LinkableFile| Status::of(&file.file, SIZE).ok();
        let status: Vec<_> = files.iter().map(status).collect();
        let mut by_device = BTreeMap::<_, Vec<_>>::new();
        for (index, status) in status.iter().enumerate() {
            if let Some(status) = status {
                let on_device = by_device.entry(status.id.device()).or_default();
                on_device.push(index);
            }
        }
        by_device.retain(|_, on_device| on_device.len() >= at_least);
        for (device, on_device) in by_device {
            // It tells of the errors since that file was opened: the first knows of all.
            let first = on_device.into_iter().min_by_key(|&i| files[i].told_since);
            if let Some(first) = first {
                if let Some(names) = sync_file_system(files[first]) {
                    self.0.insert(device, names);
                }
            }
        }
        let contents = |status: Status| Contents {
            bytes: status.size,
            synced: self.0.contains_key(&status.id.device()),
        };
        let all = status.into_iter();
        all.map(|status| status.map(contents).unwrap_or_default())
            .collect()
    }

    /// Syncs a directory, or a file for its name.
    pub(crate) fn sync_name(&mut self, file: &File) -> Result<(), Errno> {
        // In doubt, the way that serves everywhere.
        let mut unknown = Names::FileSystem(None);
        let names = if self.0.is_empty() {
            None
        } else {
            match FileId::of(file) {
                Ok(id) => self.0.get_mut(&id.device()),
                Err(_) => Some(&mut unknown),
            }
        };
        match names {
            Some(Names::FileSystem(outcome)) => {
                *outcome.get_or_insert_with(|| file_system::syncfs(file))
            }
            Some(Names::EachDirectory) | None => {
                let synced = file.sync_all();
                synced.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
            }
        }
    }
}

/// syncfs(2) by the descriptor of `file`, where that serves.
fn sync_file_system(file: &mut LinkableFile) -> Option<Names> {
    let forgets_names = file_system::syncfs_forgets_names(&file.file)?;
    let synced = file_system::syncfs(&file.file);
    file.told_since = Instant::now();
    synced.ok()?;
    Some(if forgets_names {
        Names::FileSystem(None)
    } else {
        Names::EachDirectory
    })
}
