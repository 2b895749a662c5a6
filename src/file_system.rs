//! What fsync(2) and syncfs(2) are worth, which depends on the file system.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::path::Path;

pub(crate) use rustix::fs::syncfs;
use rustix::fs::{fstatfs, major, minor};

use crate::file_id::{Status, MNT_ID_UNIQUE};
use crate::kernel;

// See statfs(2).
const BTRFS: u32 = 0x9123_683E;
const EXT: u32 = 0xEF53;
const OVERLAYFS: u32 = 0x794C_7630;
const TMPFS: u32 = 0x0102_1994;
const XFS: u32 = 0x5846_5342;

/// What tells a file system from others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// The mount, by a number that no other ever has (Linux 6.8).
    Mount(u64),
    /// The block device: wrong once another file system is mounted from a device of that number.
    Device(u64),
}

/// The answers about the last few file systems of this thread.
type Known = [Option<(Key, bool)>; 4];
thread_local!(static KNOWN: Cell<Known> = const { Cell::new([None; 4]) });

/// Whether a power cut may leave less than was synced, if the file was synced without a name.
///
/// - btrfs before 6.16 does not log such a file, and neither does overlayfs upon it. Once the file
///   is linked, a sync of the directory alone, anybody's, makes that name durable with an empty
///   file behind it (found on 6.1).
/// - Without a journal (ext2, ext4 made so) the directory can be on the disk before the inode,
///   whose link count there still is 0 (found on 6.18).
pub(crate) fn forgets_unnamed(file: &File) -> bool {
    let status = Status::of(file, MNT_ID_UNIQUE).ok();
    let device = status.map_or(0, |status| status.id.device());
    let key = match status.and_then(|status| status.mount) {
        Some(mount) => Some(Key::Mount(mount)),
        // btrfs and overlayfs have no block device of their own, and a number that others get
        // later.
        None => Some(Key::Device(device)).filter(|_| major(device) != 0),
    };
    let known = KNOWN.with(Cell::get);
    if let Some((_, answer)) = known.into_iter().flatten().find(|(of, _)| Some(*of) == key) {
        return answer;
    }
    let kind = kind(file);
    let answer = match kind {
        Some(BTRFS | OVERLAYFS) => Some(kernel::BEFORE_6_16.get()),
        Some(EXT) => has_no_journal(device),
        kind => kind.map(|_| false),
    };
    // An ext can lose its journal between two mounts.
    let lasts = |key: &Key| matches!(key, Key::Mount(_)) || kind != Some(EXT);
    if let (Some(key), Some(answer)) = (key.filter(lasts), answer) {
        let [first, second, third, _] = known;
        KNOWN.with(|known| known.set([Some((key, answer)), first, second, third]));
    }
    answer.unwrap_or(false)
}

/// Whether fsync(2) of a directory, after a syncfs(2), may leave out names of the files that were
/// synced; `None` where syncfs(2) is not known to flush all that fsync(2) would and to tell of its
/// errors.
///
/// overlayfs keeps those of the file system below it to itself (found on 6.18), and FUSE, SMB and
/// 9p do not pass the flush on to the server. btrfs left names out in 4 of 25 runs of four threads
/// that named files and synced the file system at once (6.18); another syncfs(2) keeps them.
pub(crate) fn syncfs_forgets_names(file: &File) -> Option<bool> {
    match kind(file)? {
        BTRFS => Some(true),
        EXT | TMPFS | XFS => Some(false),
        _ => None,
    }
}

// The type of the field is another one on every architecture, and the number has 32 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn kind(file: &File) -> Option<u32> {
    fstatfs(file).ok().map(|stat| stat.f_type as u32)
}

/// Whether an ext2, ext3 or ext4 was made without one, if that can be told: not without sysfs. An
/// ext4 is taken to have one where the kernel is too old for `journal_task` (found on 5.10).
fn has_no_journal(device: u64) -> Option<bool> {
    let by_number = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let path = fs::read_link(by_number).ok()?;
    let of_ext4 = Path::new("/sys/fs/ext4").join(path.file_name()?);
    match fs::read(of_ext4.join("journal_task")) {
        Ok(task) => Some(task.starts_with(b"<none>")),
        // The driver of ext2 alone is not in there, and has never had a journal.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(!of_ext4.exists()),
        Err(_) => None,
    }
}
