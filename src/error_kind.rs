//! The kinds of failure, and what to do about each.

/// Why a file could not be published.
///
/// [`PublishError::kind`](crate::PublishError::kind) returns it. Each variant lists the errnos that
/// lead to it; one errno can have several causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// Something already exists at the path (`EEXIST`): a file, a directory or a symlink, wherever
    /// it points.
    AlreadyExists,
    /// The directory does not exist or is a file, or the path is empty or ends in a slash
    /// (`ENOENT`, `ENOTDIR`).
    NotFound,
    /// The directory is on another file system, mount, btrfs subvolume or xfs project than the one
    /// in which the file was opened, or is encrypted with another key (`EXDEV`; some file systems,
    /// such as procfs, return `ENOENT`).
    ///
    /// Landlock also returns `EXDEV` if it does not allow the file to move to that directory.
    /// [`allow_copy`](crate::PublishOptions::allow_copy) publishes a copy instead.
    CrossesDevices,
    /// The path is a directory, which a file never replaces (`EISDIR`, `ENOTDIR`, `EBUSY`,
    /// `ENOTEMPTY`).
    IsADirectory,
    /// A device, a FIFO or a socket is at the path (`EINVAL`), and
    /// [`any_file_type`](crate::PublishOptions::any_file_type) is not set.
    NotARegularFile,
    /// A symlink is at the path, and is not followed (`ELOOP`).
    ///
    /// Either [`Symlinks::Refuse`](crate::Symlinks::Refuse) forbids it, or
    /// [`Symlinks::Follow`](crate::Symlinks::Follow) finds no path at its end: a loop, or a link of
    /// procfs to an open file that has no path.
    IsASymlink,
    /// The existing file is in use or read-only, or you have no permission. Only on Windows: access
    /// denied (5), sharing violation (32), lock violation (33), and a few more.
    ///
    /// Windows does not tell these apart. Where a look at the path does, the text of the error says
    /// so. You get the file back, and can try again; the crate does not retry by itself.
    ///
    /// The most frequent cause is the program itself: the [`File`](std::fs::File) that an earlier
    /// save has returned is still open. Drop it. Or another program reads the file, or scans or
    /// indexes it for a moment: see [Windows](crate::platforms#windows).
    InUseOrForbidden,
    /// Something is mounted at the path (`EBUSY`), as on single files in a container.
    ///
    /// Before Linux 5.8, a file that is in use on SMB or FUSE is also reported as this.
    MountPoint,
    /// The file was deleted and can never get a directory entry again (`ENOENT`).
    ///
    /// All its directory entries were removed; the last one may have been its temporary name.
    NeverLinkable,
    /// The kernel links the file only through procfs, which is not available (`ENOENT`, `EINVAL`).
    ///
    /// Linux before 6.10 requires procfs unless the process has `CAP_DAC_READ_SEARCH`. Newer
    /// kernels require it if the process has other credentials than those that opened the file, or
    /// if the process inherited the file through fork(2).
    ProcUnavailable,
    /// The file cannot be linked or, if it has a temporary name, renamed (`EPERM`, `EACCES`,
    /// `ENOSYS`, `ENOENT`; `EINVAL` and `EOPNOTSUPP` of a link).
    ///
    /// A policy forbids it, the file is immutable or append-only, or the file system has no hard
    /// links. The policy can be Landlock, seccomp, SELinux or AppArmor, or `protected_hardlinks` if
    /// the process has dropped the privileges with which it opened the file. If the link is
    /// forbidden, [`allow_copy`](crate::PublishOptions::allow_copy) publishes a copy instead.
    LinkForbidden,
    /// fsync(2) or sync_file_range(2) of the contents failed (`EIO`, `ENOSPC`, `EDQUOT`; `EINVAL`
    /// where the file system has no fsync).
    ///
    /// The kernel then drops what it could not write, and reports that only once. So the file is
    /// spoilt: you can read it, but every later publish fails with the same error.
    SyncFailed,
    /// The file is published, but fsync(2) of its directory failed: `EIO`, or `EINVAL`, `EBADF` and
    /// `EOPNOTSUPP` where a directory cannot be synced.
    ///
    /// In a [batch](crate::PublishBatch), this is also the kind if the sync of another file or
    /// directory on the same file system failed, because the kernel may report an error only once.
    NotDurable,
    /// The file has a temporary name, and the file system cannot rename it as asked (`EINVAL`,
    /// `ENOSYS`, `EOPNOTSUPP`; `EIO` of some FUSE).
    ///
    /// To publish without replacing takes `RENAME_NOREPLACE` or hard links. Where there is neither,
    /// as on FAT and exFAT served by FUSE, only [`replace`](crate::LinkableFile::replace) works.
    /// `replace` itself fails with this kind where the file system cannot rename an open file, as
    /// on some FUSE.
    Unsupported,
    /// Another file of the [batch](crate::PublishBatch) failed, and the batch
    /// [stops at the first error](crate::PublishBatch::stop_at_first_error) (`ECANCELED`).
    Cancelled,
    /// Anything else: see [`PublishError::io_error`](crate::PublishError::io_error).
    Other,
}

impl PublishErrorKind {
    /// What follows "cannot publish PATH": the cause, then what to do.
    fn advice(self) -> &'static str {
        match self {
            Self::AlreadyExists => ": the path is already taken; use `replace` to overwrite a file",
            Self::NotFound => {
                ": its directory does not exist, or the path is empty or ends in a slash; create \
                 the directory or correct the path"
            }
            Self::CrossesDevices => {
                ": the file was opened on another mount or volume, or a sandbox does not let it \
                 move there; open it in the same directory as the path, or set `allow_copy(true)`"
            }
            Self::IsADirectory => {
                ": the path is a directory, which a file cannot replace; choose another path"
            }
            Self::NotARegularFile => {
                ": the path is a device, a FIFO or a socket, which cannot be written in one step; \
                 write to it in place, or set `any_file_type(true)` to replace it"
            }
            Self::IsASymlink => {
                ": the path is a symlink, which is not followed or leads to no path; use the path \
                 to which it leads, or `Symlinks::Replace` to replace it"
            }
            Self::InUseOrForbidden => {
                ": a program has the existing file open, or you have no permission; close it, also \
                 the `File` that an earlier save has returned, and publish again"
            }
            Self::MountPoint => {
                ": something is mounted at the path, so it cannot be replaced; write to it in place"
            }
            Self::NeverLinkable => {
                ": the file was deleted, and a deleted file cannot be published; write a new \
                 file, or set `allow_copy(true)`"
            }
            Self::ProcUnavailable => {
                ": the kernel links this file only through procfs, and /proc does not show it; \
                 mount procfs, or, since Linux 6.10, publish in the process that opened the file, \
                 with the same credentials"
            }
            Self::LinkForbidden => {
                ": a sandbox, a security policy, protected_hardlinks or the file system forbids \
                 link(2); allow it, publish with the credentials that opened the file, or set \
                 `allow_copy(true)`"
            }
            Self::SyncFailed => {
                ": the contents did not reach the disk, and the kernel may have dropped them; \
                 write a new file"
            }
            Self::Unsupported => {
                ": neither RENAME_NOREPLACE nor hard links work here; use `replace`, which needs \
                 neither"
            }
            Self::Cancelled => {
                ": the batch stopped because another file failed; publish this one again"
            }
            Self::NotDurable | Self::Other => "",
        }
    }
}

/// Why a file was not published, and what the user can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) kind: PublishErrorKind,
    /// What follows "cannot publish PATH".
    pub(crate) advice: &'static str,
}

impl From<PublishErrorKind> for Reason {
    fn from(kind: PublishErrorKind) -> Self {
        let advice = kind.advice();
        Self { kind, advice }
    }
}
