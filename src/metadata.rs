//! Owner, mode, times and attributes: read from one file, given to another.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{fchown, futimens, Gid, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::sys;

// See inode(7).
const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;

/// Copies them from `original` to `copy`.
pub(crate) fn copy(original: &File, copy: &File) -> io::Result<()> {
    let theirs = original.metadata()?;
    copy_owner(theirs.uid(), theirs.gid(), copy)?;
    sys::copy_xattrs(original, copy)?;
    // After the owner, because a new owner clears these bits. A wrong owner must not have them.
    let ours = copy.metadata()?;
    let mut mode = theirs.mode();
    if ours.uid() != theirs.uid() {
        mode &= !SET_USER_ID;
    }
    if ours.gid() != theirs.gid() {
        mode &= !SET_GROUP_ID;
    }
    copy.set_permissions(Permissions::from_mode(mode))?;
    let times = Timestamps {
        last_access: timespec(theirs.atime(), theirs.atime_nsec()),
        last_modification: timespec(theirs.mtime(), theirs.mtime_nsec()),
    };
    Ok(futimens(copy, &times)?)
}

/// Gives the copy owner and group, or only the group, or neither, whichever is allowed.
fn copy_owner(owner: u32, group: u32, copy: &File) -> io::Result<()> {
    let (owner, group) = (Uid::from_raw(owner), Gid::from_raw(group));
    for owner in [Some(owner), None] {
        match fchown(copy, owner, Some(group)) {
            // EPERM: not allowed. EINVAL: the owner does not exist in this user namespace. The
            // others: the file system has no owners.
            Err(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            done => return Ok(done?),
        }
    }
    Ok(())
}

// The fields are narrower than 64 bits on some architectures.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn timespec(seconds: i64, nanoseconds: i64) -> Timespec {
    Timespec {
        tv_sec: seconds as _,
        tv_nsec: nanoseconds as _,
    }
}
