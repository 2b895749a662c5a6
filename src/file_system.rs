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

/// The block device that was asked about last and is none of those; 0 is none at all.
static SOUND_DEVICE: AtomicUsize = AtomicUsize::new(0);

/// Whether a power cut may leave less than was synced, if the file was synced without a name.
///
/// - btrfs before 6.16 does not log such a file, and neither does overlayfs upon it. Once the file
///   is linked, a sync of the directory alone, anybody's, makes that name durable with an empty file
///   behind it (found on 6.1).
/// - Without a journal (ext2, ext4 made so) the directory can be on the disk before the inode, whose
///   link count there still is 0 (found on 6.18).
pub(crate) fn forgets_unnamed(file: &File) -> bool {
    let device = FileId::of(file).map_or(0, FileId::device);
    // btrfs and overlayfs have no device of their own, and number 0 stands for it.
    if major(device) == 0 {
        return kernel::BEFORE_6_16.get() && matches!(kind(file), Some(BTRFS | OVERLAYFS));
    }
    let key = usize::try_from(device).unwrap_or(0);
    if key != 0 && key == SOUND_DEVICE.load(Ordering::Relaxed) {
        return false;
    }
    let forgets = kind(file) == Some(EXT) && has_no_journal(device);
    if !forgets {
        SOUND_DEVICE.store(key, Ordering::Relaxed);
    }
    forgets
}

// The type of the field is another one on every architecture, and the number has 32 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn kind(file: &File) -> Option<u32> {
    fstatfs(file).ok().map(|stat| stat.f_type as u32)
}

/// Whether that is known of an ext2, ext3 or ext4: without sysfs (Linux 4.18) it is not.
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
        // The driver of ext2 is not in there, and has never had a journal.
        Err(_) => !of_ext4.exists(),
    }
}
