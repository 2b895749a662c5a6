//! Where files are saved, and their names.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cap_tempfile::ambient_authority;
use cap_tempfile::cap_std::fs::Dir;
use rustix::fs::syncfs;
use tempfile::TempDir;

/// A new directory, which is removed with its contents when this is dropped.
#[derive(Debug)]
pub struct Place {
    root: TempDir,
    /// For crates that want an open directory.
    pub dir: Dir,
    /// The temporary name of methods that do not choose one.
    pub temporary: PathBuf,
}

impl Place {
    /// An empty directory in `parent`.
    pub fn new(parent: &Path) -> io::Result<Self> {
        let root = tempfile::tempdir_in(parent)?;
        let dir = Dir::open_ambient_dir(root.path(), ambient_authority())?;
        let temporary = root.path().join(".temporary");
        Ok(Self {
            root,
            dir,
            temporary,
        })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Names with these numbers.
    #[must_use]
    pub fn targets(&self, numbers: Range<usize>) -> Vec<Target> {
        numbers
            .map(|number| {
                let name = OsString::from(format!("file-{number}"));
                let path = self.path().join(&name);
                Target { path, name }
            })
            .collect()
    }

    /// Syncs the file system, so that the next measurement does not pay for what was before.
    pub fn settle(&self) -> io::Result<()> {
        Ok(syncfs(File::open(self.path())?)?)
    }
}

/// The name that a file gets.
#[derive(Debug)]
pub struct Target {
    /// All of it.
    pub path: PathBuf,
    /// The last part of it.
    pub name: OsString,
}

impl Target {
    /// Makes the file that will be replaced.
    pub fn take(&self) -> io::Result<()> {
        fs::write(&self.path, b"old contents")
    }
}
