//! The file systems whose fsync(2) is worth nothing to a file that has no name.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{fstatfs, major, minor};

use crate::file_id::FileId;
use crate::kernel;

// See statfs(2).
const BTRFS: u32 = 0x9123_683E;
const EXT: u32 = 0xEF53;
const OVERLAYFS: u32 = 0x794C_7630;

/// What was found of the block device that was asked about last: twice its number, and 1 more if
/// files without a name are forgotten there. 0 is nothing.
static LAST_FOUND: AtomicUsize = AtomicUsize::new(0);

/// Whether a power cut may leave less than was synced, if the file was synced without a name.
///
/// - btrfs before 6.16 does not log such a file, and neither does overlayfs upon it. Once the file
///   is linked, a sync of the directory alone, anybody's, makes that name durable with an empty file
///   behind it (found on 6.1).
/// - Without a journal (ext2, ext4 made so) the directory can be on the disk before the inode, whose
///   link count there still is 0 (found on 6.18).
pub(super) fn forgets_unnamed(file: &File) -> bool {
    // fstat(2), not fstatfs(2), which on xfs waits for inodes that are being removed (6.18).
    let device = FileId::of(file).map_or(0, FileId::device);
    // btrfs and overlayfs have no block device of their own, and a number that others get later.
    if major(device) == 0 {
        return !kernel::BEFORE_6_16.is_known_not_to_be()
            && matches!(kind(file), Some(BTRFS | OVERLAYFS))
            && kernel::BEFORE_6_16.get();
    }
    // The kernel's device numbers have 32 bits.
    let twice = usize::try_from(device << 1).unwrap_or(0);
    let last = LAST_FOUND.load(Ordering::Relaxed);
    if twice != 0 && last & !1 == twice {
        return last & 1 == 1;
    }
    let forgets = kind(file) == Some(EXT) && has_no_journal(device);
    LAST_FOUND.store(twice | usize::from(forgets), Ordering::Relaxed);
    forgets
}

// The type of the field is another one on every architecture, and the number has 32 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn kind(file: &File) -> Option<u32> {
    fstatfs(file).ok().map(|stat| stat.f_type as u32)
}

/// Whether an ext2, ext3 or ext4 is known to be without one: without sysfs it is not, nor where the
/// kernel is too old for `journal_task` (found on 5.10).
fn has_no_journal(device: u64) -> bool {
    let by_number = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let path = match fs::read_link(by_number) {
        Ok(path) => path,
        Err(_) => return false,
    };
    let name = path.file_name().unwrap_or_default();
    let of_ext4 = Path::new("/sys/fs/ext4").join(name);
    match fs::read(of_ext4.join("journal_task")) {
        Ok(task) => task.starts_with(b"<none>"),
        // The driver of ext2 alone is not in there, and has never had a journal.
        Err(_) => !of_ext4.exists(),
    }
}
