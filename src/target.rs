//! The name that a file is to get.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{accessat, Access, AtFlags, CWD};
use rustix::io::Errno;

use crate::file_id::FileId;
use crate::platform::EFFECTIVE_USER;

/// A path as the kernel wants it, relative to a directory that is open or to the current one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// The directory that is to hold the name, if it is open.
    pub(crate) held: Option<BorrowedFd<'a>>,
    /// What the system is told: the last part of the path if the directory is held, else all of it.
    pub(crate) name: &'a CStr,
    path: &'a CStr,
}

impl<'a> Target<'a> {
    pub(crate) fn new(path: &'a CStr) -> Self {
        Self {
            held: None,
            name: path,
            path,
        }
    }

    /// The same name, said relative to `directory`, which is its parent.
    fn within<'b>(self, directory: BorrowedFd<'b>) -> Target<'b>
    where
        'a: 'b,
    {
        let (parent, _) = split(self.path.to_bytes());
        let tail = &self.path.to_bytes_with_nul()[parent.len()..];
        match CStr::from_bytes_with_nul(tail) {
            Ok(name) if !name.to_bytes().is_empty() => Target {
                held: Some(directory),
                name,
                path: self.path,
            },
            // `x/` has no last part: the kernel is to refuse it as it stands.
            _ => self,
        }
    }

    /// The same name, said relative to its directory, if that is open.
    pub(crate) fn within_open<'b>(self, directory: Option<&'b File>) -> Target<'b>
    where
        'a: 'b,
    {
        match directory {
            Some(directory) => self.within(directory.as_fd()),
            None => self,
        }
    }

    /// What `name` is relative to.
    pub(crate) fn directory(&self) -> BorrowedFd<'a> {
        self.held.unwrap_or(CWD)
    }

    /// The path of the directory that is to hold the name.
    pub(crate) fn parent(&self) -> &'a Path {
        parent(Path::new(OsStr::from_bytes(self.path.to_bytes())))
    }

    /// Another name in the same directory, relative to what `name` is.
    pub(crate) fn sibling(&self, name: &Utf8Path) -> PathBuf {
        let (parent, _) = split(self.name.to_bytes());
        let mut path = Vec::with_capacity(parent.len() + name.as_str().len());
        path.extend_from_slice(parent);
        path.extend_from_slice(name.as_str().as_bytes());
        OsString::from_vec(path).into()
    }

    /// The same with no directory held: relative to the current one.
    pub(crate) fn unheld(&self) -> Self {
        Self::new(self.path)
    }

    /// Whether the name would be in another file system than the file.
    pub(crate) fn is_on_another_device(&self, file: &File) -> bool {
        let there = FileId::at(CWD, self.parent(), AtFlags::empty());
        matches!((there, FileId::of(file)), (Ok(there), Ok(here)) if there.device() != here.device())
    }

    /// Whether names may be made in the directory, or that cannot be told.
    pub(crate) fn is_writable(&self) -> bool {
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        let answer = accessat(CWD, self.parent(), wanted, EFFECTIVE_USER);
        !matches!(answer, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }

    /// Whether the path says by its form that it is a directory's: `x/`, `.` and `..`.
    pub(crate) fn has_form_of_directory(&self) -> bool {
        matches!(split(self.path.to_bytes()).1, b"" | b"." | b"..")
    }
}

/// The directory in which `path` is a name: all up to the last slash, as the kernel sees it.
///
/// `Path::parent` takes `x/` and `x/.` for `x`; the kernel does not.
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
