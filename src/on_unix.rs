//! What only Unix has: descriptors, and paths relative to an open directory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;

use crate::error::PublishError;
use crate::linkable_file::LinkableFile;
use crate::publish::PublishOptions;

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
