//! Temporary names: `.linkable-<random>.tmp`.

use std::cell::Cell;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use camino::Utf8PathBuf;

use crate::sys::Errno;

const PREFIX: &str = ".linkable-";
const SUFFIX: &str = ".tmp";

/// How many random bytes a name has, as two hexadecimal digits each.
const RANDOM: usize = 8;

/// Returns `true` if the last component of `name` is one of this crate's temporary names.
///
/// Such a name is `.linkable-`, 16 lowercase hexadecimal digits, and `.tmp`. Programs that list a
/// directory can skip these files: see [Temporary names](crate::platforms#temporary-names).
///
/// This looks at the name only, not at the file. A name of this form is not proof that this crate
/// has made the file.
///
/// # Examples
///
/// ```
/// use linkable::is_temporary_name;
///
/// assert!(is_temporary_name(".linkable-0123456789abcdef.tmp"));
/// assert!(is_temporary_name("/var/lib/.linkable-0123456789abcdef.tmp"));
/// assert!(!is_temporary_name("report.tmp"));
/// ```
#[doc(alias = "hidden")]
#[must_use]
pub fn is_temporary_name<P: AsRef<Path>>(name: P) -> bool {
    let name = name.as_ref().file_name().unwrap_or_default();
    // No other character becomes one of these.
    let name = name.to_string_lossy();
    let name = name.as_bytes();
    let random = name
        .strip_prefix(PREFIX.as_bytes())
        .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    random.map_or(false, |random| {
        random.len() == 2 * RANDOM
            && random
                .iter()
                .all(|digit| b"0123456789abcdef".contains(digit))
    })
}

/// How many random names are tried before this fails with `EEXIST`.
///
/// After a fork(2) both processes draw the same names, so collisions are to be expected, but no
/// more of them than there are files in flight.
const ATTEMPTS: u32 = 1 << 16;

/// Calls `make` with random names until it returns anything but `EEXIST`.
pub(super) fn with_free_name<T>(
    mut make: impl FnMut(Utf8PathBuf) -> io::Result<T>,
) -> io::Result<T> {
    for _ in 0..ATTEMPTS {
        match make(random()) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => {}
            outcome => return outcome,
        }
    }
    Err(Errno::EXIST.into())
}

thread_local!(static STATE: Cell<u64> = const { Cell::new(0) });

/// A name that is hidden and recognisable, and short even if the name of the target is long.
///
/// It only has to differ from others. Guessing it is of no use, because the file is created with
/// `O_EXCL`. So each thread starts with the time and its own address, and goes on by SplitMix64.
fn random() -> Utf8PathBuf {
    let random = STATE.with(|state| {
        if state.get() == 0 {
            let mut hasher = DefaultHasher::new();
            (SystemTime::now(), state as *const Cell<u64>).hash(&mut hasher);
            state.set(hasher.finish());
        }
        state.set(state.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        let mut bits = state.get();
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ bits >> 31
    });
    let random: [u8; RANDOM] = random.to_be_bytes();
    // format! would take a third of the time of a replace in a tmpfs, not counting the kernel's.
    let mut name = String::with_capacity(PREFIX.len() + 2 * random.len() + SUFFIX.len());
    name.push_str(PREFIX);
    for byte in random {
        for digit in [byte >> 4, byte & 0xF] {
            name.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    name.push_str(SUFFIX);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_name_is_a_temporary_name() {
        let name = random();
        assert!(is_temporary_name(&name), "{name}");
        assert!(is_temporary_name(Path::new("/a/b").join(&name)));
    }

    #[test]
    fn other_names_are_no_temporary_names() {
        for name in [
            "",
            ".",
            "..",
            "/",
            ".linkable-.tmp",
            ".linkable-0123456789abcde.tmp",
            ".linkable-0123456789abcdef0.tmp",
            ".linkable-0123456789ABCDEF.tmp",
            ".linkable-0123456789abcdeg.tmp",
            ".linkable-0123456789abcdef",
            ".linkable-0123456789abcdef.tmp~",
            "linkable-0123456789abcdef.tmp",
            "a.linkable-0123456789abcdef.tmp",
            ".linkable-0123456789abcdef.tmp/file",
        ] {
            assert!(!is_temporary_name(name), "{name}");
        }
    }
}
