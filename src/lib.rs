//! Files that get their name last.
//!
//! A file is opened without a name (`O_TMPFILE`), written, and then given its name in one step
//! (linkat(2)). Nobody ever sees a part of it, a crash leaves nothing behind, and after a power cut
//! it is whole or not there. This is an extension of [`std::fs::OpenOptions`]:
//!
//! ```
//! use std::fs::OpenOptions;
//! use std::io::Write;
//! use linkable::OpenOptionsAnonymousExt;
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let mut file = OpenOptions::new().anonymous_in(dir)?; // no name: nobody sees it
//! writeln!(file, "colour = 'blue'")?;                   // a crash leaves nothing
//! file.replace(dir.join("config.toml"))?;               // there, whole, at once
//! # assert_eq!(std::fs::read(dir.join("config.toml"))?, b"colour = 'blue'\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Where to start
//!
//! - [`write()`]: a whole file in one call.
//! - [`OpenOptionsAnonymousExt::anonymous_in`]: opens a [`LinkableFile`], which is written like any
//!   file.
//! - [`LinkableFile::publish`] and [`LinkableFile::replace`]: give it its name, if that is free or
//!   in any case.
//! - [`PublishOptions`] and [`Durability`]: what it is to survive, a killed process or a power cut.
//! - [`PublishOptions::allow_copy`]: across mounts, and where a sandbox forbids links.
//! - [`PublishBatch`]: thousands of files with a few flushes.
//! - [`PublishError`]: gives the file back, and [`PublishErrorKind`] says why.
//! - [`OpenOptionsAnonymousExt::scratch_in`]: a file that never gets a name.
//!
//! # When there is a name after all
//!
//! Where `O_TMPFILE` is not supported the same calls work on a hidden named file in the same
//! directory, `.linkable-<random>.tmp`, which is renamed at the end;
//! [`is_anonymous`](LinkableFile::is_anonymous) tells. Support is a fact of one mount, and the
//! kernel is asked each time.
//!
//! | open(2) says | for example |
//! |---|---|
//! | `EOPNOTSUPP` | NFS, FAT, exFAT, 9p, most of FUSE, gVisor; overlayfs before Linux 6.10 |
//! | `EISDIR` | Linux before 3.11, some SMB, old gVisor |
//! | `ENOSYS` | sandboxes |
//! | `EINVAL` | emulators, the Nanos unikernel |
//! | (not asked) | Android, whose policy denies link(2) |
//!
//! Supported since: ext2, ext3, ext4, tmpfs, minix and udf 3.11; xfs 3.15; btrfs and f2fs 3.16;
//! ubifs 4.9; FUSE, if the server does it, 6.1; overlayfs 6.10.
//!
//! The named file is published in one step, too, but it is not invisible: whoever its mode and
//! directory admit can open or remove it, and if the process is killed, the temporary name stays.
//! An anonymous file can leave such a name only if it is stopped between linkat(2) and rename(2) of
//! a [`replace`](LinkableFile::replace), while it is [copied](PublishOptions::allow_copy), or where
//! a file needs a name before it is synced, see [`Durability`]. These names can be removed when no
//! program that makes them is running.
//!
//! # What differs
//!
//! The repository runs all tests on these file systems (`tests/file-systems`), kernels
//! (`tests/kernels`) and containers (`tests/containers`), as root and as an ordinary user.
//!
//! | file system | what differs |
//! |---|---|
//! | ext2, ext3, ext4, xfs, btrfs, tmpfs, overlayfs on them | nothing |
//! | ramfs | `O_DIRECT`: `EINVAL`; access control lists: `EOPNOTSUPP` |
//! | all FUSE below | `O_TMPFILE`: `EOPNOTSUPP`, so the named file |
//! | bindfs, mergerfs, unionfs-fuse, ntfs-3g, fuse2fs | `RENAME_NOREPLACE`: `EINVAL`, so linkat(2) and unlinkat(2) |
//! | exfat-fuse, fusefat | hard links: `EPERM`, too, so [`publish`](LinkableFile::publish) is [`Unsupported`](PublishErrorKind::Unsupported); `replace` works |
//! | bindfs, unionfs-fuse, ntfs-3g, fuse2fs, gocryptfs, mergerfs | moments without the name (`ENOENT`, `ESTALE`) while a file that is open is replaced |
//! | mqueue | nothing can be published: `EPERM` |
//! | overlayfs, and all FUSE | a batch syncs file by file |
//! | another mount, btrfs subvolume, xfs project | [`CrossesDevices`](PublishErrorKind::CrossesDevices) |
//! | btrfs at its quota | `EDQUOT` even for a name; the file comes back |
//!
//! | before Linux | what differs |
//! |---|---|
//! | 5.17 | a batch syncs file by file |
//! | 6.10 | ordinary users need procfs, else [`ProcUnavailable`](PublishErrorKind::ProcUnavailable); overlayfs has no `O_TMPFILE` |
//! | 6.16 | btrfs and overlayfs: a temporary name before the sync, see [`Durability`] |
//!
//! macOS, FreeBSD and Android, where every file has a temporary name, are type-checked and not run.
//!
//! # What is not promised
//!
//! - Other hard links of a replaced file keep the old contents; the new file has its own mode,
//!   owner and attributes; a symlink at the target is replaced, not followed.
//! - Of two programs that load, change and replace a file, the later one wins.
//! - inotify(7) shows a plain link as `IN_CREATE` of the name: watchers that wait for `IN_MOVED_TO`
//!   or `IN_CLOSE_WRITE` miss it.
//! - In another mount than that in which the file was opened it is
//!   [`CrossesDevices`](PublishErrorKind::CrossesDevices), unless
//!   [`allow_copy`](PublishOptions::allow_copy) is said.
//! - On ZFS each link of a nameless file waits for a transaction group.
#![forbid(unsafe_code)]

mod backend;
mod custom_flags;
mod error;
mod error_kind;
mod linkable_file;
mod metadata;
mod open_options;
mod publish;
mod sys;
mod target;
mod write;

pub use error::PublishError;
pub use error_kind::PublishErrorKind;
pub use linkable_file::LinkableFile;
pub use open_options::OpenOptionsAnonymousExt;
pub use publish::{
    BatchProgress, BatchReport, BatchSync, Durability, PublishBatch, PublishOptions,
};
pub use write::write;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
