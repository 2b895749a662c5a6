//! What an errno means. This asks the system, so call it right after the failure.

use std::io;

use crate::error_kind::{PublishErrorKind, Reason};
use crate::io_error;
use crate::linkable_file::LinkableFile;
use crate::metadata::Preserve;
use crate::sys::{self, Attributes, Errno, SpecialName};
use crate::target::Target;

/// Why the file could not be published.
pub(super) fn reason_of(
    error: &io::Error,
    replace: bool,
    file: &LinkableFile,
    target: &Target<'_>,
) -> Reason {
    let errno = match Errno::from_io_error(error) {
        Some(errno) => errno,
        None => return PublishErrorKind::Other.into(),
    };
    if !file.is_anonymous() && file.is(target) {
        return other(
            ": the file is already there, but its temporary name (.linkable-*.tmp) cannot be \
             removed; remove one of the two",
        );
    }
    if let Some(reason) = reason_of_target(errno, target) {
        return reason;
    }
    match errno {
        errno if sys::is_in_use_or_forbidden(errno) => in_use_or_forbidden(target),
        Errno::PERM | Errno::ACCESS => {
            forbidden(file, target).unwrap_or_else(|| refused(errno, replace, file, target))
        }
        errno => refused(errno, replace, file, target),
    }
}

/// Why a copy could not be made beside the target.
pub(super) fn reason_of_copy(error: &io::Error, target: &Target<'_>) -> Reason {
    match Errno::from_io_error(error) {
        Some(errno) => reason_of_path(errno, target),
        None => PublishErrorKind::Other.into(),
    }
}

/// Why no file can be at the path.
pub(super) fn reason_of_path(errno: Errno, target: &Target<'_>) -> Reason {
    reason_of_target(errno, target).unwrap_or_else(|| PublishErrorKind::Other.into())
}

/// Why the symlink at the path is not followed.
pub(super) fn reason_of_symlink(errno: Errno, target: &Target<'_>) -> Reason {
    match errno {
        Errno::LOOP => PublishErrorKind::IsASymlink.into(),
        // A pipe, for example: /dev/stdout.
        Errno::INVAL => PublishErrorKind::NotARegularFile.into(),
        Errno::ACCESS => other(
            ": you may not follow the symlink at the path; get permission on the directories to \
             which it leads, or see protected_symlinks in proc_sys_fs(5)",
        ),
        errno => reason_of_path(errno, target),
    }
}

/// Why the file cannot take over what the existing file has.
pub(super) fn reason_of_unkept(what: Preserve) -> Reason {
    other(if what.contains(Preserve::ALL) {
        ": what the existing file has cannot be read; call `where_possible` to go on without it"
    } else if what.contains(Preserve::OWNER) {
        ": the owner or the group of the existing file cannot be kept; save as its owner or as \
         root, or call `where_possible` to go on without them"
    } else if what.contains(Preserve::ATTRIBUTES) {
        ": the attributes or the access control list of the existing file cannot be kept; call \
         `where_possible` to go on without them"
    } else {
        ": the permissions of the existing file cannot be kept; save as its owner or as root, or \
         call `where_possible` to go on without them"
    })
}

/// Causes that lie in the path, whatever the file.
fn reason_of_target(errno: Errno, target: &Target<'_>) -> Option<Reason> {
    Some(match errno {
        Errno::EXIST if target.is_directory() => Reason {
            kind: PublishErrorKind::AlreadyExists,
            advice: ": the path is a directory, which a file cannot replace; choose another path",
        },
        Errno::EXIST => PublishErrorKind::AlreadyExists.into(),
        Errno::XDEV => PublishErrorKind::CrossesDevices.into(),
        Errno::ISDIR | Errno::NOTDIR | Errno::BUSY | Errno::NOTEMPTY if target.is_directory() => {
            PublishErrorKind::IsADirectory.into()
        }
        Errno::BUSY if target.is_mount_point() == Some(false) => {
            other(": the existing file is in use; close it in all programs, and publish again")
        }
        Errno::BUSY => PublishErrorKind::MountPoint.into(),
        Errno::NOENT | Errno::NOTDIR if target.must_be_directory() || target.is_nowhere() => {
            PublishErrorKind::NotFound.into()
        }
        errno => return io_error::advice(errno).map(other),
    })
}

/// The causes of errors of Windows that have many.
fn in_use_or_forbidden(target: &Target<'_>) -> Reason {
    if target.is_directory() {
        return PublishErrorKind::IsADirectory.into();
    }
    if target.is_read_only() {
        return Reason {
            kind: PublishErrorKind::InUseOrForbidden,
            advice: ": the existing file is read-only; clear its read-only attribute, or choose \
                     another path",
        };
    }
    PublishErrorKind::InUseOrForbidden.into()
}

/// Why no file can have such a name.
pub(super) fn reason_of_special_name(name: SpecialName) -> Reason {
    match name {
        SpecialName::Device => Reason {
            kind: PublishErrorKind::NotARegularFile,
            advice: ": the name is that of a device of Windows; choose another name",
        },
        SpecialName::Stream => other(
            ": a colon in the name stands for a stream of an NTFS file, which cannot be replaced in \
             one step; choose a name without",
        ),
    }
}

fn other(advice: &'static str) -> Reason {
    let kind = PublishErrorKind::Other;
    Reason { kind, advice }
}

/// The causes of EPERM and EACCES that the system shows. Sandboxes and security policies are not
/// among them.
fn forbidden(file: &LinkableFile, target: &Target<'_>) -> Option<Reason> {
    let directory = target.attributes_of_parent();
    if directory.map_or(false, |attributes| attributes.immutable) {
        return Some(other(
            ": the directory is immutable; run chattr -i on it, or choose another directory",
        ));
    }
    if !target.is_writable() {
        return Some(other(
            ": you may not create files in the directory; get write and search permission on it, \
             or choose another directory",
        ));
    }
    if directory.map_or(false, |attributes| attributes.append_only) {
        return Some(other(
            ": the directory is append-only, so no file in it can be renamed; run chattr -a on it, \
             or choose another directory",
        ));
    }
    let there = target.attributes();
    if there.map_or(false, Attributes::forbid_change) {
        return Some(other(
            ": the existing file is immutable or append-only; run chattr -i -a on it",
        ));
    }
    let ours = sys::attributes_of(file.inner());
    if ours.map_or(false, Attributes::forbid_change) {
        return Some(Reason {
            kind: PublishErrorKind::LinkForbidden,
            advice: ": the new file is immutable or append-only; run chattr after publishing, not \
                     before",
        });
    }
    if target.is_protected_by_sticky_bit(file.inner()) {
        return Some(other(
            ": the directory is sticky, so only the owner of the existing file may replace it; \
             choose another path",
        ));
    }
    if target.is_swap_file() {
        return Some(other(
            ": the existing file is in use as swap space; run swapoff on it first",
        ));
    }
    None
}

/// Causes that lie in the file, in its file system or in a policy.
fn refused(errno: Errno, replace: bool, file: &LinkableFile, target: &Target<'_>) -> Reason {
    if file.is_anonymous() {
        refused_link(errno, file, target).into()
    } else {
        refused_rename(errno, replace, file)
    }
}

fn refused_link(errno: Errno, file: &LinkableFile, target: &Target<'_>) -> PublishErrorKind {
    match errno {
        Errno::NOENT | Errno::INVAL if !sys::procfs_shows(file.inner()) => {
            PublishErrorKind::ProcUnavailable
        }
        // AppArmor returns ENOENT for an unnamed file, unless the profile has mediate_deleted.
        Errno::NOENT if !sys::confined_by_apparmor() => {
            if target.is_on_another_device(file.inner()) {
                PublishErrorKind::CrossesDevices
            } else {
                PublishErrorKind::NeverLinkable
            }
        }
        // EOPNOTSUPP and EINVAL: the file system has unnamed files, but no hard links.
        Errno::NOENT
        | Errno::PERM
        | Errno::ACCESS
        | Errno::NOSYS
        | Errno::OPNOTSUPP
        | Errno::INVAL => PublishErrorKind::LinkForbidden,
        _ => PublishErrorKind::Other,
    }
}

fn refused_rename(errno: Errno, replace: bool, file: &LinkableFile) -> Reason {
    match errno {
        Errno::ACCESS => Reason {
            kind: PublishErrorKind::LinkForbidden,
            advice: ": a sandbox or a security policy forbids renaming the temporary file; allow \
                     rename(2) in the directory",
        },
        Errno::PERM => other(
            ": a sandbox, a security policy or the file system forbids renaming the temporary \
             file; allow rename(2), or choose another directory",
        ),
        Errno::NOENT if file.has_lost_its_name() => PublishErrorKind::NeverLinkable.into(),
        Errno::INVAL if replace => Reason {
            kind: PublishErrorKind::Unsupported,
            advice: ": the file system does not accept this file name, or cannot rename an open \
                     file; choose another name, or another file system",
        },
        Errno::NOSYS | Errno::OPNOTSUPP if replace => Reason {
            kind: PublishErrorKind::Unsupported,
            advice:
                ": the file system cannot rename an open file, or a sandbox forbids rename(2); \
                 choose another file system, or allow the call",
        },
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => PublishErrorKind::Unsupported.into(),
        // rclone returns this for a hard link.
        Errno::IO if !replace && sys::is_fuse(file.inner()) => PublishErrorKind::Unsupported.into(),
        _ => PublishErrorKind::Other.into(),
    }
}
