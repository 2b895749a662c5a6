//! The path at which a file is to be published.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use camino::Utf8Path;

use crate::sys::{
    self, AsDir, Attributes, Dir, Errno, FileId, FileType, HeldDirectory, OpenDirectory, RawPath,
    RawPathBuf, SpecialName, Status, FOLLOW, MODE_AND_OWNER, NOFOLLOW,
};

pub(crate) use crate::sys::parent;

/// `Path::parent` of a bare file name is the empty path. It means the current directory.
pub(crate) fn or_current(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    }
}

/// What to do if the path at which a file is published is a symlink.
///
/// This is about the last part of the path only. Symlinks among its directories are always
/// followed.
///
/// # Examples
///
/// ```
/// use std::{fs, os::unix::fs::symlink};
/// use linkable::{PublishOptions, Symlinks};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// fs::create_dir(dir.join("dotfiles"))?;
/// symlink("dotfiles/shellrc", dir.join(".shellrc"))?;
/// PublishOptions::new()
///     .symlinks(Symlinks::Follow)
///     .write(dir.join(".shellrc"), "alias ll='ls -l'")?;
/// assert_eq!(fs::read(dir.join("dotfiles/shellrc"))?, b"alias ll='ls -l'");
/// assert!(dir.join(".shellrc").is_symlink());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Symlinks {
    /// The symlink itself is the target: replaced if that is allowed, and never followed.
    #[default]
    Replace,
    /// The target is what the symlink leads to, whether that exists or not.
    ///
    /// Symlinks are followed as open(2) follows them: relative to their own directory, one after
    /// another, at most 40. The file is published in the directory to which they lead, and appears
    /// there in one step. Open it there too, which [`PublishOptions::write`] and
    /// [`write_with`](crate::PublishOptions::write_with) do, because a file cannot be published on
    /// another mount.
    ///
    /// A link of procfs such as `/dev/stdout` leads to an open file, not to a path. It is followed
    /// only if the file still has the path that the link shows.
    ///
    /// [`PublishOptions::write`]: crate::PublishOptions::write
    Follow,
    /// A symlink is an error of the kind [`IsASymlink`](crate::PublishErrorKind::IsASymlink).
    Refuse,
}

/// How many symlinks are followed one after another, as in the kernel: path_resolution(7).
const MOST_SYMLINKS: u32 = 40;

/// How often somebody may change a symlink while it is followed.
const FOLLOW_ATTEMPTS: u32 = 8;

/// A directory, held open or the current one, and a path below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// What the path is relative to: the current directory, or one that the caller has opened.
    base: Dir<'a>,
    /// The directory of the target, if it is held open.
    held: Option<Dir<'a>>,
    /// What system calls get: the last part of the path if the directory is held, else all of it.
    relative: &'a RawPath,
    path: &'a RawPath,
}

impl<'a> Target<'a> {
    pub(crate) fn new(base: Dir<'a>, path: &'a RawPath) -> Self {
        Self {
            base,
            held: None,
            relative: path,
            path,
        }
    }

    /// The same target, relative to its parent directory, if that is open.
    pub(crate) fn within<'b, D: AsDir>(self, parent: Option<&'b D>) -> Target<'b>
    where
        'a: 'b,
    {
        match parent.map(|parent| (parent, sys::last_part(self.path))) {
            Some((parent, Some(last))) => Target {
                base: self.base,
                held: Some(parent.as_dir()),
                relative: last,
                path: self.path,
            },
            // `x/` has no last part. Leave it as it is: the kernel refuses it.
            _ => self,
        }
    }

    /// The same target, relative to what its whole path is relative to.
    pub(crate) fn unheld(&self) -> Self {
        Self::new(self.base, self.path)
    }

    /// What the whole path is relative to.
    pub(crate) fn base(&self) -> Dir<'a> {
        self.base
    }

    /// A path of the target that is not relative to an open directory.
    pub(crate) fn whole_path(&self) -> Cow<'a, RawPath> {
        sys::whole_path(self.base, self.path).map_or(Cow::Borrowed(self.path), Cow::Owned)
    }

    /// The directory of the target, by a path that is not relative to an open directory.
    pub(crate) fn whole_parent(&self) -> PathBuf {
        let path = self.whole_path();
        parent(sys::as_path(&path)).to_owned()
    }

    /// What [`Self::relative`] is relative to.
    pub(crate) fn directory(&self) -> Dir<'a> {
        self.held.unwrap_or(self.base)
    }

    pub(crate) fn relative(&self) -> &'a RawPath {
        self.relative
    }

    /// The directory of the target, if it is held open.
    pub(crate) fn held(&self) -> Option<Dir<'a>> {
        self.held
    }

    /// The path of the directory of the target.
    pub(crate) fn parent(&self) -> &'a Path {
        parent(self.as_path())
    }

    /// Another file name in the same directory, as a path relative to [`Self::directory`].
    pub(crate) fn sibling(&self, name: &Utf8Path) -> PathBuf {
        sys::sibling(self.relative, name)
    }

    /// Looks at the target, without following a symlink; `None` if nothing is there.
    pub(crate) fn look(&self) -> sys::Result<Option<Status>> {
        look(self.directory(), self.relative)
    }

    /// Follows the symlink that is at the target: the path at its end, and what is there.
    ///
    /// Fails with `ELOOP` if there are too many. If one of them leads to an open file without a
    /// path, fails with `ELOOP` for a regular file and `EINVAL` for others.
    pub(crate) fn follow(&self) -> sys::Result<(RawPathBuf, Option<Status>)> {
        let mut errno = Errno::LOOP;
        for _ in 0..FOLLOW_ATTEMPTS {
            // The kernel decides whether they may be followed: proc_sys_fs(5), protected_symlinks.
            let end = Status::at(self.base, self.path, FOLLOW, MODE_AND_OWNER);
            let end = found(end)?;
            let (path, there) = self.follow_by_hand()?;
            let is_end = match (there, end) {
                (Some(there), Some(end)) => there.id.may_be(end.id),
                (there, end) => there.is_none() && end.is_none(),
            };
            if is_end {
                return Ok((path, there));
            }
            errno = match end.map(|end| end.file_type()) {
                Some(FileType::RegularFile) | None => Errno::LOOP,
                Some(_) => Errno::INVAL,
            };
        }
        Err(errno)
    }

    fn follow_by_hand(&self) -> sys::Result<(RawPathBuf, Option<Status>)> {
        let mut path = self.path.to_owned();
        for _ in 0..=MOST_SYMLINKS {
            let there = look(self.base, &path)?;
            if there.map(|status| status.file_type()) != Some(FileType::Symlink) {
                return Ok((path, there));
            }
            // Its text is relative to the directory that it is in. An absolute path drops that.
            let text = sys::read_link(self.base, &path)?;
            let joined = parent(sys::as_path(&path)).join(text);
            path = sys::raw_path(joined)?;
        }
        Err(Errno::LOOP)
    }

    /// The identity of the file at the target.
    pub(crate) fn id(&self) -> sys::Result<FileId> {
        FileId::at(self.directory(), self.relative, NOFOLLOW)
    }

    /// Opens the directory of the target to look names up in it.
    pub(crate) fn hold_parent(&self) -> sys::Result<HeldDirectory> {
        sys::hold_at(self.base, self.parent())
    }

    /// Opens the directory of the target to sync it; `None` without permission to read it, and
    /// where the system does not sync directories.
    pub(crate) fn open_parent_to_sync(&self) -> sys::Result<Option<OpenDirectory>> {
        sys::open_to_sync(self.base, self.parent())
    }

    /// Whether the target is on another file system than the file.
    pub(crate) fn is_on_another_device(&self, file: &File) -> bool {
        matches!((self.parent_id(), FileId::of(file)), (Ok(there), Ok(here)) if there.device() != here.device())
    }

    /// Whether files may be created in the directory; also `true` if that is unknown.
    pub(crate) fn is_writable(&self) -> bool {
        let (directory, path) = self.parent_at();
        sys::is_writable(directory, path)
    }

    /// Whether the target is an existing directory.
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.look(), Ok(Some(there)) if there.file_type() == FileType::Directory)
    }

    /// Whether the file at the target has an attribute that forbids to replace it.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self.look(), Ok(Some(there)) if there.is_read_only())
    }

    /// What the name at the end of the path stands for, if that is not a file.
    pub(crate) fn special_name(&self) -> Option<(SpecialName, Errno)> {
        sys::special_name(self.path)
    }

    /// The attributes of the file at the target.
    pub(crate) fn attributes(&self) -> Option<Attributes> {
        sys::attributes(self.directory(), self.relative)
    }

    /// The attributes of the directory of the target.
    pub(crate) fn attributes_of_parent(&self) -> Option<Attributes> {
        let (directory, path) = self.parent_at();
        sys::attributes(directory, path)
    }

    /// Whether files can be created in the directory, but neither renamed nor removed.
    pub(crate) fn is_append_only(&self) -> bool {
        let directory = self.attributes_of_parent();
        directory.map_or(false, |directory| directory.append_only)
    }

    /// Whether something is mounted at the target; `None` if that is unknown.
    pub(crate) fn is_mount_point(&self) -> Option<bool> {
        self.attributes()?.mount_root
    }

    /// Whether the directory is sticky, and only somebody else may replace the file at the target.
    pub(crate) fn is_protected_by_sticky_bit(&self, file: &File) -> bool {
        const STICKY: u32 = 0o1000;
        let (directory, path) = self.parent_at();
        let directory = Status::at(directory, path, FOLLOW, MODE_AND_OWNER);
        match (directory, self.look(), Status::of(file, MODE_AND_OWNER)) {
            (Ok(directory), Ok(Some(there)), Ok(ours)) => {
                directory.mode & STICKY != 0 && ours.uid != there.uid && ours.uid != directory.uid
            }
            _ => false,
        }
    }

    /// Whether the file at the target is swap space.
    pub(crate) fn is_swap_file(&self) -> bool {
        self.id().map_or(false, sys::is_swap_file)
    }

    /// Whether the directory of the target does not exist, or was removed.
    pub(crate) fn is_nowhere(&self) -> bool {
        let (directory, path) = self.parent_at();
        match sys::is_removed(directory, path) {
            Ok(removed) => removed,
            Err(errno) => matches!(errno, Errno::NOENT | Errno::NOTDIR),
        }
    }

    /// Whether the path can only lead to a directory: `x/`, `.` and `..`.
    pub(crate) fn must_be_directory(&self) -> bool {
        sys::must_be_directory(self.path)
    }

    /// The error of a file at a path that can only lead to a directory.
    pub(crate) fn refusal_of_directory(&self, replace: bool) -> Errno {
        match FileId::at(self.directory(), self.relative, FOLLOW) {
            // The errno of rename(2).
            Ok(_) if replace => Errno::NOTDIR,
            Ok(_) => Errno::EXIST,
            Err(errno) => errno,
        }
    }

    /// The last part of the path, if it can be a file's.
    pub(crate) fn file_name(&self) -> Option<&'a OsStr> {
        self.as_path().file_name()
    }

    /// Which directory is to hold the file.
    pub(crate) fn parent_id(&self) -> sys::Result<FileId> {
        let (directory, path) = self.parent_at();
        FileId::at(directory, path, FOLLOW)
    }

    fn as_path(&self) -> &'a Path {
        sys::as_path(self.path)
    }

    /// The directory of the target, as system calls get it.
    fn parent_at(&self) -> (Dir<'a>, &'a Path) {
        match self.held {
            Some(held) => (held, Path::new(".")),
            None => (self.base, self.parent()),
        }
    }
}

fn look(directory: Dir<'_>, path: &RawPath) -> sys::Result<Option<Status>> {
    found(Status::at(directory, path, NOFOLLOW, MODE_AND_OWNER))
}

fn found<T>(looked: sys::Result<T>) -> sys::Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
