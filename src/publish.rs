//! Publishing: sync the file, name it, sync the name, in that order.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::path::Arg;

use crate::copy;
use crate::durability::Durability;
use crate::error::{PublishError, PublishErrorKind};
use crate::linkable_file::LinkableFile;
use crate::target::Target;

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
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    replace: bool,
    pub(crate) durability: Durability,
    allow_copy: bool,
}

impl PublishOptions {
    /// Never replaces, and syncs the contents first ([`Durability::Contents`]).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the name may be another file's, which then loses it in the same step; `false` unless
    /// said otherwise.
    ///
    /// A symlink at the name is replaced itself, not followed. The new file has its own mode,
    /// owner and attributes, not those of the file that it replaces.
    pub fn replace(&mut self, yes: bool) -> &mut Self {
        self.replace = yes;
        self
    }

    /// What the published file is to survive; [`Durability::Contents`] unless said otherwise.
    pub fn durability(&mut self, level: Durability) -> &mut Self {
        self.durability = level;
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
        self.allow_copy = yes;
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
        match with_target(path, |target| self.take_steps_or_copy(&mut file, target)) {
            Ok(()) => Ok(file.into()),
            Err(failure) => Err(failure.into_error(file, path.into())),
        }
    }

    /// Takes the steps with the file itself or, if that cannot have the name, with a copy, which
    /// then is the file.
    fn take_steps_or_copy(
        &self,
        file: &mut LinkableFile,
        target: &Target<'_>,
    ) -> Result<(), Failure> {
        self.take_steps(file, target)
            .or_else(|failure| self.publish_copy(file, target, failure))
    }

    fn take_steps(&self, file: &mut LinkableFile, target: &Target<'_>) -> Result<(), Failure> {
        file.check()?;
        // Before anything is flushed or named: it can fail.
        let directory = self.open_directory(file, target)?;
        // What is synced later shall be the directory that holds the name, wherever it has moved.
        let target = target.within_open(directory.as_ref());
        self.prepare_for_sync(file, &target)?;
        self.sync_contents(file)?;
        self.name(file, &target)?;
        self.durability
            .sync_name(&file.file, directory.as_ref())
            .map_err(Failure::NotDurable)
    }

    /// Opens what the last step needs.
    pub(crate) fn open_directory(
        &self,
        file: &LinkableFile,
        target: &Target<'_>,
    ) -> Result<Option<File>, Failure> {
        let opened = self.durability.open_directory(target);
        opened.map_err(|error| Failure::naming(error, file, target))
    }

    /// Sees to it that the next step is worth something.
    pub(crate) fn prepare_for_sync(
        &self,
        file: &mut LinkableFile,
        target: &Target<'_>,
    ) -> Result<(), Failure> {
        if self.durability == Durability::None {
            return Ok(());
        }
        let prepared = file.backend.prepare_for_sync(&file.file, target);
        prepared.map_err(|error| Failure::naming(error, file, target))
    }

    pub(crate) fn sync_contents(&self, file: &mut LinkableFile) -> Result<(), Failure> {
        self.durability.sync_contents(&file.file).map_err(|error| {
            file.spoilt = Some(Errno::from_io_error(&error).unwrap_or(Errno::IO));
            Failure::sync(error)
        })
    }

    pub(crate) fn name(&self, file: &mut LinkableFile, target: &Target<'_>) -> Result<(), Failure> {
        let named = if self.replace {
            file.backend.replace(&file.file, target)
        } else {
            file.backend.publish(&file.file, target)
        };
        named.map_err(|error| Failure::naming(error, file, target))
    }

    /// The kind of a failure about which a copy helps, if one is allowed.
    fn helped_by_copy(&self, file: &LinkableFile, failure: &Failure) -> Option<PublishErrorKind> {
        match failure {
            Failure::NotPublished(kind, _) if self.allow_copy => Some(*kind),
            _ => None,
        }
        .filter(|kind| copy::helps(*kind, file))
    }

    /// The failure, unless a copy is allowed and helps.
    pub(crate) fn unless_copied(
        &self,
        file: &LinkableFile,
        failure: Failure,
    ) -> Result<(), Failure> {
        match self.helped_by_copy(file, &failure) {
            Some(_) => Ok(()),
            None => Err(failure),
        }
    }

    /// What is to be done about a failure, if a copy is allowed and helps; the failure, if not.
    pub(crate) fn publish_copy(
        &self,
        file: &mut LinkableFile,
        target: &Target<'_>,
        failure: Failure,
    ) -> Result<(), Failure> {
        let kind = match self.helped_by_copy(file, &failure) {
            Some(kind) => kind,
            None => return Err(failure),
        };
        let mut copy = match copy::beside(&file.file, target) {
            Ok(copy) => copy,
            // What forbids the link may forbid this, too.
            Err(error)
                if kind == PublishErrorKind::LinkForbidden
                    && error.kind() == io::ErrorKind::PermissionDenied =>
            {
                return Err(failure)
            }
            Err(error) => return Err(Failure::NotPublished(PublishErrorKind::Other, error)),
        };
        match self.take_steps(&mut copy, target) {
            // It is the copy that is spoilt.
            Err(Failure::NotPublished(PublishErrorKind::SyncFailed, error)) => {
                Err(Failure::NotPublished(PublishErrorKind::Other, error))
            }
            Err(Failure::NotPublished(kind, error)) => Err(Failure::NotPublished(kind, error)),
            published => {
                *file = copy;
                published
            }
        }
    }
}

/// Takes a step with the path as the kernel wants it.
pub(crate) fn with_target<T>(
    path: &Path,
    step: impl FnOnce(&Target<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let step = |path: &_| Ok(step(&Target::new(path)));
    path.into_with_c_str(step).unwrap_or_else(|_| {
        let text = "a file name cannot have a NUL byte in it";
        let source = io::Error::new(io::ErrorKind::InvalidInput, text);
        Err(Failure::NotPublished(PublishErrorKind::Other, source))
    })
}

/// A [`PublishError`] in the making: the file is not in it yet.
pub(crate) enum Failure {
    NotPublished(PublishErrorKind, io::Error),
    NotDurable(io::Error),
}

impl Failure {
    pub(crate) fn sync(error: io::Error) -> Self {
        Self::NotPublished(PublishErrorKind::SyncFailed, error)
    }

    pub(crate) fn cancelled() -> Self {
        Self::NotPublished(PublishErrorKind::Cancelled, Errno::CANCELED.into())
    }

    fn naming(error: io::Error, file: &LinkableFile, target: &Target<'_>) -> Self {
        let kind = PublishErrorKind::of(&error, &file.file, &file.backend, target);
        Self::NotPublished(kind, error)
    }

    pub(crate) fn into_error(self, mut file: LinkableFile, path: PathBuf) -> PublishError {
        match self {
            Self::NotPublished(kind, source) => {
                file.refusal = kind;
                PublishError::NotPublished { file, path, source }
            }
            Self::NotDurable(source) => {
                let file = file.into();
                PublishError::NotDurable { file, path, source }
            }
        }
    }
}
