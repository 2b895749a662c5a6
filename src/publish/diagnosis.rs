//! What an errno means. This asks the system, so call it right after the failure.

use std::io;

use rustix::fd::AsFd;
use rustix::io::Errno;

use crate::error_kind::{PublishErrorKind, Reason};
use crate::linkable_file::LinkableFile;
use crate::sys::{self, Attributes};
use crate::target::Target;

/// Why the file could not have its name.
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
            ": the file is there, but its temporary name beside it cannot be removed; remove that, or \
             the file",
        );
    }
    if let Some(reason) = reason_of_target(errno, target) {
        return reason;
    }
    match errno {
        Errno::PERM | Errno::ACCESS => {
            forbidden(file, target).unwrap_or_else(|| refused(errno, replace, file, target))
        }
        errno => refused(errno, replace, file, target),
    }
}

/// Why a copy could not be made beside the target.
pub(super) fn reason_of_copy(error: &io::Error, target: &Target<'_>) -> Reason {
    let reason = Errno::from_io_error(error).and_then(|errno| reason_of_target(errno, target));
    reason.unwrap_or_else(|| PublishErrorKind::Other.into())
}

/// Why no file could have the name.
fn reason_of_target(errno: Errno, target: &Target<'_>) -> Option<Reason> {
    Some(match errno {
        Errno::EXIST if target.is_directory() => Reason {
            kind: PublishErrorKind::AlreadyExists,
            advice: ": a directory is there, which a file cannot replace; choose another path",
        },
        Errno::EXIST => PublishErrorKind::AlreadyExists.into(),
        Errno::XDEV => PublishErrorKind::CrossesDevices.into(),
        Errno::ISDIR | Errno::NOTDIR | Errno::BUSY | Errno::NOTEMPTY if target.is_directory() => {
            PublishErrorKind::IsADirectory.into()
        }
        Errno::BUSY if target.is_mount_point() == Some(false) => other(
            ": the file system says that the file is in use; close it where it is open, and publish \
             again",
        ),
        Errno::BUSY => PublishErrorKind::MountPoint.into(),
        Errno::NOENT | Errno::NOTDIR if target.must_be_directory() || target.is_nowhere() => {
            PublishErrorKind::NotFound.into()
        }
        Errno::ROFS => other(": the file system is mounted read-only, or became so after an error"),
        Errno::NOSPC => other(": the disk is full; free some space, and publish again"),
        Errno::DQUOT => other(": the disk quota is used up; free some space, and publish again"),
        Errno::NAMETOOLONG => other(": the path, or a part of it, is too long"),
        _ => return None,
    })
}

fn other(advice: &'static str) -> Reason {
    let kind = PublishErrorKind::Other;
    Reason { kind, advice }
}

/// What forbids the name, if that is not a sandbox or a security policy.
fn forbidden(file: &LinkableFile, target: &Target<'_>) -> Option<Reason> {
    let directory = target.attributes_of_parent();
    if directory.map_or(false, |attributes| attributes.immutable) {
        return Some(other(
            ": the directory is immutable; remove that attribute (chattr -i), or choose another one",
        ));
    }
    if !target.is_writable() {
        return Some(other(
            ": you need write and search permission on the directory",
        ));
    }
    if directory.map_or(false, |attributes| attributes.append_only) {
        return Some(other(
            ": the directory is append-only (chattr +a), so no file in it can be renamed or replaced",
        ));
    }
    let there = target.attributes();
    if there.map_or(false, Attributes::forbid_change) {
        return Some(other(
            ": the existing file is immutable or append-only; remove that attribute (chattr -i -a)",
        ));
    }
    let ours = sys::attributes(file.inner().as_fd(), "");
    if ours.map_or(false, Attributes::forbid_change) {
        return Some(Reason {
            kind: PublishErrorKind::LinkForbidden,
            advice:
                ": the new file is immutable or append-only; set that attribute (chattr) after \
                     publishing, not before",
        });
    }
    if target.is_protected_by_sticky_bit(file.inner()) {
        return Some(other(
            ": the existing file belongs to somebody else, and the directory is sticky, so only its \
             owner may replace it",
        ));
    }
    if target.is_swap_file() {
        return Some(other(
            ": the existing file is in use as swap space; call swapoff(8) first",
        ));
    }
    None
}

/// Why the system refuses a name that another file could have.
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
        // EOPNOTSUPP and EINVAL: the file system has unnamed files and no hard links.
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
            advice: ": a security policy or a sandbox does not allow renaming the file from its \
                     temporary name",
        },
        Errno::PERM => other(
            ": the file system, a security policy or a sandbox does not allow renaming the file from \
             its temporary name",
        ),
        Errno::NOENT if file.has_lost_its_name() => PublishErrorKind::NeverLinkable.into(),
        Errno::INVAL if replace => Reason {
            kind: PublishErrorKind::Unsupported,
            advice:
                ": the file system does not accept this file name, or cannot rename a file that \
                     is open",
        },
        Errno::NOSYS | Errno::OPNOTSUPP if replace => Reason {
            kind: PublishErrorKind::Unsupported,
            advice: ": the file system cannot rename a file that is open, or a sandbox forbids \
                     rename(2)",
        },
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => PublishErrorKind::Unsupported.into(),
        // That is what rclone says of a hard link.
        Errno::IO if !replace && sys::is_fuse(file.inner()) => PublishErrorKind::Unsupported.into(),
        _ => PublishErrorKind::Other.into(),
    }
}
