//! The kinds of failure, and what to do about each.

/// The kinds of [`PublishError`](crate::PublishError).
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
    /// (`EINVAL`, `ENOSYS`, `EOPNOTSUPP`), so only [`replace`](crate::LinkableFile::replace) works: on FAT
    /// and exFAT served by FUSE, for example.
    Unsupported,
    /// Another file of the [batch](crate::PublishBatch) had failed, and it was told to stop at that
    /// (`ECANCELED`).
    Cancelled,
    /// Anything else: see [`PublishError::io_error`](crate::PublishError::io_error).
    Other,
}

impl PublishErrorKind {
    /// What is to be added to "cannot publish PATH".
    pub(crate) fn advice(self) -> &'static str {
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
