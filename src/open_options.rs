//! The extension of [`std::fs::OpenOptions`].

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::backend::Backend;
use crate::custom_flags::CustomFlags;
use crate::linkable_file::LinkableFile;

/// Opens files without a name, as an extension of [`std::fs::OpenOptions`].
///
/// Both methods are terminal, like [`OpenOptions::open`], and leave the options as they were:
///
/// - The file is always opened for writing; [`read`](OpenOptions::read) and
///   [`append`](OpenOptions::append) are honoured.
/// - [`mode`](std::os::unix::fs::OpenOptionsExt::mode) is honoured and masked by the umask just as
///   for a plain create: `0o666` unless said otherwise.
/// - [`create`](OpenOptions::create), [`create_new`](OpenOptions::create_new) and
///   [`truncate`](OpenOptions::truncate) say nothing about a file that is always new: they are
///   ignored, and so are `O_CREAT` and `O_TRUNC` among the custom flags.
/// - [`custom_flags`](std::os::unix::fs::OpenOptionsExt::custom_flags) are honoured or refused,
///   never dropped: `O_PATH` is `InvalidInput`, and so is `O_EXCL` for `anonymous_in`. `O_NOFOLLOW`
///   and `O_DIRECTORY` are about the directory. `O_TMPFILE` rules the named file out: where it is
///   not supported, the call fails with what open(2) said.
///
/// # Errors
///
/// Those of open(2), with their errnos: `ENOENT` and `ENOTDIR` if there is no such directory,
/// `EACCES` without write and search permission there (read permission is not needed), `EROFS`,
/// `EPERM` if the directory is immutable, `ENOSPC`, `EDQUOT`, `EMFILE`, … `InvalidInput` for the
/// flags named above. `Unsupported` if there are custom flags and a later version of std does not
/// show them in the `Debug` text of the options, the only place where they can be read.
///
/// # Platform-specific behavior
///
/// Calls open(2) with `O_TMPFILE` (Linux 3.11), whose mode, umask, default ACL and set-group-ID
/// directory act as for a plain create. On `EOPNOTSUPP`, `EISDIR`, `ENOSYS` and `EINVAL`, and on
/// Android always, it makes a file with a hidden temporary name (`O_CREAT | O_EXCL | O_NOFOLLOW`)
/// in that directory instead.
///
/// # Security
///
/// Nobody can open an unnamed file but by `/proc/<pid>/fd`, which is for the same user and root. A
/// file with a temporary name can be opened by whoever its mode and directory admit: say
/// [`mode(0o600)`](std::os::unix::fs::OpenOptionsExt::mode) for a secret.
pub trait OpenOptionsAnonymousExt: sealed::Sealed {
    /// Opens a new file in `dir` that has no name and can be given one.
    ///
    /// The file can be published under any name in the same mount, best in `dir`.
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

    /// Opens a new file in `dir` that has no name and can never be given one.
    ///
    /// For scratch space that is gone when it is closed. The kernel refuses ever to link it
    /// (`O_EXCL`); where `O_TMPFILE` is not supported, its temporary name is removed before the
    /// call returns.
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
        anonymous_in(self, dir.as_ref())
    }

    fn scratch_in<P: AsRef<Path>>(&self, dir: P) -> io::Result<File> {
        scratch_in(self, dir.as_ref())
    }
}

fn anonymous_in(options: &OpenOptions, dir: &Path) -> io::Result<LinkableFile> {
    let flags = CustomFlags::of(options)?.linkable()?;
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
