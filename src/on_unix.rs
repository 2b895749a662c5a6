//! What only Unix has: descriptors, and paths relative to an open directory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Instant;

use crate::backend::Backend;
use crate::error::PublishError;
use crate::io_error::{cannot_create, explain};
use crate::linkable_file::LinkableFile;
use crate::publish::PublishOptions;
use crate::sys::{self, writers, Errno};
#[cfg(doc)]
use crate::PublishErrorKind;

/// With an open directory.
impl PublishOptions {
    /// Publishes `file` at a path that is relative to an open directory.
    ///
    /// This is [`publish`](Self::publish), but it does not matter where that directory is now, or
    /// what is mounted over it. `dir` can be anything with a descriptor of a directory, also one
    /// that was opened with `O_PATH`. An absolute `path` ignores it, as with openat(2).
    ///
    /// # Errors
    ///
    /// See [`publish`](Self::publish).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::{self, File};
    /// use linkable::{LinkableFile, PublishOptions};
    ///
    /// # let temp = tempfile::tempdir()?;
    /// # let [here, there] = ["here", "there"].map(|name| temp.path().join(name));
    /// # fs::create_dir(&here)?;
    /// let dir = File::open(&here)?;
    /// let file = LinkableFile::new_at(&dir)?;
    /// fs::rename(&here, &there)?;
    /// PublishOptions::new().publish_at(file, &dir, "file")?;
    /// assert!(there.join("file").exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "linkat")]
    #[doc(alias = "dirfd")]
    pub fn publish_at<D: AsFd, P: AsRef<Path>>(
        &self,
        file: LinkableFile,
        dir: D,
        path: P,
    ) -> Result<File, PublishError> {
        self.publish_below(file, dir.as_fd(), path.as_ref())
    }
}

/// With descriptors.
impl LinkableFile {
    /// Opens a new anonymous file in a directory that is held open, for reading and writing.
    ///
    /// Its mode is `0o666` less the umask. Everything else is as with
    /// [`anonymous_in`](crate::OpenOptionsAnonymousExt::anonymous_in), but no path is looked up: it
    /// does not matter if the directory was renamed, or if something was mounted over it.
    ///
    /// The directory can be anything that implements [`AsFd`]: a [`File`], the `Dir` of cap-std, an
    /// [`OwnedFd`] of rustix. It may be open with `O_PATH`. It is not needed once this returns.
    ///
    /// # Errors
    ///
    /// Returns the error of openat(2), see [the trait](crate::OpenOptionsAnonymousExt#errors).
    /// Fails with `ENOTDIR` if the descriptor is not a directory.
    ///
    /// # Platform-specific behavior
    ///
    /// Calls openat(2) for `.` with `O_TMPFILE`. Where that is not supported, it creates a file with
    /// a hidden temporary name, as [`anonymous_in`](crate::OpenOptionsAnonymousExt::anonymous_in)
    /// does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::{self, File};
    /// use std::io::Write;
    /// use linkable::LinkableFile;
    ///
    /// # let tempdir = tempfile::tempdir()?;
    /// # let root = tempdir.path();
    /// # fs::create_dir(root.join("inbox"))?;
    /// let inbox = File::open(root.join("inbox"))?;
    /// fs::rename(root.join("inbox"), root.join("archive"))?;
    ///
    /// let mut file = LinkableFile::new_at(&inbox)?;
    /// file.write_all(b"in the same directory, whatever its path is now")?;
    /// file.publish(root.join("archive/note"))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "openat")]
    #[doc(alias = "tempfile_in")]
    #[doc(alias = "dirfd")]
    pub fn new_at<D: AsFd>(dir: D) -> io::Result<Self> {
        let dir = dir.as_fd();
        let (file, backend) =
            Backend::open_at(dir).map_err(|error| cannot_create(error, &sys::path_of(dir)))?;
        Ok(Self::new(file, backend))
    }

    /// Closes the descriptor for writing, and continues with one that can only read.
    ///
    /// The kernel does not execute a file while anybody has it open for writing (`ETXTBSY`). A
    /// published file can be executed at once if no such descriptor is left. For the same reason,
    /// fs-verity can be enabled only now, and before the file has a name.
    ///
    /// Closing the descriptor is not enough if other threads start programs: each child has a copy
    /// of it from fork(2) to execve(2). So this waits until the last copy is closed.
    ///
    /// The new descriptor is at the same position. It does not have the other options of the old
    /// one, such as `O_DIRECT`. A lock that you took with flock(2) is released.
    ///
    /// # Errors
    ///
    /// Returns the file with the error, and it can still be published. It can still be written,
    /// unless the error is `ETXTBSY`.
    ///
    /// - `ETXTBSY` if a descriptor for writing is still open after a second: a clone of the
    ///   [`File`], or one that [`reopen`](Self::reopen) has returned, or a copy in another process.
    ///   The file is read-only now. Close the other one and call this again.
    /// - `EWOULDBLOCK` if you hold a lock of flock(2) with another descriptor.
    /// - `ENOENT` without procfs, and `EACCES` if the mode does not let you read the file.
    /// - `ENOLCK` or `EOPNOTSUPP` if the file system has no locks.
    ///
    /// # Platform-specific behavior
    ///
    /// Opens `/proc/thread-self/fd/N`, and calls flock(2): a lock lasts until all copies of a
    /// descriptor are closed, in whatever process they are. Another descriptor, which is not a copy
    /// but was opened by itself, is found in procfs if it is this process's.
    ///
    /// On other systems than Linux and Android this always fails with `ENOENT`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::OpenOptions;
    /// use std::io::Write;
    /// use std::os::unix::fs::OpenOptionsExt;
    /// use std::process::Command;
    /// use linkable::OpenOptionsAnonymousExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("hello");
    /// let mut program = OpenOptions::new().mode(0o755).anonymous_beside(&path)?;
    /// program.write_all(b"#!/bin/sh\necho hello\n")?;
    /// let program = program.into_read_only().map_err(|(_file, error)| error)?;
    /// program.publish(&path)?;
    /// assert_eq!(Command::new(&path).output()?.stdout, b"hello\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "ETXTBSY")]
    #[doc(alias = "executable")]
    #[doc(alias = "fsverity")]
    pub fn into_read_only(mut self) -> Result<Self, (Self, io::Error)> {
        match close_for_writing(&mut self) {
            Ok(()) => Ok(self),
            Err(error) => {
                let advice = match Errno::from_io_error(&error) {
                    Some(Errno::TXTBSY) => {
                        "; another descriptor for writing is still open: close it, and try again"
                    }
                    Some(Errno::WOULDBLOCK) => {
                        "; another descriptor holds a lock of flock(2): release it, and try again"
                    }
                    Some(Errno::NOENT) => "; the file is opened again through procfs: mount it",
                    _ => "",
                };
                let text = format!("cannot make the file read-only{advice}");
                Err((self, explain(error.kind(), text, error)))
            }
        }
    }
}

fn close_for_writing(linkable: &mut LinkableFile) -> io::Result<()> {
    let (file, errors_seen_at, lent) = linkable.inner_mut();
    if writers::is_writable(file)? {
        let now = Instant::now();
        writers::close(file)?;
        *errors_seen_at = now;
    }
    Ok(writers::wait(file, lent)?)
}

/// Takes over an unnamed file that was opened elsewhere with `O_TMPFILE`, to publish it.
///
/// It can come from another process, through fork(2) or a Unix socket, or from another library. The
/// descriptor may be read-only. For who may publish a file that another process opened, see
/// [`ProcUnavailable`](PublishErrorKind::ProcUnavailable) and
/// [`LinkForbidden`](PublishErrorKind::LinkForbidden).
///
/// # Errors
///
/// Returns the file with the error:
///
/// - [`InvalidInput`](io::ErrorKind::InvalidInput) if it is not a regular file, if it has a name, if
///   it had one and was deleted, or if the descriptor was opened with `O_PATH`.
/// - The errors of fcntl(2) and fstat(2).
///
/// Some files are accepted that can never get a name, because nothing shows that: those opened with
/// `O_EXCL`, as [`scratch_in`](crate::OpenOptionsAnonymousExt::scratch_in) does, and those that were
/// published and then deleted. Without procfs, every deleted file can be one. Publishing it fails
/// with [`NeverLinkable`](PublishErrorKind::NeverLinkable) or
/// [`ProcUnavailable`](PublishErrorKind::ProcUnavailable), and gives the file back.
///
/// # Platform-specific behavior
///
/// Calls fcntl(2) with `F_GETFL`, fstat(2) and, if the descriptor was opened again and so lacks
/// `O_TMPFILE`, readlink(2) in `/proc/thread-self/fd`. On other systems than Linux and Android this
/// is always [`Unsupported`](io::ErrorKind::Unsupported).
///
/// # Examples
///
/// ```
/// use std::fs::File;
/// use std::io::Write;
/// use linkable::LinkableFile;
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// // The crate tempfile opens files with O_TMPFILE, but cannot publish them.
/// let mut file: File = tempfile::tempfile_in(dir)?;
/// file.write_all(b"worth a name after all")?;
///
/// let file = LinkableFile::try_from(file).map_err(|(_file, error)| error)?;
/// file.publish(dir.join("new"))?;
/// # assert_eq!(std::fs::read(dir.join("new"))?, b"worth a name after all");
/// # Ok::<(), std::io::Error>(())
/// ```
impl TryFrom<File> for LinkableFile {
    type Error = (File, io::Error);

    fn try_from(file: File) -> Result<Self, (File, io::Error)> {
        if let Err(error) = sys::check_unnamed(&file) {
            return Err((file, error));
        }
        let linkable = Self::new(file, Backend::Unnamed);
        // Whoever opened it may have given it names.
        let _ = linkable.as_file();
        Ok(linkable)
    }
}

impl From<LinkableFile> for OwnedFd {
    fn from(linkable: LinkableFile) -> Self {
        File::from(linkable).into()
    }
}

impl AsFd for LinkableFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_file().as_fd()
    }
}

impl AsRawFd for LinkableFile {
    fn as_raw_fd(&self) -> RawFd {
        self.as_file().as_raw_fd()
    }
}

impl IntoRawFd for LinkableFile {
    fn into_raw_fd(self) -> RawFd {
        File::from(self).into_raw_fd()
    }
}

impl FileExt for LinkableFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner().read_at(buf, offset)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner().read_exact_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.inner().write_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.inner().write_all_at(buf, offset)
    }
}
