//! What all Unixes have in common: calls on a directory and a path below it.
// Other systems give another answer.
#![allow(clippy::unnecessary_wraps)]

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use rustix::fs::{
    accessat, fchmod, fchown, fcntl_getfl, fcntl_setfl, futimens, linkat, open, openat, readlinkat,
    renameat, seek, statat, unlinkat, Access as Permission, AtFlags, Gid, Mode, OFlags, SeekFrom,
    Timespec, Timestamps, Uid, CWD,
};
use rustix::io::retry_on_intr;

pub(crate) use std::os::unix::fs::OpenOptionsExt;

pub(crate) use libc::{O_ACCMODE, O_EXCL, O_NOFOLLOW};
pub(crate) use rustix::fs::FileType;
pub(crate) use rustix::io::{Errno, Result};
pub(crate) use rustix::path::Arg as PathArg;

use super::system::{DIRECTORY_BY_PATH, EFFECTIVE_USER};
use super::{Access, FileId, SpecialName};

/// What a path is relative to: a directory that is open, or the current one.
pub(crate) type Dir<'a> = BorrowedFd<'a>;

/// The current directory.
pub(crate) const CURRENT: Dir<'static> = CWD;

/// A directory that is held open to look names up in it.
pub(crate) type HeldDirectory = File;

/// A directory that is open to be synced.
pub(crate) type OpenDirectory = File;

/// A path as the system takes it.
pub(crate) type RawPath = CStr;
pub(crate) type RawPathBuf = CString;

/// Whether a look follows a symlink.
pub(crate) const FOLLOW: AtFlags = AtFlags::empty();
pub(crate) const NOFOLLOW: AtFlags = AtFlags::SYMLINK_NOFOLLOW;

/// The type of open(2) flags.
pub(crate) type RawFlags = i32;

/// Flags that are ignored, like `create` and `truncate`, because the file is always new.
pub(crate) const IMPLIED: RawFlags = libc::O_CREAT | libc::O_TRUNC;

/// Flags about the directory. Only the open(2) of an unnamed file is given the directory.
pub(crate) const OF_DIRECTORY: RawFlags = libc::O_DIRECTORY | libc::O_NOFOLLOW;

/// Among the flags: anonymous or fail.
pub(crate) const DEMANDS_UNNAMED: RawFlags = super::O_TMPFILE & !libc::O_DIRECTORY;

/// Why a file with [`O_EXCL`] is refused.
pub(crate) const O_EXCL_IS_REFUSED: &str =
    "with O_EXCL a file can never be published; remove the flag, or use scratch_in";

/// Closing a scratch file does not remove its name.
pub(crate) const SCRATCH_REMOVES_ITSELF: bool = false;

/// A rename replaces more than what a file may replace, so it takes a look first.
pub(crate) const RENAME_NEEDS_A_LOOK: bool = true;

/// What `Debug` calls the number of an open file.
pub(crate) const DESCRIPTOR: &str = "fd";

pub(crate) fn descriptor(file: &File) -> RawFd {
    file.as_raw_fd()
}

/// Something that a path can be relative to.
pub(crate) trait AsDir {
    fn as_dir(&self) -> Dir<'_>;
}

impl AsDir for File {
    fn as_dir(&self) -> Dir<'_> {
        self.as_fd()
    }
}

pub(crate) fn as_file(directory: &OpenDirectory) -> &File {
    directory
}

/// Repeats a call that fails with `EINTR` or `EAGAIN`.
pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    // Servers of network file systems return EAGAIN. Give up if one returns nothing else.
    let mut tries = 0;
    loop {
        match call() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if tries < 100 => tries += 1,
            outcome => return outcome,
        }
    }
}

// Paths.

/// Calls `with` with the path as the system takes it; `None` if it contains a NUL byte.
pub(crate) fn with_raw_path<T>(path: &Path, with: impl FnOnce(&RawPath) -> T) -> Option<T> {
    path.into_with_c_str(|path| Ok(with(path))).ok()
}

pub(crate) fn raw_path(path: PathBuf) -> Result<RawPathBuf> {
    CString::new(path.into_os_string().into_vec()).map_err(|_| Errno::INVAL)
}

pub(crate) fn path_from_raw(path: RawPathBuf) -> PathBuf {
    OsString::from_vec(path.into_bytes()).into()
}

pub(crate) fn as_path(path: &RawPath) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

/// The directory of `path`: everything up to the last slash, as the kernel sees it.
///
/// `Path::parent` treats `x/` and `x/.` like `x`; the kernel does not.
pub(crate) fn parent(path: &Path) -> &Path {
    match split(path.as_os_str().as_bytes()).0 {
        b"" => Path::new("."),
        parent => Path::new(OsStr::from_bytes(parent)),
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    path.split_at(slash.map_or(0, |slash| slash + 1))
}

/// The last part of a path; `None` of `x/`.
pub(crate) fn last_part(path: &RawPath) -> Option<&RawPath> {
    let (above, _) = split(path.to_bytes());
    let last = CStr::from_bytes_with_nul(&path.to_bytes_with_nul()[above.len()..]).ok()?;
    (!last.to_bytes().is_empty()).then_some(last)
}

/// Another file name in the directory of `path`.
pub(crate) fn sibling(path: &RawPath, name: &Utf8Path) -> PathBuf {
    let (parent, _) = split(path.to_bytes());
    let mut path = Vec::with_capacity(parent.len() + name.as_str().len());
    path.extend_from_slice(parent);
    path.extend_from_slice(name.as_str().as_bytes());
    OsString::from_vec(path).into()
}

/// Whether the path can only lead to a directory: `x/`, `.` and `..`.
pub(crate) fn must_be_directory(path: &RawPath) -> bool {
    matches!(split(path.to_bytes()).1, b"" | b"." | b"..")
}

/// Whether the last part of the path stands for something else than a file: never here.
pub(crate) fn special_name(_: &RawPath) -> Option<(SpecialName, Errno)> {
    None
}

/// A path that is not relative to an open directory.
pub(crate) fn whole_path(base: Dir<'_>, path: &RawPath) -> Option<RawPathBuf> {
    if base.as_raw_fd() == CWD.as_raw_fd() || path.to_bytes().starts_with(b"/") {
        return None;
    }
    raw_path(super::path_of(base).join(as_path(path))).ok()
}

/// A path that leads to an open file, on some systems.
pub(crate) fn path_of_file(file: &File) -> PathBuf {
    super::path_of(file.as_fd())
}

// Directories.

/// Opens a directory to look names up in it.
pub(crate) fn hold(path: &Path, follow: bool) -> Result<HeldDirectory> {
    let flags = if follow {
        OFlags::empty()
    } else {
        OFlags::NOFOLLOW
    };
    let flags = flags | DIRECTORY_BY_PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| open(path, flags, Mode::empty()))?.into())
}

/// The same, relative to another directory.
pub(crate) fn hold_at(base: Dir<'_>, path: &Path) -> Result<HeldDirectory> {
    open_directory(base, path, DIRECTORY_BY_PATH)
}

/// Holds a directory once more; `None` of the current one, for which there is no need.
pub(crate) fn hold_again(directory: Dir<'_>) -> Option<HeldDirectory> {
    directory.try_clone_to_owned().ok().map(File::from)
}

/// The identity of a directory that is held.
pub(crate) fn id_of_held(directory: &HeldDirectory) -> Option<FileId> {
    FileId::of(directory).ok()
}

/// Opens a directory to sync it; `None` without permission to read it, which creating a file does
/// not need.
pub(crate) fn open_to_sync(base: Dir<'_>, path: &Path) -> Result<Option<OpenDirectory>> {
    match open_directory(base, path, OFlags::RDONLY) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::ACCESS) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn open_directory(base: Dir<'_>, path: &Path, flags: OFlags) -> Result<File> {
    let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(base, path, flags, Mode::empty()))?.into())
}

/// Whether files may be created in the directory; also `true` if that is unknown.
pub(crate) fn is_writable(base: Dir<'_>, directory: &Path) -> bool {
    let wanted = Permission::WRITE_OK | Permission::EXEC_OK;
    let answer = accessat(base, directory, wanted, EFFECTIVE_USER);
    !matches!(answer, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
}

/// Whether a directory was removed while it is held open.
pub(crate) fn is_removed(base: Dir<'_>, directory: &Path) -> Result<bool> {
    Ok(statat(base, directory, AtFlags::empty())?.st_nlink == 0)
}

// Names.

pub(crate) fn link<P: PathArg + Copy>(
    from: Dir<'_>,
    old: P,
    to: Dir<'_>,
    new: &RawPath,
) -> Result<()> {
    retry(|| linkat(from, old, to, new, AtFlags::empty()))
}

/// Creates a file for reading and writing, if nothing exists there.
pub(crate) fn create_at(directory: Dir<'_>, name: &Utf8Path) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let flags = flags | OFlags::RDWR | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    Ok(retry_on_intr(|| openat(directory, name.as_str(), flags, mode))?.into())
}

/// Gives a file another name, and replaces what has that name.
pub(crate) fn rename<P: PathArg + Copy>(
    from: Dir<'_>,
    old: P,
    to: Dir<'_>,
    new: &RawPath,
) -> Result<()> {
    retry(|| renameat(from, old, to, new))
}

pub(crate) fn unlink<P: PathArg + Copy>(directory: Dir<'_>, path: P) -> Result<()> {
    retry(|| unlinkat(directory, path, AtFlags::empty()))
}

pub(crate) fn read_link(directory: Dir<'_>, path: &RawPath) -> Result<PathBuf> {
    let text = retry_on_intr(|| readlinkat(directory, path, Vec::new()))?;
    Ok(path_from_raw(text))
}

/// Removes the empty file that a failed open may have left. Nobody else draws its name.
///
/// open(2) can fail after it has created the file. Only then does the kernel check `O_DIRECT`,
/// Landlock, SELinux, IMA and fanotify.
pub(crate) fn remove_empty(directory: Dir<'_>, name: &Utf8Path) {
    let there = statat(directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
    let is_empty_file = there.map_or(false, |stat| {
        let kind = FileType::from_raw_mode(stat.st_mode);
        kind == FileType::RegularFile && stat.st_size == 0 && stat.st_nlink == 1
    });
    if is_empty_file {
        let _ = unlinkat(directory, name.as_str(), AtFlags::empty());
    }
}

/// Whether the errno of [`link`] can mean that the file system has no hard links: FAT, exFAT by
/// FUSE. `EACCES` is Android's policy.
pub(crate) fn has_no_links(errno: Errno) -> bool {
    // Linux has one number for the last two, and macOS has not.
    matches!(
        errno,
        Errno::PERM | Errno::ACCESS | Errno::NOSYS | Errno::OPNOTSUPP
    ) || errno == Errno::NOTSUP
}

/// Whether a file that is in use, a read-only file or a permission stops a call: other errnos tell
/// that here.
pub(crate) fn is_in_use_or_forbidden(_: Errno) -> bool {
    false
}

/// What an errno of this system alone means, and what the user can do about it.
pub(crate) fn advice(_: Errno) -> Option<&'static str> {
    None
}

// Files.

/// Lets only the owner open a file that is created with these options.
pub(crate) fn for_owner_only(options: &mut OpenOptions) {
    options.mode(0o600);
}

impl From<Access> for OFlags {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::RDONLY,
            Access::Write => Self::WRONLY,
            Access::ReadWrite => Self::RDWR,
        }
    }
}

/// How a file is open: fcntl(2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenedAs(OFlags);

impl OpenedAs {
    pub(crate) fn of(file: &File) -> Result<Self> {
        fcntl_getfl(file).map(Self)
    }

    /// Whether the file is open for reading and writing.
    pub(crate) fn can_read(self) -> bool {
        self.0.contains(OFlags::RDWR)
    }

    /// The options of a new file, except for those that [`Self::give_rest`] can set later.
    pub(crate) fn options(self) -> OpenOptions {
        let mut options = OpenOptions::new();
        let sync = self.0 & (OFlags::SYNC | OFlags::DSYNC);
        options
            .read(self.can_read())
            .custom_flags(sync.bits().try_into().unwrap_or_default());
        options
    }

    pub(crate) fn give_rest(self, file: &File) -> Result<()> {
        fcntl_setfl(file, self.0)
    }
}

/// Copies the data and leaves out the holes.
pub(crate) fn copy_data(source: &File, mut copy: &File) -> io::Result<()> {
    use std::io::Read;

    let length = source.metadata()?.len();
    let mut end = 0;
    while let Some(start) = next_data(source, end, length)? {
        end = seek(source, SeekFrom::Hole(start)).unwrap_or(length);
        seek(source, SeekFrom::Start(start))?;
        seek(copy, SeekFrom::Start(start))?;
        // std calls copy_file_range(2), which shares blocks where the file system can, and falls
        // back to other calls.
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
        // The file system has no holes, or does not report them.
        Err(Errno::INVAL) => Ok(Some(position)),
        Err(errno) => Err(errno.into()),
    }
}

// Metadata.

/// Whether a file can take over owner, mode and attributes of another one.
pub(crate) fn can_preserve() -> Result<()> {
    Ok(())
}

pub(crate) fn set_owner(file: &File, owner: Option<u32>, group: Option<u32>) -> Result<()> {
    fchown(file, owner.map(Uid::from_raw), group.map(Gid::from_raw))
}

pub(crate) fn set_mode(file: &File, mode: u32) -> Result<()> {
    // The type of a mode is narrower on some systems.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    fchmod(file, Mode::from_raw_mode(mode as _))
}

pub(crate) fn copy_times(original: &File, copy: &File) -> io::Result<()> {
    let theirs = original.metadata()?;
    let times = Timestamps {
        last_access: timespec(theirs.atime(), theirs.atime_nsec()),
        last_modification: timespec(theirs.mtime(), theirs.mtime_nsec()),
    };
    Ok(futimens(copy, &times)?)
}

// The fields are narrower than 64 bits on some architectures.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn timespec(seconds: i64, nanoseconds: i64) -> Timespec {
    Timespec {
        tv_sec: seconds as _,
        tv_nsec: nanoseconds as _,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_all_up_to_the_last_slash() {
        for (path, expected) in [
            ("file", "."),
            ("", "."),
            ("..", "."),
            ("/", "/"),
            ("/file", "/"),
            ("a/b/file", "a/b/"),
            ("a/b/", "a/b/"),
            ("a//file", "a//"),
        ] {
            let found = parent(Path::new(path));
            assert_eq!(found.as_os_str(), OsStr::new(expected), "{path:?}");
        }
    }
}
