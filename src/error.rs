//! What can go wrong when a file is to get its name.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error_kind::PublishErrorKind;
use crate::linkable_file::LinkableFile;

/// A file did not get its name, or has it but not for certain.
///
/// The text names the path and says what can be done; the operating system's own words are in
/// [`source`](std::error::Error::source). Converted into an [`io::Error`] it is the original one,
/// with its `raw_os_error()`; the file is dropped then.
///
/// # Examples
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
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Nothing happened: the target is as it was, and the file comes back to be published again,
    /// here or elsewhere.
    ///
    /// After [`SyncFailed`](PublishErrorKind::SyncFailed) it can only be read.
    #[error("cannot publish {}{}", .path.display(), .file.last_failure().advice())]
    NotPublished {
        /// The file as it was, without a name or with a temporary one.
        file: LinkableFile,
        /// The name that was asked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is published, whole, and every process sees it; but the sync of its name failed,
    /// so a power cut may still take the name away.
    ///
    /// Only [`Durability::Full`](crate::Durability::Full) promises what was missed here. Do not
    /// write the file again on the strength of this: it is there.
    #[error("published {}, but a power cut may still undo it", .path.display())]
    NotDurable {
        /// The file under its new name.
        file: File,
        /// The name that it has.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl PublishError {
    /// What went wrong, told apart where one errno has many causes.
    #[must_use]
    pub fn kind(&self) -> PublishErrorKind {
        match self {
            Self::NotPublished { file, .. } => file.last_failure(),
            Self::NotDurable { .. } => PublishErrorKind::NotDurable,
        }
    }

    /// The name that was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::NotPublished { path, .. } | Self::NotDurable { path, .. } => path,
        }
    }

    /// What the operating system said.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        match self {
            Self::NotPublished { source, .. } | Self::NotDurable { source, .. } => source,
        }
    }

    /// The file, if it is not published: to publish it again, or elsewhere.
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
    ///     let file = error.into_file().expect("only `Durability::Full` can be not durable");
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

// What a `main` that returns the error prints: no more than helps.
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
        match error {
            PublishError::NotPublished { source, .. } | PublishError::NotDurable { source, .. } => {
                source
            }
        }
    }
}
