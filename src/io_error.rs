//! The [`io::Error`]s that the crate hands out: what was tried, on which path, what the user can
//! do, and then the system's words.
//!
//! Wrap an error once, where it leaves the crate. Everything inside reads its errno.

use std::fmt;
use std::io;
use std::path::Path;

use crate::sys::{self, Errno};

/// An error of the system, with a text that helps.
#[derive(thiserror::Error)]
#[error("{text}: {source}")]
struct Explained {
    text: String,
    source: io::Error,
}

// A `main` that returns the error prints this, so it shows only the text.
impl fmt::Debug for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

/// Puts a text before an error, which becomes the source.
pub(crate) fn explain(kind: io::ErrorKind, text: String, source: io::Error) -> io::Error {
    io::Error::new(kind, Explained { text, source })
}

/// Says what was tried, on which path, and what the user can do. The advice follows the path: it is
/// empty, or begins with a colon.
pub(crate) fn at(error: io::Error, tried: &str, path: &Path, advice: &str) -> io::Error {
    let text = format!("{tried} {}{advice}", path.display());
    explain(error.kind(), text, error)
}

/// No file could be created in `directory`.
pub(crate) fn cannot_create(error: io::Error, directory: &Path) -> io::Error {
    let advice = match Errno::from_io_error(&error) {
        // Custom flags, or a NUL byte in the path: the error says so itself.
        None => "",
        Some(Errno::NOENT) if directory.is_dir() => {
            ": the directory takes no new files, like those of procfs, or was removed; choose \
             another one"
        }
        Some(Errno::NOENT) => ": the directory does not exist; create it",
        Some(Errno::NOTDIR) => ": it is not a directory; choose another path",
        Some(Errno::ACCESS) => {
            ": you may not create files there, or a sandbox forbids it; get write and search \
             permission on the directory, or choose another one"
        }
        Some(Errno::PERM) => {
            ": the directory is immutable, or a sandbox forbids creating files there; run chattr \
             -i on it, or choose another directory"
        }
        Some(Errno::EXIST) => {
            ": all temporary names that were tried are taken; remove old files named \
             .linkable-*.tmp"
        }
        Some(Errno::INVAL | Errno::ISDIR | Errno::NOSYS | Errno::OPNOTSUPP) => {
            ": the file system or a sandbox does not support such a file; remove custom flags such \
             as O_DIRECT or O_TMPFILE, or choose another directory"
        }
        Some(errno) => advice(errno).unwrap_or(""),
    };
    // Without the slash that the path of a parent directory ends with.
    let directory = directory.components().as_path();
    at(error, "cannot create a file in", directory, advice)
}

/// The contents of a file that was to be published at `path` could not be written.
pub(crate) fn cannot_write(error: io::Error, path: &Path) -> io::Error {
    let advice = Errno::from_io_error(&error).and_then(advice).unwrap_or("");
    at(error, "cannot write a file for", path, advice)
}

/// An open file could not be opened again. `path` is that of its descriptor.
pub(crate) fn cannot_reopen(error: io::Error, path: &Path) -> io::Error {
    let advice = match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => ": this needs procfs, which does not show the file; mount procfs",
        Some(Errno::ACCESS) => {
            ": the mode of the file allows you neither to read nor to write it, or a sandbox \
             forbids it; change the mode, or duplicate the handle"
        }
        errno => errno.and_then(advice).unwrap_or(""),
    };
    at(error, "cannot reopen", path, advice)
}

/// What an errno means whatever was tried, and what the user can do about it.
pub(crate) fn advice(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ROFS => {
            ": the file system is read-only, perhaps after a disk error; make it writable, or \
             choose another path"
        }
        Errno::NOSPC => ": the disk is full; free some space, and try again",
        Errno::DQUOT => ": the disk quota is used up; free some space, and try again",
        Errno::FBIG => {
            ": the file would be larger than the file system or the limit of the process allows; \
             write less, or raise the limit with ulimit -f"
        }
        Errno::MFILE => {
            ": the process has too many files open; close some, or raise the limit with ulimit -n"
        }
        Errno::NFILE => ": all processes together have too many files open; close some",
        Errno::NAMETOOLONG => ": the path, or a part of it, is too long; choose a shorter one",
        Errno::LOOP => ": the path leads through too many symlinks; correct them",
        errno => return sys::advice(errno),
    })
}
