//! The open(2) flags that a caller gave to std's `custom_flags`, and what becomes of them.

use std::fmt::{self, Write};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;

use crate::platform::{O_PATH, O_TMPFILE};

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
        let flags = read(options).ok_or_else(|| {
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
    #[cfg(any(target_os = "linux", target_os = "android"))]
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

/// std has a setter for the custom flags and no getter, but shows them in the `Debug` text.
fn read(options: &OpenOptions) -> Option<i32> {
    in_pieces(options).or_else(|| {
        let text = format!("{options:?}");
        let text_with = |flags| format!("{:?}", options.clone().custom_flags(flags));
        in_text(&text).or_else(|| has_none(&text, text_with).then_some(0))
    })
}

/// The number behind `custom_flags: `, in one pass and without allocation.
fn in_pieces<D: fmt::Debug>(options: &D) -> Option<i32> {
    let mut reader = Reader::Before;
    // An error ends the pass: there is nothing more to be read.
    let _ = write!(reader, "{options:?}");
    match reader {
        Reader::Read(flags) => flags.try_into().ok(),
        _ => None,
    }
}

/// How far the text is read.
///
/// std derives `Debug`, which writes every name, colon, sign and number as a piece of its own. In
/// other pieces the text is not understood here.
#[derive(Clone, Copy)]
enum Reader {
    Before,
    Name,
    Colon,
    Minus,
    Number(i64),
    Read(i64),
}

impl Write for Reader {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        match self {
            Self::Before if piece != "custom_flags" => Ok(()),
            _ => self.after_key(piece),
        }
    }
}

impl Reader {
    /// Takes the key, and what comes after it. Out of line, as nearly every piece comes before.
    #[inline(never)]
    fn after_key(&mut self, piece: &str) -> fmt::Result {
        let number = || piece.parse::<u32>().map(i64::from).map_err(|_| fmt::Error);
        *self = match *self {
            // It is the key.
            Self::Before => Self::Name,
            Self::Name if piece == ": " => Self::Colon,
            Self::Colon if piece == "-" => Self::Minus,
            Self::Colon => Self::Number(number()?),
            Self::Minus => Self::Number(-number()?),
            // More of what may have been a part of the number only.
            Self::Number(_) if piece.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
                return Err(fmt::Error)
            }
            Self::Number(flags) => {
                *self = Self::Read(flags);
                return Err(fmt::Error);
            }
            Self::Name | Self::Read(_) => return Err(fmt::Error),
        };
        Ok(())
    }
}

/// The same, however the text was written.
fn in_text(text: &str) -> Option<i32> {
    const KEY: &str = "custom_flags: ";
    let value = &text[text.find(KEY)? + KEY.len()..];
    let end = value.find(|c: char| c != '-' && !c.is_ascii_alphanumeric())?;
    value[..end].parse().ok()
}

/// Whether a text that is not understood is that of no flags at all, which it nearly always is:
/// equal texts mean equal flags, if the text shows every one of them.
fn has_none(text: &str, text_with: impl Fn(i32) -> String) -> bool {
    let none = text_with(0);
    let mut flags = (0..32).map(|bit| 1 << bit);
    // The access mode is not among the custom flags, std says.
    text == none && flags.all(|flag| flag & libc::O_ACCMODE != 0 || text_with(flag) != none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(flags: i32) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o640).custom_flags(flags);
        options
    }

    #[test]
    fn the_text_of_this_std_is_understood() {
        for flags in [0, 1, libc::O_DIRECT | libc::O_SYNC, i32::MAX, i32::MIN, -1] {
            assert_eq!(in_pieces(&with(flags)), Some(flags));
            assert_eq!(in_text(&format!("{:?}", with(flags))), Some(flags));
        }
    }

    #[test]
    fn an_unknown_text_is_not_guessed_at() {
        for text in [
            "OpenOptions(..)",
            "OpenOptions { custom_flags: O_SYNC }",
            "OpenOptions { custom_flags: 0x101000, mode: 438 }",
            "OpenOptions { custom_flags: 7",
            "OpenOptions { custom_flags: ",
            "OpenOptions { custom_flags: 99999999999 }",
        ] {
            assert_eq!(in_text(text), None, "{text}");
        }
    }

    #[test]
    fn other_pieces_are_not_guessed_at() {
        for pieces in [
            &["custom_flags", ": ", "7"][..],
            &["custom_flags", ": ", "7", "7", ","],
            &["custom_flags", ": ", "0x", "7", ","],
            &["custom_flags", ": ", "-", "-", "7", ","],
            &["custom_flags", ": ", "99999999999", ","],
            &["custom_flags", "7", ","],
            &["custom_flags: ", "7", ","],
        ] {
            assert_eq!(in_pieces(&Pieces(pieces)), None, "{pieces:?}");
        }
        let understood = Pieces(&["custom_flags", ": ", "-", "7", ","]);
        assert_eq!(in_pieces(&understood), Some(-7));
    }

    /// Writes itself in these pieces.
    struct Pieces<'a>(&'a [&'a str]);

    impl fmt::Debug for Pieces<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|piece| f.write_str(piece))
        }
    }

    #[test]
    fn an_unknown_text_still_tells_that_there_are_no_flags() {
        let hex = |flags: i32| format!("{flags:#x}");
        assert!(has_none("0x0", hex));
        assert!(!has_none("0x1000", hex));
        let silent = |_| "OpenOptions".to_owned();
        assert!(!has_none("OpenOptions", silent));
        let lossy = |flags: i32| hex(flags & !libc::O_NOATIME);
        assert!(!has_none("0x0", lossy));
    }

    #[test]
    fn flags_of_the_directory_stay_with_the_directory() {
        let flags = CustomFlags::of(&with(libc::O_NOFOLLOW | libc::O_SYNC)).unwrap();
        assert_eq!(flags.for_directory(), OFlags::NOFOLLOW);
        assert_eq!(flags.for_named(), libc::O_SYNC | libc::O_NOFOLLOW);
    }
}
