//! File systems to measure on.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::{NamedTempFile, TempDir};

use crate::kernel;

/// What root can mount: tmpfs, and the others from images in `$TMPDIR`.
pub const MOUNTABLE: [&str; 4] = ["tmpfs", "ext4", "xfs", "btrfs"];

/// What everybody has: tmpfs in `/dev/shm`, and `$TMPDIR`, whatever that is on.
pub const PRESENT: [&str; 2] = ["tmpfs", "tmpdir"];

/// Room for 100,000 files of 16 KiB and one of 256 MiB; the image has holes.
const IMAGE_SIZE: u64 = 4 << 30;

/// A file system, unmounted when this is dropped.
#[derive(Debug)]
pub struct Volume {
    /// What it is called in the tables.
    pub name: String,
    /// Where files may be made.
    pub root: PathBuf,
    /// Whether a sync there costs anything.
    pub on_disk: bool,
    mounted: Option<TempDir>,
}

impl Volume {
    /// The names that [`Self::open`] knows for this user.
    #[must_use]
    pub fn available() -> &'static [&'static str] {
        if geteuid().is_root() {
            &MOUNTABLE
        } else {
            &PRESENT
        }
    }

    /// Mounts the file system, or, for an ordinary user, finds it.
    ///
    /// Root has to be alone with its mounts, see [`alone`].
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

/// Where the images are, and on what kind of file system: what a flush costs depends on that.
pub fn beneath() -> io::Result<String> {
    let at = env::temp_dir();
    let kind = run(Command::new("findmnt")
        .args(["-n", "-o", "FSTYPE", "-T"])
        .arg(&at))?;
    Ok(format!("{} ({})", at.display(), kind.trim()))
}

/// Gives root mounts of its own, which are gone with this process however that ends.
pub fn alone() {
    if geteuid().is_root() {
        kernel::own_mounts();
    }
}

fn mount(kind: &str, at: &Path) -> io::Result<()> {
    if kind == "tmpfs" {
        kernel::mount_new(kind, at, "");
        return Ok(());
    }
    // Once it is mounted the loop device holds it, and it needs no name.
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
fn run(command: &mut Command) -> io::Result<String> {
    let output = command.output().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        io::Error::new(error.kind(), format!("{program}: {error}"))
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(text.trim().replace('\n', " ")))
}
