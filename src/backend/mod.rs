//! Where a file is until it has its name: nowhere, or under a temporary one.
//!
//! A back end opens a new file in a directory and gives it a name in one step, with `publish` if
//! the name is free and with `replace` in any case. It changes nothing on failure, save that the
//! file may have got a temporary name by then, which the back end owns. What it owns it removes
//! when it is dropped. All else that can be done to a file is done to the [`File`].
//!
//! This is the only module that asks which of the two it is.

mod named;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod unnamed;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "no_unnamed.rs"]
mod unnamed;

use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use camino::Utf8PathBuf;
use rustix::fs::renameat;
use rustix::io::Errno;

use self::named::Named;
use crate::custom_flags::CustomFlags;
use crate::error::PublishErrorKind;
use crate::file_id::FileId;
use crate::file_system;
use crate::kernel;
use crate::procfs;
use crate::target::Target;

#[derive(Debug)]
pub(crate) enum Backend {
    /// There is no name that would have to be removed.
    Unnamed,
    /// Boxed, as it is rare and the handle moves often.
    Named(Box<Named>),
}

impl Backend {
    /// Opens a new file in `directory`: unnamed, or where that is unsupported, named.
    pub(crate) fn open(
        options: &OpenOptions,
        flags: CustomFlags,
        directory: &Path,
    ) -> io::Result<(File, Self)> {
        match open_unnamed(options, flags, directory) {
            Err(error) if is_unsupported(&error) && !flags.demand_unnamed() => {
                let (file, named) = Named::create(options, flags, directory)?;
                Ok((file, Self::named(named)))
            }
            opened => Ok((opened?, Self::Unnamed)),
        }
    }

    /// Opens a new file with a temporary name, even where it could do without.
    pub(crate) fn open_named(options: &OpenOptions, directory: &Path) -> io::Result<(File, Self)> {
        let (file, named) = Named::create(options, CustomFlags::of(options)?, directory)?;
        Ok((file, Self::named(named)))
    }

    fn named(named: Named) -> Self {
        Self::Named(Box::new(named))
    }

    /// The same as [`Self::open`] for a file that is never to have a name.
    pub(crate) fn open_scratch(
        options: &OpenOptions,
        flags: CustomFlags,
        directory: &Path,
    ) -> io::Result<File> {
        match Self::open(options, flags.never_linkable(), directory)? {
            (file, Self::Unnamed) => Ok(file),
            (file, Self::Named(named)) => named.remove().map(|()| file),
        }
    }

    pub(crate) fn is_unnamed(&self) -> bool {
        matches!(self, Self::Unnamed)
    }

    /// Names the file `target`, if that is free.
    pub(crate) fn publish(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        match mem::replace(self, Self::Unnamed) {
            Self::Unnamed => Ok(unnamed::link(file, target.directory(), target.name)?),
            Self::Named(named) => named.publish(target).map_err(|back| self.take_back(back)),
        }
    }

    /// Names the file `target`, whatever had that name before.
    pub(crate) fn replace(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        match mem::replace(self, Self::Unnamed) {
            Self::Unnamed => match unnamed::link(file, target.directory(), target.name) {
                Err(Errno::EXIST) => self.replace_from_beside(file, target),
                linked => Ok(linked?),
            },
            Self::Named(named) => named.replace(target).map_err(|back| self.take_back(back)),
        }
    }

    /// linkat(2) never replaces, and no flag for that exists: the file gets a temporary name
    /// beside the target, and from then on is replaced as a named one is.
    fn replace_from_beside(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        if target.has_form_of_directory() {
            // What rename(2) would say, without a name in a directory that nobody meant.
            return Err(Errno::NOTDIR.into());
        }
        let (name, path) = link_beside(file, target)?;
        // Only a rename that failed makes a named handle: that costs system calls.
        renameat(target.directory(), &path, target.directory(), target.name).map_err(|errno| {
            if let Ok(named) = Named::adopt(FileId::of(file), target, &name) {
                *self = Self::named(named);
            }
            errno.into()
        })
    }

    /// Sees to it that fsync(2) of the file is worth something.
    ///
    /// Where that forgets a file without a name, the file gets a temporary one first, and goes on
    /// as a named one does.
    pub(crate) fn prepare_for_sync(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        if !self.is_unnamed() || !file_system::forgets_unnamed(file) {
            return Ok(());
        }
        if target.has_form_of_directory() {
            // That will be refused; no name in a directory that nobody meant.
            return Ok(());
        }
        // Before there is a name: it can fail.
        let id = FileId::of(file)?;
        let (name, _) = link_beside(file, target)?;
        let named = Named::adopt(Ok(id), target, &name)?;
        *self = Self::named(named);
        Ok(())
    }

    fn take_back(&mut self, (named, error): (Named, io::Error)) -> io::Error {
        *self = Self::named(named);
        error
    }

    /// What keeps the file from having a name for which there is a place.
    pub(crate) fn impediment(
        &self,
        errno: Errno,
        file: &File,
        target: &Target<'_>,
    ) -> PublishErrorKind {
        match (self, errno) {
            (Self::Unnamed, Errno::NOENT | Errno::INVAL) if !procfs::shows(file) => {
                PublishErrorKind::ProcUnavailable
            }
            // AppArmor says ENOENT of a file without a name, unless the profile has the flag
            // mediate_deleted.
            (Self::Unnamed, Errno::NOENT) if !procfs::confined_by_apparmor() => {
                if target.is_on_another_device(file) {
                    PublishErrorKind::CrossesDevices
                } else {
                    PublishErrorKind::NeverLinkable
                }
            }
            (Self::Unnamed, Errno::NOENT | Errno::PERM | Errno::ACCESS | Errno::NOSYS)
            | (Self::Named(_), Errno::ACCESS) => PublishErrorKind::LinkForbidden,
            (Self::Named(named), Errno::NOENT) if !named.is_in_place() => {
                PublishErrorKind::NeverLinkable
            }
            (Self::Named(_), Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                PublishErrorKind::Unsupported
            }
            _ => PublishErrorKind::Other,
        }
    }
}

/// Gives the file a temporary name beside the target: the name, and its path.
fn link_beside(file: &File, target: &Target<'_>) -> io::Result<(Utf8PathBuf, PathBuf)> {
    named::with_free_name(|name| {
        let path = target.sibling(&name);
        unnamed::link(file, target.directory(), &path)?;
        Ok((name, path))
    })
}

fn open_unnamed(options: &OpenOptions, flags: CustomFlags, directory: &Path) -> io::Result<File> {
    // Android's policy denies link(2) to applications, so a file could never leave namelessness.
    if cfg!(target_os = "android") || kernel::BEFORE_3_11.is_known() {
        return Err(Errno::OPNOTSUPP.into());
    }
    unnamed::open(options, flags, directory).map_err(|error| {
        // Support is a fact of one mount, and not remembered; but a kernel does not grow younger.
        if Errno::from_io_error(&error) == Some(Errno::ISDIR) {
            kernel::BEFORE_3_11.get();
        }
        error
    })
}

/// Whether `O_TMPFILE` does not exist here, as opposed to having failed.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            // NFS, FAT, 9p, most of FUSE, overlayfs before 6.10.
            Errno::OPNOTSUPP
            // The flag reads as O_DIRECTORY: kernels before 3.11, gVisor, some SMB.
            | Errno::ISDIR
            // Sandboxes.
            | Errno::NOSYS
            // Emulators, nanos. The flags themselves are known to be good.
            | Errno::INVAL
        )
    )
}
