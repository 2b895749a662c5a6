//! File systems, where there are neither files without a name nor syncfs(2).

use std::fs::File;

use rustix::io::Errno;

pub(crate) fn forgets_unnamed(_: &File) -> bool {
    false
}

pub(crate) fn syncfs(_: &File) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

pub(crate) fn syncfs_forgets_names(_: &File) -> Option<bool> {
    None
}
