//! What the tests share: a directory on one of the two routes, and faults that the kernel injects.
// Every test binary uses a part of this.
#![allow(dead_code, unreachable_pub, unused_imports, unused_macros)]

pub mod kernel;
pub mod trace;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use linkable::{LinkableFile, OpenOptionsAnonymousExt, PublishError, PublishErrorKind};
use rustix::fs::{open, renameat_with, Mode, OFlags, RenameFlags, CWD};

pub use kernel::{deny, in_thread, Rule};

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
        let entries = fs::read_dir(self.dir()).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
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
    match error {
        PublishError::NotPublished { file, .. } => file,
        error => panic!("{error:?}"),
    }
}

/// Fails with what the file system itself says, if that is no.
pub fn needs_o_tmpfile(dir: &Path) {
    if let Err(errno) = open(dir, OFlags::TMPFILE | OFlags::WRONLY, Mode::RWXU) {
        panic!("O_TMPFILE: {errno}");
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

/// Makes each promise two tests, one for each route.
macro_rules! on_both_routes {
    (anonymous: $anonymous:expr;
     $($(#[$attribute:meta])* fn $promise:ident($bed:ident: &Bed) $body:block)*) => {
        $(fn $promise($bed: &Bed) $body)*

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
    ($($promises:tt)*) => { on_both_routes!{ anonymous: Route::Anonymous; $($promises)* } };
}
pub(crate) use on_both_routes;

/// The whole of a file, from its start.
pub fn contents(mut file: impl Read + Seek) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}
