//! The file that has a temporary name until it is published.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::path::{Path, PathBuf};
use std::process;

use camino::Utf8Path;

use super::temporary_name::with_free_name;
use crate::custom_flags::CustomFlags;
use crate::sys::{
    self, retry, AsDir, Dir, Errno, FileId, HeldDirectory, OpenDirectory, OpenOptionsExt, CURRENT,
    NOFOLLOW,
};
use crate::target::{self, Target};

/// How often the path may lead to another directory while a file is created there.
const DIRECTORY_ATTEMPTS: u32 = 8;

/// A temporary name, removed on drop if it still is the file's.
#[derive(Debug)]
pub(crate) struct Named {
    place: Place,
    id: FileId,
    /// The process that created the name. A process that it forks must not remove it.
    owner: u32,
}

/// Where a temporary name is.
#[derive(Debug, Default)]
struct Place {
    /// What `path` is relative to, the current directory if `None`. Held open, so that neither
    /// chdir(2) nor a renamed directory leads the clean-up astray.
    directory: Option<HeldDirectory>,
    path: PathBuf,
}

impl Named {
    /// Creates a file in `directory`, with the caller's own options.
    pub(super) fn create(
        options: &OpenOptions,
        flags: CustomFlags,
        directory: &Path,
    ) -> io::Result<(File, Self)> {
        let mut options = options.clone();
        options
            .write(true)
            .create_new(true)
            .custom_flags(flags.for_named());
        with_free_name(|name| Self::try_create(&options, flags, directory, &name))
    }

    fn try_create(
        options: &OpenOptions,
        flags: CustomFlags,
        directory: &Path,
        name: &Utf8Path,
    ) -> io::Result<(File, Self)> {
        let follow = !flags.refuse_symlink();
        let held = sys::hold(directory, follow)?;
        // std has no openat, and only std knows all of the caller's options.
        let opened = match options.open(directory.join(name)) {
            // The path of the directory is too long to append the name. That of its descriptor is
            // not.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NAMETOOLONG) => options
                .open(sys::path_of(held.as_dir()).join(name))
                .map_err(|_| error),
            opened => opened,
        };
        let (file, id) = created(opened, held.as_dir(), name)?;
        let named = Self::confirm_in_directory(id, held, follow, directory, name)?;
        Ok((file, named))
    }

    /// Creates a file for reading and writing in `directory`, which is held open.
    pub(super) fn create_at(directory: Dir<'_>) -> io::Result<(File, Self)> {
        let held = sys::hold_at(directory, Path::new("."))?;
        let (file, id, path) = with_free_name(|name| {
            let opened = sys::create_at(held.as_dir(), &name);
            let (file, id) = created(opened, held.as_dir(), &name)?;
            Ok((file, id, name.into()))
        })?;
        let place = Place {
            directory: Some(held),
            path,
        };
        Ok((file, Self::new(place, id)))
    }

    /// Finds the directory in which the file was just created as `name`: `held`, or the one that
    /// has its path now.
    fn confirm_in_directory(
        id: FileId,
        mut held: HeldDirectory,
        follow: bool,
        directory: &Path,
        name: &Utf8Path,
    ) -> io::Result<Self> {
        // If that fails, drop removes the name by the path that it was created with.
        let by_path = Place {
            directory: None,
            path: directory.join(name),
        };
        let mut named = Self::new(by_path, id);
        for _ in 0..DIRECTORY_ATTEMPTS {
            let place = Place {
                directory: Some(held),
                path: name.into(),
            };
            if place.may_be(id)? {
                named.place = place;
                return Ok(named);
            }
            held = sys::hold(directory, follow)?;
        }
        Err(Errno::NOENT.into())
    }

    fn new(place: Place, id: FileId) -> Self {
        let owner = process::id();
        Self { place, id, owner }
    }

    /// Takes over `name`, which was just linked beside the target, if it still is the file's.
    pub(super) fn adopt_link(
        id: FileId,
        target: &Target<'_>,
        name: &Utf8Path,
    ) -> sys::Result<Self> {
        let place = Place::beside(target, name);
        match place.id() {
            Ok(there) if there != Some(id) => Err(Errno::NOENT),
            // If the name cannot be looked at, assume that it is ours: the file's last name must
            // not be lost. Drop looks again.
            _ => Ok(Self::new(place, id)),
        }
    }

    /// The same for a file that cannot be identified: assumes that the name is ours.
    pub(super) fn adopt_unknown_link(target: &Target<'_>, name: &Utf8Path) -> Option<Self> {
        let place = Place::beside(target, name);
        let id = place.id().ok()??;
        Some(Self::new(place, id))
    }

    /// Gives the file the path `target`, if nothing exists there.
    pub(super) fn publish(self, target: &Target<'_>) -> Result<(), (Self, io::Error)> {
        let (from, path, to) = (self.place.base(), &self.place.path, target.directory());
        let renamed = retry(|| sys::rename_noreplace(from, path, to, target.relative()));
        // EINVAL: the file system knows no flags (FUSE, NFS, 9p, ZFS before 2.2).
        // ENOSYS: Linux before 3.15, sandboxes, other systems.
        let unsupported = match renamed {
            Err(errno @ (Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => errno,
            renamed => return self.after_rename(renamed, target),
        };
        match sys::link(from, path.as_path(), to, target.relative()) {
            Ok(()) => self.after_link(target),
            // No file may be created there, so hard links are not what is missing.
            Err(errno @ (Errno::PERM | Errno::ACCESS)) if !target.is_writable() => {
                Err((self, errno.into()))
            }
            // No hard links either. Report the error of the rename.
            Err(errno) if sys::has_no_links(errno) => Err((self, unsupported.into())),
            // The link is there: the reply to an earlier try may have been lost.
            Err(_) if self.is(target) => self.keep_target(target),
            Err(errno) => Err((self, errno.into())),
        }
    }

    /// Gives the file the path `target`, and replaces what was seen there, and anything else.
    pub(super) fn replace(
        self,
        target: &Target<'_>,
        there: Option<FileId>,
    ) -> Result<(), (Self, io::Error)> {
        // Somebody has linked it there. rename(2) would do nothing, and leave both names.
        if there == Some(self.id) {
            return self.keep_target(target);
        }
        let (from, path, to) = (self.place.base(), &self.place.path, target.directory());
        let renamed = sys::rename(from, path.as_path(), to, target.relative());
        self.after_rename(renamed, target)
    }

    pub(super) fn after_rename(
        self,
        renamed: sys::Result<()>,
        target: &Target<'_>,
    ) -> Result<(), (Self, io::Error)> {
        match renamed {
            Ok(()) => {
                self.disarm();
                Ok(())
            }
            // The file is there: a server may have renamed it, and its first reply was lost.
            Err(_) if self.is(target) => self.keep_target(target),
            Err(errno) => Err((self, errno.into())),
        }
    }

    /// Removes the temporary name or, if that fails, the link that was just made at the target.
    fn after_link(self, target: &Target<'_>) -> Result<(), (Self, io::Error)> {
        self.remove().map_err(|(named, error)| {
            if target.id().map_or(false, |there| there.may_be(named.id)) {
                let _ = sys::unlink(target.directory(), target.relative());
            }
            (named, error)
        })
    }

    /// Removes the temporary name of a file that is at the target already, unless that is the
    /// target.
    fn keep_target(self, target: &Target<'_>) -> Result<(), (Self, io::Error)> {
        if self.is_named(target) {
            self.disarm();
            return Ok(());
        }
        self.remove()
    }

    /// Whether the target is this very file.
    fn is(&self, target: &Target<'_>) -> bool {
        target.id() == Ok(self.id)
    }

    /// Whether the target is the temporary name itself.
    fn is_named(&self, target: &Target<'_>) -> bool {
        let same_directory = || match self.directory_id() {
            Some(id) => target.parent_id() == Ok(id),
            None => true,
        };
        target.file_name() == self.place.path.file_name() && same_directory()
    }

    /// The temporary name, and what it is relative to.
    pub(super) fn name(&self) -> (Dir<'_>, &Path) {
        (self.place.base(), &self.place.path)
    }

    /// The identity of the directory that holds the name.
    pub(super) fn directory_id(&self) -> Option<FileId> {
        sys::id_of_held(self.place.directory.as_ref()?)
    }

    /// Opens the directory of the temporary name, to sync it; `None` without permission to read it.
    pub(super) fn open_directory(&self) -> sys::Result<Option<OpenDirectory>> {
        sys::open_to_sync(self.place.base(), target::parent(&self.place.path))
    }

    /// Removes the name now, so that a failure can be reported.
    pub(super) fn remove(self) -> Result<(), (Self, io::Error)> {
        match self.place.unlink() {
            Ok(()) | Err(Errno::NOENT) => {
                self.disarm();
                Ok(())
            }
            Err(errno) => Err((self, errno.into())),
        }
    }

    /// Whether the temporary name still is the file's.
    pub(super) fn still_ours(&self) -> bool {
        self.place.may_be(self.id) == Ok(true)
    }

    /// Closes the directory and leaves the name, which is no longer ours.
    pub(super) fn disarm(self) {
        drop(mem::take(&mut ManuallyDrop::new(self).place));
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if self.owner == process::id() && self.still_ours() {
            let _ = self.place.unlink();
        }
    }
}

impl Place {
    /// In the directory of `target`, which is held open if possible.
    fn beside(target: &Target<'_>, name: &Utf8Path) -> Self {
        let directory = match target.held() {
            Some(held) => sys::hold_again(held),
            None => target.hold_parent().ok(),
        };
        match directory {
            Some(_) => Self {
                directory,
                path: name.into(),
            },
            None => Self {
                // A copy of the current directory cannot be had this way, and is not needed.
                directory: sys::hold_again(target.base()),
                path: target.unheld().sibling(name),
            },
        }
    }

    fn base(&self) -> Dir<'_> {
        self.directory.as_ref().map_or(CURRENT, AsDir::as_dir)
    }

    /// The identity of the file that has the name; `None` if there is none.
    fn id(&self) -> sys::Result<Option<FileId>> {
        match FileId::at(self.base(), self.path.as_path(), NOFOLLOW) {
            Ok(id) => Ok(Some(id)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn unlink(&self) -> sys::Result<()> {
        sys::unlink(self.base(), self.path.as_path())
    }

    /// Whether the name is that file's, as far as the system shows.
    fn may_be(&self, id: FileId) -> sys::Result<bool> {
        Ok(self.id()?.map_or(false, |there| there.may_be(id)))
    }
}

/// Identifies the file that was opened to be created as `name`. Removes what a failure has left.
fn created(
    opened: io::Result<File>,
    directory: Dir<'_>,
    name: &Utf8Path,
) -> io::Result<(File, FileId)> {
    let file = opened.map_err(|error| {
        if Errno::from_io_error(&error) != Some(Errno::EXIST) {
            sys::remove_empty(directory, name);
        }
        error
    })?;
    let id = FileId::of(&file).map_err(|errno| {
        // O_EXCL guarantees that this name is ours.
        let _ = sys::unlink(directory, name.as_str());
        errno
    })?;
    Ok((file, id))
}
