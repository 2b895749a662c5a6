//! The file without a name: `O_TMPFILE`, and the two ways that linkat(2) has to name it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::BorrowedFd;
use rustix::fs::{fstat, linkat, unlinkat, AtFlags, CWD};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::custom_flags::CustomFlags;
use crate::file_id::FileId;
use crate::procfs::{self, FdPath};

/// Set where the kernel refuses `AT_EMPTY_PATH` and procfs serves: Linux before 6.10 for ordinary
/// users. It changes the order of the two ways only, so it can never be wrong for long.
static PROCFS_FIRST: AtomicBool = AtomicBool::new(false);

/// Opens a new file in `directory`, with the caller's own options.
pub(super) fn open(
    options: &OpenOptions,
    flags: CustomFlags,
    directory: &Path,
) -> io::Result<File> {
    options
        .clone()
        .write(true)
        // With O_TMPFILE, O_CREAT is EINVAL.
        .create(false)
        .create_new(false)
        .truncate(false)
        .custom_flags(flags.for_unnamed())
        .open(directory)
}

/// Gives the file a name, relative to `directory`, if that is free.
pub(super) fn link<N: Arg + Copy>(
    file: &File,
    directory: BorrowedFd<'_>,
    name: N,
) -> rustix::io::Result<()> {
    let procfs_first = PROCFS_FIRST.load(Ordering::Relaxed);
    let link_by = |procfs: bool| {
        if procfs {
            link_by_procfs(file, directory, name)
        } else {
            // Needs no procfs. From 6.10 open to who opened the file, before that to
            // CAP_DAC_READ_SEARCH only.
            linkat(file, "", directory, name, AtFlags::EMPTY_PATH)
        }
    };
    // ENOENT: the credentials have changed, or no procfs. EINVAL: Linux before 2.6.39, emulators.
    // EPERM: sandboxes, or protected_hardlinks by way of procfs.
    let refused = |errno| matches!(errno, Errno::NOENT | Errno::INVAL | Errno::PERM);
    let first = match link_by(procfs_first) {
        Err(errno) if refused(errno) => errno,
        answer => return answer,
    };
    match link_by(!procfs_first) {
        Ok(()) => {
            PROCFS_FIRST.store(!procfs_first, Ordering::Relaxed);
            Ok(())
        }
        // Refused both ways: procfs tells the cause, if it is there to tell it.
        Err(second) if refused(second) => {
            let (by_procfs, by_empty_path) = if procfs_first {
                (first, second)
            } else {
                (second, first)
            };
            Err(if procfs::shows(file) {
                by_procfs
            } else {
                by_empty_path
            })
        }
        answer => answer,
    }
}

fn link_by_procfs<N: Arg + Copy>(
    file: &File,
    directory: BorrowedFd<'_>,
    name: N,
) -> rustix::io::Result<()> {
    let links = || fstat(file).map(|stat| stat.st_nlink);
    let before = links()?;
    procfs::with_path(file, |path| {
        // Without AT_SYMLINK_FOLLOW the procfs symlink itself would be linked.
        linkat(
            CWD,
            path.as_bytes(),
            directory,
            name,
            AtFlags::SYMLINK_FOLLOW,
        )?;
        match links() {
            Ok(now) if now <= before => undo_if_foreign(file, path, directory, name),
            _ => Ok(()),
        }
    })
}

/// Takes back a link to another file than ours, to which a forged procfs or that of another
/// descriptor table leads. Our own may have no name again just because somebody has removed it.
fn undo_if_foreign<N: Arg + Copy>(
    file: &File,
    path: &FdPath,
    directory: BorrowedFd<'_>,
    name: N,
) -> rustix::io::Result<()> {
    let ours = FileId::of(file);
    let linked = FileId::at(CWD, path.as_bytes(), AtFlags::empty());
    let there = FileId::at(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    if there.is_ok() && there == linked && there != ours {
        let _ = unlinkat(directory, name, AtFlags::empty());
        return Err(Errno::NOENT);
    }
    Ok(())
}
