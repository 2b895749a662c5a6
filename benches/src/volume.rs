//! File systems to measure on.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;
use testbed::{run, FileSystem, Mounted};

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
    /// The disk that nobody else uses.
    disk: Option<Disk>,
    /// Unmounted before the directory is removed.
    _mounted: Option<(Mounted, TempDir)>,
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
        let on_disk = name != "tmpfs";
        let (root, mounted) = if geteuid().is_root() {
            let at = tempfile::tempdir()?;
            let file_system: FileSystem = name.parse().map_err(io::Error::other)?;
            let mounted = file_system.size(IMAGE_SIZE).mount(at.path())?;
            (at.path().to_owned(), Some((mounted, at)))
        } else if on_disk {
            (env::temp_dir(), None)
        } else {
            ("/dev/shm".into(), None)
        };
        let is_ours = on_disk && mounted.is_some();
        Ok(Self {
            name: name.to_owned(),
            disk: is_ours.then(|| Disk::below(&root)).transpose()?,
            root,
            on_disk,
            _mounted: mounted,
        })
    }

    /// What has reached the disk so far, if it is one that nobody else uses.
    pub fn traffic(&self) -> io::Result<Option<Traffic>> {
        self.disk.as_ref().map(Disk::traffic).transpose()
    }
}

/// Gives root its own mounts, which end with this process.
pub fn own_mounts() {
    if geteuid().is_root() {
        testbed::own_mounts();
    }
}

/// A disk, or a loop device.
#[derive(Debug)]
struct Disk {
    /// What the kernel counts, see `Documentation/block/stat.rst` of Linux.
    stat: PathBuf,
}

/// What has reached a disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// How often its cache was flushed.
    pub flushes: u64,
    /// The bytes that were written to it.
    pub bytes: u64,
}

impl Disk {
    /// The disk of the file system that is mounted there.
    fn below(root: &Path) -> io::Result<Self> {
        let find = ["-n", "-o", "SOURCE", "-M"];
        let device = run(Command::new("findmnt").args(find).arg(root))?;
        let name = Path::new(device.trim()).file_name().unwrap_or_default();
        let stat = Path::new("/sys/class/block").join(name).join("stat");
        Ok(Self { stat })
    }

    fn traffic(&self) -> io::Result<Traffic> {
        let text = fs::read_to_string(&self.stat)?;
        let number = |field: usize| {
            let number = text.split_whitespace().nth(field);
            number.and_then(|number| number.parse::<u64>().ok())
        };
        // The seventh field is in sectors, which have 512 bytes whatever the disk. Linux before 5.5
        // does not have the sixteenth.
        match (number(6), number(15)) {
            (Some(sectors), Some(flushes)) => Ok(Traffic {
                flushes,
                bytes: sectors * 512,
            }),
            _ => Err(io::Error::other(format!(
                "{} does not count what is written and flushed: {text}",
                self.stat.display()
            ))),
        }
    }
}

impl Traffic {
    /// What has reached the disk since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            flushes: self.flushes - earlier.flushes,
            bytes: self.bytes - earlier.bytes,
        }
    }
}
