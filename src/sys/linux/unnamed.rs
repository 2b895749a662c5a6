//! The unnamed file: `O_TMPFILE`, and the two ways in which linkat(2) names it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::BorrowedFd;
use rustix::fs::{
    fchmod, fcntl_getfl, fgetxattr, fstat, linkat, openat, unlinkat, AtFlags, FileType, Mode,
    OFlags, CWD,
};
use rustix::io::{retry_on_intr, Errno};
use rustix::path::Arg;

use super::kernel;
use super::procfs::{self, FdPath};
use crate::sys::{retry, FileId};

/// Set once a kernel before 3.11 turned out not to know `O_TMPFILE`. Its version alone does not
/// show that, because vendors have added the flag to older kernels.
static NO_O_TMPFILE: AtomicBool = AtomicBool::new(false);

/// Opens a new file in `directory`, with the caller's own options and these flags.
pub(crate) fn open(options: &OpenOptions, flags: i32, directory: &Path) -> io::Result<File> {
    let mut options = options.clone();
    options
        .write(true)
        // With O_TMPFILE, O_CREAT is EINVAL.
        .create(false)
        .create_new(false)
        .truncate(false)
        .custom_flags(flags);
    open_by(|| options.open(directory))
}

/// Opens a new file for reading and writing in `directory`, which is held open.
pub(crate) fn open_at(directory: BorrowedFd<'_>) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    open_by(|| {
        let opened = retry_on_intr(|| openat(directory, ".", flags, mode));
        Ok(File::from(opened?))
    })
}

fn open_by(open: impl FnOnce() -> io::Result<File>) -> io::Result<File> {
    // Android's policy denies link(2) to applications, so a file could never get a name.
    if cfg!(target_os = "android") || NO_O_TMPFILE.load(Ordering::Relaxed) {
        return Err(Errno::OPNOTSUPP.into());
    }
    let file = open().map_err(|error| {
        // Support is a fact of one mount, and is not remembered. That of the kernel is.
        let unknown = Errno::from_io_error(&error) == Some(Errno::ISDIR);
        if unknown && kernel::is_before(3, 11) == Some(true) {
            NO_O_TMPFILE.store(true, Ordering::Relaxed);
        }
        error
    })?;
    apply_umask(&file)?;
    Ok(file)
}

/// Applies the umask where the kernel forgets it: before 6.0, on file systems without access
/// control lists (ext4 and btrfs with `noacl`, minix; seen on 5.10.46; later stable releases have
/// the mend).
///
/// Fails with `EOPNOTSUPP` if the umask is unknown. The caller then opens a named file, which has
/// the right mode.
fn apply_umask(file: &File) -> rustix::io::Result<()> {
    if kernel::is_before(6, 0) == Some(false) {
        return Ok(());
    }
    // Where there are lists, the file system has applied the umask, or the default list of the
    // directory.
    let mut no_room: [u8; 0] = [];
    if fgetxattr(file, "system.posix_acl_access", &mut no_room[..]) != Err(Errno::OPNOTSUPP) {
        return Ok(());
    }
    let umask = procfs::umask().ok_or(Errno::OPNOTSUPP)?;
    let mode = Mode::from_raw_mode(fstat(file)?.st_mode);
    if mode.intersects(umask) {
        fchmod(file, mode - umask)?;
    }
    Ok(())
}

/// Fails with `InvalidInput` if the file cannot be an unnamed one that can still get a name.
///
/// Whether it was opened with `O_EXCL`, or had a name and lost it, cannot be found out.
pub(crate) fn check_unnamed(file: &File) -> io::Result<()> {
    let refuse = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    let flags = fcntl_getfl(file)?;
    if flags.contains(OFlags::PATH) {
        return refuse(
            "a descriptor with O_PATH cannot be published; open the file for reading or writing",
        );
    }
    let stat = fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return refuse("only a regular file can be published; open one with O_TMPFILE");
    }
    if stat.st_nlink != 0 {
        return refuse(
            "the file already has a name; rename it by that name, or open a new file with \
             O_TMPFILE",
        );
    }
    if was_opened_unnamed(file, flags) == Some(false) {
        return refuse(
            "the file was deleted, and a deleted file can never get a name again; open a new file \
             with O_TMPFILE",
        );
    }
    Ok(())
}

/// Whether the file was opened with `O_TMPFILE`; `None` if that cannot be found out.
fn was_opened_unnamed(file: &File, flags: OFlags) -> Option<bool> {
    if flags.contains(OFlags::TMPFILE - OFlags::DIRECTORY) {
        return Some(true);
    }
    // A descriptor that was opened once more does not have the flag.
    procfs::link_text(file).map(|text| procfs::shows_unnamed(&text))
}

/// A way to name an unnamed file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `AT_EMPTY_PATH`. It needs no procfs. Since 6.10, whoever opened the file may use it. Before
    /// that, only a process with `CAP_DAC_READ_SEARCH` may.
    EmptyPath,
    /// The link of the descriptor in procfs.
    Procfs,
}

/// Set where the kernel refuses `AT_EMPTY_PATH` and procfs works: before 6.10, for ordinary users.
/// Newer kernels refuse it only for single files, for example for one that came by fork(2).
static PROCFS_FIRST: AtomicBool = AtomicBool::new(false);

/// Links the file to `name`, relative to `directory`, if nothing exists there.
pub(crate) fn link<N: Arg + Copy>(
    file: &File,
    directory: BorrowedFd<'_>,
    name: N,
) -> rustix::io::Result<()> {
    let (first, second) = if PROCFS_FIRST.load(Ordering::Relaxed) {
        (Way::Procfs, Way::EmptyPath)
    } else {
        (Way::EmptyPath, Way::Procfs)
    };
    let by_first = match link_by(first, file, directory, name) {
        Err(errno) if is_refusal(errno) => errno,
        outcome => return outcome,
    };
    match link_by(second, file, directory, name) {
        Ok(()) => {
            let procfs_first = second == Way::Procfs && kernel::is_before(6, 10) == Some(true);
            PROCFS_FIRST.store(procfs_first, Ordering::Relaxed);
            Ok(())
        }
        // Both are refused. The errno of procfs shows the cause, if procfs is there.
        Err(by_second) if is_refusal(by_second) => {
            let telling = if procfs::shows(file) {
                Way::Procfs
            } else {
                Way::EmptyPath
            };
            Err(if telling == first {
                by_first
            } else {
                by_second
            })
        }
        outcome => outcome,
    }
}

/// Whether the kernel may still allow the other way.
fn is_refusal(errno: Errno) -> bool {
    // ENOENT: the credentials have changed, or there is no procfs. EINVAL: Linux before 2.6.39,
    // emulators. EPERM: sandboxes, or protected_hardlinks by way of procfs.
    matches!(errno, Errno::NOENT | Errno::INVAL | Errno::PERM)
}

fn link_by<N: Arg + Copy>(
    way: Way,
    file: &File,
    directory: BorrowedFd<'_>,
    name: N,
) -> rustix::io::Result<()> {
    match way {
        Way::EmptyPath => retry(|| linkat(file, "", directory, name, AtFlags::EMPTY_PATH)),
        Way::Procfs => link_by_procfs(file, directory, name),
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
        let follow = AtFlags::SYMLINK_FOLLOW;
        retry(|| linkat(CWD, path.as_bytes(), directory, name, follow))?;
        match links() {
            Ok(now) if now <= before => undo_if_foreign(file, path, directory, name),
            _ => Ok(()),
        }
    })
}

/// Removes the link if it is to another file, because procfs is forged or shows another descriptor
/// table. If it is to ours, the link count did not rise because somebody has just removed a name.
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
