//! A copy of a file that itself cannot have the name.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

use rustix::fs::{
    fchown, fcntl_getfl, fcntl_setfl, futimens, seek, tell, Gid, OFlags, SeekFrom, Timespec,
    Timestamps, Uid,
};
use rustix::io::Errno;

use crate::backend::Backend;
use crate::error::PublishErrorKind;
use crate::linkable_file::LinkableFile;
use crate::procfs;
use crate::target::Target;
use crate::xattr;

// See inode(7).
const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;

/// Whether a copy can have the name that the file itself is refused.
pub(crate) fn helps(kind: PublishErrorKind, file: &LinkableFile) -> bool {
    match kind {
        PublishErrorKind::CrossesDevices
        | PublishErrorKind::NeverLinkable
        | PublishErrorKind::ProcUnavailable => true,
        // A copy is renamed, as a file with a temporary name was to be.
        PublishErrorKind::LinkForbidden => file.is_anonymous(),
        _ => false,
    }
}

/// Copies the file to a temporary name in the directory of `target`.
///
/// The copy is open as the original is, at the same position.
pub(crate) fn beside(original: &File, target: &Target<'_>) -> io::Result<LinkableFile> {
    let flags = fcntl_getfl(original)?;
    let mut options = OpenOptions::new();
    // Others are let in when it is whole, if at all.
    options.mode(0o600).read(flags.contains(OFlags::RDWR));
    // The flags that cannot be set later.
    let sync = flags & (OFlags::SYNC | OFlags::DSYNC);
    options.custom_flags(sync.bits().try_into().unwrap_or_default());
    let (copy, backend) = Backend::open_named(&options, target.parent())?;

    copy_contents(original, &copy, flags)?;
    copy_attributes(original, &copy)?;
    // Not before: copy_file_range(2) does not append.
    fcntl_setfl(&copy, flags)?;
    Ok(LinkableFile::new(copy, backend))
}

fn copy_contents(original: &File, copy: &File, flags: OFlags) -> io::Result<()> {
    let source = match procfs::reopen(original, OFlags::RDONLY) {
        Err(_) if flags.contains(OFlags::RDWR) => original.try_clone(),
        reopened => reopened,
    }?;
    // A clone moves the position of the original.
    let position = tell(original)?;
    let copied = copy_data(&source, copy);
    seek(original, SeekFrom::Start(position))?;
    copied?;
    seek(copy, SeekFrom::Start(position))?;
    Ok(())
}

/// Copies what is there and leaves the holes out.
fn copy_data(source: &File, mut copy: &File) -> io::Result<()> {
    let length = source.metadata()?.len();
    let mut end = 0;
    while let Some(start) = next_data(source, end, length)? {
        end = seek(source, SeekFrom::Hole(start)).unwrap_or(length);
        seek(source, SeekFrom::Start(start))?;
        seek(copy, SeekFrom::Start(start))?;
        // std calls copy_file_range(2), which shares blocks where the file system can, and has
        // other ways where it cannot.
        io::copy(&mut source.take(end - start), &mut copy)?;
    }
    if copy.metadata()?.len() < length {
        copy.set_len(length)?;
    }
    Ok(())
}

/// Where the next data is, from `position` on.
fn next_data(source: &File, position: u64, length: u64) -> io::Result<Option<u64>> {
    if position >= length {
        return Ok(None);
    }
    match seek(source, SeekFrom::Data(position)) {
        Ok(start) => Ok(Some(start)),
        // Nothing but a hole is left.
        Err(Errno::NXIO) => Ok(None),
        // A file system that has no holes, or does not tell.
        Err(Errno::INVAL) => Ok(Some(position)),
        Err(errno) => Err(errno.into()),
    }
}

fn copy_attributes(original: &File, copy: &File) -> io::Result<()> {
    let theirs = original.metadata()?;
    copy_owner(theirs.uid(), theirs.gid(), copy)?;
    xattr::copy(original, copy)?;
    // After the owner, whose change takes these bits away: they are for the right one only.
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

/// Both owner and group, or the group, or neither: what is allowed.
fn copy_owner(owner: u32, group: u32, copy: &File) -> io::Result<()> {
    let (owner, group) = (Uid::from_raw(owner), Gid::from_raw(group));
    for owner in [Some(owner), None] {
        match fchown(copy, owner, Some(group)) {
            // EINVAL: an owner who is nobody in this user namespace. The others: no owners at all.
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
