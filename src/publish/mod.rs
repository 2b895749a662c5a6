//! Publishing: sync the contents, give the file its path, sync the directory, in that order.

mod batch;
mod copy;
mod diagnosis;
mod steps;
mod sync;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

pub use self::batch::{BatchProgress, BatchReport, PublishBatch};
pub(crate) use self::steps::Destination;
use self::steps::Plan;
pub use self::sync::{Durability, SyncMethod};
use crate::error::PublishError;
use crate::linkable_file::LinkableFile;
use crate::metadata::Preserve;
use crate::sys::{Dir, CURRENT};
use crate::target::Symlinks;
#[cfg(doc)]
use crate::PublishErrorKind;

/// Options for publishing a file.
///
/// [`LinkableFile::publish`] and [`LinkableFile::replace`] use the most common ones. Here you can
/// also choose what the file survives ([`durability`](Self::durability)), what it takes over from
/// the file that it replaces ([`preserve`](Self::preserve)), and what happens to a symlink
/// ([`symlinks`](Self::symlinks)).
///
/// # Examples
///
/// ```
/// use std::fs::OpenOptions;
/// use std::io::Write;
/// use linkable::{Durability, OpenOptionsAnonymousExt, PublishOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let mut file = OpenOptions::new().anonymous_in(dir)?;
/// file.write_all(b"balance = 7")?;
/// // Once this returns, not even a power cut undoes it.
/// PublishOptions::new()
///     .replace(true)
///     .durability(Durability::Full)
///     .publish(file, dir.join("ledger"))?;
/// # assert_eq!(std::fs::read(dir.join("ledger"))?, b"balance = 7");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct PublishOptions {
    plan: Plan,
}

impl PublishOptions {
    /// Creates the default options: no replacing, [`Durability::Contents`],
    /// [`SyncMethod::Automatic`], and everything else off.
    #[must_use]
    pub const fn new() -> Self {
        Self { plan: Plan::new() }
    }

    /// Creates the same options with [`Durability::None`]: nothing is synced.
    ///
    /// # Examples
    ///
    /// ```
    /// use linkable::PublishOptions;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("cache");
    /// PublishOptions::unsynced().replace(true).write(&path, "can be made again")?;
    /// # assert_eq!(std::fs::read(&path)?, b"can be made again");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "no_sync")]
    #[doc(alias = "nosync")]
    #[must_use]
    pub const fn unsynced() -> Self {
        let mut plan = Plan::new();
        plan.durability = Durability::None;
        Self { plan }
    }

    /// The options of [`write()`](crate::write()).
    pub(crate) const fn like_std() -> Self {
        let mut plan = Plan::new();
        plan.replace = true;
        plan.symlinks = Symlinks::Follow;
        plan.preserve = Preserve::ALL.where_possible();
        Self { plan }
    }

    /// Replaces an existing file at the path. The default is `false`.
    ///
    /// - A symlink at the path is itself replaced, unless you set [`symlinks`](Self::symlinks).
    /// - The new file has its own mode, owner and attributes, unless you set
    ///   [`preserve`](Self::preserve).
    /// - A directory is never replaced, and a device, FIFO or socket only with
    ///   [`any_file_type`](Self::any_file_type).
    /// - Other hard links of the replaced file keep the old contents.
    /// - If two programs load, change and replace a file, the later one wins.
    pub fn replace(&mut self, yes: bool) -> &mut Self {
        self.plan.replace = yes;
        self
    }

    /// Sets what happens to a symlink at the path. The default is [`Symlinks::Replace`].
    #[doc(alias = "follow")]
    #[doc(alias = "O_NOFOLLOW")]
    pub fn symlinks(&mut self, policy: Symlinks) -> &mut Self {
        self.plan.symlinks = policy;
        self
    }

    /// Sets what the file takes over from a regular file that it replaces. The default is
    /// [`Preserve::NONE`].
    ///
    /// This has no effect if nothing is replaced. The file gets everything before it appears at its
    /// path. At no moment does this give anybody more access than they had to the existing file.
    ///
    /// Until then, the file has the mode with which you opened it. Open it with
    /// [`mode(0o600)`](std::os::unix::fs::OpenOptionsExt::mode), as [`write`](Self::write) and
    /// [`write_with`](Self::write_with) do.
    ///
    /// If a later step fails, you get the file back with what it has taken over.
    #[doc(alias = "preserve_mode")]
    #[doc(alias = "preserve_owner")]
    #[doc(alias = "chown")]
    #[doc(alias = "chmod")]
    #[doc(alias = "xattr")]
    #[doc(alias = "acl")]
    pub fn preserve(&mut self, what: Preserve) -> &mut Self {
        self.plan.preserve = what;
        self
    }

    /// Also replaces a device, a FIFO or a socket. The default is `false`.
    ///
    /// Without it, that is an error of the kind [`PublishErrorKind::NotARegularFile`], because a
    /// program that is told to save to `/dev/null` must not replace the device. A directory is
    /// never replaced.
    pub fn any_file_type(&mut self, yes: bool) -> &mut Self {
        self.plan.any_file_type = yes;
        self
    }

    /// Lets the file appear at its path by rename(2), not by linkat(2). The default is `false`.
    ///
    /// inotify(7) then reports `IN_MOVED_TO`. Many programs that take files out of a directory wait
    /// for that. An anonymous file gets a temporary name in the same directory first, which
    /// watchers also see, and which stays if the process is killed before the rename.
    ///
    /// Without [`replace(true)`](Self::replace), this takes `RENAME_NOREPLACE`. Where the file system
    /// does not have it (NFS, most of FUSE), the file still appears by linkat(2).
    #[doc(alias = "inotify")]
    #[doc(alias = "IN_MOVED_TO")]
    pub fn by_rename(&mut self, yes: bool) -> &mut Self {
        self.plan.by_rename = yes;
        self
    }

    /// Sets what the published file survives. The default is [`Durability::Contents`].
    #[doc(alias = "fsync")]
    #[doc(alias = "durable")]
    pub fn durability(&mut self, level: Durability) -> &mut Self {
        self.plan.durability = level;
        self
    }

    /// Publishes a copy where the file itself cannot be published. The default is `false`.
    ///
    /// A copy is made if publishing fails with [`CrossesDevices`], [`NeverLinkable`] or
    /// [`ProcUnavailable`], or, if the file is anonymous, with [`LinkForbidden`]. It is written to
    /// a hidden temporary name in the directory of `path`, then renamed. So it also appears
    /// complete, in one step, and is as durable as you chose. But copying takes time and space for
    /// the whole contents, and a process that is killed meanwhile leaves the temporary name behind.
    /// Where the file system can share blocks (btrfs, xfs), the copy shares them. Holes stay holes.
    ///
    /// The copy has the mode, the times, the extended attributes that users have set (xattr(7)),
    /// the access control list and, if the process may set it, the owner of the file. With another
    /// owner it is not set-user-ID, and with another group not set-group-ID.
    ///
    /// The returned [`File`] is the copy. It is open like the original and at the same position.
    /// Other descriptors of the original still refer to the original, which stays unpublished.
    ///
    /// Where the other file system has no extended attributes or no access control lists, the copy
    /// has none. Then nobody gets more access: the group gets what the list gave to it. The
    /// attributes of chattr(1), such as immutable, are not copied, as with mv(1) and cp(1).
    ///
    /// If copying fails, you get the file back, and nothing is left of the copy.
    ///
    /// [`CrossesDevices`]: PublishErrorKind::CrossesDevices
    /// [`LinkForbidden`]: PublishErrorKind::LinkForbidden
    /// [`NeverLinkable`]: PublishErrorKind::NeverLinkable
    /// [`ProcUnavailable`]: PublishErrorKind::ProcUnavailable
    ///
    /// # Platform-specific behavior
    ///
    /// Opens `/proc/thread-self/fd/N` to read the file. Without procfs, the file must have been
    /// opened with [`read(true)`](std::fs::OpenOptions::read). Calls copy_file_range(2) and, where
    /// that is not supported, sendfile(2), or read(2) and write(2).
    pub fn allow_copy(&mut self, yes: bool) -> &mut Self {
        self.plan.allow_copy = yes;
        self
    }

    /// Sets how contents reach the disk. The default is [`SyncMethod::Automatic`].
    ///
    /// This changes the cost, not the promise of the [`durability`](Self::durability).
    #[doc(alias = "fsync")]
    #[doc(alias = "sync_file_range")]
    #[doc(alias = "syncfs")]
    pub fn sync_method(&mut self, how: SyncMethod) -> &mut Self {
        self.plan.sync_method = how;
        self
    }

    /// Publishes `file` at `path` with these options, in one step.
    ///
    /// Nobody ever sees a part of the file. A relative `path` is relative to the current directory,
    /// not to the one in which the file was opened. The directory of `path` can be any directory on
    /// the mount in which the file was opened; on another mount this fails with
    /// [`CrossesDevices`](PublishErrorKind::CrossesDevices), unless you set
    /// [`allow_copy(true)`](Self::allow_copy).
    ///
    /// # Errors
    ///
    /// - [`PublishError::NotPublished`] returns the file; the path is as it was.
    /// - [`PublishError::NotDurable`] is returned only with [`Durability::Full`]: the file *is*
    ///   published.
    ///
    /// See [`PublishErrorKind`] for the causes. A NUL byte in `path` is
    /// [`InvalidInput`](std::io::ErrorKind::InvalidInput).
    ///
    /// # Platform-specific behavior
    ///
    /// These are the system calls, in order:
    ///
    /// 1. Unless a symlink is to be [replaced](Symlinks::Replace), statx(2) of the path. To follow
    ///    one, statx(2) and readlink(2) until its end is found.
    /// 2. With [`Durability::Full`], open(2) of the directory.
    /// 3. With [`preserve`](Self::preserve), statx(2) of the path, and if a file is there
    ///    llistxattr(2) and, as far as needed, lgetxattr(2), fsetxattr(2), fchown(2) and fchmod(2).
    /// 4. Unless the level is [`Durability::None`], statx(2) of the file, to learn its mount. The
    ///    first time on a mount, the crate asks procfs what the file system guarantees.
    /// 5. Then sync_file_range(2) or fsync(2) of the file, see [`SyncMethod`]. On some file systems
    ///    the file first gets a temporary name, see [`Durability`].
    /// 6. For an anonymous file, linkat(2) with `AT_EMPTY_PATH`, or through `/proc/thread-self/fd`
    ///    if the kernel refuses that. To replace, first statx(2) of the path, unless that was done
    ///    above. If something exists there, or with [`by_rename`](Self::by_rename), linkat(2) to a
    ///    temporary name in the same directory, then rename(2).
    ///
    ///    For a file with a temporary name, renameat2(2) with `RENAME_NOREPLACE`, or linkat(2) and
    ///    unlinkat(2) where that is not supported. To replace, rename(2).
    /// 7. With [`Durability::Full`], fsync(2) of the directory, and of the directory of the
    ///    temporary name if that is another one.
    ///
    /// If the process is killed meanwhile, or may not remove files in the directory, a temporary
    /// name can stay: see [Temporary names](crate::platforms#temporary-names).
    ///
    /// inotify(7) reports a file that is linked as `IN_CREATE`. Watchers that wait for
    /// `IN_MOVED_TO` or `IN_CLOSE_WRITE` miss it: see [`by_rename`](Self::by_rename). While an
    /// anonymous file is written, they see `IN_OPEN`, `IN_MODIFY` and `IN_CLOSE_WRITE` of a name
    /// such as `#1234`, which does not exist.
    ///
    /// The kernel does not execute a file that is open for writing (`ETXTBSY`). Call
    /// [`into_read_only`](LinkableFile::into_read_only) before you publish a program.
    #[doc(alias = "linkat")]
    #[doc(alias = "AT_EMPTY_PATH")]
    #[doc(alias = "RENAME_NOREPLACE")]
    pub fn publish<P: AsRef<Path>>(
        &self,
        file: LinkableFile,
        path: P,
    ) -> Result<File, PublishError> {
        self.publish_below(file, CURRENT, path.as_ref())
    }

    pub(crate) fn publish_below(
        &self,
        mut file: LinkableFile,
        base: Dir<'_>,
        path: &Path,
    ) -> Result<File, PublishError> {
        match steps::publish_one(self.plan, &mut file, base, path) {
            Ok(()) => Ok(file.into()),
            Err(failure) => Err(failure.into_error(file, path.into())),
        }
    }

    /// Finds out where to open a file that is to be published at `path`.
    pub(crate) fn destination_of(&self, path: &Path) -> io::Result<Destination> {
        Destination::find(self.plan, path).map_err(|failure| failure.into_io_error(path))
    }
}

impl fmt::Debug for PublishOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan {
            replace,
            durability,
            sync_method,
            symlinks,
            preserve,
            any_file_type,
            by_rename,
            allow_copy,
        } = &self.plan;
        f.debug_struct("PublishOptions")
            .field("replace", replace)
            .field("durability", durability)
            .field("sync_method", sync_method)
            .field("symlinks", symlinks)
            .field("preserve", preserve)
            .field("any_file_type", any_file_type)
            .field("by_rename", by_rename)
            .field("allow_copy", allow_copy)
            .finish()
    }
}

impl LinkableFile {
    /// Publishes the file at `path` in one step, and fails if something exists there.
    ///
    /// This never replaces a file and never follows a symlink at `path`. If several processes
    /// publish at the same path, exactly one succeeds. The contents are synced first: this is
    /// [`PublishOptions::publish`] with the default options.
    ///
    /// # Errors
    ///
    /// Returns [`PublishError::NotPublished`] with the file; the path is as it was. See
    /// [`PublishErrorKind`] for the causes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs::OpenOptions;
    /// use linkable::{OpenOptionsAnonymousExt, PublishErrorKind};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// let first = OpenOptions::new().anonymous_in(dir)?;
    /// let second = OpenOptions::new().anonymous_in(dir)?;
    /// first.publish(dir.join("lock"))?;
    /// let error = second.publish(dir.join("lock")).unwrap_err();
    /// assert_eq!(error.kind(), PublishErrorKind::AlreadyExists);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "linkat")]
    #[doc(alias = "link")]
    #[doc(alias = "persist_noclobber")]
    pub fn publish<P: AsRef<Path>>(self, path: P) -> Result<File, PublishError> {
        PublishOptions::new().publish(self, path)
    }

    /// Publishes the file at `path` in one step, and replaces a file that exists there.
    ///
    /// At every moment `path` is the complete old file or the complete new one, except on
    /// [some FUSE file systems](crate::platforms#file-systems). A symlink at `path` is itself
    /// replaced, not followed. The new file has its own mode, owner and attributes. The contents
    /// are synced first: this is [`PublishOptions::publish`] with
    /// [`replace(true)`](PublishOptions::replace).
    ///
    /// # Errors
    ///
    /// Returns [`PublishError::NotPublished`] with the file; the path is as it was. See
    /// [`PublishErrorKind`] for the causes. The returned file may have a temporary name in the
    /// directory of `path`, which is removed when you drop the file.
    ///
    /// On Windows this can fail while the existing file is open, also as the [`File`] that the last
    /// save returned: drop that first. See [Windows](crate::platforms#windows).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::fs::{self, OpenOptions};
    /// # use std::io::Write;
    /// use linkable::OpenOptionsAnonymousExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// let config = dir.join("config.toml");
    /// fs::write(&config, "colour = 'red'")?;
    ///
    /// let mut file = OpenOptions::new().anonymous_in(dir)?;
    /// file.write_all(b"colour = 'blue'")?;
    /// file.replace(&config)?;
    /// assert_eq!(fs::read_to_string(&config)?, "colour = 'blue'");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "rename")]
    #[doc(alias = "persist")]
    #[doc(alias = "commit")]
    #[doc(alias = "atomic")]
    pub fn replace<P: AsRef<Path>>(self, path: P) -> Result<File, PublishError> {
        PublishOptions::new().replace(true).publish(self, path)
    }
}
