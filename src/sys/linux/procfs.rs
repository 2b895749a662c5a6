//! What procfs offers: a path for every open file, `/proc/…/fd/N` (proc_pid_fd(5)), and whether a
//! thread is confined.
//!
//! Nothing is kept between calls, because after fork(2) a cached directory of procfs belongs to
//! another process.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fd::BorrowedFd;
use rustix::fs::{open, readlinkat, AtFlags, Mode, OFlags, CWD};
use rustix::io::{retry_on_intr, Errno};

use crate::sys::{Access, Dir, FileId};

/// The descriptor tables in which to look, best first.
///
/// `thread-self` came with Linux 3.17. `self` is the table of the process's first thread, and so
/// the wrong one in a thread that has called `unshare(CLONE_FILES)`.
const TABLES: [&str; 2] = ["/proc/thread-self/fd/", "/proc/self/fd/"];

/// The path of an open file in one of the tables, without allocation.
#[derive(Debug)]
pub(super) struct FdPath {
    bytes: [u8; 32],
    len: usize,
}

impl FdPath {
    fn new(table: &str, file: &File) -> Self {
        let mut path = Self {
            bytes: [0; 32],
            len: 0,
        };
        let mut rest = &mut path.bytes[..];
        // The longest is "/proc/thread-self/fd/2147483647", which is 31 bytes.
        let _ = write!(rest, "{table}{}", file.as_raw_fd());
        path.len = 32 - rest.len();
        path
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Tries `call` with the file's path in each table, until one table has the file.
pub(super) fn with_path<T>(
    file: &File,
    mut call: impl FnMut(&FdPath) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    let mut result = Err(Errno::NOENT);
    for table in TABLES {
        result = call(&FdPath::new(table, file));
        if !matches!(result, Err(Errno::NOENT)) {
            break;
        }
    }
    result
}

/// Whether procfs exists and shows this very file, not another one under the same number.
pub(crate) fn shows(file: &File) -> bool {
    let shown = with_path(file, |path| {
        FileId::at(CWD, path.as_bytes(), AtFlags::empty())
    });
    matches!((shown, FileId::of(file)), (Ok(shown), Ok(own)) if shown == own)
}

/// What the link of an open file says, which ends in the name of the file; `None` if procfs does
/// not show this very file.
pub(super) fn link_text(file: &File) -> Option<Vec<u8>> {
    if !shows(file) {
        return None;
    }
    let text = with_path(file, |path| readlinkat(CWD, path.as_bytes(), Vec::new()));
    Some(text.ok()?.into_bytes())
}

/// Whether a link says that the file was opened without a name. It still says so after the file got
/// one.
pub(super) fn shows_unnamed(text: &[u8]) -> bool {
    // `#` and the number of the inode.
    let name = text.rsplit(|&byte| byte == b'/').next();
    let number = name
        .and_then(|name| name.strip_prefix(b"#"))
        .and_then(|name| name.strip_suffix(b" (deleted)"));
    number.map_or(false, |number| number.iter().all(u8::is_ascii_digit))
}

/// Opens the same file again, with its own offset.
///
/// procfs needs no name of it.
pub(crate) fn reopen(
    file: &File,
    _name: Option<(Dir<'_>, &Path)>,
    access: Access,
) -> io::Result<File> {
    let own = FileId::of(file)?;
    let flags = OFlags::from(access) | OFlags::CLOEXEC;
    let reopened = with_path(file, |path| {
        let again = retry_on_intr(|| open(path.as_bytes(), flags, Mode::empty()))?;
        if FileId::of(&again)? == own {
            Ok(again)
        } else {
            Err(Errno::NOENT)
        }
    })?;
    Ok(File::from(reopened))
}

/// How many descriptors this process may have open: `RLIMIT_NOFILE`.
///
/// Not with getrlimit(2): a sandbox may deny it, and rustix assumes that it cannot fail.
pub(crate) fn most_descriptors() -> Option<usize> {
    let limits = read_small(Path::new("/proc/self/limits")).ok()?;
    let limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match limit.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

/// A path that leads to an open directory.
pub(crate) fn path_of(directory: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("{}{}", TABLES[0], directory.as_raw_fd()))
}

/// Reads a file of a few lines in one call.
pub(super) fn read_small(path: &Path) -> io::Result<String> {
    let mut text = [0; 4096];
    let length = File::open(path)?.read(&mut text)?;
    Ok(String::from_utf8_lossy(&text[..length]).into_owned())
}

/// The umask of this thread, which procfs shows since Linux 4.7.
pub(super) fn umask() -> Option<Mode> {
    // `thread-self`, because a thread can have a umask of its own: unshare(CLONE_FS).
    let status = read_small(Path::new("/proc/thread-self/status")).ok()?;
    let umask = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))?;
    let umask = u32::from_str_radix(umask.trim(), 8).ok()?;
    Some(Mode::from_bits_truncate(umask as _))
}

/// Whether AppArmor enforces a profile on this thread.
pub(crate) fn confined_by_apparmor() -> bool {
    // The label reads "profile (mode)"; other security modules have no such mode.
    fs::read_to_string("/proc/thread-self/attr/current")
        .map_or(false, |label| label.trim_end().ends_with("(enforce)"))
}
