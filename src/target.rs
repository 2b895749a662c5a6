//! The path at which a file is to be published.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{
    accessat, fstat, openat, readlinkat, statat, Access, AtFlags, FileType, Mode, OFlags, Stat, CWD,
};
use rustix::io::{retry_on_intr, Errno};

use crate::sys::{self, Attributes, FileId, Status, EFFECTIVE_USER, MODE_AND_OWNER};

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
    base: BorrowedFd<'a>,
    /// The directory of the target, if it is held open.
    held: Option<BorrowedFd<'a>>,
    /// What system calls get: the last part of the path if the directory is held, else all of it.
    relative: &'a CStr,
    path: &'a CStr,
}

impl<'a> Target<'a> {
    pub(crate) fn new(base: BorrowedFd<'a>, path: &'a CStr) -> Self {
        Self {
            base,
            held: None,
            relative: path,
            path,
        }
    }

    /// The same target, relative to its parent directory, if that is open.
    pub(crate) fn within<'b>(self, parent: Option<&'b File>) -> Target<'b>
    where
        'a: 'b,
    {
        let last = || {
            let (above, _) = split(self.path.to_bytes());
            CStr::from_bytes_with_nul(&self.path.to_bytes_with_nul()[above.len()..])
        };
        match parent.map(|parent| (parent, last())) {
            Some((parent, Ok(last))) if !last.to_bytes().is_empty() => Target {
                base: self.base,
                held: Some(parent.as_fd()),
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
    pub(crate) fn base(&self) -> BorrowedFd<'a> {
        self.base
    }

    /// A path of the target that is not relative to an open directory.
    pub(crate) fn whole_path(&self) -> Cow<'a, CStr> {
        let is_whole =
            self.base.as_raw_fd() == CWD.as_raw_fd() || self.path.to_bytes().starts_with(b"/");
        let below_base = || {
            let path = sys::path_of(self.base).join(OsStr::from_bytes(self.path.to_bytes()));
            CString::new(path.into_os_string().into_vec()).ok()
        };
        let whole = if is_whole { None } else { below_base() };
        whole.map_or(Cow::Borrowed(self.path), Cow::Owned)
    }

    /// The directory of the target, by a path that is not relative to an open directory.
    pub(crate) fn whole_parent(&self) -> PathBuf {
        let path = self.whole_path();
        parent(Path::new(OsStr::from_bytes(path.to_bytes()))).to_owned()
    }

    /// What [`Self::relative`] is relative to.
    pub(crate) fn directory(&self) -> BorrowedFd<'a> {
        self.held.unwrap_or(self.base)
    }

    pub(crate) fn relative(&self) -> &'a CStr {
        self.relative
    }

    /// The directory of the target, if it is held open.
    pub(crate) fn held(&self) -> Option<BorrowedFd<'a>> {
        self.held
    }

    /// The path of the directory of the target.
    pub(crate) fn parent(&self) -> &'a Path {
        parent(Path::new(OsStr::from_bytes(self.path.to_bytes())))
    }

    /// Another file name in the same directory, as a path relative to [`Self::directory`].
    pub(crate) fn sibling(&self, name: &Utf8Path) -> PathBuf {
        let (parent, _) = split(self.relative.to_bytes());
        let mut path = Vec::with_capacity(parent.len() + name.as_str().len());
        path.extend_from_slice(parent);
        path.extend_from_slice(name.as_str().as_bytes());
        OsString::from_vec(path).into()
    }

    /// Looks at the target, without following a symlink; `None` if nothing is there.
    pub(crate) fn look(&self) -> rustix::io::Result<Option<Status>> {
        look(self.directory(), self.relative)
    }

    /// Follows the symlink that is at the target: the path at its end, and what is there.
    ///
    /// Fails with `ELOOP` if there are too many. If one of them leads to an open file without a
    /// path, fails with `ELOOP` for a regular file and `EINVAL` for others.
    pub(crate) fn follow(&self) -> rustix::io::Result<(CString, Option<Status>)> {
        let mut errno = Errno::LOOP;
        for _ in 0..FOLLOW_ATTEMPTS {
            // The kernel decides whether they may be followed: proc_sys_fs(5), protected_symlinks.
            let end = Status::at(self.base, self.path, AtFlags::empty(), MODE_AND_OWNER);
            let end = found(end)?;
            let (path, there) = self.follow_by_hand()?;
            if there.map(|there| there.id) == end.map(|end| end.id) {
                return Ok((path, there));
            }
            errno = match end.map(|end| end.file_type()) {
                Some(FileType::RegularFile) | None => Errno::LOOP,
                Some(_) => Errno::INVAL,
            };
        }
        Err(errno)
    }

    fn follow_by_hand(&self) -> rustix::io::Result<(CString, Option<Status>)> {
        let mut path = self.path.to_owned();
        for _ in 0..=MOST_SYMLINKS {
            let there = look(self.base, &path)?;
            if there.map(|status| status.file_type()) != Some(FileType::Symlink) {
                return Ok((path, there));
            }
            // Its text is relative to the directory that it is in. An absolute path drops that.
            let text = retry_on_intr(|| readlinkat(self.base, &path, Vec::new()))?;
            let directory = parent(Path::new(OsStr::from_bytes(path.to_bytes())));
            let joined = directory.join(OsStr::from_bytes(text.to_bytes()));
            path = CString::new(joined.into_os_string().into_vec()).map_err(|_| Errno::INVAL)?;
        }
        Err(Errno::LOOP)
    }

    /// The identity of the file at the target.
    pub(crate) fn id(&self) -> rustix::io::Result<FileId> {
        FileId::at(self.directory(), self.relative, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens the directory of the target.
    pub(crate) fn open_parent(&self, flags: OFlags) -> rustix::io::Result<File> {
        let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| openat(self.base, self.parent(), flags, Mode::empty()))?;
        Ok(File::from(opened))
    }

    /// Whether the target is on another file system than the file.
    pub(crate) fn is_on_another_device(&self, file: &File) -> bool {
        matches!((self.parent_id(), FileId::of(file)), (Ok(there), Ok(here)) if there.device() != here.device())
    }

    /// Whether files may be created in the directory; also `true` if that is unknown.
    pub(crate) fn is_writable(&self) -> bool {
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        let (directory, path) = self.parent_at();
        let answer = accessat(directory, path, wanted, EFFECTIVE_USER);
        !matches!(answer, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }

    /// Whether the target is an existing directory.
    pub(crate) fn is_directory(&self) -> bool {
        let there = statat(self.directory(), self.relative, AtFlags::SYMLINK_NOFOLLOW);
        there.map_or(false, |stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::Directory
        })
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
        let there = statat(self.directory(), self.relative, AtFlags::SYMLINK_NOFOLLOW);
        match (self.stat_parent(), there, fstat(file)) {
            (Ok(directory), Ok(there), Ok(ours)) => {
                Mode::from_raw_mode(directory.st_mode).contains(Mode::SVTX)
                    && ours.st_uid != there.st_uid
                    && ours.st_uid != directory.st_uid
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
        match self.stat_parent() {
            Ok(stat) => stat.st_nlink == 0,
            Err(errno) => matches!(errno, Errno::NOENT | Errno::NOTDIR),
        }
    }

    /// Whether the path can only lead to a directory: `x/`, `.` and `..`.
    pub(crate) fn must_be_directory(&self) -> bool {
        matches!(split(self.path.to_bytes()).1, b"" | b"." | b"..")
    }

    /// The error of a file at a path that can only lead to a directory.
    pub(crate) fn refusal_of_directory(&self, replace: bool) -> Errno {
        match statat(self.directory(), self.relative, AtFlags::empty()) {
            // The errno of rename(2).
            Ok(_) if replace => Errno::NOTDIR,
            Ok(_) => Errno::EXIST,
            Err(errno) => errno,
        }
    }

    /// The last part of the path, if it can be a file's.
    pub(crate) fn file_name(&self) -> Option<&'a OsStr> {
        Path::new(OsStr::from_bytes(self.path.to_bytes())).file_name()
    }

    /// Which directory is to hold the file.
    pub(crate) fn parent_id(&self) -> rustix::io::Result<FileId> {
        let (directory, path) = self.parent_at();
        FileId::at(directory, path, AtFlags::empty())
    }

    fn stat_parent(&self) -> rustix::io::Result<Stat> {
        let (directory, path) = self.parent_at();
        statat(directory, path, AtFlags::empty())
    }

    /// The directory of the target, as system calls get it.
    fn parent_at(&self) -> (BorrowedFd<'a>, &'a Path) {
        match self.held {
            Some(held) => (held, Path::new(".")),
            None => (self.base, self.parent()),
        }
    }
}

fn look(directory: BorrowedFd<'_>, path: &CStr) -> rustix::io::Result<Option<Status>> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    found(Status::at(directory, path, flags, MODE_AND_OWNER))
}

fn found<T>(looked: rustix::io::Result<T>) -> rustix::io::Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The directory of `path`: everything up to the last slash, as the kernel sees it.
///
/// `Path::parent` treats `x/` and `x/.` like `x`; the kernel does not.
pub(crate) fn parent(path: &Path) -> &Path {
    match split(path.as_os_str().as_bytes()).0 {
        b"" => Path::new("."),
        parent => Path::new(OsStr::from_bytes(parent)),
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    path.split_at(slash.map_or(0, |slash| slash + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_all_up_to_the_last_slash() {
        for (path, expected) in [
            ("file", "."),
            ("", "."),
            ("..", "."),
            ("/", "/"),
            ("/file", "/"),
            ("a/b/file", "a/b/"),
            ("a/b/", "a/b/"),
            ("a//file", "a//"),
        ] {
            let found = parent(Path::new(path));
            assert_eq!(found.as_os_str(), OsStr::new(expected), "{path:?}");
        }
    }
}
