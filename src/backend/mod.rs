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

use self::named::Named;
pub use self::temporary_name::is_temporary_name;
use crate::custom_flags::CustomFlags;
use crate::sys::{self, Access, Dir, Errno, FileId, OpenDirectory};
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
        let unnamed = sys::open_unnamed(options, flags.for_unnamed(), directory);
        if flags.demand_unnamed() {
            return Ok((unnamed?, Self::Unnamed));
        }
        Self::unnamed_or(unnamed, || Named::create(options, flags, directory))
    }

    /// The same in a directory that is held open, for reading and writing.
    #[allow(dead_code)] // Only Unix needs it.
    pub(crate) fn open_at(directory: Dir<'_>) -> io::Result<(File, Self)> {
        Self::unnamed_or(sys::open_unnamed_at(directory), || {
            Named::create_at(directory)
        })
    }

    /// The unnamed file, or a named one where unnamed files are unsupported or do harm.
    fn unnamed_or(
        unnamed: io::Result<File>,
        create_named: impl FnOnce() -> io::Result<(File, Named)>,
    ) -> io::Result<(File, Self)> {
        match unnamed {
            Err(error) if is_unsupported(&error) => {}
            Ok(file) if sys::unnamed_harms(&file) => drop(file),
            unnamed => return Ok((unnamed?, Self::Unnamed)),
        }
        let (file, named) = create_named()?;
        Ok((file, Self::named(named)))
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
            (file, Self::Named(named)) if sys::SCRATCH_REMOVES_ITSELF => {
                named.disarm();
                Ok(file)
            }
            (file, Self::Named(named)) => match named.remove() {
                Ok(()) => Ok(file),
                Err((_, error)) => Err(error),
            },
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

    /// The identity of the directory that holds the temporary name, if there is one.
    pub(crate) fn directory_id(&self) -> Option<FileId> {
        match self {
            Self::Unnamed => None,
            Self::Named(named) => named.directory_id(),
        }
    }

    /// Opens the directory of the temporary name, to sync it; `None` if there is no such name, and
    /// without permission to read the directory.
    pub(crate) fn open_directory(&self) -> sys::Result<Option<OpenDirectory>> {
        match self {
            Self::Unnamed => Ok(None),
            Self::Named(named) => named.open_directory(),
        }
    }

    /// Gives the file the path `target`, if nothing exists there.
    pub(crate) fn publish(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        match mem::replace(self, Self::Unnamed) {
            Self::Unnamed => Ok(link(file, target)?),
            Self::Named(named) => named.publish(target).map_err(|back| self.take_back(back)),
        }
    }

    /// Gives the file the path `target`, and replaces what was seen there.
    ///
    /// If nothing was, this may fail with `EEXIST`.
    pub(crate) fn replace(
        &mut self,
        file: &File,
        target: &Target<'_>,
        there: Option<FileId>,
    ) -> io::Result<()> {
        match mem::replace(self, Self::Unnamed) {
            Self::Unnamed if there.is_none() => Ok(link(file, target)?),
            Self::Unnamed => self.replace_via_temporary(file, target),
            Self::Named(named) => named
                .replace(target, there)
                .map_err(|back| self.take_back(back)),
        }
    }

    /// linkat(2) never replaces, and no flag for that exists. So the file gets a temporary name
    /// beside the target, and is replaced like a named file from then on.
    fn replace_via_temporary(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        let (name, path) = link_temporary(file, target)?;
        let directory = target.directory();
        // Make a named handle only if the rename failed, because that costs system calls.
        let renamed = sys::rename(directory, path.as_path(), directory, target.relative());
        renamed.or_else(|errno| {
            let named = match FileId::of(file) {
                Ok(id) => Named::adopt_link(id, target, &name).ok(),
                Err(_) => Named::adopt_unknown_link(target, &name),
            };
            match named {
                Some(named) => named
                    .after_rename(Err(errno), target)
                    .map_err(|back| self.take_back(back)),
                None => Err(errno.into()),
            }
        })
    }

    /// Gives an unnamed file a temporary name beside the target. From then on it is a named file.
    pub(crate) fn take_temporary_name(
        &mut self,
        file: &File,
        target: &Target<'_>,
    ) -> io::Result<()> {
        if !self.is_unnamed() {
            return Ok(());
        }
        // This can fail, so it comes before the link.
        let id = FileId::of(file)?;
        let (name, _) = link_temporary(file, target)?;
        *self = Self::named(Named::adopt_link(id, target, &name)?);
        Ok(())
    }

    /// Opens the same file again, with its own offset.
    pub(crate) fn reopen(&self, file: &File, access: Access) -> io::Result<File> {
        let name = match self {
            Self::Unnamed => None,
            Self::Named(named) => Some(named.name()),
        };
        sys::reopen(file, name, access)
    }

    fn take_back(&mut self, (named, error): (Named, io::Error)) -> io::Error {
        *self = Self::named(named);
        error
    }
}

fn link(file: &File, target: &Target<'_>) -> sys::Result<()> {
    sys::link_unnamed(file, target.directory(), target.relative())
}

/// Gives the file a temporary name beside the target: the name, and its path.
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
