//! The open(2) flags that a caller gave to std's `custom_flags`, and what becomes of them.

mod debug_text;

use std::fs::OpenOptions;
use std::io;

use crate::sys::{
    RawFlags, DEMANDS_UNNAMED, IMPLIED, OF_DIRECTORY, O_EXCL, O_EXCL_IS_REFUSED, O_NOFOLLOW,
    O_PATH, O_TMPFILE,
};

/// The caller's flags, as they will be kept on both routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CustomFlags(RawFlags);

impl CustomFlags {
    /// Those of options on which none was set.
    pub(crate) const NONE: Self = Self(0);

    /// The flags in `options`; an error if a new file cannot be opened for writing with them.
    pub(crate) fn of(options: &OpenOptions) -> io::Result<Self> {
        let flags = debug_text::read(options).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                "this version of std hides the custom flags; set none, or update linkable",
            )
        })?;
        if flags & O_PATH != 0 {
            // With O_TMPFILE the kernel would hand out the directory itself (seen up to 7.2).
            return Err(invalid(
                "O_PATH cannot open a file for writing; remove the flag",
            ));
        }
        Ok(Self(flags & !IMPLIED))
    }

    /// Fails if the kernel would never link a file that is opened with these flags.
    pub(crate) fn linkable(self) -> io::Result<Self> {
        if self.0 & O_EXCL != 0 {
            return Err(invalid(O_EXCL_IS_REFUSED));
        }
        Ok(self)
    }

    /// The same flags, and one with which the kernel never links the file.
    pub(crate) fn never_linkable(self) -> Self {
        Self(self.0 | O_EXCL)
    }

    /// For open(2) on the directory in which an unnamed file is created.
    pub(crate) fn for_unnamed(self) -> RawFlags {
        self.0 | O_TMPFILE
    }

    /// For open(2) on the path at which a named file is created.
    pub(crate) fn for_named(self) -> RawFlags {
        self.0 & !OF_DIRECTORY | O_NOFOLLOW
    }

    /// Whether the directory that holds a named file must not be a symlink.
    pub(crate) fn refuse_symlink(self) -> bool {
        self.0 & O_NOFOLLOW != 0
    }

    /// Whether the caller set `O_TMPFILE`, which rules a named file out.
    pub(crate) fn demand_unnamed(self) -> bool {
        self.0 & DEMANDS_UNNAMED != 0
    }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::OpenOptionsExt;

    #[test]
    fn flags_of_the_directory_stay_with_the_directory() {
        let mut options = OpenOptions::new();
        options.custom_flags(libc::O_NOFOLLOW | libc::O_SYNC);
        let flags = CustomFlags::of(&options).unwrap();
        assert!(flags.refuse_symlink());
        assert_eq!(flags.for_named(), libc::O_SYNC | libc::O_NOFOLLOW);
    }
}
