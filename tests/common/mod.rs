//! What the tests share: a directory on one of the two routes, and questions about it.
// Every test binary uses a part of this.
#![allow(dead_code, unreachable_pub, unused_imports, unused_macros)]

pub mod trace;

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use linkable::{Durability, LinkableFile, OpenOptionsAnonymousExt, PublishError, PublishErrorKind};
use rustix::fs::{
    ioctl_getflags, ioctl_setflags, linkat, mknodat, open, renameat_with, setxattr, FileType,
    IFlags,
};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, XattrFlags, CWD};
use testbed::{deny, in_thread, FileSystem, Mounted, Rule};

/// All that can be promised of a publish.
pub const LEVELS: [Durability; 3] = [Durability::None, Durability::Contents, Durability::Full];

/// Where a file is until it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `O_TMPFILE` or failure: creating a named file with `O_EXCL` is forbidden.
    Anonymous,
    /// `O_TMPFILE`, and whatever comes after it.
    AnonymousFirst,
    /// The hidden temporary name: `O_TMPFILE` is answered with this errno.
    Named(i32),
}

/// An empty directory of its own, in a thread that can go one route only.
pub struct Bed {
    pub route: Route,
    dir: tempfile::TempDir,
}

impl Bed {
    /// In `$TMPDIR`, so that the same promises can be tested on any file system.
    fn new(route: Route) -> Self {
        let dir = tempfile::Builder::new().prefix("linkable-test-").tempdir();
        let dir = dir.expect("a directory in $TMPDIR");
        Self { route, dir }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path<P: AsRef<Path>>(&self, name: P) -> PathBuf {
        self.dir().join(name)
    }

    /// A new file, which proves that it came the bed's route.
    pub fn open_with(&self, options: &OpenOptions) -> LinkableFile {
        let file = options.anonymous_in(self.dir()).unwrap();
        assert_eq!(file.is_anonymous(), self.is_anonymous(), "the wrong route");
        file
    }

    pub fn open(&self) -> LinkableFile {
        self.open_with(OpenOptions::new().read(true))
    }

    /// A new file with something in it.
    pub fn file(&self, contents: &str) -> LinkableFile {
        let mut file = self.open();
        file.write_all(contents.as_bytes()).unwrap();
        file
    }

    pub fn is_anonymous(&self) -> bool {
        !matches!(self.route, Route::Named(_))
    }

    pub fn read<P: AsRef<Path>>(&self, name: P) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// One file is in the directory, with these contents, and nothing else.
    #[track_caller]
    pub fn holds_only(&self, name: &str, contents: &str) {
        assert_eq!(self.names(), [name]);
        assert_eq!(self.read(name), contents);
    }

    /// All names in the directory, in order.
    pub fn names(&self) -> Vec<String> {
        names(self.dir())
    }
}

/// All names in a directory, in order.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Runs `promise` in a thread that can go one route only, and finds the directory without litter.
pub fn on(route: Route, promise: impl FnOnce(&Bed) + Send + 'static) {
    in_thread(move || {
        let bed = Bed::new(route);
        println!("route: {route:?}");
        route.force(bed.dir());
        promise(&bed);
        let litter = bed
            .names()
            .into_iter()
            .find(|name| name.contains("linkable"));
        assert_eq!(litter, None, "litter");
    });
}

impl Route {
    /// For this thread and those that it starts, for good.
    fn force(self, dir: &Path) {
        const O_CREAT_EXCL: i32 = libc::O_CREAT | libc::O_EXCL;
        match self {
            Route::Anonymous => {
                needs_o_tmpfile(dir);
                // An errno that nothing else gives here.
                deny(libc::EUCLEAN, &Rule::open_with(O_CREAT_EXCL));
            }
            Route::AnonymousFirst => needs_o_tmpfile(dir),
            Route::Named(errno) => deny(errno, &Rule::open_with(libc::O_TMPFILE)),
        }
    }
}

/// The file out of an error that says it was not published.
#[track_caller]
pub fn given_back(error: PublishError) -> LinkableFile {
    match error {
        PublishError::NotPublished { file, .. } => file,
        error => panic!("{error:?}"),
    }
}

/// The file out of an error, which must be of this kind and errno.
#[track_caller]
pub fn refused(
    outcome: Result<File, PublishError>,
    kind: PublishErrorKind,
    errno: i32,
) -> LinkableFile {
    let error = outcome.expect_err("published");
    assert_eq!(error.kind(), kind, "{error:?}");
    assert_eq!(error.io_error().raw_os_error(), Some(errno), "{error:?}");
    given_back(error)
}

/// The operation failed with this errno.
#[track_caller]
pub fn fails<T>(outcome: io::Result<T>, errno: i32) {
    let error = outcome.err().expect("succeeded");
    assert_eq!(testbed::errno(&error), Some(errno), "{error}");
}

/// The errno in an error that explains it.
pub fn errno_in(error: &io::Error) -> Option<i32> {
    let source = error.source()?.downcast_ref::<io::Error>()?;
    source.raw_os_error()
}

/// A new file in a directory other than the bed's own.
pub fn file_in(dir: &Path, contents: &str) -> LinkableFile {
    let mut file = OpenOptions::new().read(true).anonymous_in(dir).unwrap();
    file.write_all(contents.as_bytes()).unwrap();
    file
}

/// A path that leads to an open file.
pub fn path_of(file: &impl AsRawFd) -> PathBuf {
    format!("/proc/thread-self/fd/{}", file.as_raw_fd()).into()
}

/// Links an open file without the library, through procfs.
pub fn link_by_hand(file: &impl AsRawFd, path: &Path) -> rustix::io::Result<()> {
    linkat(CWD, path_of(file), CWD, path, AtFlags::SYMLINK_FOLLOW)
}

pub fn publishes_and_replaces(bed: &Bed) {
    bed.file("new").publish(bed.path("new")).unwrap();
    bed.file("newer").replace(bed.path("new")).unwrap();
    bed.holds_only("new", "newer");
}

/// The same as an ordinary user on Linux before 6.10, who needs procfs.
pub fn publishes_and_replaces_by_procfs(bed: &Bed) {
    deny(libc::ENOENT, &[Rule::link_empty_path()]);
    testbed::as_ordinary_user_in(bed.dir());
    publishes_and_replaces(bed);
}

/// The access control list of a file, and the one that a directory gives to its files.
pub const ACCESS: &str = "system.posix_acl_access";
pub const DEFAULT: &str = "system.posix_acl_default";

/// Gives a directory a default ACL, which names user 1234.
pub fn set_default_acl(dir: &Path) {
    set_acl(dir, DEFAULT);
}

/// Gives a file or a directory an ACL: r-x for the group, r-- for user 1234, nothing for others.
pub fn set_acl(path: &Path, name: &str) {
    // Version 2, then (tag, permissions, id): the owner, user 1234, group, mask, others.
    let entries = [
        (1_u16, 7_u16, !0_u32),
        (2, 4, 1234),
        (4, 5, !0),
        (16, 5, !0),
        (32, 0, !0),
    ];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    setxattr(path, name, &acl, XattrFlags::empty()).unwrap();
}

/// Runs `promise` in a new file system.
pub fn on_disk(bed: &Bed, disk: impl Into<FileSystem>, promise: impl FnOnce(&Path)) {
    testbed::own_mounts();
    // What $TMPDIR is on may not be fit to hold an image.
    let memory = Mounted::new("tmpfs", bed.path("memory"), "");
    let at = memory.join("disk");
    fs::create_dir(&at).unwrap();
    let disk = disk.into().image_in(&memory).mount(&at).unwrap();
    promise(&disk);
}

/// Runs `promise` with the lower layer of an overlay, where `dir/file` is, and with the merged one.
/// The upper layer is a tmpfs with these options.
pub fn on_overlay(bed: &Bed, upper: &str, promise: impl FnOnce(&Path, &Path)) {
    testbed::own_mounts();
    let lower = bed.path("lower");
    fs::create_dir_all(lower.join("dir")).unwrap();
    fs::write(lower.join("dir/file"), "old").unwrap();
    let upper = Mounted::new("tmpfs", bed.path("upper"), upper);
    let [data, work] = ["data", "work"].map(|name| upper.join(name));
    fs::create_dir(&data).unwrap();
    fs::create_dir(&work).unwrap();
    let merged = Mounted::overlay(&lower, &data, &work, bed.path("merged"));
    promise(&lower, &merged);
}

/// Makes a socket, at a path of any length.
pub fn make_socket(path: &Path) {
    mknodat(CWD, path, FileType::Socket, Mode::RWXU, 0).unwrap();
}

/// A file or directory that has a flag of chattr(1) until this is dropped.
pub struct Flagged(File, IFlags);

impl Flagged {
    pub fn new(path: &Path, flag: IFlags) -> Self {
        let file = File::open(path).unwrap();
        let before = ioctl_getflags(&file).unwrap();
        ioctl_setflags(&file, before | flag).unwrap();
        Self(file, before)
    }
}

impl Drop for Flagged {
    fn drop(&mut self) {
        ioctl_setflags(&self.0, self.1).unwrap();
    }
}

/// Fails with what the file system itself says, if that is no.
pub fn needs_o_tmpfile(dir: &Path) {
    if let Err(errno) = open(dir, OFlags::TMPFILE | OFlags::WRONLY, Mode::RWXU) {
        panic!("O_TMPFILE: {errno}");
    }
}

/// The same for linking a file by its descriptor, which takes a capability before Linux 6.10. It is
/// the kernel that decides this, so a tmpfs will do.
pub fn needs_link_by_descriptor() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = open(dir.path(), OFlags::TMPFILE | OFlags::WRONLY, Mode::RWXU).unwrap();
    if let Err(errno) = linkat(
        file,
        "",
        CWD,
        dir.path().join("linked"),
        AtFlags::EMPTY_PATH,
    ) {
        panic!("AT_EMPTY_PATH: {errno}");
    }
}

/// The same for renaming without replacing.
pub fn needs_noreplace(dir: &Path) {
    let [from, to] = ["from", "to"].map(|name| dir.join(name));
    File::create(&from).unwrap();
    if let Err(errno) = renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE) {
        panic!("RENAME_NOREPLACE: {errno}");
    }
    fs::remove_file(to).unwrap();
}

/// Makes of each promise, a function of the same file, two tests: one for each route.
///
/// A function that is not listed is dead code, and a listed one that is not there does not compile.
macro_rules! on_both_routes {
    (anonymous: $anonymous:expr; $($(#[$attribute:meta])* $promise:ident,)*) => {
        mod anonymous {
            use crate::common::Route;
            $($(#[$attribute])* #[test] fn $promise() {
                crate::common::on($anonymous, super::$promise);
            })*
        }

        mod named {
            $($(#[$attribute])* #[test] fn $promise() {
                crate::common::on(crate::common::Route::Named(libc::EOPNOTSUPP), super::$promise);
            })*
        }
    };
    ($($promises:tt)*) => { on_both_routes! { anonymous: Route::Anonymous; $($promises)* } };
}
pub(crate) use on_both_routes;

/// The whole of a file, from its start.
pub fn contents(mut file: impl Read + Seek) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}
