//! The steps of a publish, and the one place that knows their order.
//!
//! A single file, a chunk of a batch and a copy all take them in [`publish`].

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::path::Arg;

use super::copy;
use super::diagnosis;
use super::sync::{self, Durability};
use crate::error::PublishError;
use crate::error_kind::PublishErrorKind;
use crate::linkable_file::LinkableFile;
use crate::sys::SyncRules;
use crate::target::Target;

/// What the steps are to do.
#[derive(Clone, Copy, Default)]
pub(super) struct Plan {
    pub(super) replace: bool,
    pub(super) durability: Durability,
    pub(super) allow_copy: bool,
}

/// Files that take the steps together.
///
/// A single file stops at a failed step. A chunk of a batch goes on with the other files.
pub(super) trait Files {
    /// A failure after which no step follows.
    type Failure;
    /// Refuses files that are spoilt.
    fn check(&mut self) -> Result<(), Self::Failure>;
    /// Opens the directories of the targets.
    fn open_directories(&mut self) -> Result<(), Self::Failure>;
    /// Gives files a temporary name where the sync of an unnamed file would be lost.
    fn name_before_sync(&mut self) -> Result<(), Self::Failure>;
    /// Syncs the contents.
    fn sync_contents(&mut self) -> Result<(), Self::Failure>;
    /// Gives the files their paths.
    fn name(&mut self) -> Result<(), Self::Failure>;
    /// Syncs the directory entries.
    fn sync_names(&mut self) -> Result<(), Self::Failure>;
}

/// Publishes the files, in the one order that keeps what the plan's durability promises.
pub(super) fn publish<F: Files>(plan: Plan, files: &mut F) -> Result<(), F::Failure> {
    let contents_last = plan.durability != Durability::None;
    let names_last = plan.durability == Durability::Full;
    files.check()?;
    if names_last {
        // Before anything is synced or named, because it can fail. Once files are named, only a
        // sync can fail.
        files.open_directories()?;
    }
    if contents_last {
        files.name_before_sync()?;
        files.sync_contents()?;
    }
    files.name()?;
    if names_last {
        files.sync_names()?;
    }
    Ok(())
}

/// Publishes one file. If that fails and the plan allows it, publishes a copy, which then takes the
/// place of `file`.
pub(super) fn publish_one(plan: Plan, file: &mut LinkableFile, path: &Path) -> Result<(), Failure> {
    with_target(path, |target| {
        plan.publish_itself(file, target)
            .or_else(|failure| plan.publish_copy(file, target, failure))
    })
}

/// One file on its way to its name.
struct One<'a> {
    plan: Plan,
    file: &'a mut LinkableFile,
    target: &'a Target<'a>,
    directory: Option<File>,
}

impl Files for One<'_> {
    type Failure = Failure;

    fn check(&mut self) -> Result<(), Failure> {
        check(self.file)
    }

    fn open_directories(&mut self) -> Result<(), Failure> {
        self.directory = open_directory(self.file, self.target)?;
        Ok(())
    }

    fn name_before_sync(&mut self) -> Result<(), Failure> {
        name_before_sync(self.file, &self.target.within(self.directory.as_ref()))
    }

    fn sync_contents(&mut self) -> Result<(), Failure> {
        sync_contents(self.file)
    }

    fn name(&mut self) -> Result<(), Failure> {
        // Name the file in the very directory that is synced later, even if that was moved.
        let target = self.target.within(self.directory.as_ref());
        self.plan.name(self.file, &target)
    }

    fn sync_names(&mut self) -> Result<(), Failure> {
        let synced = sync::sync_name(self.file.as_file(), self.directory.as_ref());
        synced.map_err(|errno| Failure::NotDurable(errno.into()))
    }
}

impl Plan {
    pub(super) const fn new() -> Self {
        Self {
            replace: false,
            durability: Durability::Contents,
            allow_copy: false,
        }
    }

    /// Whether a publish opens the directory of the target.
    pub(super) fn opens_directories(self) -> bool {
        self.durability == Durability::Full
    }

    fn publish_itself(self, file: &mut LinkableFile, target: &Target<'_>) -> Result<(), Failure> {
        let mut one = One {
            plan: self,
            file,
            target,
            directory: None,
        };
        publish(self, &mut one)
    }

    pub(super) fn name(self, file: &mut LinkableFile, target: &Target<'_>) -> Result<(), Failure> {
        let named = if self.replace {
            file.take_over_name(target)
        } else {
            file.take_name(target)
        };
        named.map_err(|error| Failure::naming(error, file, target))
    }

    /// Whether a copy is allowed, and can be published where the file itself cannot.
    pub(super) fn copy_helps(self, file: &LinkableFile, failure: &Failure) -> bool {
        let kind = match failure {
            Failure::NotPublished(kind, _) if self.allow_copy => *kind,
            _ => return false,
        };
        match kind {
            PublishErrorKind::CrossesDevices
            | PublishErrorKind::NeverLinkable
            | PublishErrorKind::ProcUnavailable => true,
            // A file with a temporary name was refused a rename, which a copy needs, too.
            PublishErrorKind::LinkForbidden => file.is_anonymous(),
            _ => false,
        }
    }

    /// Publishes a copy instead of the file, if that helps against the failure.
    pub(super) fn publish_copy(
        self,
        file: &mut LinkableFile,
        target: &Target<'_>,
        failure: Failure,
    ) -> Result<(), Failure> {
        if !self.copy_helps(file, &failure) {
            return Err(failure);
        }
        let mut copy = match (copy::beside(file.as_file(), target), failure) {
            (Ok((copy, backend)), _) => LinkableFile::new(copy, backend),
            // What forbids the link may also forbid the copy. Report the link.
            (Err(error), failure @ Failure::NotPublished(PublishErrorKind::LinkForbidden, _))
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                return Err(failure)
            }
            (Err(error), _) => return Err(Failure::NotPublished(PublishErrorKind::Other, error)),
        };
        match self.publish_itself(&mut copy, target) {
            // The copy is spoilt, not the file.
            Err(Failure::NotPublished(PublishErrorKind::SyncFailed, error)) => {
                Err(Failure::NotPublished(PublishErrorKind::Other, error))
            }
            Err(failure @ Failure::NotPublished(..)) => Err(failure),
            published => {
                *file = copy;
                published
            }
        }
    }
}

/// Fails if the file is spoilt.
pub(super) fn check(file: &LinkableFile) -> Result<(), Failure> {
    match file.spoilt() {
        Some(errno) => Err(Failure::sync(errno.into())),
        None => Ok(()),
    }
}

/// Opens the directory of the target; `None` without permission to read it.
pub(super) fn open_directory(
    file: &LinkableFile,
    target: &Target<'_>,
) -> Result<Option<File>, Failure> {
    let opened = sync::open_directory(target);
    opened.map_err(|errno| Failure::naming(errno.into(), file, target))
}

pub(super) fn name_before_sync(
    file: &mut LinkableFile,
    target: &Target<'_>,
) -> Result<(), Failure> {
    if !file.is_anonymous() || !SyncRules::of(file.as_file()).forgets_unnamed {
        return Ok(());
    }
    let named = file.name_before_sync(target);
    named.map_err(|error| Failure::naming(error, file, target))
}

pub(super) fn sync_contents(file: &mut LinkableFile) -> Result<(), Failure> {
    file.sync_contents().map_err(Failure::sync)
}

/// Calls `step` with the path as a C string.
pub(super) fn with_target<T>(
    path: &Path,
    step: impl FnOnce(&Target<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let step = |path: &_| Ok(step(&Target::new(path)));
    path.into_with_c_str(step).unwrap_or_else(|_| {
        let text = "the path contains a NUL byte, which no file name can";
        let source = io::Error::new(io::ErrorKind::InvalidInput, text);
        Err(Failure::NotPublished(PublishErrorKind::Other, source))
    })
}

/// A [`PublishError`] without the file.
pub(super) enum Failure {
    NotPublished(PublishErrorKind, io::Error),
    NotDurable(io::Error),
}

impl Failure {
    fn sync(error: io::Error) -> Self {
        Self::NotPublished(PublishErrorKind::SyncFailed, error)
    }

    pub(super) fn cancelled() -> Self {
        Self::NotPublished(PublishErrorKind::Cancelled, Errno::CANCELED.into())
    }

    fn naming(error: io::Error, file: &LinkableFile, target: &Target<'_>) -> Self {
        Self::NotPublished(diagnosis::kind_of(&error, file, target), error)
    }

    pub(super) fn into_error(self, mut file: LinkableFile, path: PathBuf) -> PublishError {
        match self {
            Self::NotPublished(kind, source) => {
                file.set_last_failure(kind);
                PublishError::NotPublished { file, path, source }
            }
            Self::NotDurable(source) => {
                let file = file.into();
                PublishError::NotDurable { file, path, source }
            }
        }
    }
}
