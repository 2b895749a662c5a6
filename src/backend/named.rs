//! The file that has a temporary name until it is published.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use camino::Utf8Path;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    linkat, open, openat, renameat, statat, unlinkat, AtFlags, FileType, Mode, OFlags, CWD,
};
use rustix::io::{retry_on_intr, Errno};

use super::temporary_name::with_free_name;
use crate::custom_flags::CustomFlags;
use crate::sys::{self, rename_noreplace, retry, FileId, DIRECTORY_BY_PATH};
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
    directory: Option<OwnedFd>,
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
        let flags = flags.for_directory();
        let held = open_directory(directory, flags)?;
        // std has no openat, and only std knows all of the caller's options.
        let opened = match options.open(directory.join(name)) {
            // The path of the directory is too long to append the name. That of its descriptor is
            // not.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NAMETOOLONG) => options
                .open(sys::path_of(held.as_fd()).join(name))
                .map_err(|_| error),
            opened => opened,
        };
        let (file, id) = created(opened, held.as_fd(), name)?;
        let named = Self::confirm_in_directory(id, held, flags, directory, name)?;
        Ok((file, named))
    }

    /// Creates a file for reading and writing in `directory`, which is held open.
    pub(super) fn create_at(directory: BorrowedFd<'_>) -> io::Result<(File, Self)> {
        let flags = DIRECTORY_BY_PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let held = retry_on_intr(|| openat(directory, ".", flags, Mode::empty()))?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let flags = flags | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let (file, id, path) = with_free_name(|name| {
            let opened = retry_on_intr(|| openat(&held, name.as_str(), flags, mode));
            let opened = opened.map(File::from).map_err(io::Error::from);
            let (file, id) = created(opened, held.as_fd(), &name)?;
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
        mut held: OwnedFd,
        flags: OFlags,
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
            if place.id()? == Some(id) {
                named.place = place;
                return Ok(named);
            }
            held = open_directory(directory, flags)?;
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
    ) -> rustix::io::Result<Self> {
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
        let renamed = retry(|| rename_noreplace(from, path, to, target.relative()));
        // EINVAL: the file system knows no flags (FUSE, NFS, 9p, ZFS before 2.2).
        // ENOSYS: Linux before 3.15, sandboxes, other systems.
        let unsupported = match renamed {
            Err(errno @ (Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => errno,
            renamed => return self.after_rename(renamed, target),
        };
        match retry(|| linkat(from, path, to, target.relative(), AtFlags::empty())) {
            Ok(()) => self.after_link(target),
            // No file may be created there, so hard links are not what is missing.
            Err(errno @ (Errno::PERM | Errno::ACCESS)) if !target.is_writable() => {
                Err((self, errno.into()))
            }
            // No hard links either (FAT, exFAT by FUSE; EACCES is Android's policy). Report the
            // error of the rename.
            Err(Errno::PERM | Errno::ACCESS | Errno::NOSYS | Errno::OPNOTSUPP) => {
                Err((self, unsupported.into()))
            }
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
        let renamed = retry(|| renameat(from, path, to, target.relative()));
        self.after_rename(renamed, target)
    }

    pub(super) fn after_rename(
        self,
        renamed: rustix::io::Result<()>,
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
            if named.is(target) {
                let (to, name) = (target.directory(), target.relative());
                let _ = retry(|| unlinkat(to, name, AtFlags::empty()));
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

    /// The identity of the directory that holds the name.
    pub(super) fn directory_id(&self) -> Option<FileId> {
        let directory = self.place.directory.as_ref()?;
        FileId::of(directory).ok()
    }

    /// Opens the directory of the temporary name, to sync it.
    pub(super) fn open_directory(&self) -> rustix::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| match &self.place.directory {
            Some(directory) => openat(directory, ".", flags, Mode::empty()),
            None => open(target::parent(&self.place.path), flags, Mode::empty()),
        });
        opened.map(File::from)
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
        self.place.id() == Ok(Some(self.id))
    }

    /// Closes the directory and leaves the name, which is no longer ours.
    fn disarm(self) {
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
            Some(held) => held.try_clone_to_owned().ok(),
            None => target
                .open_parent(DIRECTORY_BY_PATH)
                .ok()
                .map(OwnedFd::from),
        };
        match directory {
            Some(_) => Self {
                directory,
                path: name.into(),
            },
            None => Self {
                // A copy of the current directory cannot be had this way, and is not needed.
                directory: target.base().try_clone_to_owned().ok(),
                path: target.unheld().sibling(name),
            },
        }
    }

    fn base(&self) -> BorrowedFd<'_> {
        self.directory.as_ref().map_or(CWD, AsFd::as_fd)
    }

    /// The identity of the file that has the name; `None` if there is none.
    fn id(&self) -> rustix::io::Result<Option<FileId>> {
        match FileId::at(self.base(), self.path.as_path(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(id) => Ok(Some(id)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn unlink(&self) -> rustix::io::Result<()> {
        retry(|| unlinkat(self.base(), &self.path, AtFlags::empty()))
    }
}

/// Identifies the file that was opened to be created as `name`. Removes what a failure has left.
fn created(
    opened: io::Result<File>,
    directory: BorrowedFd<'_>,
    name: &Utf8Path,
) -> io::Result<(File, FileId)> {
    let file = opened.map_err(|error| {
        // open(2) can fail after it has created the file. Only then does the kernel check
        // O_DIRECT, Landlock, SELinux, IMA and fanotify.
        if Errno::from_io_error(&error) != Some(Errno::EXIST) {
            remove_empty(directory, name);
        }
        error
    })?;
    let id = FileId::of(&file).map_err(|errno| {
        // O_EXCL guarantees that this name is ours.
        let _ = unlinkat(directory, name.as_str(), AtFlags::empty());
        errno
    })?;
    Ok((file, id))
}

/// Removes the empty file that a failed open may have left. Nobody else draws its name.
fn remove_empty(directory: BorrowedFd<'_>, name: &Utf8Path) {
    let there = statat(directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
    let is_empty_file = there.map_or(false, |stat| {
        let kind = FileType::from_raw_mode(stat.st_mode);
        kind == FileType::RegularFile && stat.st_size == 0 && stat.st_nlink == 1
    });
    if is_empty_file {
        let _ = unlinkat(directory, name.as_str(), AtFlags::empty());
    }
}

/// Opens a directory to look names up in it.
fn open_directory(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | DIRECTORY_BY_PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| open(path, flags, Mode::empty()))?)
}
