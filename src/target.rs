//! The path at which a file is to be published.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{
    accessat, fstat, openat, statat, Access, AtFlags, FileType, Mode, OFlags, Stat, CWD,
};
use rustix::io::{retry_on_intr, Errno};

use crate::sys::{self, Attributes, FileId, EFFECTIVE_USER};

/// A directory, held open or the current one, and a path below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// The directory of the target, if it is held open.
    held: Option<BorrowedFd<'a>>,
    /// What system calls get: the last part of the path if the directory is held, else all of it.
    relative: &'a CStr,
    path: &'a CStr,
}

impl<'a> Target<'a> {
    pub(crate) fn new(path: &'a CStr) -> Self {
        Self {
            held: None,
            relative: path,
            path,
        }
    }

    /// The same target, relative to its parent directory, if that is open.
    pub(crate) fn within<'b>(self, parent: Option<&'b File>) -> Target<'b>
    where
        'a: 'b,
    {
        let (above, _) = split(self.path.to_bytes());
        let last = CStr::from_bytes_with_nul(&self.path.to_bytes_with_nul()[above.len()..]);
        match (parent, last) {
            (Some(parent), Ok(last)) if !last.to_bytes().is_empty() => Target {
                held: Some(parent.as_fd()),
                relative: last,
                path: self.path,
            },
            // `x/` has no last part. Leave it as it is: the kernel refuses it.
            _ => self,
        }
    }

    /// The same target, relative to the current directory.
    pub(crate) fn unheld(&self) -> Self {
        Self::new(self.path)
    }

    /// What [`Self::relative`] is relative to.
    pub(crate) fn directory(&self) -> BorrowedFd<'a> {
        self.held.unwrap_or(CWD)
    }

    pub(crate) fn relative(&self) -> &'a CStr {
        self.relative
    }

    /// The directory of the target, if it is held open.
    pub(crate) fn held(&self) -> Option<BorrowedFd<'a>> {
        self.held
    }

    /// The path of the directory of the target.
    pub(crate) fn parent(&self) -> &'a Path {
        parent(Path::new(OsStr::from_bytes(self.path.to_bytes())))
    }

    /// Another file name in the same directory, as a path relative to [`Self::directory`].
    pub(crate) fn sibling(&self, name: &Utf8Path) -> PathBuf {
        let (parent, _) = split(self.relative.to_bytes());
        let mut path = Vec::with_capacity(parent.len() + name.as_str().len());
        path.extend_from_slice(parent);
        path.extend_from_slice(name.as_str().as_bytes());
        OsString::from_vec(path).into()
    }

    /// The identity of the file at the target.
    pub(crate) fn id(&self) -> rustix::io::Result<FileId> {
        FileId::at(self.directory(), self.relative, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens the directory of the target.
    pub(crate) fn open_parent(&self, flags: OFlags) -> rustix::io::Result<File> {
        let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| openat(CWD, self.parent(), flags, Mode::empty()))?;
        Ok(File::from(opened))
    }

    /// Whether the target is on another file system than the file.
    pub(crate) fn is_on_another_device(&self, file: &File) -> bool {
        matches!((self.parent_id(), FileId::of(file)), (Ok(there), Ok(here)) if there.device() != here.device())
    }

    /// Whether files may be created in the directory; also `true` if that is unknown.
    pub(crate) fn is_writable(&self) -> bool {
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        let (directory, path) = self.parent_at();
        let answer = accessat(directory, path, wanted, EFFECTIVE_USER);
        !matches!(answer, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }

    /// Whether the target is an existing directory.
    pub(crate) fn is_directory(&self) -> bool {
        let there = statat(self.directory(), self.relative, AtFlags::SYMLINK_NOFOLLOW);
        there.map_or(false, |stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::Directory
        })
    }

    /// The attributes of the file at the target.
    pub(crate) fn attributes(&self) -> Option<Attributes> {
        sys::attributes(self.directory(), self.relative)
    }

    /// The attributes of the directory of the target.
    pub(crate) fn attributes_of_parent(&self) -> Option<Attributes> {
        let (directory, path) = self.parent_at();
        sys::attributes(directory, path)
    }

    /// Whether files can be created in the directory, but neither renamed nor removed.
    pub(crate) fn is_append_only(&self) -> bool {
        let directory = self.attributes_of_parent();
        directory.map_or(false, |directory| directory.append_only)
    }

    /// Whether something is mounted at the target; `None` if that is unknown.
    pub(crate) fn is_mount_point(&self) -> Option<bool> {
        self.attributes()?.mount_root
    }

    /// Whether the directory is sticky, and only somebody else may replace the file at the target.
    pub(crate) fn is_protected_by_sticky_bit(&self, file: &File) -> bool {
        let there = statat(self.directory(), self.relative, AtFlags::SYMLINK_NOFOLLOW);
        match (self.stat_parent(), there, fstat(file)) {
            (Ok(directory), Ok(there), Ok(ours)) => {
                Mode::from_raw_mode(directory.st_mode).contains(Mode::SVTX)
                    && ours.st_uid != there.st_uid
                    && ours.st_uid != directory.st_uid
            }
            _ => false,
        }
    }

    /// Whether the file at the target is swap space.
    pub(crate) fn is_swap_file(&self) -> bool {
        self.id().map_or(false, sys::is_swap_file)
    }

    /// Whether the directory of the target does not exist, or was removed.
    pub(crate) fn is_nowhere(&self) -> bool {
        match self.stat_parent() {
            Ok(stat) => stat.st_nlink == 0,
            Err(errno) => matches!(errno, Errno::NOENT | Errno::NOTDIR),
        }
    }

    /// Whether the path can only lead to a directory: `x/`, `.` and `..`.
    pub(crate) fn must_be_directory(&self) -> bool {
        matches!(split(self.path.to_bytes()).1, b"" | b"." | b"..")
    }

    /// The error of a file at a path that can only lead to a directory.
    pub(crate) fn refusal_of_directory(&self, replace: bool) -> Errno {
        match statat(self.directory(), self.relative, AtFlags::empty()) {
            // The errno of rename(2).
            Ok(_) if replace => Errno::NOTDIR,
            Ok(_) => Errno::EXIST,
            Err(errno) => errno,
        }
    }

    /// The last part of the path, if it can be a file's.
    pub(crate) fn file_name(&self) -> Option<&'a OsStr> {
        Path::new(OsStr::from_bytes(self.path.to_bytes())).file_name()
    }

    /// Which directory is to hold the file.
    pub(crate) fn parent_id(&self) -> rustix::io::Result<FileId> {
        let (directory, path) = self.parent_at();
        FileId::at(directory, path, AtFlags::empty())
    }

    fn stat_parent(&self) -> rustix::io::Result<Stat> {
        let (directory, path) = self.parent_at();
        statat(directory, path, AtFlags::empty())
    }

    /// The directory of the target, as system calls get it.
    fn parent_at(&self) -> (BorrowedFd<'a>, &'a Path) {
        match self.held {
            Some(held) => (held, Path::new(".")),
            None => (CWD, self.parent()),
        }
    }
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
