//! The ways that a file can take to its name, and what the kernel must refuse for each.

use std::ffi::c_long;

use linkable::Durability;

use crate::call::{About, Call};
use crate::operation::Operation;

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// linkat(2) with `AT_EMPTY_PATH`.
    Anonymous,
    /// linkat(2) by way of procfs, as before Linux 6.10.
    Procfs,
    /// A temporary name, and renameat2(2) with `RENAME_NOREPLACE`.
    Named,
    /// A temporary name, and linkat(2) and unlinkat(2).
    NamedByLink,
    /// A temporary name before the sync, as on btrfs before Linux 6.16.
    OldBtrfs,
    /// The same, on an ext4 whose journal cannot be told.
    Untold,
    /// Contents that are written out and not synced: an ext4 of which procfs tells all.
    Ext4,
    /// The same on an xfs, of which mountinfo tells all.
    Xfs,
}

impl Route {
    pub(crate) const ALL: [Self; 8] = [
        Self::Anonymous,
        Self::Procfs,
        Self::Named,
        Self::NamedByLink,
        Self::OldBtrfs,
        Self::Untold,
        Self::Ext4,
        Self::Xfs,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Procfs => "procfs",
            Self::Named => "named",
            Self::NamedByLink => "named-by-link",
            Self::OldBtrfs => "old-btrfs",
            Self::Untold => "untold",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// Whether the operation takes other steps on this route than on those before it.
    pub(crate) fn matters_to(self, operation: Operation) -> bool {
        let durability = operation.durability();
        let syncs = !matches!(durability, None | Some(Durability::None));
        if operation.is_from_elsewhere() {
            // Only a temporary name is left behind in another directory.
            return !self.is_anonymous();
        }
        if operation.writes_batch_out() {
            return self == Self::Ext4;
        }
        match self {
            Self::Anonymous | Self::Named => true,
            Self::Procfs => durability.is_some(),
            Self::NamedByLink => operation.never_replaces(),
            Self::OldBtrfs | Self::Ext4 => syncs,
            Self::Untold | Self::Xfs => durability == Some(Durability::Contents),
        }
    }

    /// What the kernel answers on this route to a call, if not its own mind.
    pub(crate) fn refuses(self, call: &Call) -> Option<i32> {
        match (self, call.name, call.flag) {
            (Self::Named | Self::NamedByLink, "openat", "O_TMPFILE") => Some(libc::EOPNOTSUPP),
            (Self::NamedByLink, "renameat2", "RENAME_NOREPLACE") => Some(libc::EINVAL),
            (Self::Procfs, "linkat", "AT_EMPTY_PATH") => Some(libc::ENOENT),
            (Self::Untold, "openat", _) if call.about == About::Journal => Some(libc::EACCES),
            _ => None,
        }
    }

    /// What fstatfs(2) says of the file system, if not the truth.
    pub(crate) fn file_system(self) -> Option<c_long> {
        match self {
            // The simplest: nothing is special about it.
            Self::Anonymous | Self::Procfs | Self::Named | Self::NamedByLink => {
                Some(libc::TMPFS_MAGIC)
            }
            Self::OldBtrfs => Some(libc::BTRFS_SUPER_MAGIC),
            Self::Untold => Some(libc::EXT4_SUPER_MAGIC),
            Self::Ext4 => None,
            Self::Xfs => Some(libc::XFS_SUPER_MAGIC),
        }
    }

    /// Whether contents that were written out reach the disk before a name does.
    pub(crate) fn orders_data(self) -> bool {
        matches!(self, Self::Ext4 | Self::Xfs)
    }

    /// Whether the file needs a name before it is synced.
    pub(crate) fn forgets_unnamed(self) -> bool {
        matches!(self, Self::OldBtrfs | Self::Untold)
    }

    /// Whether the file has no name before it is published.
    pub(crate) fn is_anonymous(self) -> bool {
        !matches!(self, Self::Named | Self::NamedByLink)
    }
}
