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

/// Copies owner, mode, times and attributes. Nobody but the caller may have access to `copy` yet.
///
/// Leaves out what the file system of the copy does not have, and an owner that the caller may not
/// set.
pub(crate) fn copy(original: &File, copy: &File) -> io::Result<()> {
    let theirs = original.metadata()?;
    // First, while the caller still owns the copy, and may read and write it.
    copy_xattrs(original, &theirs, copy)?;
    let times = Timestamps {
        last_access: timespec(theirs.atime(), theirs.atime_nsec()),
        last_modification: timespec(theirs.mtime(), theirs.mtime_nsec()),
    };
    futimens(copy, &times)?;
    // The group comes before its permissions. The owner comes after them, because only the owner
    // may set permissions; CAP_CHOWN alone does not allow that.
    let group_kept = change_owner(copy, None, Some(theirs.gid()))?;
    let mode = theirs.mode() & 0o777;
    copy.set_permissions(Permissions::from_mode(copy_acl(original, mode, copy)?))?;
    let owner_kept = change_owner(copy, Some(theirs.uid()), None)?;
    // A change of owner clears these bits. They are for the right owner and group only.
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
    // A change of owner also clears the capabilities.
    Ok(sys::copy_xattrs(original, copy, is_capability)?)
}

fn is_capability(name: &[u8]) -> bool {
    name == b"security.capability"
}

fn copy_xattrs(original: &File, theirs: &Metadata, copy: &File) -> io::Result<()> {
    let copy_them = || sys::copy_xattrs(original, copy, |name| !is_capability(name));
    match copy_them() {
        // The mode forbids even the owner to read attributes.
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

/// Copies the access control list, and returns the mode that the copy gets.
fn copy_acl(original: &File, mode: u32, copy: &File) -> io::Result<u32> {
    let acl = sys::acl(original)?;
    match (sys::set_acl(copy, acl.as_deref()), acl) {
        // Without the list, the group bits of the mode would give the group what the list gave to
        // others.
        (Err(Errno::OPNOTSUPP), Some(acl)) => {
            Ok(mode & (0o707 | sys::group_permissions(&acl) << 3))
        }
        (set, _) => Ok(set.map(|()| mode)?),
    }
}

/// Sets the owner or the group, and returns whether the file has it now.
fn change_owner(file: &File, owner: Option<u32>, group: Option<u32>) -> io::Result<bool> {
    let changed = fchown(file, owner.map(Uid::from_raw), group.map(Gid::from_raw));
    match changed {
        Ok(()) => Ok(true),
        // EINVAL: the owner does not exist in this user namespace. ENOSYS and EOPNOTSUPP: the file
        // system has no owners.
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
