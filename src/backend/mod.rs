//! Where a file is until it is published: nowhere, or under a temporary name.
//!
//! A back end opens a new file in a directory, and publishes it in one step: `publish` fails if
//! something exists at the target, `replace` replaces it. After a failure nothing has changed,
//! except that the file may have a temporary name. The back end owns that name and removes it on
//! drop. The [`File`] does everything else.
//!
//! Only this module asks which of the two it is.

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
    /// There is no name to remove: the file has none yet, or is published.
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

    /// Opens a new file with a temporary name, even where an unnamed one is supported.
    pub(crate) fn open_named(options: &OpenOptions, directory: &Path) -> io::Result<(File, Self)> {
        let (file, named) = Named::create(options, CustomFlags::of(options)?, directory)?;
        Ok((file, Self::named(named)))
    }

    fn named(named: Named) -> Self {
        Self::Named(Box::new(named))
    }

    /// The same as [`Self::open`] for a file that never gets a name.
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

    /// Whether the file has lost its temporary name: it was removed, or is another file's now.
    pub(crate) fn has_lost_its_name(&self) -> bool {
        match self {
            Self::Unnamed => false,
            Self::Named(named) => !named.still_ours(),
        }
    }

    /// Gives the file the path `target`, if nothing exists there.
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

    /// Gives the file the path `target`, and replaces what exists there.
    pub(crate) fn replace(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        match mem::replace(self, Self::Unnamed) {
            Self::Unnamed => match sys::link_unnamed(file, target.directory(), target.relative()) {
                Err(Errno::EXIST) => self.replace_via_temporary(file, target),
                linked => Ok(linked?),
            },
            Self::Named(named) => named.replace(target).map_err(|back| self.take_back(back)),
        }
    }

    /// Links the file to a temporary name beside the target and renames it, because linkat(2) never
    /// replaces and has no flag for that.
    fn replace_via_temporary(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        if target.must_be_directory() {
            // rename(2) would fail with this, but only after a link in a directory that the caller
            // did not mean.
            return Err(Errno::NOTDIR.into());
        }
        let (name, path) = link_temporary(file, target)?;
        let directory = target.directory();
        // Only a failed rename makes the handle a named one, because that costs system calls.
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

    /// Gives an unnamed file a temporary name beside the target. From then on it is a named one.
    pub(crate) fn name_before_sync(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        if !self.is_unnamed() || target.must_be_directory() {
            // Such a path will be refused. No link in a directory that the caller did not mean.
            return Ok(());
        }
        // This can fail, so it comes before the link.
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

/// Links the file to a temporary name beside the target, and returns that name and its path.
fn link_temporary(file: &File, target: &Target<'_>) -> io::Result<(Utf8PathBuf, PathBuf)> {
    temporary_name::with_free_name(|name| {
        let path = target.sibling(&name);
        sys::link_unnamed(file, target.directory(), path.as_path())?;
        Ok((name, path))
    })
}

/// Whether the error means that `O_TMPFILE` is not supported here.
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
            // Emulators, nanos. It cannot be the flags, which are known to be valid.
            | Errno::INVAL
        )
    )
}
