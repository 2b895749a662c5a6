//! File systems to measure on.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::{NamedTempFile, TempDir};

use crate::kernel;

/// What root mounts: tmpfs, and the others from images in `$TMPDIR`.
pub const MOUNTABLE: [&str; 4] = ["tmpfs", "ext4", "xfs", "btrfs"];

/// What other users have: the tmpfs in `/dev/shm`, and `$TMPDIR`, whatever that is on.
pub const PRESENT: [&str; 2] = ["tmpfs", "tmpdir"];

/// Room for 100,000 files of 16 KiB and one of 256 MiB; the image has holes.
const IMAGE_SIZE: u64 = 4 << 30;

/// A file system, unmounted when this is dropped.
#[derive(Debug)]
pub struct Volume {
    /// Its name in the results.
    pub name: String,
    /// Where to make files.
    pub root: PathBuf,
    /// Whether a sync there costs anything.
    pub on_disk: bool,
    mounted: Option<TempDir>,
}

impl Volume {
    /// The names that [`Self::open`] accepts from this user.
    #[must_use]
    pub fn available() -> &'static [&'static str] {
        if geteuid().is_root() {
            &MOUNTABLE
        } else {
            &PRESENT
        }
    }

    /// Mounts the file system if this is root, and finds it otherwise.
    ///
    /// Root calls [`own_mounts`] first.
    pub fn open(name: &str) -> io::Result<Self> {
        let (root, mounted) = if geteuid().is_root() {
            let at = tempfile::tempdir()?;
            mount(name, at.path())?;
            (at.path().to_owned(), Some(at))
        } else if name == "tmpfs" {
            ("/dev/shm".into(), None)
        } else {
            (env::temp_dir(), None)
        };
        Ok(Self {
            name: name.to_owned(),
            root,
            on_disk: name != "tmpfs",
            mounted,
        })
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if let Some(at) = &self.mounted {
            kernel::unmount_at(at.path());
        }
    }
}

/// Gives root its own mounts, which end with this process.
pub fn own_mounts() {
    if geteuid().is_root() {
        kernel::own_mounts();
    }
}

fn mount(kind: &str, at: &Path) -> io::Result<()> {
    if kind == "tmpfs" {
        kernel::mount_new(kind, at, "");
        return Ok(());
    }
    // Once it is mounted, the loop device holds the image, which needs no name then.
    let image = NamedTempFile::new()?;
    image.as_file().set_len(IMAGE_SIZE)?;
    run(Command::new(format!("mkfs.{kind}"))
        .arg("-q")
        .arg(image.path()))?;
    run(Command::new("mount")
        .args(["-o", "loop"])
        .args([image.path(), at]))?;
    Ok(())
}

/// Runs a command, and returns what it prints.
pub(crate) fn run(command: &mut Command) -> io::Result<String> {
    let output = command.output().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        io::Error::new(error.kind(), format!("{program}: {error}"))
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(text.trim().replace('\n', " ")))
}
