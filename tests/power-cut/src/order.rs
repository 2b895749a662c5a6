//! The order of the calls that save a file: the library's own, or one written out by hand.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use linkable::Durability;

use crate::library::{Batch, Way, MODE};
use crate::workload::Save;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Library(Way),
    ByHand(ByHand),
}

/// An order by hand, and what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByHand {
    /// A letter for each step:
    ///
    /// - `T` open a file without a name, `N` one with a temporary name
    /// - `w` write it
    /// - `s` write it out and wait, without a flush: sync_file_range(2)
    /// - `f` fsync(2) of the file, `d` fdatasync(2)
    /// - `L` give it its name; to replace a file, this is `l` and `r`
    /// - `l` give it a temporary name
    /// - `r` rename that
    /// - `C` somebody else's commit of the transaction, without what is dirty of any file; btrfs only
    /// - `D` fsync(2) of the directory, `A` of the one that the file was opened in
    pub(crate) steps: &'static str,
    pub(crate) level: Durability,
}

const fn by_hand(level: Durability, steps: &'static str) -> ByHand {
    ByHand { steps, level }
}

/// Right ones and wrong ones; which is which on a file system is said in `kinds.rs`.
pub(crate) const BY_HAND: [ByHand; 14] = [
    by_hand(Durability::Full, "T w f L D"),
    by_hand(Durability::Full, "T w f L f D"),
    by_hand(Durability::Full, "T w L D"),
    by_hand(Durability::Full, "T w f L"),
    by_hand(Durability::Full, "T w f L d"),
    by_hand(Durability::Contents, "T w L"),
    by_hand(Durability::Contents, "T w l f r"),
    by_hand(Durability::Contents, "T w s L"),
    by_hand(Durability::Full, "T w s L D"),
    by_hand(Durability::Full, "T w s l r D"),
    by_hand(Durability::Full, "T w s L f"),
    by_hand(Durability::Full, "T w s L C f"),
    by_hand(Durability::Full, "N w f r D"),
    by_hand(Durability::Full, "N w f r D A"),
];

impl Order {
    pub(crate) fn level(self) -> Durability {
        match self {
            Self::Library(way) => way.level,
            Self::ByHand(order) => order.level,
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Library(way) => way.name(),
            Self::ByHand(order) => order.steps.to_owned(),
        }
    }

    /// How many files are saved at once.
    pub(crate) fn at_once(self) -> usize {
        match self {
            Self::Library(Way { batch: true, .. }) => 12,
            _ => 1,
        }
    }

    /// Saves these files below `root`.
    pub(crate) fn save(self, root: &Path, saves: &[Save]) -> io::Result<()> {
        for save in saves {
            make_directory(root, &save.directory(root))?;
        }
        match self {
            Self::Library(way) if way.batch => {
                let mut batch = Batch::new(way);
                for save in saves {
                    batch.add(save.write(root)?, &root.join(&save.path), save.replace);
                }
                match batch.commit().into_iter().next() {
                    Some((_, error)) => Err(error.into()),
                    None => Ok(()),
                }
            }
            Self::Library(way) => {
                for save in saves {
                    way.publish(save.write(root)?, &root.join(&save.path), save.replace)?;
                }
                Ok(())
            }
            Self::ByHand(order) => saves.iter().try_for_each(|save| order.save(root, save)),
        }
    }
}

/// The names of directories are for those to sync who make them; btrfs of 5.10 lost one.
fn make_directory(root: &Path, directory: &Path) -> io::Result<()> {
    if directory.exists() {
        return Ok(());
    }
    fs::create_dir(directory)?;
    sync_directory(directory)?;
    sync_directory(root)
}

impl ByHand {
    fn save(self, root: &Path, save: &Save) -> io::Result<()> {
        let path = root.join(&save.path);
        let directory = save.directory(root);
        let opened_in = save.opened_in(root);
        let name = save.path.replace('/', "-");
        let name = format!(".linkable-{name}-{}.tmp", save.version);
        let named = self.steps.starts_with('N');
        let temporary = if named { &opened_in } else { &directory }.join(name);
        let mut file = None;
        for step in self.steps.split(' ') {
            if step == "T" {
                file = Some(open(&opened_in, libc::O_TMPFILE | save.flags())?);
            } else if step == "N" {
                let new = libc::O_CREAT | libc::O_EXCL;
                file = Some(open(&temporary, new | save.flags())?);
            }
            let file = file.as_ref().expect("T or N comes first");
            match step {
                "T" | "N" => {}
                "w" => save.fill(file)?,
                "s" => write_out(file)?,
                "f" => file.sync_all()?,
                "d" => file.sync_data()?,
                "L" if !save.replace => link(file, &path)?,
                "L" => {
                    link(file, &temporary)?;
                    fs::rename(&temporary, &path)?;
                }
                "l" => link(file, &temporary)?,
                "r" => fs::rename(&temporary, &path)?,
                "C" => commit_transaction(file)?,
                "D" => sync_directory(&directory)?,
                "A" => sync_directory(&opened_in)?,
                _ => unreachable!("{step} is no step"),
            }
        }
        Ok(())
    }
}

fn open(path: &Path, flags: i32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(MODE);
    options.custom_flags(flags).open(path)
}

fn link(file: &File, path: &Path) -> io::Result<()> {
    let procfs = PathBuf::from(format!("/proc/thread-self/fd/{}", file.as_raw_fd()));
    let (cwd, follow) = (rustix::fs::CWD, rustix::fs::AtFlags::SYMLINK_FOLLOW);
    Ok(rustix::fs::linkat(cwd, procfs, cwd, path, follow)?)
}

/// Starts to write out whatever is dirty, and waits until the device has it, flushed or not.
fn write_out(file: &File) -> io::Result<()> {
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: takes a descriptor, and no pointer.
    if unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, flags) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

const BTRFS_IOC_START_SYNC: libc::c_ulong = 0x8008_9418;
const BTRFS_IOC_WAIT_SYNC: libc::c_ulong = 0x4008_9416;

/// Commits the running transaction of a btrfs, as the kernel does every 30 s and at a snapshot.
fn commit_transaction(file: &File) -> io::Result<()> {
    let mut number = 0_u64;
    for request in [BTRFS_IOC_START_SYNC, BTRFS_IOC_WAIT_SYNC] {
        // SAFETY: the first writes a number of this size there, and the second reads one.
        if unsafe { libc::ioctl(file.as_raw_fd(), request, &raw mut number) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

pub(crate) fn sync_file_system(root: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}
