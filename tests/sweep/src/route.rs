//! The ways that a file can take to its name, and what the kernel must refuse for each.

use linkable::Durability;

use crate::call::Call;
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
}

impl Route {
    pub(crate) const ALL: [Self; 5] = [
        Self::Anonymous,
        Self::Procfs,
        Self::Named,
        Self::NamedByLink,
        Self::OldBtrfs,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Procfs => "procfs",
            Self::Named => "named",
            Self::NamedByLink => "named-by-link",
            Self::OldBtrfs => "old-btrfs",
        }
    }

    /// Whether the operation takes other steps on this route than on those before it.
    pub(crate) fn matters_to(self, operation: Operation) -> bool {
        match self {
            Self::Anonymous | Self::Named => true,
            Self::Procfs => operation.durability().is_some(),
            Self::NamedByLink => operation.never_replaces(),
            Self::OldBtrfs => !matches!(operation.durability(), None | Some(Durability::None)),
        }
    }

    /// What the kernel answers on this route to a call, if not its own mind.
    pub(crate) fn refuses(self, call: &Call) -> Option<i32> {
        match (self, call.name, call.flag) {
            (Self::Named | Self::NamedByLink, "openat", "O_TMPFILE") => Some(libc::EOPNOTSUPP),
            (Self::NamedByLink, "renameat2", "RENAME_NOREPLACE") => Some(libc::EINVAL),
            (Self::Procfs, "linkat", "AT_EMPTY_PATH") => Some(libc::ENOENT),
            _ => None,
        }
    }

    /// Whether the file has no name before it is published.
    pub(crate) fn is_anonymous(self) -> bool {
        !matches!(self, Self::Named | Self::NamedByLink)
    }
}
