//! The open(2) flags that a caller gave to std's `custom_flags`, and what becomes of them.

mod debug_text;

use std::fs::OpenOptions;
use std::io;

use rustix::fs::OFlags;

use crate::sys::{O_PATH, O_TMPFILE};

/// Flags that say nothing about a file that is always new, like `create` and `truncate`.
const IMPLIED: i32 = libc::O_CREAT | libc::O_TRUNC;

/// Flags that speak of the directory, which only an unnamed file's open(2) is given.
const OF_DIRECTORY: i32 = libc::O_DIRECTORY | libc::O_NOFOLLOW;

/// The caller's flags, as they will be kept on both routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CustomFlags(i32);

impl CustomFlags {
    /// The flags in `options`, unless they contradict a new file that is written to.
    pub(crate) fn of(options: &OpenOptions) -> io::Result<Self> {
        let flags = debug_text::read(options).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                "this version of std does not tell which custom flags an OpenOptions has",
            )
        })?;
        if flags & O_PATH != 0 {
            // With O_TMPFILE the kernel would hand out the directory itself (seen up to 7.2).
            return Err(invalid("O_PATH opens no file that could be written to"));
        }
        Ok(Self(flags & !IMPLIED))
    }

    /// An error if the kernel would never let the file have a name.
    pub(crate) fn linkable(self) -> io::Result<Self> {
        if self.0 & libc::O_EXCL != 0 {
            return Err(invalid(
                "with O_EXCL a file can never get a name: use scratch_in for that",
            ));
        }
        Ok(self)
    }

    /// The same, and the kernel shall never let the file have a name.
    pub(crate) fn never_linkable(self) -> Self {
        Self(self.0 | libc::O_EXCL)
    }

    /// For open(2) on the directory in which the unnamed file is to be.
    pub(crate) fn for_unnamed(self) -> i32 {
        self.0 | O_TMPFILE
    }

    /// For open(2) on the path of a named file, which is created there.
    pub(crate) fn for_named(self) -> i32 {
        self.0 & !OF_DIRECTORY | libc::O_NOFOLLOW
    }

    /// For open(2) on the directory that holds a named file.
    pub(crate) fn for_directory(self) -> OFlags {
        if self.0 & libc::O_NOFOLLOW == 0 {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        }
    }

    /// Whether the caller asked for `O_TMPFILE` by name, which no named file can honour.
    pub(crate) fn demand_unnamed(self) -> bool {
        self.0 & (O_TMPFILE & !libc::O_DIRECTORY) != 0
    }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    #[test]
    fn flags_of_the_directory_stay_with_the_directory() {
        let mut options = OpenOptions::new();
        options.custom_flags(libc::O_NOFOLLOW | libc::O_SYNC);
        let flags = CustomFlags::of(&options).unwrap();
        assert_eq!(flags.for_directory(), OFlags::NOFOLLOW);
        assert_eq!(flags.for_named(), libc::O_SYNC | libc::O_NOFOLLOW);
    }
}
