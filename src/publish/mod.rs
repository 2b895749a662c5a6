//! Publishing: sync the file, name it, sync the name, in that order.

mod batch;
mod copy;
mod diagnosis;
mod steps;
mod sync;

use std::fmt;
use std::fs::File;
use std::path::Path;

pub use self::batch::{BatchProgress, BatchReport, PublishBatch};
use self::steps::Plan;
pub use self::sync::{BatchSync, Durability};
use crate::error::PublishError;
use crate::linkable_file::LinkableFile;
#[cfg(doc)]
use crate::PublishErrorKind;

/// How a file gets its name: [`LinkableFile::publish`] and [`LinkableFile::replace`] with more say.
///
/// # Examples
///
/// ```
/// use std::fs::OpenOptions;
/// use std::io::Write;
/// use linkable::{Durability, OpenOptionsAnonymousExt, PublishOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let mut file = OpenOptions::new().anonymous_in(dir)?;
/// file.write_all(b"balance = 7")?;
/// // When this returns, not even a power cut takes it back.
/// PublishOptions::new()
///     .replace(true)
///     .durability(Durability::Full)
///     .publish(file, dir.join("ledger"))?;
/// # assert_eq!(std::fs::read(dir.join("ledger"))?, b"balance = 7");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct PublishOptions {
    plan: Plan,
}

impl PublishOptions {
    /// Never replaces, and syncs the contents first ([`Durability::Contents`]).
    #[must_use]
    pub const fn new() -> Self {
        Self { plan: Plan::new() }
    }

    /// Whether the name may be another file's, which then loses it in the same step; `false` unless
    /// said otherwise.
    ///
    /// A symlink at the name is replaced itself, not followed. The new file has its own mode,
    /// owner and attributes, not those of the file that it replaces.
    pub fn replace(&mut self, yes: bool) -> &mut Self {
        self.plan.replace = yes;
        self
    }

    /// What the published file is to survive; [`Durability::Contents`] unless said otherwise.
    pub fn durability(&mut self, level: Durability) -> &mut Self {
        self.plan.durability = level;
        self
    }

    /// Whether a copy is published where the file itself cannot have the name; `false` unless said
    /// otherwise.
    ///
    /// That is where publishing would be refused as [`CrossesDevices`], [`NeverLinkable`] or
    /// [`ProcUnavailable`], or, if the file is anonymous, as [`LinkForbidden`]. The copy is made
    /// under a hidden temporary name in the directory of `path`, and renamed: it appears in one
    /// step all the same, as durably as was asked for, but it costs what the file's size costs, and
    /// a killed process leaves the temporary name. Where the file system can share blocks (btrfs,
    /// xfs), they are shared. Holes stay holes.
    ///
    /// It keeps the mode, the times, the extended attributes (xattr(7)) that users have set, the
    /// access control list and, where that is allowed, the owner; without its owner it is not
    /// set-user-ID. The [`File`] that is returned is the copy, open as the file was and at the same
    /// position; descriptors of the file that you have kept go on meaning the file, which has no
    /// name.
    ///
    /// If copying fails, the file comes back, and nothing is left of the copy.
    ///
    /// [`CrossesDevices`]: PublishErrorKind::CrossesDevices
    /// [`LinkForbidden`]: PublishErrorKind::LinkForbidden
    /// [`NeverLinkable`]: PublishErrorKind::NeverLinkable
    /// [`ProcUnavailable`]: PublishErrorKind::ProcUnavailable
    ///
    /// # Platform-specific behavior
    ///
    /// Reads the file by opening `/proc/thread-self/fd/N`; without procfs it must have been opened
    /// with [`read(true)`](std::fs::OpenOptions::read). Calls copy_file_range(2) and, where that is
    /// not supported, sendfile(2), or read(2) and write(2).
    pub fn allow_copy(&mut self, yes: bool) -> &mut Self {
        self.plan.allow_copy = yes;
        self
    }

    /// Names `file` in one step: nobody ever sees a part of it.
    ///
    /// A relative `path` is relative to the current directory, not to the one that the file was
    /// opened in. Any directory of the same mount will do.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotPublished`] gives the file back, and everything is as it was.
    /// [`PublishError::NotDurable`] comes from [`Durability::Full`] alone: the file *is* published.
    /// See [`PublishErrorKind`] for the causes; a NUL byte in `path` is `InvalidInput`.
    ///
    /// # Platform-specific behavior
    ///
    /// Calls fsync(2), unless the level is [`Durability::None`]; then, for a file without a name,
    /// linkat(2) with `AT_EMPTY_PATH`, and through `/proc/thread-self/fd` where the kernel refuses
    /// that. If it finds the name taken and is to replace, it links to a temporary name beside it
    /// and calls rename(2); what stops it between these two calls, a kill or a directory that is
    /// moved away just then, leaves the temporary name. For a file with a temporary name it calls
    /// renameat2(2) with `RENAME_NOREPLACE`, linkat(2) and unlinkat(2) where that is not supported,
    /// and to replace, rename(2). Where nobody may remove a name or rename one, in an append-only
    /// directory (chattr(1) `+a`) or under Landlock without `REMOVE_FILE`, a temporary name stays.
    /// [`Durability::Full`] opens the directory first and calls fsync(2) on it last. On some file
    /// systems the temporary name comes before the first fsync(2), see [`Durability`].
    #[doc(alias = "linkat")]
    #[doc(alias = "AT_EMPTY_PATH")]
    #[doc(alias = "RENAME_NOREPLACE")]
    pub fn publish<P: AsRef<Path>>(
        &self,
        file: LinkableFile,
        path: P,
    ) -> Result<File, PublishError> {
        self.publish_as(file, path.as_ref())
    }

    fn publish_as(&self, mut file: LinkableFile, path: &Path) -> Result<File, PublishError> {
        match steps::publish_one(self.plan, &mut file, path) {
            Ok(()) => Ok(file.into()),
            Err(failure) => Err(failure.into_error(file, path.into())),
        }
    }
}

impl fmt::Debug for PublishOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan {
            replace,
            durability,
            allow_copy,
        } = &self.plan;
        f.debug_struct("PublishOptions")
            .field("replace", replace)
            .field("durability", durability)
            .field("allow_copy", allow_copy)
            .finish()
    }
}

impl LinkableFile {
    /// Gives the file the name `path` in one step, if that is free.
    ///
    /// Never replaces, and never follows a symlink at `path`. Of several racing publishers exactly
    /// one wins. The contents are synced first: this is [`PublishOptions::publish`] with its
    /// defaults.
    ///
    /// # Errors
    ///
    /// See [`PublishOptions::publish`]: the file comes back, and nothing has happened.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs::OpenOptions;
    /// use linkable::{OpenOptionsAnonymousExt, PublishErrorKind};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// let first = OpenOptions::new().anonymous_in(dir)?;
    /// let second = OpenOptions::new().anonymous_in(dir)?;
    /// first.publish(dir.join("lock"))?;
    /// let error = second.publish(dir.join("lock")).unwrap_err();
    /// assert_eq!(error.kind(), PublishErrorKind::AlreadyExists);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "linkat")]
    #[doc(alias = "link")]
    #[doc(alias = "persist_noclobber")]
    pub fn publish<P: AsRef<Path>>(self, path: P) -> Result<File, PublishError> {
        PublishOptions::new().publish(self, path)
    }

    /// Gives the file the name `path` in one step, whatever file has that name.
    ///
    /// At every moment `path` is the whole old file or the whole new one. A symlink at `path` is
    /// replaced itself, not followed. The contents are synced first: this is
    /// [`PublishOptions::publish`] with [`replace(true)`](PublishOptions::replace).
    ///
    /// # Errors
    ///
    /// See [`PublishOptions::publish`]: the file comes back, and nothing has happened. It may come
    /// back with a temporary name beside `path`, which it removes when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs::{self, OpenOptions};
    /// # use std::io::Write;
    /// use linkable::OpenOptionsAnonymousExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// let config = dir.join("config.toml");
    /// fs::write(&config, "colour = 'red'")?;
    ///
    /// let mut file = OpenOptions::new().anonymous_in(dir)?;
    /// file.write_all(b"colour = 'blue'")?;
    /// file.replace(&config)?;
    /// assert_eq!(fs::read_to_string(&config)?, "colour = 'blue'");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "rename")]
    #[doc(alias = "persist")]
    #[doc(alias = "commit")]
    #[doc(alias = "atomic")]
    pub fn replace<P: AsRef<Path>>(self, path: P) -> Result<File, PublishError> {
        PublishOptions::new().replace(true).publish(self, path)
    }
}
