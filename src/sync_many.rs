//! How many files reach the disk together.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use crate::kernel;
use crate::platform::syncfs;

/// From how many files on one file system a syncfs(2) is cheaper than as many fsync(2).
///
/// Measured on ext4, xfs and btrfs of Linux 6.18, see BENCHMARKS.md.
const WORTH_A_SYNCFS: usize = 8;

/// How the contents of a [`PublishBatch`](crate::PublishBatch) reach the disk.
///
/// Where syncfs(2) fails, the files are synced one by one, to find out which of them it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BatchSync {
    /// [`FileSystem`](Self::FileSystem) for eight files or more on one file system, if the kernel tells
    /// of its errors (Linux 5.8), else [`EachFile`](Self::EachFile).
    #[default]
    Automatic,
    /// fsync(2) of each file: a flush for each, and no other program's data.
    EachFile,
    /// One syncfs(2) for each file system of a chunk: one flush for all files. It writes everything
    /// that is dirty there, other programs' data too, and waits for it: where others write much, it may
    /// take long, and slow them down. It is `EachFile` where errors could be lost: before Linux 5.8, and
    /// where a file system does not know when a file was made (statx(2)), as tmpfs of old kernels.
    FileSystem,
}

/// What a file has in it, and whether that has reached the disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) bytes: u64,
    pub(crate) synced: bool,
}

/// Syncs the file systems on which enough of `files` are, and tells of each file.
pub(crate) fn file_systems_of(files: &[&File], how: BatchSync) -> Vec<Contents> {
    let at_least = match how {
        BatchSync::EachFile => usize::MAX,
        _ if kernel::BEFORE_5_8.get() => usize::MAX,
        BatchSync::FileSystem => 1,
        BatchSync::Automatic => WORTH_A_SYNCFS,
    };
    let metadata: Vec<_> = files.iter().map(|file| file.metadata().ok()).collect();
    let mut by_device = HashMap::<_, Vec<_>>::new();
    for (file, metadata) in files.iter().copied().zip(&metadata) {
        if let Some(metadata) = metadata {
            let on_device = by_device.entry(metadata.dev()).or_default();
            on_device.push((file, metadata));
        }
    }
    by_device.retain(|_, files| {
        let first = first_born(files).filter(|_| files.len() >= at_least);
        first.map_or(false, |file| syncfs(file).is_ok())
    });
    let contents = |metadata: &Metadata| Contents {
        bytes: metadata.len(),
        synced: by_device.contains_key(&metadata.dev()),
    };
    let all = metadata.iter().map(Option::as_ref);
    all.map(|metadata| metadata.map(contents).unwrap_or_default())
        .collect()
}

/// The file that was opened first: syncfs(2) of it tells of all errors since then. `None` if the file
/// system does not know which that is.
fn first_born<'a>(files: &[(&'a File, &Metadata)]) -> Option<&'a File> {
    let mut born = Vec::with_capacity(files.len());
    for (file, metadata) in files {
        born.push((metadata.created().ok()?, *file));
    }
    born.into_iter()
        .min_by_key(|(time, _)| *time)
        .map(|(_, file)| file)
}
