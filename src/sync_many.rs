//! How many files reach the disk together.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Instant;

use rustix::fs::syncfs;
use rustix::io::Errno;

use crate::file_id::FileId;
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
    /// One syncfs(2) for each file system of a chunk: one flush for all files; on btrfs, whose
    /// fsync(2) of a directory then is not enough, one more for all names. It writes everything that
    /// is dirty there, other programs' data too, and waits for it: where others write much, it may
    /// take long, and slow them down. Where it could miss an error it is `EachFile`: before Linux
    /// 5.17, and on other file systems than btrfs, ext2, ext3, ext4, tmpfs and xfs.
    FileSystem,
}

/// What a file has in it, and whether that has reached the disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) bytes: u64,
    pub(crate) synced: bool,
}

/// Syncs the file systems on which enough of `files` are, and tells of each file.
pub(crate) fn file_systems_of(files: &mut [&mut LinkableFile], how: BatchSync) -> Vec<Contents> {
    let at_least = match how {
        BatchSync::EachFile => usize::MAX,
        _ if kernel::BEFORE_5_17.get() => usize::MAX,
        BatchSync::FileSystem => 1,
        BatchSync::Automatic => WORTH_A_SYNCFS,
    };
    let known = |file: &&mut LinkableFile| FileId::and_size(&file.file).ok();
    let known: Vec<_> = files.iter().map(known).collect();
    let mut by_device = BTreeMap::<_, Vec<_>>::new();
    for (index, known) in known.iter().enumerate() {
        if let Some((id, _)) = known {
            let on_device = by_device.entry(id.device()).or_default();
            on_device.push(index);
        }
    }
    by_device.retain(|_, on_device| {
        // It tells of the errors since that file was opened: the first knows of all.
        let first = on_device
            .iter()
            .copied()
            .min_by_key(|&i| files[i].told_since);
        first
            .filter(|_| on_device.len() >= at_least)
            .map_or(false, |first| {
                let outcome = file_system::syncfs(&files[first].file);
                files[first].told_since = Instant::now();
                outcome.is_ok()
            })
    });
    let contents = |(id, bytes): (FileId, u64)| Contents {
        bytes,
        synced: by_device.contains_key(&id.device()),
    };
    let all = known.into_iter();
    all.map(|known| known.map(contents).unwrap_or_default())
        .collect()
}

/// How the names in the directories of a chunk reach the disk.
pub(crate) struct Names {
    /// Whether syncfs(2) may be used, as for the contents.
    by_file_system: bool,
    /// What came of the file systems that were synced for that.
    devices: BTreeMap<u64, Result<(), Errno>>,
}

impl Names {
    pub(crate) fn new(how: BatchSync) -> Self {
        Self {
            by_file_system: how != BatchSync::EachFile && !kernel::BEFORE_5_17.get(),
            devices: BTreeMap::new(),
        }
    }

    /// fsync(2) of the directory, or where that is not enough, one syncfs(2) for all on a device.
    pub(crate) fn sync(&mut self, directory: &File) -> Result<(), Errno> {
        if self.by_file_system && file_system::forgets_names(directory) {
            let sync = || syncfs(directory);
            let outcome = match FileId::of(directory) {
                Ok(id) => *self.devices.entry(id.device()).or_insert_with(sync),
                Err(_) => sync(),
            };
            match outcome {
                // A sandbox: then the contents were synced one by one, too.
                Err(Errno::NOSYS | Errno::PERM) => {}
                outcome => return outcome,
            }
        }
        let synced = directory.sync_all();
        synced.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}
