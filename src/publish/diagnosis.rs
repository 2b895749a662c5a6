//! What an errno means. This asks the system, so call it right after the failure.

use std::io;

use rustix::io::Errno;

use crate::error_kind::PublishErrorKind;
use crate::linkable_file::LinkableFile;
use crate::sys;
use crate::target::Target;

/// The kind of an error of naming the file.
pub(super) fn kind_of(
    error: &io::Error,
    file: &LinkableFile,
    target: &Target<'_>,
) -> PublishErrorKind {
    let errno = match Errno::from_io_error(error) {
        Some(errno) => errno,
        None => return PublishErrorKind::Other,
    };
    match errno {
        Errno::EXIST => PublishErrorKind::AlreadyExists,
        Errno::XDEV => PublishErrorKind::CrossesDevices,
        Errno::ISDIR | Errno::NOTDIR | Errno::BUSY | Errno::NOTEMPTY if target.is_directory() => {
            PublishErrorKind::IsADirectory
        }
        Errno::BUSY => PublishErrorKind::MountPoint,
        Errno::NOENT | Errno::NOTDIR if target.is_nowhere() => PublishErrorKind::NotFound,
        Errno::PERM | Errno::ACCESS if !target.is_writable() => PublishErrorKind::Other,
        errno if file.is_anonymous() => refused_link(errno, file, target),
        errno => refused_rename(errno, file),
    }
}

/// Why an unnamed file could not be linked, although its directory exists and is writable.
fn refused_link(errno: Errno, file: &LinkableFile, target: &Target<'_>) -> PublishErrorKind {
    match errno {
        Errno::NOENT | Errno::INVAL if !sys::procfs_shows(file.as_file()) => {
            PublishErrorKind::ProcUnavailable
        }
        // AppArmor returns ENOENT for an unnamed file, unless the profile has mediate_deleted.
        Errno::NOENT if !sys::confined_by_apparmor() => {
            if target.is_on_another_device(file.as_file()) {
                PublishErrorKind::CrossesDevices
            } else {
                PublishErrorKind::NeverLinkable
            }
        }
        Errno::NOENT | Errno::PERM | Errno::ACCESS | Errno::NOSYS => {
            PublishErrorKind::LinkForbidden
        }
        _ => PublishErrorKind::Other,
    }
}

/// Why a file with a temporary name could not be renamed.
fn refused_rename(errno: Errno, file: &LinkableFile) -> PublishErrorKind {
    match errno {
        Errno::ACCESS => PublishErrorKind::LinkForbidden,
        Errno::NOENT if file.has_lost_its_name() => PublishErrorKind::NeverLinkable,
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => PublishErrorKind::Unsupported,
        _ => PublishErrorKind::Other,
    }
}
