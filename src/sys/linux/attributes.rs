//! Attributes of a file besides its mode, to find out why a call has failed.

use std::fs::{self, File};
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{fstatfs, AtFlags, CWD};
use rustix::path::Arg;

use crate::sys::{Attributes, FileId};

// See statfs(2).
const FUSE: u32 = 0x6573_5546;

/// The attributes of the file at `path`, without following a symlink, or of `directory` itself if
/// the path is empty; `None` before Linux 4.11, which has no statx(2).
///
/// Android's old seccomp policy kills the process for statx(2).
#[cfg(not(target_os = "android"))]
pub(crate) fn attributes<P: Arg>(directory: BorrowedFd<'_>, path: P) -> Option<Attributes> {
    use rustix::fs::{statx, StatxAttributes, StatxFlags};

    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    let status = statx(directory, path, flags, StatxFlags::empty()).ok()?;
    let has = |attribute| status.stx_attributes.contains(attribute);
    let mount_root = StatxAttributes::MOUNT_ROOT;
    Some(Attributes {
        immutable: has(StatxAttributes::IMMUTABLE),
        append_only: has(StatxAttributes::APPEND),
        // Linux 5.8.
        mount_root: status
            .stx_attributes_mask
            .contains(mount_root)
            .then(|| has(mount_root)),
    })
}

#[cfg(target_os = "android")]
pub(crate) fn attributes<P: Arg>(_: BorrowedFd<'_>, _: P) -> Option<Attributes> {
    None
}

/// The attributes of an open file.
pub(crate) fn attributes_of(file: &File) -> Option<Attributes> {
    attributes(file.as_fd(), "")
}

/// Whether FUSE serves the file.
pub(crate) fn is_fuse(file: &File) -> bool {
    // The type of the field depends on the architecture; the number has 32 bits.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fstatfs(file).map_or(false, |stat| stat.f_type as u32 == FUSE)
}

/// Whether procfs lists the file as swap space.
pub(crate) fn is_swap_file(id: FileId) -> bool {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let mut paths = swaps
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next());
    paths.any(|path| FileId::at(CWD, Path::new(path), AtFlags::empty()) == Ok(id))
}
