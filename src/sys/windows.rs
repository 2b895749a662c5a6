//! Windows. Every file has a temporary name, and nothing is called but std.
//!
//! std opens files with all share modes, so that a file of ours can be renamed, linked and removed
//! while it is open. It has no calls relative to an open directory, so a directory is a path here.
//! And it does not show the identity of a file: two looks at one path may be at two files.

mod errno;
mod path;
mod stale;

use std::borrow::Cow;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::path::{Path, PathBuf};

use camino::Utf8Path;

pub(crate) use std::os::windows::fs::OpenOptionsExt;

pub(crate) use self::errno::{Errno, Result};
pub(crate) use self::path::{
    as_path, last_part, must_be_directory, parent, path_from_raw, raw_path, sibling, special_name,
    with_raw_path,
};
pub(crate) use self::stale::remove_stale;
use super::Access;

/// What a path is relative to; the current directory if `None`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dir<'a>(Option<&'a Path>);

/// The current directory.
pub(crate) const CURRENT: Dir<'static> = Dir(None);

impl Dir<'_> {
    fn join<P: AsRef<Path> + ?Sized>(self, path: &P) -> Cow<'_, Path> {
        match self.0 {
            Some(directory) => Cow::Owned(directory.join(path)),
            None => Cow::Borrowed(path.as_ref()),
        }
    }
}

/// A directory that is held: its absolute path, so that the current directory may change.
#[derive(Debug)]
pub(crate) struct HeldDirectory(PathBuf);

/// A directory that is open to be synced. There is none: to sync the file again is enough.
#[derive(Debug)]
pub(crate) enum OpenDirectory {}

/// Something that a path can be relative to.
pub(crate) trait AsDir {
    fn as_dir(&self) -> Dir<'_>;
}

impl AsDir for HeldDirectory {
    fn as_dir(&self) -> Dir<'_> {
        Dir(Some(&self.0))
    }
}

impl AsDir for OpenDirectory {
    fn as_dir(&self) -> Dir<'_> {
        match *self {}
    }
}

pub(crate) fn as_file(directory: &OpenDirectory) -> &File {
    match *directory {}
}

/// A path as the system takes it.
pub(crate) type RawPath = Path;
pub(crate) type RawPathBuf = PathBuf;

/// What calls take as a path.
pub(crate) trait PathArg: AsRef<Path> {}

impl<P: AsRef<Path> + ?Sized> PathArg for P {}

/// Whether a look follows a symlink.
pub(crate) const FOLLOW: bool = true;
pub(crate) const NOFOLLOW: bool = false;

// Flags of CreateFileW.

/// Their type.
pub(crate) type RawFlags = u32;

/// `FILE_FLAG_DELETE_ON_CLOSE`, which makes a scratch file.
pub(crate) const O_EXCL: RawFlags = 0x0400_0000;

/// Why a file with [`O_EXCL`] is refused.
pub(crate) const O_EXCL_IS_REFUSED: &str =
    "with FILE_FLAG_DELETE_ON_CLOSE a file can never be published; remove the flag, or use \
     scratch_in";

// Windows has no such flags.
pub(crate) const IMPLIED: RawFlags = 0;
pub(crate) const OF_DIRECTORY: RawFlags = 0;
pub(crate) const DEMANDS_UNNAMED: RawFlags = 0;
pub(crate) const O_NOFOLLOW: RawFlags = 0;
pub(crate) const O_ACCMODE: RawFlags = 0;
pub(crate) const O_PATH: RawFlags = 0;
pub(crate) const O_TMPFILE: RawFlags = 0;

/// Closing a scratch file removes its name, even if the process is killed.
pub(crate) const SCRATCH_REMOVES_ITSELF: bool = true;

/// A rename refuses directories and read-only files by itself. A look opens the file, so the rename of
/// another thread would find it in use.
pub(crate) const RENAME_NEEDS_A_LOOK: bool = false;

/// What `Debug` calls the handle of an open file.
pub(crate) const DESCRIPTOR: &str = "handle";

pub(crate) fn descriptor(file: &File) -> RawHandle {
    file.as_raw_handle()
}

/// No call is interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    call()
}

/// A path that is not relative to an open directory: each one.
pub(crate) fn whole_path(_: Dir<'_>, _: &RawPath) -> Option<RawPathBuf> {
    None
}

pub(crate) fn path_of(directory: Dir<'_>) -> PathBuf {
    directory.join("").into_owned()
}

/// What an error calls an open file.
pub(crate) fn path_of_file(_: &File) -> PathBuf {
    PathBuf::from("the temporary file")
}

/// There is no other way to sync a file.
pub(in crate::sys) fn fsync_instead(_: &File, errno: Errno) -> Result<()> {
    Err(errno)
}

// Directories.

pub(crate) fn hold(path: &Path, _follow: bool) -> Result<HeldDirectory> {
    Ok(HeldDirectory(path::absolute(path)?))
}

pub(crate) fn hold_at(base: Dir<'_>, path: &Path) -> Result<HeldDirectory> {
    hold(&base.join(path), true)
}

pub(crate) fn hold_again(directory: Dir<'_>) -> Option<HeldDirectory> {
    directory.0.map(|path| HeldDirectory(path.to_owned()))
}

/// The identity of a directory is not known.
pub(crate) fn id_of_held(_: &HeldDirectory) -> Option<FileId> {
    None
}

/// NTFS writes a directory entry when its file is synced, so directories are not synced.
pub(crate) fn open_to_sync(_: Dir<'_>, _: &Path) -> Result<Option<OpenDirectory>> {
    Ok(None)
}

/// Whether files may be created there is unknown.
pub(crate) fn is_writable(_: Dir<'_>, _directory: &Path) -> bool {
    true
}

/// Fails if there is no directory.
pub(crate) fn is_removed(base: Dir<'_>, directory: &Path) -> Result<bool> {
    if fs::metadata(base.join(directory))?.is_dir() {
        Ok(false)
    } else {
        Err(Errno::NOTDIR)
    }
}

// Names.

pub(crate) fn link<P: PathArg>(from: Dir<'_>, old: P, to: Dir<'_>, new: &RawPath) -> Result<()> {
    Ok(fs::hard_link(from.join(&old), to.join(new))?)
}

/// Creates a file for reading and writing, if nothing exists there.
pub(crate) fn create_at(directory: Dir<'_>, name: &Utf8Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options.open(directory.join(name.as_std_path()))
}

/// Gives a file another name, and replaces what has that name.
pub(crate) fn rename<P: PathArg>(from: Dir<'_>, old: P, to: Dir<'_>, new: &RawPath) -> Result<()> {
    Ok(fs::rename(from.join(&old), to.join(new))?)
}

/// std always replaces; the caller links and unlinks instead.
pub(crate) fn rename_noreplace(_: Dir<'_>, _: &Path, _: Dir<'_>, _: &RawPath) -> Result<()> {
    Err(Errno::NOSYS)
}

pub(crate) fn unlink<P: PathArg>(directory: Dir<'_>, path: P) -> Result<()> {
    Ok(fs::remove_file(directory.join(&path))?)
}

pub(crate) fn read_link(directory: Dir<'_>, path: &RawPath) -> Result<PathBuf> {
    Ok(fs::read_link(directory.join(path))?)
}

/// A failed open leaves no file here.
pub(crate) fn remove_empty(_: Dir<'_>, _name: &Utf8Path) {}

/// Whether the error of [`link`] means that the file system has no hard links: FAT, exFAT, ReFS of
/// older systems, some SMB.
pub(crate) fn has_no_links(errno: Errno) -> bool {
    matches!(errno, Errno::NOSYS | Errno::OPNOTSUPP)
}

/// Whether a file that is in use, a read-only file or a permission stops a call. Windows has one
/// code for all of these, and others for some.
pub(crate) fn is_in_use_or_forbidden(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ACCESS | Errno::IN_USE | Errno::DELETE_PENDING | Errno::MAPPED
    )
}

/// What an error of this system alone means, and what the user can do about it.
pub(crate) fn advice(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::IN_USE | Errno::MAPPED => {
            ": another program has the file open and does not share it; close it there, and try \
             again"
        }
        Errno::DELETE_PENDING => {
            ": the file was deleted, and a program still has it open; close it there, and try again"
        }
        Errno::BAD_NAME => {
            ": Windows allows no such name; choose one without < > : \" | ? * and control \
             characters"
        }
        _ => return None,
    })
}

// Files.

/// A file gets the access control list of its directory.
pub(crate) fn for_owner_only(_: &mut OpenOptions) {}

/// Opens a file again, by its name.
pub(crate) fn reopen(_: &File, name: Option<(Dir<'_>, &Path)>, access: Access) -> io::Result<File> {
    let (directory, path) = name.ok_or(Errno::NOENT)?;
    let mut options = OpenOptions::new();
    options
        .read(access != Access::Write)
        .write(access != Access::Read);
    options.open(directory.join(path))
}

/// How a file is open. std does not tell, so a copy is open for reading and writing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenedAs(());

impl OpenedAs {
    pub(crate) fn of(_: &File) -> Result<Self> {
        Ok(Self(()))
    }

    pub(crate) fn can_read(self) -> bool {
        true
    }

    pub(crate) fn options(self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true);
        options
    }

    pub(crate) fn give_rest(self, _: &File) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn copy_data(mut source: &File, mut copy: &File) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};

    source.seek(SeekFrom::Start(0))?;
    io::copy(&mut source, &mut copy).map(drop)
}

/// The limit of open files is memory.
pub(crate) fn most_descriptors() -> Option<usize> {
    None
}

// Metadata.

/// The identity of a file, which std does not show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileId(());

/// No two looks are known to be at the same file.
impl PartialEq for FileId {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl FileId {
    pub(crate) fn of(_: &File) -> Result<Self> {
        Ok(Self(()))
    }

    pub(crate) fn at<P: PathArg>(directory: Dir<'_>, path: P, follow: bool) -> Result<Self> {
        Status::at(directory, path, follow, 0).map(|status| status.id)
    }

    /// Whether both are the same file, as far as the system shows: nobody else draws our names.
    pub(crate) fn may_be(self, _: Self) -> bool {
        true
    }

    /// All drives count as one. A rename to another one fails with [`Errno::XDEV`].
    pub(crate) fn device(self) -> u64 {
        0
    }
}

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) id: FileId,
    pub(crate) size: u64,
    // There is no mode, and an owner is not a number.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    is_read_only: bool,
    file_type: FileType,
}

/// What can be asked for: everything is known at once.
pub(crate) const SIZE: u32 = 0;
pub(crate) const MODE_AND_OWNER: u32 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileType {
    RegularFile,
    Directory,
    /// Or a junction.
    Symlink,
    Unknown,
    /// The devices of [`special_name`] are no files that a look finds.
    #[allow(dead_code)]
    CharacterDevice,
}

impl Status {
    /// Of an open file.
    pub(crate) fn of(file: &File, _more: u32) -> Result<Self> {
        Ok(Self::from(file.metadata()?))
    }

    /// Of the file at `path`, relative to `directory`.
    pub(crate) fn at<P: PathArg>(
        directory: Dir<'_>,
        path: P,
        follow: bool,
        _more: u32,
    ) -> Result<Self> {
        let path = directory.join(&path);
        let looked = if follow {
            fs::metadata(path)
        } else {
            fs::symlink_metadata(path)
        };
        Ok(Self::from(looked?))
    }

    pub(crate) fn file_type(&self) -> FileType {
        self.file_type
    }

    /// Whether the file has the attribute that forbids to replace it.
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }
}

impl From<Metadata> for Status {
    fn from(metadata: Metadata) -> Self {
        let file_type = metadata.file_type();
        Self {
            id: FileId(()),
            size: metadata.len(),
            mode: 0,
            uid: 0,
            gid: 0,
            is_read_only: metadata.permissions().readonly(),
            file_type: if file_type.is_symlink() {
                FileType::Symlink
            } else if file_type.is_dir() {
                FileType::Directory
            } else if file_type.is_file() {
                FileType::RegularFile
            } else {
                FileType::Unknown
            },
        }
    }
}

/// Whether a file can take over owner, mode and attributes of another one.
pub(crate) fn can_preserve() -> Result<()> {
    Err(Errno::OPNOTSUPP)
}

pub(crate) fn set_owner(_: &File, _owner: Option<u32>, _group: Option<u32>) -> Result<()> {
    Err(Errno::OPNOTSUPP)
}

pub(crate) fn set_mode(_: &File, _mode: u32) -> Result<()> {
    Err(Errno::OPNOTSUPP)
}

/// std can set times since 1.75 only.
pub(crate) fn copy_times(_: &File, _copy: &File) -> io::Result<()> {
    Ok(())
}
