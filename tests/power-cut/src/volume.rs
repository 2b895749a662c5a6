//! How a file system is made, and how an image of one is mounted.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock};
use std::thread::sleep;
use std::time::Duration;

use rustix::mount::{mount, unmount, MountFlags, UnmountFlags};

use crate::kinds::{Kind, Top};

/// Held to mount and to unmount, and by a mkfs alone: that of btrfs looks at every loop device that
/// is mounted, and fails if it goes away meanwhile.
static LOOP_DEVICES: RwLock<()> = RwLock::new(());

/// The key of the encrypted directory.
const KEY: [u8; 64] = [11; 64];
/// The directory of the file system that an overlayfs writes to.
const UPPER: &str = "upper";
/// The encrypted directory.
const SECRET: &str = "secret";

impl Kind {
    /// The size of each of its disks.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let journal = self.journal.iter().map(|journal| journal.size);
        [self.size].into_iter().chain(journal).collect()
    }

    /// Makes the file system on the disks at `disks`.
    pub(crate) fn make(&self, disks: &[PathBuf]) {
        let _alone = LOOP_DEVICES.write().unwrap_or_else(PoisonError::into_inner);
        let device = self.journal.as_ref().map(|journal| {
            let device = Loop::new(&disks[1]).expect("a loop device");
            if !journal.make.is_empty() {
                run(journal.make, &[], Path::new(&device.path));
            }
            device
        });
        let with_journal = self.journal.iter().zip(&device);
        let options: Vec<_> = with_journal
            .map(|(journal, device)| format!("{}{}", journal.make_option, device.path))
            .collect();
        run(self.make, &options, &disks[0]);
        // Or else it is lost with the loop device.
        if let Some(device) = device {
            device.device.sync_all().expect("a sound disk");
        }
    }
}

fn run(command: &[&str], options: &[String], path: &Path) {
    let (program, arguments) = command.split_first().expect("a program");
    let mut command = Command::new(program);
    let output = command.args(arguments).args(options).arg(path).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{output:?}");
}

/// What an image is mounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Work,
    /// To look at what is left. An overlayfs is not mounted for that: it makes a directory first, which can
    /// take an inode that is in use, where there is no journal and no fsck(8) has run.
    Look,
}

/// A mounted image, unmounted when this is dropped.
pub(crate) struct Mounted {
    /// Where files are to be saved.
    pub(crate) root: PathBuf,
    /// Until this is dropped.
    mounts: Option<Mounts>,
}

/// What is mounted, and on which devices; to be dropped only with [`LOOP_DEVICES`] held.
struct Mounts {
    root: PathBuf,
    /// In the order of mounting.
    points: Vec<PathBuf>,
    devices: Vec<Loop>,
}

impl Mounted {
    /// Mounts the file system on `disks`, in the directory `at`.
    pub(crate) fn new(
        kind: &Kind,
        disks: &[PathBuf],
        at: &Path,
        purpose: Purpose,
    ) -> io::Result<Self> {
        let _meanwhile = LOOP_DEVICES.read().unwrap_or_else(PoisonError::into_inner);
        let mounts = Mounts::new(kind, disks, at, purpose)?;
        Ok(Self {
            root: mounts.root.clone(),
            mounts: Some(mounts),
        })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _meanwhile = LOOP_DEVICES.read().unwrap_or_else(PoisonError::into_inner);
        self.mounts = None;
    }
}

impl Mounts {
    fn new(kind: &Kind, disks: &[PathBuf], at: &Path, purpose: Purpose) -> io::Result<Self> {
        let devices = disks.iter().map(|disk| Loop::new(disk));
        let devices = devices.collect::<io::Result<Vec<_>>>()?;
        let mut options = kind.options.to_owned();
        if let Some(journal) = &kind.journal {
            options = format!("{}{}", journal.mount_option, devices[1].path);
        }
        let mut mounts = Self {
            root: at.to_owned(),
            points: Vec::new(),
            devices,
        };
        let device = mounts.devices[0].path.clone();
        mounts.mount(&device, at.to_owned(), kind.driver, &options)?;
        match kind.top {
            Top::Nothing => {}
            Top::Overlay if purpose == Purpose::Look => mounts.root.push(UPPER),
            Top::Overlay => mounts.mount_overlay()?,
            Top::Encrypted => mounts.unlock()?,
        }
        Ok(mounts)
    }

    fn mount(&mut self, source: &str, at: PathBuf, driver: &str, options: &str) -> io::Result<()> {
        let options = CString::new(options)?;
        mount(source, &at, driver, MountFlags::empty(), options.as_c_str())?;
        self.points.push(at);
        Ok(())
    }

    fn mount_overlay(&mut self) -> io::Result<()> {
        let part = |name: &str| self.root.join(name);
        let parts = ["lower", UPPER, "work", "merged"].map(part);
        for directory in &parts {
            fs::create_dir_all(directory)?;
        }
        let [lower, upper, work, merged] = parts;
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.display(),
            upper.display(),
            work.display()
        );
        self.root.clone_from(&merged);
        self.mount("overlay", merged, "overlay", &options)
    }

    /// Gives the kernel the key of the encrypted directory, which is made if there is none.
    fn unlock(&mut self) -> io::Result<()> {
        let mut xfs_io = Command::new("xfs_io");
        xfs_io.args(["-c", "add_enckey"]).arg(&self.root);
        let (input, output) = (Stdio::piped(), Stdio::piped());
        let mut adding = xfs_io.stdin(input).stdout(output).spawn()?;
        adding.stdin.take().expect("a pipe").write_all(&KEY)?;
        let output = String::from_utf8_lossy(&adding.wait_with_output()?.stdout).into_owned();
        let identifier = output.split_whitespace().last().unwrap_or_default();
        self.root.push(SECRET);
        if !self.root.exists() {
            fs::create_dir(&self.root)?;
            let policy = format!("set_encpolicy -v 2 {identifier}");
            run(&["xfs_io", "-c", &policy], &[], &self.root);
        }
        Ok(())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for at in self.points.iter().rev() {
            // Something may still be closing a file there.
            let unmounted = (0..500).any(|_| {
                let result = unmount(at, UnmountFlags::empty());
                if result.is_err() {
                    sleep(Duration::from_millis(2));
                }
                result.is_ok()
            });
            assert!(unmounted, "cannot unmount {}", at.display());
        }
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
