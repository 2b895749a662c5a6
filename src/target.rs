//! The name that a file is to get.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use rustix::fd::BorrowedFd;
use rustix::fs::CWD;

/// A path as the kernel wants it, relative to a directory that is open or to the current one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// What the last part of the path is relative to, `AT_FDCWD` unless the directory is open.
    pub(crate) directory: BorrowedFd<'a>,
    /// What is left of the path below `directory`.
    pub(crate) name: &'a CStr,
    /// The whole path.
    pub(crate) path: &'a CStr,
}

impl<'a> Target<'a> {
    pub(crate) fn new(path: &'a CStr) -> Self {
        Self {
            directory: CWD,
            name: path,
            path,
        }
    }

    /// The same name, said relative to `directory`, which is its parent.
    pub(crate) fn within<'b>(self, directory: BorrowedFd<'b>) -> Target<'b>
    where
        'a: 'b,
    {
        let (parent, _) = split(self.path.to_bytes());
        let tail = &self.path.to_bytes_with_nul()[parent.len()..];
        match CStr::from_bytes_with_nul(tail) {
            Ok(name) if !name.to_bytes().is_empty() => Target {
                directory,
                name,
                path: self.path,
            },
            // `x/` has no last part: the kernel is to refuse it as it stands.
            _ => self,
        }
    }

    /// The directory that is to hold the name.
    pub(crate) fn parent(&self) -> &'a Path {
        parent(Path::new(OsStr::from_bytes(self.path.to_bytes())))
    }

    /// Another name in the same directory, relative to `self.directory`.
    pub(crate) fn sibling(&self, name: &Utf8Path) -> PathBuf {
        let (parent, _) = split(self.name.to_bytes());
        Path::new(OsStr::from_bytes(parent)).join(name)
    }

    /// The same with no directory held: relative to the current one.
    pub(crate) fn unheld(&self) -> Self {
        Self::new(self.path)
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
