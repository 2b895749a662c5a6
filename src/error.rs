//! The error of publishing.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error_kind::PublishErrorKind;
use crate::io_error;
use crate::linkable_file::LinkableFile;

/// Publishing failed, or succeeded without a durability guarantee.
///
/// The error text names the path and says what you can do. The error of the operating system is the
/// [`source`](std::error::Error::source). Converting this into an [`io::Error`] drops the file. The
/// new error has the kind and the source of this one, and its text ends with that of the source.
///
/// # Examples
///
/// Publish somewhere else if that fails:
///
/// ```
/// use std::fs::OpenOptions;
/// use linkable::{OpenOptionsAnonymousExt, PublishError};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// # std::fs::write(dir.join("taken"), "")?;
/// let file = OpenOptions::new().anonymous_in(dir)?;
/// match file.publish(dir.join("taken")) {
///     Err(PublishError::NotPublished { file, .. }) => file.publish(dir.join("free"))?,
///     published => published?,
/// };
/// # assert!(dir.join("free").exists());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Read the errno of an [`io::Error`] of this crate. It is in the source:
///
/// ```
/// use std::error::Error;
/// use std::fs::OpenOptions;
/// use std::io;
/// use linkable::OpenOptionsAnonymousExt;
///
/// let error = OpenOptions::new().anonymous_in("/no/such").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "cannot create a file in /no/such: the directory does not exist; create it: \
///      No such file or directory (os error 2)",
/// );
/// let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
/// assert_eq!(source.and_then(io::Error::raw_os_error), Some(libc::ENOENT));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The file is not published, and the path is as it was.
    ///
    /// You get the file back and can publish it again, at this path or another. After
    /// [`SyncFailed`](PublishErrorKind::SyncFailed) you can only read it.
    #[error("cannot publish {}{}", .path.display(), .file.last_failure().advice)]
    NotPublished {
        /// The file, anonymous or with a temporary name.
        file: LinkableFile,
        /// The path at which it was to be published.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is published, and every process sees it complete, but a power cut may still undo
    /// that.
    ///
    /// Don't retry: the file is already published. Only
    /// [`Durability::Full`](crate::Durability::Full) returns this error, if the final sync, of the
    /// directory, fails.
    #[error(
        "published {}, but the final sync failed, so a power cut may still undo it; do not publish \
         it again",
        .path.display()
    )]
    NotDurable {
        /// The published file.
        file: File,
        /// The path at which it is published.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl PublishError {
    /// Returns the cause, which an errno alone does not always show.
    #[must_use]
    pub fn kind(&self) -> PublishErrorKind {
        match self {
            Self::NotPublished { file, .. } => file.last_failure().kind,
            Self::NotDurable { .. } => PublishErrorKind::NotDurable,
        }
    }

    /// Returns the path at which the file was to be published.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::NotPublished { path, .. } | Self::NotDurable { path, .. } => path,
        }
    }

    /// Returns the error of the operating system.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        match self {
            Self::NotPublished { source, .. } | Self::NotDurable { source, .. } => source,
        }
    }

    /// Returns the file if it is not published, so that you can publish it again or elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs::OpenOptions;
    /// use linkable::OpenOptionsAnonymousExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// # std::fs::write(dir.join("taken"), "")?;
    /// let file = OpenOptions::new().anonymous_in(dir)?;
    /// if let Err(error) = file.publish(dir.join("taken")) {
    ///     let file = error.into_file().expect("without `Durability::Full` the file comes back");
    ///     file.publish(dir.join("free"))?;
    /// }
    /// # assert!(dir.join("free").exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn into_file(self) -> Option<LinkableFile> {
        match self {
            Self::NotPublished { file, .. } => Some(file),
            Self::NotDurable { .. } => None,
        }
    }
}

// A `main` that returns the error prints this, so it shows only what helps.
impl fmt::Debug for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::NotPublished { .. } => "NotPublished",
            Self::NotDurable { .. } => "NotDurable",
        };
        f.debug_struct(name)
            .field("kind", &self.kind())
            .field("path", &self.path())
            .field("source", self.io_error())
            .finish_non_exhaustive()
    }
}

impl From<PublishError> for io::Error {
    fn from(error: PublishError) -> Self {
        let text = error.to_string();
        let (PublishError::NotPublished { source, .. } | PublishError::NotDurable { source, .. }) =
            error;
        io_error::explain(source.kind(), text, source)
    }
}
