//! The extension of [`std::fs::OpenOptions`].

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::backend::Backend;
use crate::custom_flags::CustomFlags;
use crate::io_error::cannot_create;
use crate::linkable_file::LinkableFile;
use crate::target;

/// Opens anonymous files, as an extension of [`std::fs::OpenOptions`].
///
/// An anonymous file has no name: no directory lists it, and nobody can open it by a path.
///
/// All methods open the file at once, like [`OpenOptions::open`], and do not change the options:
///
/// - The file is always opened for writing. [`read`](OpenOptions::read) and
///   [`append`](OpenOptions::append) work as usual.
/// - [`mode`](std::os::unix::fs::OpenOptionsExt::mode) works as usual: the default is `0o666`, and
///   the umask applies.
/// - [`create`](OpenOptions::create), [`create_new`](OpenOptions::create_new) and
///   [`truncate`](OpenOptions::truncate) are ignored, because the file is always new. So are
///   `O_CREAT` and `O_TRUNC` among the custom flags.
/// - [`custom_flags`](std::os::unix::fs::OpenOptionsExt::custom_flags) work, or the call fails;
///   none is silently dropped. `O_NOFOLLOW` and `O_DIRECTORY` apply to the directory. With
///   `O_TMPFILE` the call fails where it would otherwise open a file with a temporary name.
///
/// # Errors
///
/// The error names the directory and says what you can do. The error of open(2), with the errno, is
/// its [`source`](std::error::Error::source): see the examples of
/// [`PublishError`](crate::PublishError#examples).
///
/// - `ENOENT` or `ENOTDIR` if the directory does not exist.
/// - `EACCES` without permission to write to the directory and to search it. Permission to read it
///   is not needed.
/// - `EPERM` if the directory is immutable, `EROFS` if the file system is read-only.
/// - `ENOSPC`, `EDQUOT`, `EMFILE`, and others.
///
/// Returns [`InvalidInput`](io::ErrorKind::InvalidInput) if the custom flags contain `O_PATH` or,
/// for a file to be published, `O_EXCL`.
///
/// Returns [`Unsupported`](io::ErrorKind::Unsupported) if custom flags are set and cannot be read.
/// They can be read only from the `Debug` text of the options, and a later version of std may not
/// show them there.
///
/// # Platform-specific behavior
///
/// Calls open(2) with `O_TMPFILE` (Linux 3.11). Mode, umask, default ACL and set-group-ID directory
/// have the same effect as for any new file. Where that is not supported, it creates a file with a
/// hidden temporary name in that directory instead (`O_CREAT | O_EXCL | O_NOFOLLOW`). See
/// [`platforms`](crate::platforms#anonymous-file-or-temporary-name) for the errors that lead to
/// this.
///
/// # Security
///
/// An anonymous file can be opened only through `/proc/<pid>/fd`, by the same user and by root. A
/// file with a temporary name can be opened by anyone with permission on it: set
/// [`mode(0o600)`](std::os::unix::fs::OpenOptionsExt::mode) for a secret.
pub trait OpenOptionsAnonymousExt: sealed::Sealed {
    /// Opens a new anonymous file in `dir`, to be published later.
    ///
    /// You can publish it at any path on the same mount, best in `dir` itself.
    ///
    /// # Errors
    ///
    /// See [the trait](OpenOptionsAnonymousExt#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::OpenOptions;
    /// use std::io::Write;
    /// use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    /// use linkable::OpenOptionsAnonymousExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// let mut key = OpenOptions::new().mode(0o600).anonymous_in(dir)?;
    /// key.write_all(b"secret")?;
    /// let key = key.publish(dir.join("key"))?;
    /// assert_eq!(key.metadata()?.permissions().mode() & 0o777, 0o600);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_TMPFILE")]
    #[doc(alias = "tmpfile")]
    #[doc(alias = "tempfile")]
    fn anonymous_in<P: AsRef<Path>>(&self, dir: P) -> io::Result<LinkableFile>;

    /// Opens a new anonymous file in the directory that holds `path`, to be published there later.
    ///
    /// That directory is everything up to the last slash of `path`, or the current directory if
    /// there is no slash. Nothing needs to exist at `path`, and a symlink there is not followed.
    ///
    /// # Errors
    ///
    /// See [the trait](OpenOptionsAnonymousExt#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::OpenOptions;
    /// use std::io::Write;
    /// use linkable::OpenOptionsAnonymousExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("report.txt");
    /// let mut report = OpenOptions::new().anonymous_beside(&path)?;
    /// report.write_all(b"all is well")?;
    /// report.replace(&path)?;
    /// # assert_eq!(std::fs::read(&path)?, b"all is well");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_TMPFILE")]
    #[doc(alias = "parent")]
    fn anonymous_beside<P: AsRef<Path>>(&self, path: P) -> io::Result<LinkableFile>;

    /// Opens a new anonymous file in `dir` that can never be published.
    ///
    /// Use it as scratch space: the file is gone when it is closed. The kernel never links it
    /// (`O_EXCL`). Where `O_TMPFILE` is not supported, the call removes the temporary name before
    /// it returns.
    ///
    /// # Errors
    ///
    /// See [the trait](OpenOptionsAnonymousExt#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::OpenOptions;
    /// use std::io::{Read, Seek, Write};
    /// use linkable::OpenOptionsAnonymousExt;
    ///
    /// let mut scratch = OpenOptions::new().read(true).scratch_in(std::env::temp_dir())?;
    /// scratch.write_all(b"for now")?;
    /// scratch.rewind()?;
    /// let mut text = String::new();
    /// scratch.read_to_string(&mut text)?;
    /// assert_eq!(text, "for now");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_EXCL")]
    #[doc(alias = "TemporaryFile")]
    fn scratch_in<P: AsRef<Path>>(&self, dir: P) -> io::Result<File>;
}

impl OpenOptionsAnonymousExt for OpenOptions {
    fn anonymous_in<P: AsRef<Path>>(&self, dir: P) -> io::Result<LinkableFile> {
        let dir = target::or_current(dir.as_ref());
        anonymous_in(self, dir).map_err(|error| cannot_create(error, dir))
    }

    fn anonymous_beside<P: AsRef<Path>>(&self, path: P) -> io::Result<LinkableFile> {
        self.anonymous_in(target::parent(path.as_ref()))
    }

    fn scratch_in<P: AsRef<Path>>(&self, dir: P) -> io::Result<File> {
        let dir = target::or_current(dir.as_ref());
        scratch_in(self, dir).map_err(|error| cannot_create(error, dir))
    }
}

fn anonymous_in(options: &OpenOptions, dir: &Path) -> io::Result<LinkableFile> {
    let flags = CustomFlags::of(options)?.linkable()?;
    open(options, flags, dir)
}

/// `anonymous_in` for options of our own, on which no custom flag was set. To read the flags would
/// take a third of the time that a save spends outside the kernel.
pub(crate) fn anonymous_without_flags(
    options: &OpenOptions,
    dir: &Path,
) -> io::Result<LinkableFile> {
    open(options, CustomFlags::NONE, dir).map_err(|error| cannot_create(error, dir))
}

fn open(options: &OpenOptions, flags: CustomFlags, dir: &Path) -> io::Result<LinkableFile> {
    let (file, backend) = Backend::open(options, flags, dir)?;
    Ok(LinkableFile::new(file, backend))
}

fn scratch_in(options: &OpenOptions, dir: &Path) -> io::Result<File> {
    Backend::open_scratch(options, CustomFlags::of(options)?, dir)
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::fs::OpenOptions {}
}
