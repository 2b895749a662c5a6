//! Where a file is until it has its name: nowhere, or under a temporary one.
//!
//! A back end opens a new file in a directory and gives it a name in one step, with `publish` if
//! the name is free and with `replace` in any case. A failure changes nothing, except that the file
//! may have got a temporary name by then, which the back end owns. What it owns it removes when it
//! is dropped. All else that can be done to a file is done to the [`File`].
//!
//! This is the only module that asks which of the two it is.

mod named;
mod temporary_name;

use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use camino::Utf8PathBuf;
use rustix::fs::renameat;
use rustix::io::Errno;

use self::named::Named;
use crate::custom_flags::CustomFlags;
use crate::sys::{self, FileId};
use crate::target::Target;

#[derive(Debug)]
pub(crate) enum Backend {
    /// There is no name that would have to be removed.
    Unnamed,
    /// Boxed, because it is rare and the handle moves often.
    Named(Box<Named>),
}

impl Backend {
    /// Opens a new file in `directory`: unnamed, or where that is unsupported, named.
    pub(crate) fn open(
        options: &OpenOptions,
        flags: CustomFlags,
        directory: &Path,
    ) -> io::Result<(File, Self)> {
        match sys::open_unnamed(options, flags.for_unnamed(), directory) {
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

    /// Whether there was a temporary name that is no longer the file's.
    pub(crate) fn has_lost_its_name(&self) -> bool {
        match self {
            Self::Unnamed => false,
            Self::Named(named) => !named.still_ours(),
        }
    }

    /// Names the file `target`, if that is free.
    pub(crate) fn publish(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        match mem::replace(self, Self::Unnamed) {
            Self::Unnamed => Ok(sys::link_unnamed(
                file,
                target.directory(),
                target.relative(),
            )?),
            Self::Named(named) => named.publish(target).map_err(|back| self.take_back(back)),
        }
    }

    /// Names the file `target`, whatever had that name before.
    pub(crate) fn replace(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        match mem::replace(self, Self::Unnamed) {
            Self::Unnamed => match sys::link_unnamed(file, target.directory(), target.relative()) {
                Err(Errno::EXIST) => self.replace_via_temporary(file, target),
                linked => Ok(linked?),
            },
            Self::Named(named) => named.replace(target).map_err(|back| self.take_back(back)),
        }
    }

    /// linkat(2) never replaces, and no flag for that exists: the file gets a temporary name beside
    /// the target, and from then on is replaced as a named one is.
    fn replace_via_temporary(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        if target.must_be_directory() {
            // What rename(2) would say, without a name in a directory that nobody meant.
            return Err(Errno::NOTDIR.into());
        }
        let (name, path) = link_temporary(file, target)?;
        let directory = target.directory();
        // Only a failed rename makes a named handle: that costs system calls.
        renameat(directory, &path, directory, target.relative()).map_err(|errno| {
            let named = match FileId::of(file) {
                Ok(id) => Named::adopt_link(id, target, &name).ok(),
                Err(_) => Named::adopt_unknown_link(target, &name),
            };
            if let Some(named) = named {
                *self = Self::named(named);
            }
            errno.into()
        })
    }

    /// Gives an unnamed file a temporary name beside the target, and from then on it is a named one.
    pub(crate) fn name_before_sync(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        if !self.is_unnamed() || target.must_be_directory() {
            // The form of a directory will be refused; no name in one that nobody meant.
            return Ok(());
        }
        // Before there is a name: it can fail.
        let id = FileId::of(file)?;
        let (name, _) = link_temporary(file, target)?;
        *self = Self::named(Named::adopt_link(id, target, &name)?);
        Ok(())
    }

    fn take_back(&mut self, (named, error): (Named, io::Error)) -> io::Error {
        *self = Self::named(named);
        error
    }
}

/// Gives the file a temporary name beside the target: the name, and its path.
fn link_temporary(file: &File, target: &Target<'_>) -> io::Result<(Utf8PathBuf, PathBuf)> {
    temporary_name::with_free_name(|name| {
        let path = target.sibling(&name);
        sys::link_unnamed(file, target.directory(), path.as_path())?;
        Ok((name, path))
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
