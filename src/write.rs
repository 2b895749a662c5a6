//! The whole job in one call.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::io_error::cannot_write;
use crate::linkable_file::LinkableFile;
use crate::open_options::anonymous_without_flags;
use crate::publish::PublishOptions;
use crate::sys;
#[cfg(doc)]
use crate::OpenOptionsAnonymousExt;

/// Writes a file in one step: [`std::fs::write`], but atomic.
///
/// At every moment, and after a power cut, the file is either the complete new one or what it was
/// before: the complete old one, or nothing. See
/// [`Durability::Contents`](crate::Durability::Contents).
///
/// As with `std::fs::write`:
///
/// - An existing file keeps its mode, access control list and extended attributes, and its owner
///   where the process may set that. At no moment does anybody get more access than they had.
/// - A symlink is followed, even if it leads to no file yet.
/// - A directory is an error. A new file has the mode `0o666` less the umask.
///
/// Unlike `std::fs::write`:
///
/// - It needs permission to create files in the directory, and no permission on the existing file.
/// - A device, FIFO or socket is an error.
/// - Other hard links of the old file keep the old contents.
/// - If the owner or the group cannot be kept, the new file has those of the process. It then loses
///   the set-user-ID or set-group-ID bit, and some permissions: see [`Preserve::where_possible`].
///
/// For other rules, call [`PublishOptions::write`]: this is the same with
/// [`replace(true)`](PublishOptions::replace),
/// [`symlinks(Symlinks::Follow)`](PublishOptions::symlinks) and
/// [`preserve(Preserve::ALL.where_possible())`](PublishOptions::preserve).
///
/// [`Preserve::where_possible`]: crate::Preserve::where_possible
///
/// # Errors
///
/// Returns the errors of [`anonymous_in`](OpenOptionsAnonymousExt::anonymous_in), of write(2), and
/// of [`replace`](LinkableFile::replace). Each names the path and says what you can do. The
/// error of the system, with the errno, is its [`source`](std::error::Error::source): see the
/// examples of [`PublishError`](crate::PublishError#examples). A NUL byte in `path` is
/// [`InvalidInput`](io::ErrorKind::InvalidInput). If this fails, `path` is as it was.
///
/// # Platform-specific behavior
///
/// See [`PublishOptions::publish`].
///
/// On Windows the new file has the access control list of its directory, and not that of the existing
/// file, because std can neither read nor set one. So keep secrets in a directory that others may not
/// read. A read-only file is an error, as with `std::fs::write`, and so is one that is open, in some
/// cases: see [Windows](crate::platforms#windows).
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
    const OPTIONS: PublishOptions = PublishOptions::like_std();
    OPTIONS.write(path, contents)
}

/// The whole job with these options.
impl PublishOptions {
    /// Writes a file and publishes it at `path`, in one step.
    ///
    /// The file is opened in the directory of `path`, or in the one to which a symlink leads if it
    /// is [followed](crate::Symlinks::Follow). Its mode is `0o666` less the umask. If it will take
    /// over the [mode](crate::Preserve::MODE) of an existing file, only its owner has access until
    /// then.
    ///
    /// # Errors
    ///
    /// As with [`write()`](crate::write()). Without [`replace(true)`](Self::replace), an existing
    /// file is [`AlreadyExists`](io::ErrorKind::AlreadyExists).
    ///
    /// With [`Durability::Full`](crate::Durability::Full), an error can also mean that the file is
    /// published but not durable. Its text says so. To tell the two apart in a program, open the
    /// file and call [`publish`](Self::publish).
    ///
    /// # Examples
    ///
    /// ```
    /// use linkable::{Durability, PublishOptions};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("ledger");
    /// PublishOptions::new()
    ///     .replace(true)
    ///     .durability(Durability::Full)
    ///     .write(&path, "balance = 7")?;
    /// # assert_eq!(std::fs::read(&path)?, b"balance = 7");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "atomic_write")]
    pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(&self, path: P, contents: C) -> io::Result<()> {
        let (path, contents) = (path.as_ref(), contents.as_ref());
        let mut file = self.open_for(path)?;
        file.write_all(contents)
            .map_err(|error| cannot_write(error, path))?;
        self.publish(file, path)?;
        Ok(())
    }

    /// Writes a file with a closure, and publishes it at `path`, in one step.
    ///
    /// This is [`write`](Self::write) for contents that are not in memory. It returns what the
    /// closure returns. If the closure returns an error or panics, nothing is published and nothing
    /// is left behind. The same holds if the last, buffered bytes cannot be written.
    ///
    /// # Errors
    ///
    /// As with [`write`](Self::write), and the errors of the closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use linkable::PublishOptions;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("squares");
    /// let lines = PublishOptions::new().replace(true).write_with(&path, |file| {
    ///     for number in 1..=3 {
    ///         writeln!(file, "{}", number * number)?;
    ///     }
    ///     Ok(3)
    /// })?;
    /// assert_eq!(lines, 3);
    /// assert_eq!(std::fs::read_to_string(&path)?, "1\n4\n9\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "overwrite")]
    #[doc(alias = "AtomicFile")]
    pub fn write_with<P: AsRef<Path>, T>(
        &self,
        path: P,
        write: impl FnOnce(&mut BufWriter<LinkableFile>) -> io::Result<T>,
    ) -> io::Result<T> {
        let path = path.as_ref();
        let mut writer = BufWriter::new(self.open_for(path)?);
        let written = write(&mut writer)?;
        let file = writer
            .into_inner()
            .map_err(|error| cannot_write(error.into_error(), path))?;
        self.publish(file, path)?;
        Ok(written)
    }

    /// Opens a file where it belongs. Nobody has more access to it than to the one that it
    /// replaces.
    fn open_for(&self, path: &Path) -> io::Result<LinkableFile> {
        let destination = self.destination_of(path)?;
        let mut options = OpenOptions::new();
        if destination.takes_permissions {
            sys::for_owner_only(&mut options);
        }
        anonymous_without_flags(options.read(true), &destination.directory)
    }
}
