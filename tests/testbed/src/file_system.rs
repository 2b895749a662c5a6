//! The one recipe to make a file system and to mount it.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use crate::mount::loop_devices;
use crate::{mount_new, mount_overlay, run, Mounted};

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Ext2,
    Ext3,
    Ext4,
    Xfs,
    Btrfs,
    Tmpfs,
    Ramfs,
}

const KINDS: [Kind; 7] = [
    Kind::Ext2,
    Kind::Ext3,
    Kind::Ext4,
    Kind::Xfs,
    Kind::Btrfs,
    Kind::Tmpfs,
    Kind::Ramfs,
];

impl Kind {
    /// What mount(2) calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Tmpfs => "tmpfs",
            Self::Ramfs => "ramfs",
        }
    }

    /// Whether it needs a disk, or an image of one.
    #[must_use]
    pub fn is_on_disk(self) -> bool {
        !matches!(self, Self::Tmpfs | Self::Ramfs)
    }

    /// A size in bytes that its mkfs accepts.
    fn size(self) -> u64 {
        match self {
            Self::Xfs => 300 << 20,
            Self::Btrfs => 128 << 20,
            _ => 64 << 20,
        }
    }

    /// The option of mkfs that overwrites what is there.
    fn force(self) -> &'static str {
        match self {
            Self::Xfs | Self::Btrfs => "-f",
            _ => "-F",
        }
    }
}

/// How a file system is made and mounted. Needs root, in a thread or a process with
/// [its own mounts](crate::own_mounts).
///
/// Its name is that of its kind, `ext4-without-journal`, or `overlay-on-` with another name.
#[derive(Clone, Debug)]
pub struct FileSystem {
    kind: Kind,
    size: u64,
    mkfs: Vec<String>,
    options: String,
    image_in: PathBuf,
    overlaid: bool,
}

impl From<Kind> for FileSystem {
    fn from(kind: Kind) -> Self {
        Self {
            kind,
            size: kind.size(),
            mkfs: Vec::new(),
            options: String::new(),
            image_in: env::temp_dir(),
            overlaid: false,
        }
    }
}

impl FromStr for FileSystem {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if let Some(below) = name.strip_prefix("overlay-on-") {
            return Ok(below.parse::<Self>()?.overlaid());
        }
        if name == "ext4-without-journal" {
            return Ok(Self::from(Kind::Ext4).mkfs(&["-O", "^has_journal"]));
        }
        let kind = KINDS.into_iter().find(|kind| kind.name() == name);
        kind.map(Self::from)
            .ok_or_else(|| format!("unknown file system '{name}'"))
    }
}

impl FileSystem {
    /// The size of the image, in bytes.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// More options of mkfs.
    #[must_use]
    pub fn mkfs(mut self, options: &[&str]) -> Self {
        self.mkfs.extend(options.iter().map(ToString::to_string));
        self
    }

    /// Options to mount it with, separated by commas.
    #[must_use]
    pub fn options(mut self, options: &str) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    /// Where the image is kept, if not in `$TMPDIR`: a directory of a file system with holes.
    #[must_use]
    pub fn image_in(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.image_in);
        self
    }

    /// Mounts an overlay over it, whose layers are all in it.
    #[must_use]
    pub fn overlaid(mut self) -> Self {
        self.overlaid = true;
        self
    }

    /// Makes the file system in a new image, if it needs one, and mounts it.
    pub fn mount(&self, at: &Path) -> io::Result<Mounted> {
        let mut mounted = if self.kind.is_on_disk() {
            // Once it is mounted the loop device holds it, and it needs no name. It is not made with
            // O_EXCL, which a test may have forbidden.
            let directory = tempfile::tempdir_in(&self.image_in)?;
            let image = directory.path().join("image");
            File::create(&image)?.set_len(self.size)?;
            self.make(&image)?;
            self.mount_image(&image, at)?
        } else {
            mount_new(self.kind.name(), at, &self.options);
            Mounted::already(at.to_owned())
        };
        if self.overlaid {
            let [lower, upper, work] = ["lower", "upper", "work"].map(|name| at.join(name));
            for directory in [&lower, &upper, &work] {
                fs::create_dir(directory)?;
            }
            mount_overlay(&lower, &upper, &work, at);
            mounted.add_another();
        }
        Ok(mounted)
    }

    /// Makes the file system on a disk, or in an image that has its size already.
    pub fn make(&self, disk: &Path) -> io::Result<()> {
        let devices = loop_devices()?;
        if self.kind == Kind::Btrfs {
            devices.lock()?;
        }
        let mut command = Command::new(format!("mkfs.{}", self.kind.name()));
        command.args(["-q", self.kind.force()]).args(&self.mkfs);
        run(command.arg(disk)).map(drop)
    }

    /// Mounts an image of the file system, without the overlay.
    pub fn mount_image(&self, image: &Path, at: &Path) -> io::Result<Mounted> {
        let devices = loop_devices()?;
        devices.lock_shared()?;
        // mount(8) detaches the loop device at the last unmount, and tries again if somebody else
        // was quicker to take it.
        let options = ["loop", &self.options].join(",");
        let mut command = Command::new("mount");
        command.args(["-t", self.kind.name(), "-o", options.trim_end_matches(',')]);
        run(command.args([image, at]))?;
        Ok(Mounted::already(at.to_owned()))
    }
}
