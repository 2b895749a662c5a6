//! Mounts, of a thread that has [its own](crate::own_mounts).

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::thread::{panicking, sleep};
use std::time::Duration;

use rustix::mount::{mount, mount_bind, mount_remount, unmount, MountFlags, UnmountFlags};
use rustix::process::{chdir, pivot_root};

/// Mounts a file system without a device, such as tmpfs.
pub fn mount_new(driver: &str, at: &Path, options: &str) {
    let options = CString::new(options).unwrap();
    mount(driver, at, driver, MountFlags::empty(), options.as_c_str()).unwrap();
}

/// Mounts an overlay. All directories must exist, `upper` and `work` on one file system.
pub fn mount_overlay(lower: &Path, upper: &Path, work: &Path, at: &Path) {
    let [lower, upper, work] = [lower, upper, work].map(Path::display);
    let layers = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    mount_new("overlay", at, &layers);
}

/// Mounts a file or a directory once more.
pub fn bind(from: &Path, at: &Path) {
    mount_bind(from, at).unwrap();
}

/// Makes a [bind mount](bind) read-only.
pub fn make_read_only(at: &Path) {
    mount_remount(at, MountFlags::BIND | MountFlags::RDONLY, c"").unwrap();
}

/// Unmounts even what is still in use.
pub fn unmount_at(at: &Path) {
    unmount(at, UnmountFlags::DETACH).unwrap();
}

/// Takes procfs away from this thread, which has its own mounts.
pub fn without_procfs() {
    // One may be mounted over another.
    while unmount("/proc", UnmountFlags::DETACH).is_ok() {}
    assert!(fs::metadata("/proc/self").is_err());
}

/// Makes `root` the root directory, with nothing else in sight, as in a container.
pub fn contain(root: &Path) {
    chdir(root).unwrap();
    // The old root goes on top of the new one; see pivot_root(2).
    pivot_root(".", ".").unwrap();
    unmount(".", UnmountFlags::DETACH).unwrap();
    chdir("/").unwrap();
}

/// A mounted file system, unmounted when this is dropped.
#[derive(Debug)]
#[must_use = "it is unmounted when this is dropped"]
pub struct Mounted {
    at: PathBuf,
    /// How many file systems are mounted there, one upon the other.
    count: usize,
}

impl Mounted {
    /// As [`mount_new`], on a directory that is made if need be.
    pub fn new(driver: &str, at: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&at).unwrap();
        mount_new(driver, &at, options);
        Self::already(at)
    }

    /// As [`mount_overlay`], on a directory that is made if need be.
    pub fn overlay(lower: &Path, upper: &Path, work: &Path, at: PathBuf) -> Self {
        fs::create_dir_all(&at).unwrap();
        mount_overlay(lower, upper, work, &at);
        Self::already(at)
    }

    /// As [`bind`].
    pub fn bind(from: &Path, at: PathBuf) -> Self {
        bind(from, &at);
        Self::already(at)
    }

    pub(crate) fn already(at: PathBuf) -> Self {
        Self { at, count: 1 }
    }

    /// Another file system has been mounted upon it.
    pub(crate) fn add_another(&mut self) {
        self.count += 1;
    }

    /// Leaves it mounted.
    pub fn keep(mut self) {
        self.count = 0;
    }

    fn unmount(&self) -> rustix::io::Result<()> {
        // Without loop devices none goes away.
        let devices = loop_devices();
        if let Ok(devices) = &devices {
            devices.lock_shared().unwrap();
        }
        unmount(&self.at, UnmountFlags::empty())
    }
}

impl Deref for Mounted {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.at
    }
}

impl AsRef<Path> for Mounted {
    fn as_ref(&self) -> &Path {
        self
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for _ in 0..self.count {
            // Another thread or process may still be closing a file there.
            let mut outcome = self.unmount();
            for _ in 0..500 {
                if outcome != Err(rustix::io::Errno::BUSY) {
                    break;
                }
                sleep(Duration::from_millis(2));
                outcome = self.unmount();
            }
            if let Err(error) = outcome {
                // What is mounted in there goes with it.
                let _ = unmount(&self.at, UnmountFlags::DETACH);
                assert!(panicking(), "cannot unmount {}: {error}", self.at.display());
            }
        }
    }
}

/// A file to lock, for all processes: shared to mount and to unmount loop devices, and exclusively to
/// make a btrfs. mkfs.btrfs looks at every loop device that is mounted, and fails if one goes away.
pub(crate) fn loop_devices() -> io::Result<File> {
    File::open("/dev/loop-control")
}
