//! Owner, mode, times and attributes: read from one file, given to another.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{fchown, futimens, Gid, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::sys;

// See inode(7).
const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;

/// Gives `copy` what `original` has of them. Nobody but the caller may have access to `copy` yet.
///
/// What the file system of the copy does not have, and an owner that is not allowed, are left out.
pub(crate) fn copy(original: &File, copy: &File) -> io::Result<()> {
    let theirs = original.metadata()?;
    // While the copy is the caller's, and may be read and written.
    copy_xattrs(original, &theirs, copy)?;
    let times = Timestamps {
        last_access: timespec(theirs.atime(), theirs.atime_nsec()),
        last_modification: timespec(theirs.mtime(), theirs.mtime_nsec()),
    };
    futimens(copy, &times)?;
    // The group comes before its permissions, and the owner after them, because they are the owner's
    // to give. CAP_CHOWN alone is not enough once the copy is somebody else's.
    let group_kept = change_owner(copy, None, Some(theirs.gid()))?;
    let mode = theirs.mode() & 0o777;
    copy.set_permissions(Permissions::from_mode(copy_acl(original, mode, copy)?))?;
    let owner_kept = change_owner(copy, Some(theirs.uid()), None)?;
    // A change of owner takes these away: they are for the right one only.
    let mut bits = theirs.mode() & 0o7000;
    if !owner_kept {
        bits &= !SET_USER_ID;
    }
    if !group_kept {
        bits &= !SET_GROUP_ID;
    }
    if bits != 0 {
        let mode = copy.metadata()?.mode() & 0o777;
        allow_refusal(copy.set_permissions(Permissions::from_mode(mode | bits)))?;
    }
    // Nor does it leave this one.
    Ok(sys::copy_xattrs(original, copy, is_capability)?)
}

fn is_capability(name: &[u8]) -> bool {
    name == b"security.capability"
}

fn copy_xattrs(original: &File, theirs: &Metadata, copy: &File) -> io::Result<()> {
    let copy_them = || sys::copy_xattrs(original, copy, |name| !is_capability(name));
    match copy_them() {
        // The file's own mode forbids to read them, even to its owner.
        Err(Errno::ACCESS) => {
            let mode = theirs.mode() & 0o7777;
            original.set_permissions(Permissions::from_mode(mode | 0o600))?;
            let copied = copy_them();
            original.set_permissions(Permissions::from_mode(mode))?;
            Ok(copied?)
        }
        copied => Ok(copied?),
    }
}

/// Gives the copy the access control list, and returns the mode that it is to have.
fn copy_acl(original: &File, mode: u32, copy: &File) -> io::Result<u32> {
    let acl = sys::acl(original)?;
    match (sys::set_acl(copy, acl.as_deref()), acl) {
        // Without the list, the mode would give the group what the list gave to others.
        (Err(Errno::OPNOTSUPP), Some(acl)) => {
            Ok(mode & (0o707 | sys::group_permissions(&acl) << 3))
        }
        (set, _) => Ok(set.map(|()| mode)?),
    }
}

/// Whether the file has that owner or group now.
fn change_owner(file: &File, owner: Option<u32>, group: Option<u32>) -> io::Result<bool> {
    let changed = fchown(file, owner.map(Uid::from_raw), group.map(Gid::from_raw));
    match changed {
        Ok(()) => Ok(true),
        // EINVAL: an owner who is nobody in this user namespace. The others: no owners at all.
        Err(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            let ours = file.metadata()?;
            Ok(owner.map_or(true, |owner| owner == ours.uid())
                && group.map_or(true, |group| group == ours.gid()))
        }
        Err(errno) => Err(errno.into()),
    }
}

fn allow_refusal(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}

// The fields are narrower than 64 bits on some architectures.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn timespec(seconds: i64, nanoseconds: i64) -> Timespec {
    Timespec {
        tv_sec: seconds as _,
        tv_nsec: nanoseconds as _,
    }
}
