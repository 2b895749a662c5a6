//! What can go wrong when a file is to get its name.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{stat, statat, AtFlags, FileType};
use rustix::io::Errno;

use crate::backend::Backend;
use crate::linkable_file::LinkableFile;
use crate::target::Target;

/// A file did not get its name, or has it but not for certain.
///
/// The text names the path and says what can be done; the operating system's own words are in
/// [`source`](std::error::Error::source). Converted into an [`io::Error`] it is the original one,
/// with its `raw_os_error()`; the file is dropped then.
///
/// # Examples
///
/// ```
/// use std::fs::OpenOptions;
/// use linkable::{OpenOptionsAnonymousExt, PublishError};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// # std::fs::write(dir.join("taken"), "")?;
/// let file = OpenOptions::new().anonymous_in(dir)?;
/// match file.publish(dir.join("taken")) {
///     Err(PublishError::NotPublished { file, .. }) => file.publish(dir.join("free"))?,
///     published => published?,
/// };
/// # assert!(dir.join("free").exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Nothing happened: the target is as it was, and the file comes back to be published again,
    /// here or elsewhere.
    ///
    /// After [`SyncFailed`](PublishErrorKind::SyncFailed) it can only be read.
    #[error("cannot publish {}{}", .path.display(), .file.refusal.advice())]
    NotPublished {
        /// The file as it was, without a name or with a temporary one.
        file: LinkableFile,
        /// The name that was asked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is published, whole, and every process sees it; but the sync of its name failed,
    /// so a power cut may still take the name away.
    ///
    /// Only [`Durability::Full`](crate::Durability::Full) promises what was missed here. Do not
    /// write the file again on the strength of this: it is there.
    #[error("published {}, but a power cut may still undo it", .path.display())]
    NotDurable {
        /// The file under its new name.
        file: File,
        /// The name that it has.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl PublishError {
    /// What went wrong, told apart where one errno has many causes.
    #[must_use]
    pub fn kind(&self) -> PublishErrorKind {
        match self {
            Self::NotPublished { file, .. } => file.refusal,
            Self::NotDurable { .. } => PublishErrorKind::NotDurable,
        }
    }

    /// The name that was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::NotPublished { path, .. } | Self::NotDurable { path, .. } => path,
        }
    }

    /// What the operating system said.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        match self {
            Self::NotPublished { source, .. } | Self::NotDurable { source, .. } => source,
        }
    }
}

impl From<PublishError> for io::Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotPublished { source, .. } | PublishError::NotDurable { source, .. } => {
                source
            }
        }
    }
}

/// The kinds of [`PublishError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// The name is taken, by a file, a directory, or a symlink wherever that leads (`EEXIST`).
    AlreadyExists,
    /// The directory does not exist, or the path is empty or ends in a slash (`ENOENT`, `ENOTDIR`).
    NotFound,
    /// The directory is on another file system, mount, btrfs subvolume or xfs project than the one
    /// the file was opened in (`EXDEV`; `ENOENT` from some, such as procfs), or Landlock does not
    /// let files move to it. A copy can be allowed:
    /// [`allow_copy`](crate::PublishOptions::allow_copy).
    CrossesDevices,
    /// The name is a directory's, which a file never replaces (`EISDIR`, `ENOTDIR`, `EBUSY`,
    /// `ENOTEMPTY`).
    IsADirectory,
    /// Something is mounted on the name, as on single files in a container (`EBUSY`).
    MountPoint,
    /// The file can never have a name again: all those that it had were removed, its temporary
    /// one perhaps (`ENOENT`).
    NeverLinkable,
    /// The kernel wants the file named by way of procfs, and there is none (`ENOENT`, `EINVAL`).
    ///
    /// Linux before 6.10 wants that of everyone without `CAP_DAC_READ_SEARCH`; newer ones if the
    /// process's credentials are not those that the file was opened with, or if the file came by
    /// fork(2).
    ProcUnavailable,
    /// The file could be opened, but may not be linked or, if it has a temporary name, renamed
    /// (`EPERM`, `EACCES`, `ENOSYS`, `ENOENT`): Landlock, seccomp, SELinux, AppArmor, or
    /// `protected_hardlinks` after the privileges that it was opened with were dropped. Where it is
    /// the link, a copy can be allowed: [`allow_copy`](crate::PublishOptions::allow_copy).
    LinkForbidden,
    /// fsync(2) of the contents failed (`EIO`, `ENOSPC`, `EDQUOT`; `EINVAL` where there is none).
    /// The kernel then forgets what it could not write and reports that once, so the file is
    /// spoilt, and every later publish fails with the same error.
    SyncFailed,
    /// It is published, but fsync(2) of the directory failed: `EIO`, or `EINVAL`, `EBADF` and
    /// `EOPNOTSUPP` where a directory cannot be synced.
    NotDurable,
    /// A file with a temporary name can neither be renamed without replacing nor have a hard link
    /// (`EINVAL`, `ENOSYS`, `EOPNOTSUPP`), so only [`replace`](LinkableFile::replace) works: on FAT
    /// and exFAT served by FUSE, for example.
    Unsupported,
    /// Another file of the [batch](crate::PublishBatch) had failed, and it was told to stop at that
    /// (`ECANCELED`).
    Cancelled,
    /// Anything else: see [`PublishError::io_error`].
    Other,
}

impl PublishErrorKind {
    /// What stands behind `error`. Asks the system, and so belongs right behind the failure.
    pub(crate) fn of(
        error: &io::Error,
        file: &File,
        backend: &Backend,
        target: &Target<'_>,
    ) -> Self {
        let errno = match Errno::from_io_error(error) {
            Some(errno) => errno,
            None => return Self::Other,
        };
        match errno {
            Errno::EXIST => Self::AlreadyExists,
            Errno::XDEV => Self::CrossesDevices,
            Errno::ISDIR | Errno::NOTDIR | Errno::BUSY | Errno::NOTEMPTY
                if is_directory(target) =>
            {
                Self::IsADirectory
            }
            Errno::BUSY => Self::MountPoint,
            Errno::NOENT | Errno::NOTDIR if is_nowhere(target) => Self::NotFound,
            Errno::PERM | Errno::ACCESS if !target.is_writable() => Self::Other,
            _ => backend.impediment(errno, file, target),
        }
    }

    /// What is to be added to "cannot publish PATH".
    fn advice(self) -> &'static str {
        match self {
            Self::AlreadyExists => {
                ": the name is taken; `replace` takes it over if it is no directory"
            }
            Self::NotFound => {
                ": its directory must exist, and a slash at the end makes no file name"
            }
            Self::CrossesDevices => {
                ": the file must be opened in the same mount and volume, best in the same \
                 directory, or `allow_copy` be said"
            }
            Self::IsADirectory => ": the name is a directory's",
            Self::MountPoint => ": something is mounted on the name, so it can only be written to",
            Self::NeverLinkable => {
                ": a file whose names were all removed can have no new one; write a new file"
            }
            Self::ProcUnavailable => {
                ": this kernel links a nameless file through /proc only, or when asked by the \
                 process and credentials that opened it; mount procfs"
            }
            Self::LinkForbidden => {
                ": a security policy, a sandbox or protected_hardlinks forbids link(2) or \
                 rename(2); allow it, publish with the credentials that opened the file, or say \
                 `allow_copy`"
            }
            Self::SyncFailed => {
                ": the contents did not reach the disk, and may be lost to the kernel, too; \
                 write a new file"
            }
            Self::Unsupported => {
                ": here a file can neither be renamed without replacing (RENAME_NOREPLACE) \
                 nor have a hard link; `replace` works"
            }
            Self::Cancelled => ": another file of the batch had failed",
            Self::NotDurable | Self::Other => "",
        }
    }
}

fn is_directory(target: &Target<'_>) -> bool {
    let there = statat(target.directory(), target.name, AtFlags::SYMLINK_NOFOLLOW);
    there.map_or(false, |stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::Directory
    })
}

/// Whether there is no place for the name: no directory, a removed one, or a slash behind it.
fn is_nowhere(target: &Target<'_>) -> bool {
    target.has_form_of_directory()
        || match stat(target.parent()) {
            Ok(stat) => stat.st_nlink == 0,
            Err(errno) => errno == Errno::NOENT,
        }
}
