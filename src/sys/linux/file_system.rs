//! What the syncs of a file system guarantee.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::fstatfs;

use super::ext4::{self, Journal};
use super::kernel;
use super::xfs;
use crate::sys::file_id::{Status, MNT_ID_UNIQUE};
use crate::sys::{SyncRules, Syncfs};

// See statfs(2).
const BTRFS: u32 = 0x9123_683E;
const EXT: u32 = 0xEF53;
const OVERLAYFS: u32 = 0x794C_7630;
const TMPFS: u32 = 0x0102_1994;
const XFS: u32 = 0x5846_5342;

/// Set once this process has met a file system that unnamed files harm.
static HARM_IS_KNOWN: AtomicBool = AtomicBool::new(false);

/// Whether the unnamed file harms its file system, as far as this process knows. The question costs
/// nothing until the process has met such a file system.
pub(crate) fn unnamed_harms(file: &File) -> bool {
    HARM_IS_KNOWN.load(Ordering::Relaxed) && SyncRules::of(file).fast_commits == Some(true)
}

impl SyncRules {
    /// The rules of the file system that `file` is on. The system is asked once for each mount.
    pub(crate) fn of(file: &File) -> Self {
        Self::with_status(file, 0).0
    }

    /// The same, and what statx(2) returns for the file, with the fields `more`.
    pub(crate) fn with_status(file: &File, more: u32) -> (Self, Option<Status>) {
        let status = Status::of(file, MNT_ID_UNIQUE | more).ok();
        (Self::by_status(file, status), status)
    }

    fn by_status(file: &File, status: Option<Status>) -> Self {
        let mount = status.and_then(|status| status.mount);
        if let Some(rules) = mount.and_then(Known::get) {
            return rules;
        }
        let kind = kind(file);
        let device = status.map(|status| status.id.device());
        let journal = || device.map_or_else(Journal::default, ext4::journal);
        let one_device = || device.map_or(false, xfs::is_on_one_device);
        let rules = Self::from(kind, journal, one_device, kernel::is_before);
        if rules.fast_commits == Some(true) {
            HARM_IS_KNOWN.store(true, Ordering::Relaxed);
        }
        // What is unknown now may be found out later, but never of an overlayfs.
        let is_known = kind == Some(OVERLAYFS)
            || rules.forgets_unnamed.is_some() && rules.fast_commits.is_some();
        if let (Some(mount), true) = (mount, is_known) {
            Known::put(mount, rules);
        }
        rules
    }

    /// The rules of a file system of this kind. They may also depend on what the functions return.
    fn from(
        kind: Option<u32>,
        journal: impl FnOnce() -> Journal,
        one_device: impl FnOnce() -> bool,
        is_before: impl Fn(u16, u16) -> Option<bool>,
    ) -> Self {
        let (mut orders_data, mut fast_commits) = (false, Some(false));
        // The power was cut on 5.10, 6.1, 6.12, 6.18 and 7.2, and on no older kernel.
        let is_tried = || is_before(5, 10) == Some(false);
        let forgets_unnamed = match kind {
            None | Some(OVERLAYFS) => None,
            Some(BTRFS) => is_before(6, 16),
            Some(EXT) => {
                let journal = journal();
                let is_fast = journal.fast_commit == Some(true);
                orders_data =
                    is_tried() && journal.orders_data && journal.fast_commit == Some(false);
                if journal.exists != Some(false) {
                    fast_commits = journal.fast_commit;
                }
                journal.exists.map(|exists| !exists || is_fast)
            }
            Some(XFS) => {
                orders_data = is_tried() && one_device();
                Some(false)
            }
            Some(_) => Some(false),
        };
        let syncfs = match kind {
            Some(BTRFS) => Syncfs::ForgetsNames,
            Some(EXT | TMPFS | XFS) => Syncfs::Contents,
            _ => Syncfs::Unreliable,
        };
        Self {
            forgets_unnamed,
            syncfs,
            orders_data,
            fast_commits,
            statx_shows_shutdown: matches!(kind, Some(XFS | OVERLAYFS)),
        }
    }
}

/// Whether syncfs(2) hides errors: those of contents before 5.8, and those of the file system's own
/// sync before 5.17. A kernel of unknown version counts as an old one.
pub(crate) fn syncfs_keeps_errors() -> bool {
    kernel::is_before(5, 17) != Some(false)
}

// The type of the field depends on the architecture; the number has 32 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn kind(file: &File) -> Option<u32> {
    fstatfs(file).ok().map(|stat| stat.f_type as u32)
}

/// The rules of the last few mounts. Each is one word, so it takes no lock and is never half
/// written.
struct Known;

// The initial value of each word.
#[allow(clippy::declare_interior_mutable_const)]
const NOTHING: AtomicUsize = AtomicUsize::new(0);
static KNOWN: [AtomicUsize; 8] = [NOTHING; 8];
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Known {
    /// How many bits of a word the rules take. The others are the unique ID of the mount, which no
    /// later mount gets (Linux 6.8).
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
    /// The rules as [`Known::BITS`] bits. They are never all 0, which is an empty word.
    fn pack(self) -> usize {
        let of_answer = |answer| match answer {
            Some(false) => 0,
            Some(true) => 1,
            None => 2,
        };
        let syncfs = match self.syncfs {
            Syncfs::Unreliable => 1,
            Syncfs::Contents => 2,
            Syncfs::ForgetsNames => 3,
        };
        of_answer(self.forgets_unnamed)
            | syncfs << 2
            | of_answer(self.fast_commits) << 4
            | usize::from(self.orders_data) << 6
            | usize::from(self.statx_shows_shutdown) << 7
    }

    fn unpack(bits: usize) -> Self {
        let answer = |bits| match bits & 3 {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        };
        Self {
            forgets_unnamed: answer(bits),
            syncfs: match bits >> 2 & 3 {
                2 => Syncfs::Contents,
                3 => Syncfs::ForgetsNames,
                _ => Syncfs::Unreliable,
            },
            fast_commits: answer(bits >> 4),
            orders_data: bits >> 6 & 1 != 0,
            statx_shows_shutdown: bits >> 7 & 1 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Journal = Journal {
        exists: Some(true),
        orders_data: true,
        fast_commit: Some(false),
    };

    fn rules(kind: Option<u32>, journal: Journal, release: (u16, u16)) -> SyncRules {
        let is_before = |major, minor| Some(release < (major, minor));
        SyncRules::from(kind, || journal, || true, is_before)
    }

    #[test]
    fn unnamed_files_are_forgotten_by_old_btrfs_without_a_journal_and_with_fast_commits() {
        let forgets = |kind, journal, release| rules(Some(kind), journal, release).forgets_unnamed;
        assert_eq!(forgets(BTRFS, GOOD, (6, 15)), Some(true));
        assert_eq!(forgets(BTRFS, GOOD, (6, 16)), Some(false));
        assert_eq!(forgets(EXT, GOOD, (5, 10)), Some(false));
        assert_eq!(forgets(XFS, GOOD, (5, 10)), Some(false));
        let none = Journal {
            exists: Some(false),
            ..GOOD
        };
        assert_eq!(forgets(EXT, none, (6, 18)), Some(true));
        let fast_commit = Journal {
            fast_commit: Some(true),
            ..GOOD
        };
        assert_eq!(forgets(EXT, fast_commit, (6, 18)), Some(true));
    }

    #[test]
    fn contents_are_written_out_only_where_the_journal_orders_them() {
        let orders = |kind, journal| rules(Some(kind), journal, (5, 10)).orders_data;
        assert!(orders(EXT, GOOD) && orders(XFS, GOOD));
        for kind in [BTRFS, OVERLAYFS, TMPFS, 0x6969] {
            assert!(!orders(kind, GOOD), "{kind:x}");
        }
        let fast_commit = Journal {
            fast_commit: Some(true),
            ..GOOD
        };
        let not_known = Journal {
            fast_commit: None,
            ..GOOD
        };
        for journal in [fast_commit, not_known, Journal::default()] {
            assert!(!orders(EXT, journal), "{journal:?}");
        }
        for kind in [EXT, XFS] {
            assert!(
                !rules(Some(kind), GOOD, (5, 9)).orders_data,
                "an untried kernel"
            );
        }
        let two_devices = SyncRules::from(Some(XFS), || GOOD, || false, |_, _| Some(false));
        assert!(!two_devices.orders_data);
    }

    #[test]
    fn what_cannot_be_told_is_neither_yes_nor_no() {
        let forgets = |kind| rules(kind, Journal::default(), (6, 18)).forgets_unnamed;
        for kind in [None, Some(EXT), Some(OVERLAYFS)] {
            assert_eq!(forgets(kind), None, "{kind:x?}");
        }
        let unknown_kernel = SyncRules::from(Some(BTRFS), Journal::default, || true, |_, _| None);
        assert_eq!(unknown_kernel.forgets_unnamed, None);
    }

    #[test]
    fn a_syncfs_is_relied_upon_only_where_it_is_known() {
        let syncfs = |kind| rules(kind, GOOD, (6, 18)).syncfs;
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
        for (mount, kind) in (1..).zip([XFS, BTRFS, OVERLAYFS, 0x6969]) {
            let rules = rules(Some(kind), GOOD, (5, 10));
            Known::put(too_large, rules);
            assert_eq!(Known::get(mount), None);
            Known::put(mount, rules);
            assert_eq!(Known::get(mount), Some(rules));
        }
        assert_eq!(Known::get(too_large), None);
        assert_eq!(Known::get(0), None);
    }
}
