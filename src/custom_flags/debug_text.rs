//! Reads the custom flags from the `Debug` text of std's `OpenOptions`.

use std::fmt::{self, Write};
use std::fs::OpenOptions;

use crate::sys::{OpenOptionsExt, RawFlags, O_ACCMODE};

/// std has no getter for the custom flags, but shows them in the `Debug` text.
pub(super) fn read(options: &OpenOptions) -> Option<RawFlags> {
    scan_pieces(options).or_else(|| {
        let text = format!("{options:?}");
        let text_with = |flags| format!("{:?}", options.clone().custom_flags(flags));
        find_in_text(&text).or_else(|| shows_no_flags(&text, text_with).then_some(0))
    })
}

/// The number behind `custom_flags: `, in one pass and without allocation.
fn scan_pieces<D: fmt::Debug>(options: &D) -> Option<RawFlags> {
    let mut scan = FlagScan::Before;
    // An error ends the pass early, once there is nothing more to read.
    let _ = write!(scan, "{options:?}");
    match scan {
        FlagScan::Read(flags) => flags.try_into().ok(),
        _ => None,
    }
}

/// How far the text is read.
///
/// std derives `Debug`, which writes each name, colon, sign and number as a separate piece. Text in
/// other pieces is not understood here.
#[derive(Clone, Copy)]
enum FlagScan {
    Before,
    Name,
    Colon,
    Minus,
    Number(i64),
    Read(i64),
}

impl Write for FlagScan {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        match self {
            Self::Before if piece != "custom_flags" => Ok(()),
            _ => self.after_key(piece),
        }
    }
}

impl FlagScan {
    /// Takes the key and what follows it. Not inlined, because most pieces come before the key.
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
            // The number may go on in this piece.
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

/// The same, in whatever pieces the text was written.
fn find_in_text(text: &str) -> Option<RawFlags> {
    const KEY: &str = "custom_flags: ";
    let value = &text[text.find(KEY)? + KEY.len()..];
    let end = value.find(|c: char| c != '-' && !c.is_ascii_alphanumeric())?;
    value[..end].parse().ok()
}

/// Whether no flags are set, which is nearly always so, although the text is not understood.
///
/// That is certain if the text equals the one without flags, and every single flag would change it.
fn shows_no_flags(text: &str, text_with: impl Fn(RawFlags) -> String) -> bool {
    let none = text_with(0);
    let mut flags = (0..32).map(|bit| 1 << bit);
    // std masks the access mode out of the custom flags.
    text == none && flags.all(|flag| flag & O_ACCMODE != 0 || text_with(flag) != none)
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
            assert_eq!(scan_pieces(&with(flags)), Some(flags));
            assert_eq!(find_in_text(&format!("{:?}", with(flags))), Some(flags));
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
            assert_eq!(find_in_text(text), None, "{text}");
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
            assert_eq!(scan_pieces(&Pieces(pieces)), None, "{pieces:?}");
        }
        let understood = Pieces(&["custom_flags", ": ", "-", "7", ","]);
        assert_eq!(scan_pieces(&understood), Some(-7));
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
        assert!(shows_no_flags("0x0", hex));
        assert!(!shows_no_flags("0x1000", hex));
        let silent = |_| "OpenOptions".to_owned();
        assert!(!shows_no_flags("OpenOptions", silent));
        let lossy = |flags: i32| hex(flags & !libc::O_NOATIME);
        assert!(!shows_no_flags("0x0", lossy));
    }
}
