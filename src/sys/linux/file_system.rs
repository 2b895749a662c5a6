//! What the syncs of a file system guarantee.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{fstatfs, major, minor};

use super::kernel;
use crate::sys::file_id::{Status, MNT_ID_UNIQUE};
use crate::sys::Syncfs;

// See statfs(2).
const BTRFS: u32 = 0x9123_683E;
const EXT: u32 = 0xEF53;
const OVERLAYFS: u32 = 0x794C_7630;
const TMPFS: u32 = 0x0102_1994;
const XFS: u32 = 0x5846_5342;

/// What the syncs of a file system guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncRules {
    /// Whether a power cut may lose what was synced while the file was unnamed.
    ///
    /// - btrfs before 6.16 does not log such a file, and neither does overlayfs on it. Once the file
    ///   is linked, any sync of the directory, by anyone, makes the directory entry durable, but
    ///   with an empty file (found on 6.1).
    /// - Without a journal (ext2, or an ext4 made so) the directory can be on the disk before the
    ///   inode, whose link count there is still 0 (found on 6.18).
    pub(crate) forgets_unnamed: bool,
    /// How far syncfs(2) is reliable.
    ///
    /// overlayfs never reports the errors of the file system below it (found on 6.18), and FUSE,
    /// SMB and 9p do not forward the flush to the server. btrfs lost directory entries in 4 of 25
    /// runs in which four threads named files and synced the file system at once (6.18).
    pub(crate) syncfs: Syncfs,
}

impl SyncRules {
    /// The rules of the file system that `file` is on. The system is asked once for each mount.
    pub(crate) fn of(file: &File) -> Self {
        let status = Status::of(file, MNT_ID_UNIQUE).ok();
        let mount = status.and_then(|status| status.mount);
        if let Some(rules) = mount.and_then(Known::get) {
            return rules;
        }
        let kind = kind(file);
        let has_journal = || has_journal(status?.id.device());
        let rules = Self::from(kind, has_journal, kernel::is_before);
        if let (Some(mount), Some(_)) = (mount, kind) {
            Known::put(mount, rules);
        }
        rules
    }

    /// The rules of a file system of this kind. They may also depend on what the functions return.
    fn from(
        kind: Option<u32>,
        has_journal: impl FnOnce() -> Option<bool>,
        is_before: impl FnOnce(u16, u16) -> bool,
    ) -> Self {
        let forgets_unnamed = match kind {
            Some(BTRFS | OVERLAYFS) => is_before(6, 16),
            Some(EXT) => has_journal() == Some(false),
            _ => false,
        };
        let syncfs = match kind {
            Some(BTRFS) => Syncfs::ForgetsNames,
            Some(EXT | TMPFS | XFS) => Syncfs::Contents,
            _ => Syncfs::Unreliable,
        };
        Self {
            forgets_unnamed,
            syncfs,
        }
    }
}

/// Whether syncfs(2) does not report all errors: before 5.8 it hides those of contents, and before
/// 5.17 those of the file system's own sync.
pub(crate) fn syncfs_keeps_errors() -> bool {
    kernel::is_before(5, 17)
}

// The type of the field depends on the architecture; the number has 32 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn kind(file: &File) -> Option<u32> {
    fstatfs(file).ok().map(|stat| stat.f_type as u32)
}

/// Whether an ext2, ext3 or ext4 has a journal; `None` without sysfs. If the kernel is too old for
/// `journal_task`, an ext4 is assumed to have one (found on 5.10).
fn has_journal(device: u64) -> Option<bool> {
    let by_number = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let path = fs::read_link(by_number).ok()?;
    let of_ext4 = Path::new("/sys/fs/ext4").join(path.file_name()?);
    match fs::read(of_ext4.join("journal_task")) {
        Ok(task) => Some(!task.starts_with(b"<none>")),
        // The driver for ext2 alone is not in there, and never has a journal.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(of_ext4.exists()),
        Err(_) => None,
    }
}

/// The rules of the last few mounts. Each is one word, so no lock is needed to read it in one
/// piece.
struct Known;

// The initial value of each word.
#[allow(clippy::declare_interior_mutable_const)]
const NOTHING: AtomicUsize = AtomicUsize::new(0);
static KNOWN: [AtomicUsize; 8] = [NOTHING; 8];
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Known {
    /// How many bits of a word the rules take. The unique ID of the mount takes the others; it is
    /// never used again (Linux 6.8).
    const BITS: u32 = 8;

    fn get(mount: u64) -> Option<SyncRules> {
        let words = KNOWN.iter().map(|known| known.load(Ordering::Relaxed));
        let of_mount = |word: &usize| *word != 0 && (word >> Self::BITS) as u64 == mount;
        words.into_iter().find(of_mount).map(SyncRules::unpack)
    }

    /// Remembers the rules, unless the ID of the mount is too large for a word.
    fn put(mount: u64, rules: SyncRules) {
        let shifted = usize::try_from(mount).unwrap_or(0) << Self::BITS;
        if (shifted >> Self::BITS) as u64 == mount {
            let next = NEXT.fetch_add(1, Ordering::Relaxed) % KNOWN.len();
            KNOWN[next].store(shifted | rules.pack(), Ordering::Relaxed);
        }
    }
}

impl SyncRules {
    /// As [`Known::BITS`] bits, of which one is set.
    fn pack(self) -> usize {
        let syncfs = match self.syncfs {
            Syncfs::Unreliable => 0b001,
            Syncfs::Contents => 0b010,
            Syncfs::ForgetsNames => 0b100,
        };
        syncfs << 1 | usize::from(self.forgets_unnamed)
    }

    fn unpack(bits: usize) -> Self {
        Self {
            forgets_unnamed: bits & 1 != 0,
            syncfs: match bits >> 1 & 0b111 {
                0b010 => Syncfs::Contents,
                0b100 => Syncfs::ForgetsNames,
                _ => Syncfs::Unreliable,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(kind: Option<u32>, journal: Option<bool>, release: (u16, u16)) -> SyncRules {
        SyncRules::from(kind, || journal, |major, minor| release < (major, minor))
    }

    #[test]
    fn an_unnamed_file_is_forgotten_by_old_btrfs_and_without_a_journal() {
        let forgets = |kind, journal, release| rules(Some(kind), journal, release).forgets_unnamed;
        for kind in [BTRFS, OVERLAYFS] {
            assert!(forgets(kind, None, (6, 15)));
            assert!(!forgets(kind, None, (6, 16)));
        }
        assert!(forgets(EXT, Some(false), (6, 18)));
        assert!(!forgets(EXT, Some(true), (5, 10)));
        assert!(!forgets(XFS, None, (5, 10)));
    }

    #[test]
    fn a_syncfs_is_relied_upon_only_where_it_is_known() {
        let syncfs = |kind| rules(kind, Some(true), (6, 18)).syncfs;
        assert_eq!(syncfs(Some(BTRFS)), Syncfs::ForgetsNames);
        for kind in [EXT, TMPFS, XFS] {
            assert_eq!(syncfs(Some(kind)), Syncfs::Contents);
        }
        for kind in [None, Some(OVERLAYFS), Some(0x6969)] {
            assert_eq!(syncfs(kind), Syncfs::Unreliable);
        }
    }

    #[test]
    fn rules_are_remembered_for_their_mount_alone() {
        let too_large = u64::MAX;
        for (mount, kind) in (1..).zip([XFS, BTRFS, OVERLAYFS, EXT]) {
            let rules = rules(Some(kind), Some(false), (5, 10));
            Known::put(too_large, rules);
            assert_eq!(Known::get(mount), None);
            Known::put(mount, rules);
            assert_eq!(Known::get(mount), Some(rules));
        }
        assert_eq!(Known::get(too_large), None);
        assert_eq!(Known::get(0), None);
    }
}
