//! The steps of a publish, and the one place that knows their order.
//!
//! A single file, a chunk of a batch and a copy all take them in [`publish`].

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::copy;
use super::diagnosis;
use super::sync::{self, ContentSync, Durability, FileSystems, Look, SyncMethod};
use crate::error::PublishError;
use crate::error_kind::{PublishErrorKind, Reason};
use crate::io_error;
use crate::linkable_file::LinkableFile;
use crate::metadata::{self, Preserve, Unkept};
use crate::sys::{self, Dir, Errno, FileType, OpenDirectory, Status, SyncRules, CURRENT};
use crate::target::{Symlinks, Target};

/// The options of a publish.
#[derive(Clone, Copy, Default)]
// Each is an option of its own.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Plan {
    pub(super) replace: bool,
    pub(super) durability: Durability,
    pub(super) sync_method: SyncMethod,
    pub(super) symlinks: Symlinks,
    pub(super) preserve: Preserve,
    pub(super) any_file_type: bool,
    pub(super) by_rename: bool,
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
    /// Gives files what is to be preserved of those that they replace.
    fn preserve(&mut self) -> Result<(), Self::Failure>;
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
    // Before the contents are synced, which covers it, and before the file can be seen.
    files.preserve()?;
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

/// Publishes one file at a path that is relative to `base`. If that fails and the plan allows it,
/// publishes a copy, which then takes the place of `file`.
pub(super) fn publish_one(
    plan: Plan,
    file: &mut LinkableFile,
    base: Dir<'_>,
    path: &Path,
) -> Result<(), Failure> {
    with_final_target(plan, base, path, |target, seen| {
        let published = if plan.must_copy(file, target) {
            plan.check(file, target)
                .and_then(|()| Err(Failure::crosses_devices(plan, file, target)))
        } else {
            plan.publish_itself(file, target, seen)
        };
        published.or_else(|failure| plan.publish_copy(file, target, failure))
    })
}

/// Where a new file belongs that is to be published at a path.
pub(crate) struct Destination {
    /// The directory in which to open it.
    pub(crate) directory: PathBuf,
    /// Whether it may take over the permissions of an existing file.
    pub(crate) takes_permissions: bool,
}

impl Destination {
    /// Fails if the plan does not allow what is there.
    pub(super) fn find(plan: Plan, path: &Path) -> Result<Self, Failure> {
        with_final_target(plan, CURRENT, path, |target, mut seen| {
            plan.check_path(target)?;
            let mut may_be_there = false;
            if plan.replace {
                // If the look fails, so will the next one, which shows why.
                let failed = seen.look(target).is_err();
                plan.check_seen(seen)?;
                may_be_there = failed || seen.regular_file().is_some();
            }
            Ok(Self {
                directory: target.parent().to_owned(),
                takes_permissions: may_be_there && plan.preserve.contains(Preserve::MODE),
            })
        })
    }
}

/// What was seen at a target.
#[derive(Clone, Copy, Default)]
pub(super) enum Seen {
    #[default]
    NotYet,
    Nothing,
    There(Status),
}

impl Seen {
    /// Looks at the target, unless that was done.
    fn look(&mut self, target: &Target<'_>) -> sys::Result<()> {
        if let Self::NotYet = self {
            *self = target.look()?.into();
        }
        Ok(())
    }

    fn there(self) -> Option<Status> {
        match self {
            Self::There(there) => Some(there),
            Self::NotYet | Self::Nothing => None,
        }
    }

    fn regular_file(self) -> Option<Status> {
        let is_regular = |there: &Status| there.file_type() == FileType::RegularFile;
        self.there().filter(is_regular)
    }
}

impl From<Option<Status>> for Seen {
    fn from(there: Option<Status>) -> Self {
        there.map_or(Self::Nothing, Self::There)
    }
}

/// A single file that takes the steps.
struct One<'a> {
    plan: Plan,
    file: &'a mut LinkableFile,
    target: &'a Target<'a>,
    seen: Seen,
    /// What the file system guarantees; `None` if nothing depends on it.
    rules: Option<SyncRules>,
    directory: Option<OpenDirectory>,
    /// The directory of the temporary name, if it is another one.
    left: Option<OpenDirectory>,
    synced: FileSystems,
}

impl Files for One<'_> {
    type Failure = Failure;

    fn check(&mut self) -> Result<(), Failure> {
        self.plan.check(self.file, self.target)
    }

    fn open_directories(&mut self) -> Result<(), Failure> {
        self.directory = self.plan.open_directory(self.file, self.target)?;
        let directory = self.directory.as_ref();
        self.left = self
            .plan
            .open_left_directory(self.file, self.target, directory)?;
        Ok(())
    }

    fn preserve(&mut self) -> Result<(), Failure> {
        self.plan.preserve(self.file, self.target, &mut self.seen)
    }

    fn name_before_sync(&mut self) -> Result<(), Failure> {
        let target = self.target.within(self.directory.as_ref());
        self.plan.name_before_sync(self.rules, self.file, &target)
    }

    fn sync_contents(&mut self) -> Result<(), Failure> {
        let how = match self.rules {
            Some(rules) => self.plan.sync_method.contents(rules, 1),
            None => ContentSync::Fsync,
        };
        if how == ContentSync::Syncfs {
            let look = Look::at(self.file);
            let files = &mut [(&mut *self.file, look)];
            let contents = self.synced.sync_contents(files, self.plan.sync_method);
            return match contents.first().map(|contents| contents.sync) {
                Some(ContentSync::Syncfs) => Ok(()),
                _ => sync_contents(self.file, ContentSync::Fsync, |_, _| {}),
            };
        }
        sync_contents(self.file, how, |_, _| {})
    }

    fn name(&mut self) -> Result<(), Failure> {
        // Name the file in the very directory that is synced later, even if it was moved.
        let target = self.target.within(self.directory.as_ref());
        self.plan.name(self.file, &target, &mut self.seen)
    }

    fn sync_names(&mut self) -> Result<(), Failure> {
        let file = self.file.inner();
        let directory = self.directory.as_ref().map(sys::as_file);
        let mut synced = self.synced.sync_name(file, directory);
        if let Some(left) = &self.left {
            synced = synced.and_then(|()| self.synced.sync(sys::as_file(left)));
        }
        let shows_shutdown = |rules: SyncRules| rules.statx_shows_shutdown;
        if self.rules.map_or(true, shows_shutdown) {
            synced = synced.and_then(|()| sync::check_shutdown(directory.unwrap_or(file)));
        }
        synced.map_err(|errno| Failure::NotDurable(errno.into()))
    }
}

impl Plan {
    pub(super) const fn new() -> Self {
        Self {
            replace: false,
            durability: Durability::Contents,
            sync_method: SyncMethod::Automatic,
            symlinks: Symlinks::Replace,
            preserve: Preserve::NONE,
            any_file_type: false,
            by_rename: false,
            allow_copy: false,
        }
    }

    /// Whether a publish opens the directory of the target.
    pub(super) fn opens_directories(self) -> bool {
        self.durability == Durability::Full
    }

    fn publish_itself(
        self,
        file: &mut LinkableFile,
        target: &Target<'_>,
        seen: Seen,
    ) -> Result<(), Failure> {
        let mut one = One {
            plan: self,
            rules: self.rules(file),
            file,
            target,
            seen,
            directory: None,
            left: None,
            synced: FileSystems::default(),
        };
        publish(self, &mut one)
    }

    /// Fails if the file is spoilt, or if the path can only lead to a directory.
    pub(super) fn check(self, file: &LinkableFile, target: &Target<'_>) -> Result<(), Failure> {
        if let Some(errno) = file.spoilt() {
            return Err(Failure::sync(errno.into()));
        }
        self.check_path(target)
    }

    fn check_path(self, target: &Target<'_>) -> Result<(), Failure> {
        if target.must_be_directory() {
            // Later steps would create a temporary name in a directory that nobody meant.
            let errno = target.refusal_of_directory(self.replace);
            return Err(Failure::of_path(errno, target));
        }
        if let Some((name, errno)) = target.special_name() {
            let reason = diagnosis::reason_of_special_name(name);
            return Err(Failure::NotPublished(reason, errno.into()));
        }
        Ok(())
    }

    /// The path to which symlinks lead, if there is one at the target and the plan follows it.
    pub(super) fn follow(
        self,
        target: &Target<'_>,
        seen: &mut Seen,
    ) -> Result<Option<PathBuf>, Failure> {
        if self.symlinks == Symlinks::Replace {
            return Ok(None);
        }
        // If the look fails, a later step fails, too, and shows why.
        let looked = seen.look(target);
        let file_type = seen.there().map(|there| there.file_type());
        if looked.is_err() || file_type != Some(FileType::Symlink) {
            return Ok(None);
        }
        let followed = match self.symlinks {
            Symlinks::Refuse => Err(Errno::LOOP),
            _ => target.follow(),
        };
        let (path, there) = followed.map_err(|errno| Failure::following(errno, target))?;
        *seen = there.into();
        Ok(Some(sys::path_from_raw(path)))
    }

    /// Refuses what a file may not replace.
    fn check_seen(self, seen: Seen) -> Result<(), Failure> {
        let (kind, errno) = match seen.there().map(|there| there.file_type()) {
            Some(FileType::Directory) => (PublishErrorKind::IsADirectory, Errno::ISDIR),
            Some(FileType::Symlink) if self.symlinks == Symlinks::Refuse => {
                (PublishErrorKind::IsASymlink, Errno::LOOP)
            }
            None | Some(FileType::RegularFile | FileType::Symlink | FileType::Unknown) => {
                return Ok(())
            }
            Some(_) if self.any_file_type => return Ok(()),
            Some(_) => (PublishErrorKind::NotARegularFile, Errno::INVAL),
        };
        Err(Failure::NotPublished(kind.into(), errno.into()))
    }

    /// Gives the file what is to be preserved of the one that it replaces.
    pub(super) fn preserve(
        self,
        file: &LinkableFile,
        target: &Target<'_>,
        seen: &mut Seen,
    ) -> Result<(), Failure> {
        if !self.replace || self.preserve.is_empty() {
            return Ok(());
        }
        // Something may be there, so nothing is replaced unseen.
        seen.look(target)
            .map_err(|errno| Failure::naming(errno.into(), self, file, target))?;
        self.check_seen(*seen)?;
        match seen.regular_file() {
            Some(there) => metadata::preserve(target, &there, file.inner(), self.preserve)
                .map_err(Failure::preserving),
            None => Ok(()),
        }
    }

    /// Opens the directory of the target; `None` without permission to read it.
    pub(super) fn open_directory(
        self,
        file: &LinkableFile,
        target: &Target<'_>,
    ) -> Result<Option<OpenDirectory>, Failure> {
        let opened = target.open_parent_to_sync();
        opened.map_err(|errno| Failure::naming(errno.into(), self, file, target))
    }

    /// Opens the directory that the file leaves, if it has a temporary name elsewhere than in
    /// `directory`; `None` also without permission to read it.
    pub(super) fn open_left_directory(
        self,
        file: &LinkableFile,
        target: &Target<'_>,
        directory: Option<&OpenDirectory>,
    ) -> Result<Option<OpenDirectory>, Failure> {
        let opened = sync::open_left_directory(file, directory);
        opened.map_err(|errno| Failure::naming(errno.into(), self, file, target))
    }

    /// What the file system of the file guarantees; `None` if the plan does not depend on it.
    pub(super) fn rules(self, file: &LinkableFile) -> Option<SyncRules> {
        let matters = file.is_anonymous() || self.sync_method.depends_on_rules();
        (self.durability != Durability::None && matters).then(|| SyncRules::of(file.inner()))
    }

    /// Gives the file a temporary name if a sync of an unnamed file would be lost.
    pub(super) fn name_before_sync(
        self,
        rules: Option<SyncRules>,
        file: &mut LinkableFile,
        target: &Target<'_>,
    ) -> Result<(), Failure> {
        let forgets_unnamed = match rules {
            Some(rules) if file.is_anonymous() => rules.forgets_unnamed,
            _ => Some(false),
        };
        // If this is unknown, take the safe order. Not in an append-only directory, which would
        // keep the temporary name for ever.
        if !forgets_unnamed.unwrap_or_else(|| !target.is_append_only()) {
            return Ok(());
        }
        let named = with_room(target, |target| file.take_temporary_name(target));
        named.map_err(|error| Failure::naming(error, self, file, target))
    }

    pub(super) fn name(
        self,
        file: &mut LinkableFile,
        target: &Target<'_>,
        seen: &mut Seen,
    ) -> Result<(), Failure> {
        let mut by_rename = self.by_rename;
        loop {
            if self.replace && sys::RENAME_NEEDS_A_LOOK {
                // If the look fails, so does the link or the rename, and shows why.
                let _ = seen.look(target);
                self.check_seen(*seen)?;
            }
            let there = seen.there();
            let named = with_room(target, |target| {
                if by_rename {
                    file.take_temporary_name(target)?;
                }
                if self.replace {
                    file.take_over_name(target, there.map(|there| there.id))
                } else {
                    file.take_name(target)
                }
            });
            match named {
                // A file has appeared there in between, and is now the one to be replaced. A rename
                // does not fail in this way.
                Err(error)
                    if self.replace
                        && !by_rename
                        && there.is_none()
                        && Errno::from_io_error(&error) == Some(Errno::EXIST) =>
                {
                    (*seen, by_rename) = (Seen::NotYet, true);
                    self.preserve(file, target, seen)?;
                }
                named => {
                    return named.map_err(|error| Failure::naming(error, self, file, target));
                }
            }
        }
    }

    /// Whether only a copy can be published, and the plan allows one. The file itself then needs no
    /// sync.
    pub(super) fn must_copy(self, file: &LinkableFile, target: &Target<'_>) -> bool {
        self.allow_copy && target.is_on_another_device(file.inner())
    }

    /// Whether the plan allows a copy, and a copy can be published where the file cannot.
    pub(super) fn copy_helps(self, file: &LinkableFile, failure: &Failure) -> bool {
        let reason = match failure {
            Failure::NotPublished(reason, _) if self.allow_copy => reason,
            _ => return false,
        };
        match reason.kind {
            PublishErrorKind::CrossesDevices
            | PublishErrorKind::NeverLinkable
            | PublishErrorKind::ProcUnavailable => true,
            // If the file has a temporary name, its rename was refused. A copy needs a rename, too.
            PublishErrorKind::LinkForbidden => file.is_anonymous(),
            _ => false,
        }
    }

    /// Publishes a copy in place of the file, if that helps against the failure.
    pub(super) fn publish_copy(
        self,
        file: &mut LinkableFile,
        target: &Target<'_>,
        failure: Failure,
    ) -> Result<(), Failure> {
        if !self.copy_helps(file, &failure) {
            return Err(failure);
        }
        let mut copy = match copy::beside(file, target) {
            Ok((copy, backend)) => LinkableFile::new(copy, backend),
            // Report the first failure: the file was not readable before, either.
            Err(copy::Error::Source) => return Err(failure),
            // Whatever forbids the link may also forbid the copy.
            Err(copy::Error::Copy(error))
                if failure.is(PublishErrorKind::LinkForbidden)
                    && error.kind() == io::ErrorKind::PermissionDenied =>
            {
                return Err(failure)
            }
            Err(copy::Error::Copy(error)) => return Err(Failure::copying(error, target)),
        };
        match self.publish_itself(&mut copy, target, Seen::NotYet) {
            // The copy is spoilt, not the file.
            Err(Failure::NotPublished(reason, error))
                if reason.kind == PublishErrorKind::SyncFailed =>
            {
                Err(Failure::NotPublished(PublishErrorKind::Other.into(), error))
            }
            Err(failure @ Failure::NotPublished(..)) => Err(failure),
            published => {
                *file = copy;
                published
            }
        }
    }
}

/// Calls `name` with the target. If the path of a temporary name beside it is too long, calls it
/// again with the directory of the target held open.
fn with_room(
    target: &Target<'_>,
    mut name: impl FnMut(&Target<'_>) -> io::Result<()>,
) -> io::Result<()> {
    match name(target) {
        Err(error)
            if target.held().is_none()
                && Errno::from_io_error(&error) == Some(Errno::NAMETOOLONG) =>
        {
            match target.hold_parent() {
                Ok(directory) => name(&target.within(Some(&directory))),
                Err(_) => Err(error),
            }
        }
        named => named,
    }
}

/// Syncs the contents of a file by itself.
pub(super) fn sync_contents(
    file: &mut LinkableFile,
    how: ContentSync,
    on_error: impl FnOnce(&File, Errno),
) -> Result<(), Failure> {
    let synced = match how {
        ContentSync::Fsync => file.sync_contents(),
        ContentSync::WriteOut => file.write_out(),
        ContentSync::Syncfs => Ok(()),
    };
    synced.map_err(|errno| {
        on_error(file.inner(), errno);
        Failure::sync(errno.into())
    })
}

/// Calls `step` with the target to which the symlinks at a path lead, if the plan follows them.
fn with_final_target<T>(
    plan: Plan,
    base: Dir<'_>,
    path: &Path,
    step: impl FnOnce(&Target<'_>, Seen) -> Result<T, Failure>,
) -> Result<T, Failure> {
    with_target(base, path, |target| {
        let mut seen = Seen::NotYet;
        match plan.follow(target, &mut seen)? {
            Some(path) => with_target(base, &path, |target| step(target, seen)),
            None => step(target, seen),
        }
    })
}

/// Calls `step` with the path as a C string.
pub(super) fn with_target<T>(
    base: Dir<'_>,
    path: &Path,
    step: impl FnOnce(&Target<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let step = |path: &_| step(&Target::new(base, path));
    sys::with_raw_path(path, step).unwrap_or_else(|| {
        let text = "a path cannot contain a NUL byte";
        let source = io::Error::new(io::ErrorKind::InvalidInput, text);
        Err(Failure::NotPublished(
            PublishErrorKind::Other.into(),
            source,
        ))
    })
}

/// A [`PublishError`] without the file.
pub(super) enum Failure {
    NotPublished(Reason, io::Error),
    NotDurable(io::Error),
}

impl Failure {
    fn sync(error: io::Error) -> Self {
        Self::NotPublished(PublishErrorKind::SyncFailed.into(), error)
    }

    pub(super) fn cancelled() -> Self {
        Self::NotPublished(PublishErrorKind::Cancelled.into(), Errno::CANCELED.into())
    }

    /// The path cannot be a file's.
    fn of_path(errno: Errno, target: &Target<'_>) -> Self {
        let reason = diagnosis::reason_of_path(errno, target);
        Self::NotPublished(reason, errno.into())
    }

    fn following(errno: Errno, target: &Target<'_>) -> Self {
        let reason = diagnosis::reason_of_symlink(errno, target);
        Self::NotPublished(reason, errno.into())
    }

    fn preserving(unkept: Unkept) -> Self {
        let reason = diagnosis::reason_of_unkept(unkept.what);
        Self::NotPublished(reason, unkept.error)
    }

    fn naming(error: io::Error, plan: Plan, file: &LinkableFile, target: &Target<'_>) -> Self {
        let reason = diagnosis::reason_of(&error, plan.replace, file, target);
        Self::NotPublished(reason, error)
    }

    /// The failure of a link to another device.
    pub(super) fn crosses_devices(plan: Plan, file: &LinkableFile, target: &Target<'_>) -> Self {
        Self::naming(Errno::XDEV.into(), plan, file, target)
    }

    fn is(&self, kind: PublishErrorKind) -> bool {
        matches!(self, Self::NotPublished(reason, _) if reason.kind == kind)
    }

    fn copying(error: io::Error, target: &Target<'_>) -> Self {
        Self::NotPublished(diagnosis::reason_of_copy(&error, target), error)
    }

    /// The error of a job that had no file yet.
    pub(super) fn into_io_error(self, path: &Path) -> io::Error {
        match self {
            Self::NotPublished(reason, source) => {
                io_error::at(source, "cannot publish", path, reason.advice)
            }
            Self::NotDurable(source) => source,
        }
    }

    pub(super) fn into_error(self, mut file: LinkableFile, path: PathBuf) -> PublishError {
        match self {
            Self::NotPublished(reason, source) => {
                file.set_last_failure(reason);
                PublishError::NotPublished { file, path, source }
            }
            Self::NotDurable(source) => {
                let file = file.into();
                PublishError::NotDurable { file, path, source }
            }
        }
    }
}
