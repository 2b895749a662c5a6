//! File systems: how they are made, and how an image of one is mounted.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{PoisonError, RwLock};
use std::thread::sleep;
use std::time::Duration;

use rustix::mount::{mount, unmount, MountFlags, UnmountFlags};

/// A kind of file system.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What mount(2) calls it.
    pub(crate) driver: &'static str,
    pub(crate) size: usize,
    make: &'static [&'static str],
    options: &'static str,
    /// Where its superblocks are: a torn one it cannot mount, which is nobody else's fault.
    pub(crate) superblocks: &'static [usize],
    pub(crate) promised: Promised,
}

/// What the library promises on a kind of file system; what it does not is only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promised {
    Everything,
    /// `Full`, as long as the disk keeps the order of writes and nobody else writes.
    FullInOrder,
    Nothing,
}

const MIB: usize = 1 << 20;

pub(crate) const KINDS: [Kind; 6] = [
    Kind {
        name: "ext4",
        driver: "ext4",
        size: 24 * MIB,
        make: &[
            "mkfs.ext4",
            "-q",
            "-F",
            "-E",
            "lazy_itable_init=0,lazy_journal_init=0",
        ],
        options: "",
        superblocks: &[1024],
        promised: Promised::Everything,
    },
    Kind {
        name: "ext4 data=writeback",
        driver: "ext4",
        size: 24 * MIB,
        make: &[
            "mkfs.ext4",
            "-q",
            "-F",
            "-E",
            "lazy_itable_init=0,lazy_journal_init=0",
        ],
        options: "data=writeback",
        superblocks: &[1024],
        // Blocks of a replaced file are used again before the rename is on the disk.
        promised: Promised::Nothing,
    },
    Kind {
        name: "xfs",
        driver: "xfs",
        size: 300 * MIB,
        make: &["mkfs.xfs", "-q", "-f"],
        options: "",
        superblocks: &[],
        promised: Promised::Everything,
    },
    Kind {
        name: "btrfs",
        driver: "btrfs",
        size: 112 * MIB,
        make: &["mkfs.btrfs", "-q", "-f"],
        options: "",
        superblocks: &[64 << 10, 64 << 20],
        promised: Promised::Everything,
    },
    Kind {
        name: "ext4 without journal",
        driver: "ext4",
        size: 16 * MIB,
        make: &["mkfs.ext4", "-q", "-F", "-O", "^has_journal"],
        options: "",
        superblocks: &[1024],
        // What is written for two files at once is on the disk in any order.
        promised: Promised::FullInOrder,
    },
    Kind {
        name: "ext2",
        driver: "ext2",
        size: 16 * MIB,
        make: &["mkfs.ext2", "-q", "-F"],
        options: "",
        superblocks: &[1024],
        promised: Promised::FullInOrder,
    },
];

/// Held to mount and to unmount, and by a mkfs alone: that of btrfs looks at every loop device that
/// is mounted, and fails if it goes away meanwhile.
static LOOP_DEVICES: RwLock<()> = RwLock::new(());

impl Kind {
    /// Makes the file system on the disk or image at `path`.
    pub(crate) fn make(&self, path: &Path) {
        let _alone = LOOP_DEVICES.write().unwrap_or_else(PoisonError::into_inner);
        let (program, arguments) = self.make.split_first().expect("a program");
        let output = Command::new(program).args(arguments).arg(path).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{output:?}");
    }
}

/// A mounted image, unmounted when this is dropped.
pub(crate) struct Mounted {
    at: PathBuf,
    device: Option<Loop>,
}

impl Mounted {
    pub(crate) fn new(kind: &Kind, image: &Path, at: &Path) -> io::Result<Self> {
        let _meanwhile = LOOP_DEVICES.read().unwrap_or_else(PoisonError::into_inner);
        let device = Loop::new(image)?;
        let options = CString::new(kind.options)?;
        let flags = MountFlags::empty();
        mount(&device.path, at, kind.driver, flags, options.as_c_str())?;
        Ok(Self {
            at: at.to_owned(),
            device: Some(device),
        })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _meanwhile = LOOP_DEVICES.read().unwrap_or_else(PoisonError::into_inner);
        // Something may still be closing a file there.
        for _ in 0..500 {
            if unmount(&self.at, UnmountFlags::empty()).is_ok() {
                return drop(self.device.take());
            }
            sleep(Duration::from_millis(2));
        }
        panic!("cannot unmount {}", self.at.display());
    }
}

/// A loop device, see loop(4); the device is let go when this is dropped.
struct Loop {
    device: File,
    path: String,
}

const LOOP_SET_FD: libc::c_ulong = 0x4C00;
const LOOP_CLR_FD: libc::c_ulong = 0x4C01;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;

impl Loop {
    fn new(image: &Path) -> io::Result<Self> {
        let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
        let control = open(Path::new("/dev/loop-control"))?;
        let image = open(image)?;
        loop {
            // SAFETY: takes no argument.
            let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
            if number < 0 {
                return Err(io::Error::last_os_error());
            }
            let path = format!("/dev/loop{number}");
            let device = open(Path::new(&path))?;
            // SAFETY: takes a descriptor.
            if unsafe { libc::ioctl(device.as_raw_fd(), LOOP_SET_FD, image.as_raw_fd()) } == 0 {
                return Ok(Self { device, path });
            }
            let error = io::Error::last_os_error();
            // Somebody else was quicker.
            if error.raw_os_error() != Some(libc::EBUSY) {
                return Err(error);
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // SAFETY: takes no argument.
        unsafe { libc::ioctl(self.device.as_raw_fd(), LOOP_CLR_FD) };
    }
}
