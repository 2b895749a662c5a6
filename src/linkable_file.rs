//! The handle of a file that is not published yet.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::backend::Backend;
use crate::error_kind::{PublishErrorKind, Reason};
use crate::io_error::{cannot_reopen, explain};
use crate::sys::{self, Access, Errno, FileId, OpenDirectory};
use crate::target::Target;

/// A new, open file that you publish at a path once it is complete.
///
/// Open it with [`anonymous_in`](crate::OpenOptionsAnonymousExt::anonymous_in), and write to it
/// like to any [`File`]. Then [`publish`](Self::publish) or [`replace`](Self::replace) gives it its
/// path, and returns the plain [`File`]. If you drop it before that, it leaves nothing behind.
///
/// Where the kernel or the file system has no `O_TMPFILE`, the file has a hidden temporary name:
/// [`is_anonymous`](Self::is_anonymous) then returns `false`. A process leaves that name behind if
/// it is killed, or if it calls [`std::process::exit`], which drops nothing.
///
/// An unnamed file that was opened elsewhere, for example by another process, becomes a
/// `LinkableFile` with [`try_from`](#impl-TryFrom%3CFile%3E-for-LinkableFile).
///
/// If you convert it into a [`File`] or an [`OwnedFd`](std::os::unix::io::OwnedFd), you can no
/// longer publish it, and its
/// temporary name, if it has one, is removed.
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
/// // You can read and check it before anybody else sees it.
/// let mut text = String::new();
/// file.rewind()?;
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "all or nothing\n");
///
/// file.publish(dir.join("motto"))?;
/// assert_eq!(fs::read_to_string(dir.join("motto"))?, "all or nothing\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "NamedTempFile")]
#[doc(alias = "AtomicWriteFile")]
#[must_use = "a file that is dropped before it is published is lost"]
pub struct LinkableFile {
    file: File,
    backend: Backend,
    /// Why the last attempt to publish failed.
    last_failure: Reason,
    /// The errno of a failed content sync. That is final: the kernel has marked the pages clean and
    /// reports it once, so a second fsync(2) would succeed and mean nothing.
    spoilt: Option<Errno>,
    /// syncfs(2) of this descriptor reports the errors of the file system since this moment.
    errors_seen_at: Instant,
    /// Whether the descriptor was lent. Then the file may have names that we did not give it.
    lent: AtomicBool,
}

/// What the rest of the crate does with a file.
impl LinkableFile {
    pub(crate) fn new(file: File, backend: Backend) -> Self {
        Self {
            file,
            backend,
            last_failure: PublishErrorKind::Other.into(),
            spoilt: None,
            errors_seen_at: Instant::now(),
            lent: AtomicBool::new(false),
        }
    }

    pub(crate) fn last_failure(&self) -> Reason {
        self.last_failure
    }

    pub(crate) fn set_last_failure(&mut self, reason: Reason) {
        self.last_failure = reason;
    }

    /// The file, for calls that give it no name.
    pub(crate) fn inner(&self) -> &File {
        &self.file
    }

    pub(crate) fn spoilt(&self) -> Option<Errno> {
        self.spoilt
    }

    /// Syncs the contents. A failure spoils the file.
    pub(crate) fn sync_contents(&mut self) -> sys::Result<()> {
        sys::fsync(&self.file).map_err(|errno| {
            self.spoilt = Some(errno);
            errno
        })
    }

    /// Writes the contents out without a flush, or syncs them where there is no such call. A
    /// failure spoils the file.
    pub(crate) fn write_out(&mut self) -> sys::Result<()> {
        match sys::write_out(&self.file) {
            Err(Errno::NOSYS) => self.sync_contents(),
            written_out => written_out.map_err(|errno| {
                self.spoilt = Some(errno);
                errno
            }),
        }
    }

    /// Syncs the whole file system, and reports its errors since [`Self::errors_seen_at`].
    pub(crate) fn sync_file_system(&mut self) -> sys::Result<()> {
        let synced = sys::syncfs(&self.file);
        self.errors_seen_at = Instant::now();
        synced
    }

    pub(crate) fn errors_seen_at(&self) -> Instant {
        self.errors_seen_at
    }

    pub(crate) fn take_temporary_name(&mut self, target: &Target<'_>) -> io::Result<()> {
        self.backend.take_temporary_name(&self.file, target)
    }

    /// Gives the file its path, if nothing exists there.
    pub(crate) fn take_name(&mut self, target: &Target<'_>) -> io::Result<()> {
        self.backend.publish(&self.file, target)
    }

    /// Gives the file its path, and replaces what was seen there. If nothing was, this may fail with
    /// `EEXIST`.
    pub(crate) fn take_over_name(
        &mut self,
        target: &Target<'_>,
        there: Option<FileId>,
    ) -> io::Result<()> {
        // rename(2) of two names of one file does nothing, and leaves both. A back end with a
        // temporary name knows its file by itself: whoever sees that name can link it.
        let may_have_names = self.is_anonymous() && self.lent.load(Ordering::Relaxed);
        if may_have_names && there.is_some() && there == FileId::of(&self.file).ok() {
            return Ok(());
        }
        self.backend.replace(&self.file, target, there)
    }

    /// Whether the target is this very file.
    pub(crate) fn is(&self, target: &Target<'_>) -> bool {
        matches!((target.id(), FileId::of(&self.file)), (Ok(there), Ok(here)) if there == here)
    }

    /// The identity of the directory that holds the temporary name, if there is one.
    pub(crate) fn directory_id(&self) -> Option<FileId> {
        self.backend.directory_id()
    }

    /// Opens the directory of the temporary name, to sync it; `None` if there is no such name, and
    /// without permission to read the directory.
    pub(crate) fn open_directory(&self) -> sys::Result<Option<OpenDirectory>> {
        self.backend.open_directory()
    }

    /// Opens the same file again.
    pub(crate) fn open_again(&self, access: Access) -> io::Result<File> {
        self.backend.reopen(&self.file, access)
    }

    /// The file, the moment of [`Self::errors_seen_at`], and whether the file was lent.
    #[allow(dead_code)] // Only Unix needs it.
    pub(crate) fn inner_mut(&mut self) -> (&mut File, &mut Instant, bool) {
        let lent = *self.lent.get_mut();
        (&mut self.file, &mut self.errors_seen_at, lent)
    }

    /// Whether there was a temporary name that is no longer the file's.
    pub(crate) fn has_lost_its_name(&self) -> bool {
        self.backend.has_lost_its_name()
    }
}

impl LinkableFile {
    /// Returns `true` if the file has no name, not even a temporary one.
    ///
    /// If the process is killed, an anonymous file leaves nothing behind, unless it is just being
    /// published: see [Temporary names](crate::platforms#temporary-names).
    ///
    /// Returns `false` if the file has a temporary name, `.linkable-<random>.tmp`: where
    /// `O_TMPFILE` is not supported, and after a [`replace`](Self::replace) that failed half-way.
    /// Where a file needs a name before it is synced (see [`Durability`](crate::Durability)), any
    /// publish that failed can leave it with one.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.backend.is_unnamed()
    }

    /// Returns the underlying [`File`], for everything that std can do with it.
    #[must_use]
    pub fn as_file(&self) -> &File {
        self.lent.store(true, Ordering::Relaxed);
        &self.file
    }

    /// Returns the underlying [`File`], mutably.
    #[must_use]
    pub fn as_file_mut(&mut self) -> &mut File {
        self.lent.store(true, Ordering::Relaxed);
        &mut self.file
    }

    /// Reserves disk space for the first `bytes` bytes of the file.
    ///
    /// A full disk is then an error now, and not in the middle of the contents. The length of the
    /// file does not change, nor do its contents. Space that you do not use stays with the file
    /// until its length is set ([`File::set_len`]).
    ///
    /// # Errors
    ///
    /// - `ENOSPC` or `EDQUOT` if there is too little space. A part may stay reserved until the file
    ///   is dropped.
    /// - [`Unsupported`](io::ErrorKind::Unsupported) (`EOPNOTSUPP`, `ENOSYS`) where nothing can be
    ///   reserved: on ext2, ext3, NFS before version 4.2, FAT by FUSE, in some sandboxes. You can
    ///   ignore this and go on.
    /// - `EFBIG` if no file can be as long, and the other errors of fallocate(2).
    ///
    /// # Platform-specific behavior
    ///
    /// Calls fallocate(2) with `FALLOC_FL_KEEP_SIZE`. It is always `Unsupported` on other systems
    /// than Linux and Android.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::OpenOptions;
    /// use std::io::{self, Write};
    /// use linkable::OpenOptionsAnonymousExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("download");
    /// let size = 1 << 20;
    /// let mut file = OpenOptions::new().anonymous_beside(&path)?;
    /// match file.allocate(size) {
    ///     Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
    ///     reserved => reserved?,
    /// }
    /// file.write_all(b"what has arrived so far")?;
    /// file.publish(&path)?;
    /// # Ok::<(), io::Error>(())
    /// ```
    #[doc(alias = "fallocate")]
    #[doc(alias = "posix_fallocate")]
    #[doc(alias = "preallocate")]
    #[doc(alias = "reserve")]
    pub fn allocate(&self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        sys::allocate(&self.file, bytes).map_err(|errno| {
            let error = io::Error::from(errno);
            let (kind, advice) = match errno {
                Errno::OPNOTSUPP | Errno::NOSYS => (
                    io::ErrorKind::Unsupported,
                    "; the file system cannot reserve space, so go on without it",
                ),
                Errno::NOSPC | Errno::DQUOT => (error.kind(), "; free some space"),
                _ => (error.kind(), ""),
            };
            let text = format!("cannot reserve {bytes} bytes{advice}");
            explain(kind, text, error)
        })
    }

    /// Opens the same file again, with its own offset.
    ///
    /// The new handle can read and write if the file's mode allows both, otherwise only what the
    /// mode allows. It does not have the other options of this one, such as `append`.
    ///
    /// # Errors
    ///
    /// Fails with `ENOENT` without procfs, with `EACCES` if the mode allows neither reading nor
    /// writing, and with the other errors of open(2). The errno is in the
    /// [`source`](std::error::Error::source) of the error.
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
        self.lent.store(true, Ordering::Relaxed);
        let open = |access| self.open_again(access);
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let reopened = match open(Access::ReadWrite) {
            Err(error) if refused(&error) => match open(Access::Read) {
                Err(error) if refused(&error) => open(Access::Write),
                read_only => read_only,
            },
            both => both,
        };
        reopened.map_err(|error| cannot_reopen(error, &sys::path_of_file(&self.file)))
    }
}

impl fmt::Debug for LinkableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkableFile")
            .field(sys::DESCRIPTOR, &sys::descriptor(&self.file))
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
