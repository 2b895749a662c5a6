//! What fsync(2) and syncfs(2) are worth, which depends on the file system.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{fstatfs, fstatvfs, major, minor};
use rustix::io::Errno;

use crate::file_id::FileId;
use crate::kernel;

// See statfs(2).
const BTRFS: u32 = 0x9123_683E;
const EXT: u32 = 0xEF53;
const OVERLAYFS: u32 = 0x794C_7630;
const TMPFS: u32 = 0x0102_1994;
const XFS: u32 = 0x5846_5342;

/// What was found out about a file system on a block device.
#[derive(Clone, Copy)]
struct Known {
    device: u64,
    /// What `statfs` calls it, where the kind does not say all: another one may be mounted from the
    /// same device later.
    fsid: Option<u64>,
    forgets_unnamed: bool,
}

thread_local! {
    /// The last one. A kind other than ext is wrong here once a device of that number has another.
    static KNOWN: Cell<Known> = const {
        Cell::new(Known { device: 0, fsid: None, forgets_unnamed: false })
    };
}

/// Whether a power cut may leave less than was synced, if the file was synced without a name.
///
/// - btrfs before 6.16 does not log such a file, and neither does overlayfs upon it. Once the file
///   is linked, a sync of the directory alone, anybody's, makes that name durable with an empty file
///   behind it (found on 6.1).
/// - Without a journal (ext2, ext4 made so) the directory can be on the disk before the inode, whose
///   link count there still is 0 (found on 6.18).
pub(crate) fn forgets_unnamed(file: &File) -> bool {
    // Not fstatfs(2), which on xfs waits for inodes that are being removed (6.18).
    let device = FileId::of(file).map_or(0, FileId::device);
    // btrfs and overlayfs have no block device of their own, and a number that others get later.
    if major(device) == 0 {
        return !kernel::BEFORE_6_16.is_known_not_to_be()
            && matches!(kind(file), Some(BTRFS | OVERLAYFS))
            && kernel::BEFORE_6_16.get();
    }
    let known = KNOWN.with(Cell::get);
    let still = |known: Known| known.fsid.map_or(true, |id| fsid(file) == Some(id));
    if known.device == device && still(known) {
        return known.forgets_unnamed;
    }
    let (fsid, forgets_unnamed) = match kind(file) {
        Some(EXT) => (fsid(file), has_no_journal(device)),
        _ => (None, false),
    };
    KNOWN.with(|known| {
        known.set(Known {
            device,
            fsid,
            forgets_unnamed,
        });
    });
    forgets_unnamed
}

/// syncfs(2), where it is known to flush all that fsync(2) would, and to tell of its errors.
///
/// overlayfs keeps those of the file system below it to itself (found on 6.18), and FUSE, SMB and 9p
/// do not pass the flush on to the server.
pub(crate) fn syncfs(file: &File) -> rustix::io::Result<()> {
    match kind(file) {
        Some(BTRFS | EXT | TMPFS | XFS) => rustix::fs::syncfs(file),
        _ => Err(Errno::OPNOTSUPP),
    }
}

/// Whether fsync(2) of a directory may leave out names of files that syncfs(2) has synced.
///
/// btrfs did so in 4 of 25 runs of four threads that named files and synced the file system at once
/// (6.18). Another syncfs(2) keeps them.
pub(crate) fn forgets_names(directory: &File) -> bool {
    kind(directory) == Some(BTRFS)
}

// The type of the field is another one on every architecture, and the number has 32 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn kind(file: &File) -> Option<u32> {
    fstatfs(file).ok().map(|stat| stat.f_type as u32)
}

fn fsid(file: &File) -> Option<u64> {
    fstatvfs(file).ok().map(|stat| stat.f_fsid)
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
