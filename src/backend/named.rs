//! The file that has a temporary name until it is published.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{linkat, open, renameat, unlinkat, AtFlags, Mode, OFlags, CWD};
use rustix::io::{retry_on_intr, Errno};

use super::temporary_name::with_free_name;
use crate::custom_flags::CustomFlags;
use crate::sys::{rename_noreplace, FileId, DIRECTORY_BY_PATH};
use crate::target::Target;

/// How often the path may lead to another directory while a file is created there.
const DIRECTORY_ATTEMPTS: u32 = 8;

/// A temporary name, removed on drop if it still is the file's.
#[derive(Debug)]
pub(crate) struct Named {
    place: Place,
    id: FileId,
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
        let path = directory.join(name);
        // std has no openat, and only std knows all of the caller's options.
        match options.open(&path) {
            Ok(file) => {
                let id = FileId::of(&file).map_err(|errno| {
                    // O_EXCL guarantees that this name is ours.
                    let _ = unlinkat(&held, name.as_str(), AtFlags::empty());
                    errno
                })?;
                let named = Self::confirm_in_directory(id, held, flags, directory, name)?;
                Ok((file, named))
            }
            Err(error) => {
                // The one error that comes after the create: the kernel checks O_DIRECT last.
                if Errno::from_io_error(&error) == Some(Errno::INVAL) {
                    let _ = unlinkat(held, name.as_str(), AtFlags::empty());
                }
                Err(error)
            }
        }
    }

    /// Finds the directory in which the file was just created as `name`: `held`, or another one
    /// that has its path now.
    fn confirm_in_directory(
        id: FileId,
        mut held: OwnedFd,
        flags: OFlags,
        directory: &Path,
        name: &Utf8Path,
    ) -> io::Result<Self> {
        // If this fails, drop removes the file by the path with which it was created.
        let mut named = Self {
            place: Place {
                directory: None,
                path: directory.join(name),
            },
            id,
        };
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

    /// Takes over `name`, which was just linked beside the target, if it still is the file's.
    pub(super) fn adopt_link(
        id: FileId,
        target: &Target<'_>,
        name: &Utf8Path,
    ) -> rustix::io::Result<Self> {
        let place = Place::beside(target, name);
        match place.id() {
            Ok(there) if there != Some(id) => Err(Errno::NOENT),
            // If the name cannot be looked at, assume that it is ours: drop looks again, and the
            // file must not lose its last name.
            _ => Ok(Self { place, id }),
        }
    }

    /// The same for a file that cannot be identified: assumes that the name is ours.
    pub(super) fn adopt_unknown_link(target: &Target<'_>, name: &Utf8Path) -> Option<Self> {
        let place = Place::beside(target, name);
        let id = place.id().ok()??;
        Some(Self { place, id })
    }

    /// Gives the file the path `target`, if nothing exists there.
    pub(super) fn publish(self, target: &Target<'_>) -> Result<(), (Self, io::Error)> {
        let (from, path, to) = (self.place.base(), &self.place.path, target.directory());
        match rename_noreplace(from, path, to, target.relative()) {
            Ok(()) => {
                self.disarm();
                Ok(())
            }
            // EINVAL: the file system knows no flags (FUSE, NFS, 9p, ZFS before 2.2).
            // ENOSYS: Linux before 3.15, sandboxes, other systems.
            Err(unsupported @ (Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => {
                match linkat(from, path, to, target.relative(), AtFlags::empty()) {
                    // Drop removes the temporary name, which is the second one now.
                    Ok(()) => Ok(()),
                    // Hard links may be supported: nothing at all can be created there.
                    Err(errno @ (Errno::PERM | Errno::ACCESS)) if !target.is_writable() => {
                        Err((self, errno.into()))
                    }
                    // No hard links either (FAT, exFAT by FUSE; EACCES is Android's policy): report
                    // that the rename is unsupported.
                    Err(Errno::PERM | Errno::ACCESS | Errno::NOSYS | Errno::OPNOTSUPP) => {
                        Err((self, unsupported.into()))
                    }
                    Err(error) => Err((self, error.into())),
                }
            }
            Err(error) => Err((self, error.into())),
        }
    }

    /// Gives the file the path `target`, and replaces what exists there.
    pub(super) fn replace(self, target: &Target<'_>) -> Result<(), (Self, io::Error)> {
        let (from, to) = (self.place.base(), target.directory());
        match renameat(from, &self.place.path, to, target.relative()) {
            Ok(()) => {
                self.disarm();
                Ok(())
            }
            Err(error) => Err((self, error.into())),
        }
    }

    /// Removes the name now, so that a failure can be reported.
    pub(super) fn remove(self) -> io::Result<()> {
        self.place.unlink()?;
        self.disarm();
        Ok(())
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
        if self.still_ours() {
            let _ = self.place.unlink();
        }
    }
}

impl Place {
    /// In the directory of `target`, which is held open if possible.
    fn beside(target: &Target<'_>, name: &Utf8Path) -> Self {
        let directory = match target.held() {
            Some(held) => held.try_clone_to_owned().ok(),
            None => open_directory(target.parent(), OFlags::empty()).ok(),
        };
        let path = match directory {
            Some(_) => name.into(),
            None => target.unheld().sibling(name),
        };
        Self { directory, path }
    }

    fn base(&self) -> BorrowedFd<'_> {
        self.directory.as_ref().map_or(CWD, AsFd::as_fd)
    }

    /// Which file has the name, if any.
    fn id(&self) -> rustix::io::Result<Option<FileId>> {
        match FileId::at(self.base(), self.path.as_path(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(id) => Ok(Some(id)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn unlink(&self) -> rustix::io::Result<()> {
        unlinkat(self.base(), &self.path, AtFlags::empty())
    }
}

/// Opens a directory to look names up in it.
fn open_directory(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | DIRECTORY_BY_PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| open(path, flags, Mode::empty()))?)
}
