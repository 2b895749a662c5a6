//! What differs between kernels, file systems and operating systems (documentation only).
//!
//! # Anonymous file or temporary name
//!
//! [`anonymous_in`] first asks the kernel for an anonymous file: it calls open(2) with `O_TMPFILE`.
//! If that fails with an error of this table, it creates a hidden file in the same directory
//! instead, with the temporary name `.linkable-<random>.tmp`. You use it with the same calls, and
//! publishing renames it. [`is_anonymous`] returns which of the two you have.
//!
//! | open(2) fails with | for example on |
//! |---|---|
//! | `EOPNOTSUPP` | NFS, FAT, exFAT, 9p, most of FUSE, gVisor; overlayfs before Linux 6.10 |
//! | `EISDIR` | Linux before 3.11, some SMB, old gVisor |
//! | `ENOSYS` | sandboxes |
//! | `EINVAL` | emulators, the Nanos unikernel |
//! | (not called) | Android, whose policy denies link(2) |
//!
//! Any other error is returned to you. Support depends on the mount, so the kernel is asked at
//! every call. Only Linux before 3.11 is not asked again once it has failed with `EISDIR`.
//!
//! File systems support `O_TMPFILE` since:
//!
//! | Linux | file system |
//! |---|---|
//! | 3.11 | ext2, ext3, ext4, tmpfs, minix, udf |
//! | 3.15 | xfs |
//! | 3.16 | btrfs, f2fs |
//! | 4.9 | ubifs |
//! | 6.1 | FUSE, if the server supports it |
//! | 6.10 | overlayfs |
//!
//! # Temporary names
//!
//! A file with a temporary name is also published in one step, but it is not invisible. Anyone with
//! permission on it can open it, and anyone who can write to the directory can remove it. If the
//! process is killed, the temporary name stays.
//!
//! An anonymous file has a temporary name for a moment in three cases. If the process is killed in
//! that moment, the name stays:
//!
//! - [`replace`] links it to a temporary name with linkat(2), then calls rename(2).
//! - A [copy](crate::PublishOptions::allow_copy) has a temporary name until it is complete.
//! - On some file systems a file needs a name before it is synced: see [`Durability`].
//!
//! The name belongs to the process that created it. A process forked from that one does not remove
//! it.
//!
//! A temporary name also stays if the directory is moved away between linkat(2) and rename(2), and
//! where nothing may be removed or renamed: in an append-only directory (chattr(1) `+a`), and under
//! Landlock without `REMOVE_FILE`.
//!
//! [`remove_stale`](crate::remove_stale) removes temporary names that nobody holds.
//! [`is_temporary_name`](crate::is_temporary_name) recognises them. You can also remove them while
//! no program that creates them is running.
//!
//! # File systems
//!
//! The repository runs all tests on these file systems (`tests/file-systems`), on several kernels
//! (`tests/kernels`) and in containers (`tests/containers`), as root and as an ordinary user.
//!
//! | file system | what differs |
//! |---|---|
//! | ext2, ext3, ext4, xfs, btrfs, tmpfs, overlayfs on them | nothing, see [`Durability`] for power cuts |
//! | ramfs | `O_DIRECT` fails with `EINVAL`, access control lists with `EOPNOTSUPP` |
//! | all FUSE below | `O_TMPFILE` fails with `EOPNOTSUPP`, so files have a temporary name |
//! | bindfs, mergerfs, unionfs-fuse, ntfs-3g, fuse2fs | `RENAME_NOREPLACE` fails with `EINVAL`, so [`publish`] calls linkat(2) and unlinkat(2) |
//! | exfat-fuse, fusefat | hard links fail with `EPERM`, too, so [`publish`] is [`Unsupported`]; `replace` works |
//! | bindfs, unionfs-fuse, ntfs-3g, fuse2fs, gocryptfs, mergerfs | while an open file is replaced, its path does not exist for short moments (`ENOENT`, `ESTALE`) |
//! | mqueue | nothing can be published: `EPERM` |
//! | overlayfs, and all FUSE | a batch never calls syncfs(2) |
//! | another mount, btrfs subvolume, xfs project | publishing fails with [`CrossesDevices`] |
//! | btrfs at its quota | publishing can fail with `EDQUOT`, because a directory entry takes space, too; you get the file back |
//! | ZFS | each link of an anonymous file waits for a transaction group |
//!
//! See [`Durability`] for what a power cut leaves on each file system.
//!
//! # Mode, owner and attributes
//!
//! What [`write()`] and [`Preserve`] keep of a replaced file depends on the system and on the
//! rights of the process:
//!
//! | | Linux | other Unixes |
//! |---|---|---|
//! | mode | kept | kept |
//! | group | kept if the process is in it, or has `CAP_CHOWN` | kept if chown(2) allows it |
//! | owner | kept if it is the process's own, or with `CAP_CHOWN` | kept if chown(2) allows it |
//! | extended attributes | kept: `user.*` by anyone, `security.*` and `trusted.*` with the rights of xattr(7) | never kept |
//! | access control list | kept | never kept |
//! | file capabilities, hashes of IMA and EVM | never kept: they belong to the old contents | |
//! | times, flags of chattr(1), hard links | never kept | never kept |
//!
//! Where something cannot be kept, [`Preserve`] makes publishing fail, unless you add
//! [`where_possible`], as [`write()`] does. On an Android device, the same holds as on Linux.
//!
//! A file system without extended attributes or access control lists has none to keep. File
//! capabilities, times, flags and hard links are never asked for, so they are no error.
//!
//! # Kernels
//!
//! | before Linux | what differs |
//! |---|---|
//! | 5.10 | contents are synced with fsync(2) on ext4 and xfs, too, see [`WriteOut`] |
//! | 5.17 | a batch never calls syncfs(2) |
//! | 6.0 | the kernel forgets the umask for anonymous files where the file system has no access control lists (`noacl`, minix); the crate applies it, or uses a temporary name if procfs does not show the umask |
//! | 6.8 | the crate asks at each durable publish what the file system guarantees, because a later mount can get the same number |
//! | 6.10 | ordinary users need procfs, else publishing fails with [`ProcUnavailable`]; overlayfs has no `O_TMPFILE` |
//! | 6.16 | on btrfs a file needs a temporary name before it is synced, see [`Durability`] |
//!
//! The crate reads the version from `/proc/sys/kernel/osrelease`. Where that is hidden, it assumes
//! an old kernel, but still tries `O_TMPFILE`.
//!
//! # Windows
//!
//! Every file has a temporary name on Windows, and the crate calls nothing but std. The repository
//! runs tests for this under wine 8 (`tests/windows`). It has no Windows to run them on, so what is
//! said here beyond that follows Microsoft's documentation and what users of other crates report.
//!
//! **A file that is open cannot always be replaced.** If a program has the file at the path open,
//! [`replace`] and [`write()`] can fail with [`InUseOrForbidden`]. You get the file back, and nothing
//! has changed.
//!
//! - The first program to look at is your own: drop the [`File`](std::fs::File) that [`publish`] or
//!   [`replace`] has returned before you save again. [`write()`] keeps no file open.
//! - Other programs read the file, or scan or index it for a moment. The crate does not retry by
//!   itself: wait a moment, and publish the returned file again.
//! - With a program that was built by Rust 1.85.1 or newer, an open file on NTFS can be replaced if
//!   all who have it open share it for deletion. std does.
//! - Windows has the same error for a file that you may not replace.
//!
//! This is a way to wait for the others:
//!
//! ```
//! use std::{fs::File, path::Path, thread::sleep, time::Duration};
//! use linkable::{LinkableFile, PublishError, PublishErrorKind};
//!
//! fn replace_patiently(mut file: LinkableFile, path: &Path) -> Result<File, PublishError> {
//!     for _ in 0..20 {
//!         match file.replace(path) {
//!             Err(error) if error.kind() == PublishErrorKind::InUseOrForbidden => {
//!                 file = error.into_file().expect("a file that is not published comes back");
//!             }
//!             outcome => return outcome,
//!         }
//!         sleep(Duration::from_millis(50));
//!     }
//!     file.replace(path)
//! }
//! # use linkable::OpenOptionsAnonymousExt;
//! # let dir = tempfile::tempdir()?;
//! # let file = std::fs::OpenOptions::new().anonymous_in(dir.path())?;
//! # replace_patiently(file, &dir.path().join("file"))?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | | on Windows |
//! |---|---|
//! | [`publish`] | makes a hard link, then removes the temporary name. FAT, exFAT and some network file systems have no hard links: [`Unsupported`] |
//! | [`replace`] | renames the file. Readers see the old file or the new one: none was ever seen to find a part or none, but Microsoft promises it nowhere |
//! | the temporary name | can stay beside the published file until you drop the returned `File`, on older systems |
//! | a read-only file | is not replaced: [`InUseOrForbidden`] |
//! | `name:stream` | is refused, because it is a part of the file `name` |
//! | `NUL`, `CON`, `COM1` and other devices | are refused, in any directory: [`NotARegularFile`](crate::PublishErrorKind::NotARegularFile) |
//! | a dot or a space at the end of a name | is not part of it, as everywhere on Windows |
//! | long paths | work |
//! | [`allow_copy`](crate::PublishOptions::allow_copy) | copies to another drive. The copy is open for reading and writing, whatever the options of the file were, and has neither its times nor its access control list |
//! | [`scratch_in`](crate::OpenOptionsAnonymousExt::scratch_in) | sets `FILE_FLAG_DELETE_ON_CLOSE`: the file is gone when it is closed, even if the process is killed |
//! | [`remove_stale`](crate::remove_stale) | opens each old file in a way that fails if anybody has it open |
//! | [`reopen`](crate::LinkableFile::reopen) | opens the temporary name |
//! | `share_mode` of the options | must contain `FILE_SHARE_DELETE`, as it does unless you set it; else publishing fails with [`InUseOrForbidden`] |
//!
//! [`Durability::Contents`](crate::Durability::Contents) flushes the file before the rename, and
//! [`Durability::Full`](crate::Durability::Full) flushes it once more after that. On NTFS, a flush of
//! a file also writes its name: so says Microsoft's description of the algorithms of its file systems
//! (MS-FSA). No power was cut to test it. On FAT and exFAT nothing is promised after a power cut.
//!
//! These are not there on Windows:
//!
//! | | why |
//! |---|---|
//! | `mode`, and [`custom_flags`](std::os::unix::fs::OpenOptionsExt::custom_flags) of open(2) | std does not offer them; a file gets the access control list of its directory. The `custom_flags` of Windows are honoured, and `FILE_FLAG_DELETE_ON_CLOSE` is refused |
//! | `LinkableFile::new_at`, `PublishOptions::publish_at` | std has no calls that are relative to an open directory |
//! | `TryFrom<File>` | a file without a name cannot get one |
//! | `LinkableFile::into_read_only` | Windows syncs only a file that is open for writing |
//! | `AsFd` and its like | there are `AsHandle` and its like instead |
//! | [`Preserve`] | each member is an error if a file is replaced, unless you add [`where_possible`], as [`write()`] does: std cannot read or set owner and access control lists. So a file that replaces one with a stricter list has the list of the directory |
//! | [`allocate`](crate::LinkableFile::allocate) | is an error of the kind [`Unsupported`](std::io::ErrorKind::Unsupported) |
//!
//! # Other operating systems
//!
//! On macOS, FreeBSD and Android every file has a temporary name. The crate is type-checked for
//! them, but its tests are not run there. On macOS a sync calls fcntl(2) with `F_FULLFSYNC`, which
//! flushes the disk, as std does for [`File::sync_all`](std::fs::File::sync_all); file systems that do
//! not know that get an fsync(2). To open a file, the directory must be readable, because only Linux
//! and Android can hold a directory that is not.
//!
//! On WASI the crate does not compile.
//!
//! [`InUseOrForbidden`]: crate::PublishErrorKind::InUseOrForbidden
//! [`CrossesDevices`]: crate::PublishErrorKind::CrossesDevices
//! [`Durability`]: crate::Durability
//! [`ProcUnavailable`]: crate::PublishErrorKind::ProcUnavailable
//! [`Unsupported`]: crate::PublishErrorKind::Unsupported
//! [`Preserve`]: crate::Preserve
//! [`WriteOut`]: crate::SyncMethod::WriteOut
//! [`anonymous_in`]: crate::OpenOptionsAnonymousExt::anonymous_in
//! [`is_anonymous`]: crate::LinkableFile::is_anonymous
//! [`publish`]: crate::LinkableFile::publish
//! [`replace`]: crate::LinkableFile::replace
//! [`where_possible`]: crate::Preserve::where_possible
//! [`write()`]: crate::write()
