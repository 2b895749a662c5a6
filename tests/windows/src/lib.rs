//! What the tests share: see `run`.
#![allow(clippy::missing_panics_doc)]

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty directory of its own, removed at the end.
#[derive(Debug)]
pub struct Bed(PathBuf);

impl Default for Bed {
    fn default() -> Self {
        Self::new()
    }
}

impl Bed {
    /// Creates it in the directory for temporary files.
    #[must_use]
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("linkable-{}-{number}", process::id());
            let dir = std::env::temp_dir().join(name);
            match fs::create_dir(&dir) {
                Ok(()) => return Self(dir),
                // A killed process has left it, and its number is this one's now.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", dir.display()),
            }
        }
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// Returns a path in it.
    pub fn path<P: AsRef<Path>>(&self, name: P) -> PathBuf {
        self.0.join(name)
    }

    /// Returns all names in it, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }

    /// Returns the contents of a file in it.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// One file is in it, with these contents, and nothing else.
    #[track_caller]
    pub fn holds_only(&self, name: &str, contents: &str) {
        assert_eq!(self.names(), [name]);
        assert_eq!(self.read(name), contents);
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
