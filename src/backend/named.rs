//! The file that has a hidden temporary name, `.linkable-<random>.tmp`, until it is published.

use std::cell::Cell;
use std::collections::hash_map::DefaultHasher;
use std::fs::{File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{linkat, open, renameat, unlinkat, AtFlags, Mode, OFlags, CWD};
use rustix::io::{retry_on_intr, Errno};

use crate::custom_flags::CustomFlags;
use crate::file_id::FileId;
use crate::platform::{rename_noreplace, DIRECTORY_BY_PATH};
use crate::target::Target;

/// How many random names are tried before the answer is `EEXIST`.
///
/// Two processes that share a past by fork(2) draw the same names, so a collision is no wonder; but
/// it takes as many as there are files in flight.
const NAME_ATTEMPTS: u32 = 1 << 16;

/// How often the directory may be another one than just before while a file is made in it.
const DIRECTORY_ATTEMPTS: u32 = 8;

/// A temporary name, removed on drop if it still is the file's.
#[derive(Debug)]
pub(crate) struct Named {
    /// What `path` is relative to, the current directory if `None`. Held open, so that neither
    /// chdir(2) nor a renamed directory leads the clean-up astray.
    directory: Option<OwnedFd>,
    path: PathBuf,
    id: FileId,
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
                    // Nothing else could be of that name: it was just made with O_EXCL.
                    let _ = unlinkat(&held, name.as_str(), AtFlags::empty());
                    errno
                })?;
                let named = Self::hold(id, held, flags, directory, name)?;
                Ok((file, named))
            }
            Err(error) => {
                // The one error that comes after the file was made: O_DIRECT is looked at last.
                if Errno::from_io_error(&error) == Some(Errno::INVAL) {
                    let _ = unlinkat(held, name.as_str(), AtFlags::empty());
                }
                Err(error)
            }
        }
    }

    /// Takes over `name`, under which `file` was just made in `held`, or in another directory that
    /// has been given the path since.
    fn hold(
        id: FileId,
        mut held: OwnedFd,
        flags: OFlags,
        directory: &Path,
        name: &Utf8Path,
    ) -> io::Result<Self> {
        let mut named = Self {
            directory: None,
            path: directory.join(name),
            id,
        };
        for _ in 0..DIRECTORY_ATTEMPTS {
            if id_at(held.as_fd(), name.as_ref())? == Some(named.id) {
                named.directory = Some(held);
                named.path = name.into();
                return Ok(named);
            }
            held = open_directory(directory, flags)?;
        }
        Err(Errno::NOENT.into())
    }

    /// Takes over `name`, which was just linked beside the target, if it still is there.
    pub(super) fn adopt(
        id: rustix::io::Result<FileId>,
        target: &Target<'_>,
        name: &Utf8Path,
    ) -> rustix::io::Result<Self> {
        let directory = match target.held {
            Some(held) => held.try_clone_to_owned().ok(),
            None => open_directory(target.parent(), OFlags::empty()).ok(),
        };
        let path = match directory {
            Some(_) => name.into(),
            None => target.unheld().sibling(name),
        };
        let there = id_at(directory.as_ref().map_or(CWD, AsFd::as_fd), &path);
        let id = match (id, there) {
            (Ok(id), Ok(there)) if there != Some(id) => return Err(Errno::NOENT),
            // In doubt it is ours: drop looks again, and its last name must not be lost.
            (Ok(id), _) | (Err(_), Ok(Some(id))) => id,
            (Err(errno), _) => return Err(errno),
        };
        Ok(Self {
            directory,
            path,
            id,
        })
    }

    /// Gives the file its name for good, if that is free.
    pub(super) fn publish(self, target: &Target<'_>) -> Result<(), (Self, io::Error)> {
        let (from, to) = (self.directory(), target.directory());
        match rename_noreplace(from, &self.path, to, target.name) {
            Ok(()) => {
                self.forget();
                Ok(())
            }
            // EINVAL: the file system knows no flags (FUSE, NFS, 9p, ZFS before 2.2).
            // ENOSYS: Linux before 3.15, sandboxes, other systems.
            Err(unsupported @ (Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => {
                match linkat(from, &self.path, to, target.name, AtFlags::empty()) {
                    // Drop removes the temporary name, which is the second one now.
                    Ok(()) => Ok(()),
                    // Not for want of hard links: nothing can have a name there.
                    Err(errno @ (Errno::PERM | Errno::ACCESS)) if !target.is_writable() => {
                        Err((self, errno.into()))
                    }
                    // No hard links either (FAT, exFAT by FUSE; EACCES is Android's policy): then
                    // it is the rename that is missing.
                    Err(Errno::PERM | Errno::ACCESS | Errno::NOSYS | Errno::OPNOTSUPP) => {
                        Err((self, unsupported.into()))
                    }
                    Err(error) => Err((self, error.into())),
                }
            }
            Err(error) => Err((self, error.into())),
        }
    }

    /// Gives the file its name for good, whatever had it before.
    pub(super) fn replace(self, target: &Target<'_>) -> Result<(), (Self, io::Error)> {
        match renameat(
            self.directory(),
            &self.path,
            target.directory(),
            target.name,
        ) {
            Ok(()) => {
                self.forget();
                Ok(())
            }
            Err(error) => Err((self, error.into())),
        }
    }

    /// Removes the name now, so that failure can be told.
    pub(super) fn remove(self) -> io::Result<()> {
        unlinkat(self.directory(), &self.path, AtFlags::empty())?;
        self.forget();
        Ok(())
    }

    /// Whether the temporary name still is the file's.
    pub(super) fn is_in_place(&self) -> bool {
        id_at(self.directory(), &self.path) == Ok(Some(self.id))
    }

    fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_ref().map_or(CWD, AsFd::as_fd)
    }

    /// Drops all but the name, which is no longer ours.
    fn forget(self) {
        let mut this = ManuallyDrop::new(self);
        drop(this.directory.take());
        drop(mem::take(&mut this.path));
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if self.is_in_place() {
            let _ = unlinkat(self.directory(), &self.path, AtFlags::empty());
        }
    }
}

/// Calls `make` with random names until it says anything but `EEXIST`.
pub(super) fn with_free_name<T>(
    mut make: impl FnMut(Utf8PathBuf) -> io::Result<T>,
) -> io::Result<T> {
    for _ in 0..NAME_ATTEMPTS {
        match make(random_name()) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => {}
            answer => return answer,
        }
    }
    Err(Errno::EXIST.into())
}

thread_local!(static NAMES_DRAWN: Cell<u64> = const { Cell::new(0) });

/// Hidden, recognisable, and short whatever the target is called.
///
/// Different from others, which is all that is needed: nobody can make use of a guessed name, as
/// the file is made with `O_EXCL`. That takes the time, the thread and a number, and no system
/// call.
fn random_name() -> Utf8PathBuf {
    let mut hasher = DefaultHasher::new();
    SystemTime::now().hash(&mut hasher);
    NAMES_DRAWN.with(|drawn| {
        drawn.set(drawn.get().wrapping_add(1));
        (drawn.get(), drawn as *const Cell<u64>).hash(&mut hasher);
    });
    let random = hasher.finish();
    // By hand: format! takes a third of the time of a replace in a tmpfs, besides the kernel's.
    let mut name = String::with_capacity(".linkable-0123456789abcdef.tmp".len());
    name.push_str(".linkable-");
    for byte in random.to_be_bytes() {
        for digit in [byte >> 4, byte & 0xF] {
            name.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    name.push_str(".tmp");
    name.into()
}

/// For looking names up, which on Linux needs search permission only, as creating a file does.
fn open_directory(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | DIRECTORY_BY_PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| open(path, flags, Mode::empty()))?)
}

/// Which file has that name, if any.
fn id_at(directory: BorrowedFd<'_>, name: &Path) -> rustix::io::Result<Option<FileId>> {
    match FileId::at(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(id) => Ok(Some(id)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
