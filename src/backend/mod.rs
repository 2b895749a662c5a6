//! Where a file is until it has its name: nowhere, or under a temporary one.
//!
//! A back end opens a new file in a directory and gives it a name in one step, with `publish` if
//! the name is free and with `replace` in any case. It changes nothing on failure, save that the
//! file may have got a temporary name by then, which the back end owns. What it owns it removes when
//! it is dropped. All else that can be done to a file is done to the [`File`].
//!
//! This is the only module that asks which of the two it is.

mod named;
mod unnamed;

use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use camino::Utf8PathBuf;
use rustix::fs::{fstat, fstatfs, renameat};
use rustix::io::Errno;
use rustix::system::uname;

use self::named::Named;
use crate::custom_flags::CustomFlags;
use crate::error::PublishErrorKind;
use crate::procfs;
use crate::target::Target;

#[derive(Debug)]
pub(crate) enum Backend {
    /// There is no name that would have to be removed.
    Unnamed,
    Named(Named),
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
                Ok((file, Self::Named(named)))
            }
            opened => Ok((opened?, Self::Unnamed)),
        }
    }

    /// The same for a file that is never to have a name.
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
            if let Some(named) = Named::adopt(file, target, &name) {
                *self = Self::Named(named);
            }
            errno.into()
        })
    }

    /// Sees to it that fsync(2) of the file is worth something.
    ///
    /// btrfs before 6.16 does not log a file that has no name. Once it has one, a sync of the
    /// directory alone, anybody's, makes that name durable with an empty file behind it (found on
    /// 6.1). So there the file gets a temporary name first, and goes on as a named one does.
    pub(crate) fn prepare_for_sync(&mut self, file: &File, target: &Target<'_>) -> io::Result<()> {
        if !self.is_unnamed() || !KERNEL_BEFORE_6_16.get() || !is_on_btrfs(file) {
            return Ok(());
        }
        if target.has_form_of_directory() {
            // That will be refused; no name in a directory that nobody meant.
            return Ok(());
        }
        let (name, _) = link_beside(file, target)?;
        let named = Named::adopt(file, target, &name).ok_or(Errno::NOENT)?;
        *self = Self::Named(named);
        Ok(())
    }

    fn take_back(&mut self, (named, error): (Named, io::Error)) -> io::Error {
        *self = Self::Named(named);
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
            (Self::Unnamed, Errno::NOENT | Errno::PERM | Errno::ACCESS | Errno::NOSYS) => {
                PublishErrorKind::LinkForbidden
            }
            (Self::Named(_), Errno::NOENT) if has_no_name(file) => PublishErrorKind::NeverLinkable,
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

// The type of the field is another one on every architecture, and the number has 32 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn is_on_btrfs(file: &File) -> bool {
    // See statfs(2).
    const BTRFS_SUPER_MAGIC: u32 = 0x9123_683E;
    fstatfs(file).map_or(false, |stat| stat.f_type as u32 == BTRFS_SUPER_MAGIC)
}

fn has_no_name(file: &File) -> bool {
    fstat(file).map_or(false, |stat| stat.st_nlink == 0)
}

/// Set once the kernel itself is known to be older than `O_TMPFILE`.
static KERNEL_TOO_OLD: AtomicBool = AtomicBool::new(false);

/// Whether btrfs is one that forgets an fsync(2) of a file without a name.
static KERNEL_BEFORE_6_16: KernelBefore = KernelBefore::new(6, 16);

fn open_unnamed(options: &OpenOptions, flags: CustomFlags, directory: &Path) -> io::Result<File> {
    // Android's policy denies link(2) to applications, so a file could never leave namelessness.
    if cfg!(target_os = "android") || KERNEL_TOO_OLD.load(Ordering::Relaxed) {
        return Err(Errno::OPNOTSUPP.into());
    }
    unnamed::open(options, flags, directory).map_err(|error| {
        // Support is a fact of one mount, and not remembered; but a kernel does not grow younger.
        let is_directory = Errno::from_io_error(&error) == Some(Errno::ISDIR);
        if is_directory && is_before(uname().release().to_bytes(), 3, 11) {
            KERNEL_TOO_OLD.store(true, Ordering::Relaxed);
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

/// Whether the kernel is older than a version; asked once, as a kernel does not change.
struct KernelBefore {
    version: (u32, u32),
    /// 0 until asked, 1 for no, 2 for yes.
    answer: AtomicU8,
}

impl KernelBefore {
    const fn new(major: u32, minor: u32) -> Self {
        Self {
            version: (major, minor),
            answer: AtomicU8::new(0),
        }
    }

    fn get(&self) -> bool {
        let mut answer = self.answer.load(Ordering::Relaxed);
        if answer == 0 {
            let (major, minor) = self.version;
            answer = 1 + u8::from(is_before(uname().release().to_bytes(), major, minor));
            self.answer.store(answer, Ordering::Relaxed);
        }
        answer == 2
    }
}

/// Whether a release such as `6.1.0-18-amd64` is older than a version. One that says nothing is not.
fn is_before(release: &[u8], major: u32, minor: u32) -> bool {
    let mut numbers = release
        .split(|byte| !byte.is_ascii_digit())
        .map(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(this_major), Some(this_minor)) => (this_major, this_minor) < (major, minor),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_before;

    #[test]
    fn the_release_tells_an_old_kernel() {
        for old in ["2.6.32-754.el6", "3.10.0", "3.2"] {
            assert!(is_before(old.as_bytes(), 3, 11), "{old}");
        }
        for new in ["3.11.0", "4.4.0", "6.18.44-fc", "10.0", "", "gvisor", "3"] {
            assert!(!is_before(new.as_bytes(), 3, 11), "{new}");
        }
    }
}
