//! The handle: a file that has no name yet.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::backend::Backend;
use crate::error_kind::PublishErrorKind;
use crate::sys;
use crate::target::Target;

/// A file that gets its name last.
///
/// It is made by [`anonymous_in`](crate::OpenOptionsAnonymousExt::anonymous_in), written like any
/// [`File`], and then given a name with [`publish`](Self::publish) or [`replace`](Self::replace),
/// which hand out the plain [`File`]. Dropped before that, it leaves nothing behind.
///
/// It can have a name and need not: where the kernel or the file system has no `O_TMPFILE` it has a
/// hidden temporary one, which [`is_anonymous`](Self::is_anonymous) tells. That name is all that a
/// killed process can leave behind, and one that calls [`std::process::exit`], which drops nothing.
///
/// Converting it into a [`File`] or an [`OwnedFd`] gives up the prospect of a name: the temporary
/// name, if there is one, is removed.
///
/// # Examples
///
/// ```
/// use std::fs::{self, OpenOptions};
/// use std::io::{Read, Seek, Write};
/// use linkable::OpenOptionsAnonymousExt;
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let mut file = OpenOptions::new().read(true).anonymous_in(dir)?;
/// writeln!(file, "all or nothing")?;
///
/// // It can be read and checked before anybody else sees it.
/// let mut text = String::new();
/// file.rewind()?;
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "all or nothing\n");
///
/// file.publish(dir.join("motto"))?;
/// assert_eq!(fs::read_to_string(dir.join("motto"))?, "all or nothing\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a file that is not published is gone when it is dropped"]
pub struct LinkableFile {
    file: File,
    backend: Backend,
    /// Why the last attempt to publish failed.
    last_failure: PublishErrorKind,
    /// The errno of a failed content sync. That is final: the kernel has marked the pages clean and
    /// reports it once, so a second fsync(2) would succeed and mean nothing.
    spoilt: Option<Errno>,
    /// syncfs(2) of this descriptor reports the errors of the file system since this moment.
    errors_seen_at: Instant,
}

/// What the rest of the crate does with a file.
impl LinkableFile {
    pub(crate) fn new(file: File, backend: Backend) -> Self {
        Self {
            file,
            backend,
            last_failure: PublishErrorKind::Other,
            spoilt: None,
            errors_seen_at: Instant::now(),
        }
    }

    pub(crate) fn last_failure(&self) -> PublishErrorKind {
        self.last_failure
    }

    pub(crate) fn set_last_failure(&mut self, kind: PublishErrorKind) {
        self.last_failure = kind;
    }

    pub(crate) fn spoilt(&self) -> Option<Errno> {
        self.spoilt
    }

    /// Syncs the contents. A failure spoils the file.
    pub(crate) fn sync_contents(&mut self) -> io::Result<()> {
        self.file.sync_all().map_err(|error| {
            self.spoilt = Some(Errno::from_io_error(&error).unwrap_or(Errno::IO));
            error
        })
    }

    /// Syncs the whole file system, and reports its errors since [`Self::errors_seen_at`].
    pub(crate) fn sync_file_system(&mut self) -> rustix::io::Result<()> {
        let synced = sys::syncfs(&self.file);
        self.errors_seen_at = Instant::now();
        synced
    }

    pub(crate) fn errors_seen_at(&self) -> Instant {
        self.errors_seen_at
    }

    pub(crate) fn name_before_sync(&mut self, target: &Target<'_>) -> io::Result<()> {
        self.backend.name_before_sync(&self.file, target)
    }

    /// Gives the file its name, if that is free.
    pub(crate) fn take_name(&mut self, target: &Target<'_>) -> io::Result<()> {
        self.backend.publish(&self.file, target)
    }

    /// Gives the file its name, whatever had that before.
    pub(crate) fn take_over_name(&mut self, target: &Target<'_>) -> io::Result<()> {
        self.backend.replace(&self.file, target)
    }

    /// Whether there was a temporary name that is no longer the file's.
    pub(crate) fn has_lost_its_name(&self) -> bool {
        self.backend.has_lost_its_name()
    }
}

impl LinkableFile {
    /// Whether the file has no temporary name, so that a killed process leaves nothing behind,
    /// unless in the middle of a [`replace`](Self::replace), of a
    /// [copy](crate::PublishOptions::allow_copy), or where a name comes before the sync, see
    /// [`Durability`](crate::Durability).
    ///
    /// `false` where `O_TMPFILE` is not supported, and after a [`replace`](Self::replace) that
    /// failed half-way (where a name comes before the sync, any publish): the file then has a
    /// temporary name, `.linkable-<random>.tmp`.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.backend.is_unnamed()
    }

    /// The file as std knows it, for all that a [`File`] can do.
    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// The file as std knows it, mutably.
    #[must_use]
    pub fn as_file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// Opens the same file once more, with an offset of its own.
    ///
    /// For reading and writing where the file's mode allows both, else for the one it allows. The
    /// other options, such as `append`, are not carried over.
    ///
    /// # Errors
    ///
    /// `ENOENT` without procfs, `EACCES` where the mode allows neither, and those of open(2).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs::OpenOptions;
    /// # use std::io::{Read, Write};
    /// use linkable::OpenOptionsAnonymousExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let mut file = OpenOptions::new().anonymous_in(dir.path())?;
    /// file.write_all(b"seen from the start")?;
    /// let mut text = String::new();
    /// file.reopen()?.read_to_string(&mut text)?;
    /// assert_eq!(text, "seen from the start");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reopen(&self) -> io::Result<File> {
        let open = |access| sys::reopen(&self.file, access);
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        match open(OFlags::RDWR) {
            Err(error) if refused(&error) => match open(OFlags::RDONLY) {
                Err(error) if refused(&error) => open(OFlags::WRONLY),
                read_only => read_only,
            },
            both => both,
        }
    }
}

impl fmt::Debug for LinkableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkableFile")
            .field("fd", &self.as_raw_fd())
            .field("anonymous", &self.is_anonymous())
            .finish_non_exhaustive()
    }
}

impl From<LinkableFile> for File {
    fn from(linkable: LinkableFile) -> Self {
        let LinkableFile { file, .. } = linkable;
        file
    }
}

impl From<LinkableFile> for OwnedFd {
    fn from(linkable: LinkableFile) -> Self {
        File::from(linkable).into()
    }
}

impl AsFd for LinkableFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for LinkableFile {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl IntoRawFd for LinkableFile {
    fn into_raw_fd(self) -> RawFd {
        File::from(self).into_raw_fd()
    }
}

impl FileExt for LinkableFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(buf, offset)
    }
}

impl Read for LinkableFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.file.read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.file.read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        self.file.read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact(buf)
    }
}

impl Read for &LinkableFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.file).read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        (&self.file).read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        (&self.file).read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        (&self.file).read_exact(buf)
    }
}

impl Write for LinkableFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.file.write_vectored(bufs)
    }

    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        self.file.write_all(buf)
    }

    fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> io::Result<()> {
        self.file.write_fmt(args)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Write for &LinkableFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&self.file).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.file).write_vectored(bufs)
    }

    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        (&self.file).write_all(buf)
    }

    fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> io::Result<()> {
        (&self.file).write_fmt(args)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.file).flush()
    }
}

impl Seek for LinkableFile {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.file.seek(pos)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        self.file.stream_position()
    }
}

impl Seek for &LinkableFile {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        (&self.file).seek(pos)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        (&self.file).stream_position()
    }
}
