//! The whole job in one call.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::io_error::cannot_write;
use crate::open_options::OpenOptionsAnonymousExt;
use crate::target;

/// Writes a file in one step: [`std::fs::write`], but atomic.
///
/// At every moment, and after a power cut, `path` is either the complete new file or what it was
/// before: the complete old file, or nothing. See
/// [`Durability::Contents`](crate::Durability::Contents).
///
/// Unlike `std::fs::write` this always creates a new file:
///
/// - Its mode is `0o666` less the umask, whatever the mode of the old file was.
/// - Other hard links of the old file keep the old contents.
/// - A symlink at `path` is itself replaced, not followed.
///
/// # Errors
///
/// Returns the errors of [`anonymous_in`](OpenOptionsAnonymousExt::anonymous_in), of write(2), and
/// of [`replace`](crate::LinkableFile::replace). Each names the path and says what you can do. The
/// error of the system, with the errno, is its [`source`](std::error::Error::source): see the
/// examples of [`PublishError`](crate::PublishError#examples). A NUL byte in `path` is
/// [`InvalidInput`](io::ErrorKind::InvalidInput). If this fails, `path` is as it was.
///
/// # Platform-specific behavior
///
/// See [`PublishOptions::publish`](crate::PublishOptions::publish).
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("state.json");
/// linkable::write(&path, r#"{"runs": 1}"#)?;
/// assert_eq!(std::fs::read(&path)?, br#"{"runs": 1}"#);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "atomic_write")]
#[doc(alias = "atomicwrites")]
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    write_inner(path.as_ref(), contents.as_ref())
}

fn write_inner(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().anonymous_in(target::parent(path))?;
    file.write_all(contents)
        .map_err(|error| cannot_write(error, path))?;
    file.replace(path)?;
    Ok(())
}
