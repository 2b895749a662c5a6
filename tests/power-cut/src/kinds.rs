//! The kinds of file systems: how each is made and mounted, what the library promises on it, and
//! which orders by hand are right or wrong there.

use linkable::Durability;

use crate::library::Way;
use crate::workload::Plan;

/// A kind of file system.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What mount(2) calls it.
    pub(crate) driver: &'static str,
    pub(crate) size: usize,
    pub(crate) make: &'static [&'static str],
    pub(crate) options: &'static str,
    /// Another disk, for the journal.
    pub(crate) journal: Option<JournalDisk>,
    pub(crate) top: Top,
    /// Where its superblocks are: a torn one it cannot mount, which is nobody else's fault.
    pub(crate) superblocks: &'static [usize],
    /// Whether it is nearly full from the start, so that freed blocks are soon used again.
    pub(crate) tight: bool,
    pub(crate) rows: Rows,
    pub(crate) promised: Promised,
    /// Orders by hand of which nothing may be found.
    pub(crate) right: &'static [&'static str],
    /// Orders by hand of which something has to be found.
    pub(crate) wrong: &'static [&'static str],
}

/// A disk for the journal alone.
#[derive(Debug)]
pub(crate) struct JournalDisk {
    pub(crate) size: usize,
    /// What makes a journal of it, if that is a step of its own.
    pub(crate) make: &'static [&'static str],
    /// What tells mkfs(8) and mount(2) of it; the device's path comes behind.
    pub(crate) make_option: &'static str,
    pub(crate) mount_option: &'static str,
}

/// What lies on top of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Top {
    Nothing,
    /// An overlayfs, of which it has the upper directory.
    Overlay,
    /// An encrypted directory.
    Encrypted,
}

/// Which rows a kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    All,
    /// Only what another kind does not show already: no named route, nothing that promises nothing.
    Variant,
}

/// When a promise holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Always,
    /// As long as one thread saves, nobody else writes, and the disk keeps the order of writes.
    InOrder,
    Never,
}

/// When the library's promises hold; where they do not, what is found is only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Promised {
    pub(crate) contents: Holds,
    pub(crate) full: Holds,
    pub(crate) contents_of_batch: Holds,
    pub(crate) full_of_batch: Holds,
}

const fn promised(levels: [Holds; 2], of_batch: [Holds; 2]) -> Promised {
    let ([contents, full], [contents_of_batch, full_of_batch]) = (levels, of_batch);
    Promised {
        contents,
        full,
        contents_of_batch,
        full_of_batch,
    }
}

use Holds::{Always, InOrder, Never};

//                                          Contents   Full         the same of a batch
const EVERYTHING: Promised = promised([Always, Always], [Always, Always]);
/// The kernel's own log of a file without a name cannot be replayed, and whether it makes one shows
/// only after the first fsync(2).
const FAST_COMMIT: Promised = promised([Never, Never], [Never, Never]);
/// What is written for two files at once is on the disk in any order.
const NO_JOURNAL: Promised = promised([Never, InOrder], [Never, Never]);
/// Blocks of a replaced file are used again before the rename is on the disk.
const WRITEBACK: Promised = promised([Never, Never], [Never, Never]);

impl Promised {
    pub(crate) fn holds(self, way: Way) -> Holds {
        match (way.level, way.batch) {
            (Durability::None, _) => Never,
            (Durability::Contents, false) => self.contents,
            (Durability::Full, false) => self.full,
            (Durability::Contents, true) => self.contents_of_batch,
            (Durability::Full, true) => self.full_of_batch,
        }
    }
}

impl Holds {
    pub(crate) fn with(self, plan: Plan) -> bool {
        match self {
            Always => true,
            InOrder => plan == Plan::ALONE,
            Never => false,
        }
    }
}

const MIB: usize = 1 << 20;

/// Right where there is a journal.
const SYNCED: &[&str] = &["T w f L D", "T w f L f D"];
/// Right where the journal's flush also covers what was written out before.
const WRITTEN_OUT: &[&str] = &[
    "T w f L D",
    "T w f L f D",
    "T w s L",
    "T w s L D",
    "T w s l r D",
    "T w s L f",
];
/// Wrong everywhere.
const UNSYNCED: &[&str] = &["T w L", "T w L D", "T w f L", "T w l f r"];
/// Wrong on ext4, too.
const UNSYNCED_EXT4: &[&str] = &["T w L", "T w L D", "T w f L", "T w l f r", "T w f L d"];

const EXT4: Kind = Kind {
    name: "ext4",
    driver: "ext4",
    size: 40 * MIB,
    make: &[
        "mkfs.ext4",
        "-qFb4096",
        "-Elazy_itable_init=0,lazy_journal_init=0",
    ],
    options: "",
    journal: None,
    top: Top::Nothing,
    superblocks: &[1024],
    tight: true,
    rows: Rows::All,
    promised: EVERYTHING,
    right: WRITTEN_OUT,
    wrong: UNSYNCED_EXT4,
};
/// An ext4 that is like any other.
const EXT4_VARIANT: Kind = Kind {
    rows: Rows::Variant,
    wrong: &[],
    ..EXT4
};
const XFS: Kind = Kind {
    name: "xfs",
    driver: "xfs",
    size: 300 * MIB,
    make: &["mkfs.xfs", "-qf"],
    options: "",
    journal: None,
    top: Top::Nothing,
    superblocks: &[],
    tight: true,
    rows: Rows::All,
    promised: EVERYTHING,
    right: WRITTEN_OUT,
    wrong: UNSYNCED,
};
const BTRFS: Kind = Kind {
    name: "btrfs",
    driver: "btrfs",
    size: 112 * MIB,
    make: &["mkfs.btrfs", "-qf"],
    options: "",
    journal: None,
    top: Top::Nothing,
    superblocks: &[64 << 10, 64 << 20],
    tight: false,
    rows: Rows::All,
    promised: EVERYTHING,
    right: &["T w f L D", "T w f L f D", "T w s L f", "T w s L C f"],
    wrong: &["T w L", "T w L D", "T w f L", "T w l f r", "T w s L D"],
};
const NO_JOURNAL_EXT4: Kind = Kind {
    name: "ext4 without journal",
    make: &["mkfs.ext4", "-qFb4096", "-O^has_journal"],
    promised: NO_JOURNAL,
    right: &["N w f r D A"],
    wrong: &[],
    ..EXT4
};
const EXT2: Kind = Kind {
    name: "ext2",
    driver: "ext2",
    make: &["mkfs.ext2", "-qF"],
    tight: false,
    ..NO_JOURNAL_EXT4
};

pub(crate) const KINDS: &[Kind] = &[
    EXT4,
    Kind {
        name: "ext4 data=journal",
        options: "data=journal",
        size: 64 * MIB,
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext4 nodelalloc",
        options: "nodelalloc",
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext4 noauto_da_alloc",
        options: "noauto_da_alloc",
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext4 of 1 KiB",
        make: &[
            "mkfs.ext4",
            "-qFb1024",
            "-Elazy_itable_init=0,lazy_journal_init=0",
        ],
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext4 bigalloc",
        make: &[
            "mkfs.ext4",
            "-qFb1024",
            "-Obigalloc",
            "-C16384",
            "-Elazy_itable_init=0,lazy_journal_init=0",
        ],
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext4 inline_data",
        make: &[
            "mkfs.ext4",
            "-qFb4096",
            "-Oinline_data",
            "-Elazy_itable_init=0,lazy_journal_init=0",
        ],
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext4 encrypted",
        make: &[
            "mkfs.ext4",
            "-qFb4096",
            "-Oencrypt",
            "-Elazy_itable_init=0,lazy_journal_init=0",
        ],
        top: Top::Encrypted,
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext3",
        driver: "ext3",
        make: &["mkfs.ext3", "-qFb4096"],
        // It has no fallocate(2).
        tight: false,
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext4 external journal",
        journal: Some(JournalDisk {
            size: 8 * MIB,
            make: &["mke2fs", "-qFb4096", "-Ojournal_dev"],
            make_option: "-Jdevice=",
            mount_option: "journal_path=",
        }),
        right: SYNCED,
        // Its flush is of the other disk.
        wrong: &["T w s L D"],
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext4 data=writeback",
        options: "data=writeback",
        promised: WRITEBACK,
        right: &[],
        ..EXT4_VARIANT
    },
    Kind {
        name: "ext4 fast_commit",
        make: &[
            "mkfs.ext4",
            "-qFb4096",
            "-Ofast_commit",
            "-Elazy_itable_init=0,lazy_journal_init=0",
        ],
        promised: FAST_COMMIT,
        right: &[],
        wrong: &["T w s L f"],
        rows: Rows::All,
        ..EXT4
    },
    XFS,
    Kind {
        name: "xfs of 1 KiB",
        make: &["mkfs.xfs", "-qf", "-bsize=1024"],
        rows: Rows::Variant,
        wrong: &[],
        ..XFS
    },
    Kind {
        name: "xfs external log",
        journal: Some(JournalDisk {
            size: 64 * MIB,
            make: &[],
            make_option: "-llogdev=",
            mount_option: "logdev=",
        }),
        rows: Rows::Variant,
        wrong: &[],
        ..XFS
    },
    BTRFS,
    NO_JOURNAL_EXT4,
    EXT2,
    Kind {
        name: "overlay on ext4",
        top: Top::Overlay,
        right: SYNCED,
        ..EXT4_VARIANT
    },
    Kind {
        name: "overlay on xfs",
        top: Top::Overlay,
        rows: Rows::Variant,
        right: SYNCED,
        wrong: &[],
        ..XFS
    },
    Kind {
        name: "overlay on btrfs",
        top: Top::Overlay,
        rows: Rows::Variant,
        right: SYNCED,
        wrong: &[],
        ..BTRFS
    },
    Kind {
        name: "overlay on ext4 without journal",
        top: Top::Overlay,
        ..NO_JOURNAL_EXT4
    },
    Kind {
        name: "overlay on ext2",
        top: Top::Overlay,
        ..EXT2
    },
];
