//! What is done to the file system before the power is cut: saves, by the library or in an order
//! that is known to be wrong.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use linkable::{Durability, LinkableFile, OpenOptionsAnonymousExt, PublishBatch, PublishOptions};
use serde::{Deserialize, Serialize};

use crate::disk::Log;

/// The mode of every file.
pub(crate) const MODE: u32 = 0o640;

/// One version of one file; version 0 is there from the beginning, if `replace`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Save {
    /// Relative to the file system's root.
    pub(crate) path: String,
    pub(crate) version: u32,
    pub(crate) size: usize,
    pub(crate) replace: bool,
}

impl Save {
    /// Bytes that are those of no other save, and of no part of one.
    pub(crate) fn contents(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\n", self.path, self.version, self.size).into_bytes();
        let seed = bytes
            .iter()
            .fold(0_u64, |seed, &byte| seed.wrapping_mul(31) + u64::from(byte));
        let mut random = fastrand::Rng::with_seed(seed);
        bytes.resize_with(self.size.max(bytes.len()), || random.u8(..));
        bytes
    }
}

/// What the log says of a save.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Note {
    Begun(Save),
    Returned(Save),
}

/// The steps of a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Library(Durability),
    /// The library's, many files at once.
    Batch(Durability),
    /// By hand, named as in "T w f L D": open, write, sync, link, sync of the directory.
    ///
    /// Right, save for btrfs before 6.16 and where there is no journal.
    SyncOnce,
    /// The wrong ones.
    NoFileSync,
    NoDirectorySync,
    DataSyncAfterLink,
    SyncBeforeRename,
    /// Right, and dearer than the library's; for where there is no journal.
    SyncTwice,
}

impl Order {
    /// All but the library's own.
    pub(crate) const BY_HAND: [Self; 6] = [
        Self::SyncOnce,
        Self::NoFileSync,
        Self::NoDirectorySync,
        Self::DataSyncAfterLink,
        Self::SyncBeforeRename,
        Self::SyncTwice,
    ];

    /// What the order claims to be.
    pub(crate) fn level(self) -> Durability {
        match self {
            Self::Library(level) | Self::Batch(level) => level,
            Self::SyncOnce
            | Self::NoFileSync
            | Self::NoDirectorySync
            | Self::DataSyncAfterLink
            | Self::SyncTwice => Durability::Full,
            Self::SyncBeforeRename => Durability::Contents,
        }
    }

    /// Whether the library promises it, on file systems with a journal.
    pub(crate) fn is_promised(self) -> bool {
        let by_library = matches!(self, Self::Library(_) | Self::Batch(_));
        by_library && self.level() != Durability::None
    }

    /// How many files are saved at once.
    fn at_once(self) -> usize {
        match self {
            Self::Batch(_) => 12,
            _ => 1,
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Library(level) => format!("{level:?}"),
            Self::Batch(level) => format!("{level:?} batch"),
            Self::SyncOnce => "T w f L D".to_owned(),
            Self::NoFileSync => "T w L D".to_owned(),
            Self::NoDirectorySync => "T w f L".to_owned(),
            Self::DataSyncAfterLink => "T w f L d".to_owned(),
            Self::SyncBeforeRename => "T w l f r".to_owned(),
            Self::SyncTwice => "T w f L f D".to_owned(),
        }
    }
}

/// Which saves are done, by how many threads at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) threads: usize,
    /// How many files a thread makes, and how many versions of each replaced one.
    pub(crate) files: u32,
}

impl Plan {
    /// The saves of one thread, in order.
    fn of_thread(self, thread: usize) -> Vec<Save> {
        let small = |n: u32| 100 + (n as usize * 7919) % 30_000;
        let mut saves = Vec::new();
        for n in 0..self.files {
            let save = |path: String, version, size, replace| Save {
                path,
                version,
                size,
                replace,
            };
            saves.push(save(format!("many/new-{thread}-{n}"), 1, small(n), false));
            saves.push(save(format!("taken-{thread}"), n + 1, small(n + 50), true));
            if n % 3 == 0 {
                saves.push(save(
                    format!("fresh-{thread}-{n}/new"),
                    1,
                    small(n + 99),
                    false,
                ));
            }
        }
        saves.push(save_of_size(format!("large-{thread}"), 3 << 20));
        saves
    }

    /// What is there before anything is logged.
    pub(crate) fn prepare(self, root: &Path) -> io::Result<()> {
        fs::create_dir(root.join("many"))?;
        for thread in 0..self.threads {
            let old = Save {
                path: format!("taken-{thread}"),
                version: 0,
                size: 5_000,
                replace: true,
            };
            let mut options = OpenOptions::new();
            options.write(true).create(true).mode(MODE);
            let mut file = options.open(root.join(&old.path))?;
            file.write_all(&old.contents())?;
            file.sync_all()?;
        }
        sync_file_system(root)
    }

    /// Does it all, in threads that `start` has prepared, and notes each step.
    pub(crate) fn run(self, root: &Path, order: Order, log: &Log<Note>, start: fn()) {
        thread::scope(|scope| {
            for thread in 0..self.threads {
                scope.spawn(move || {
                    start();
                    for saves in self.of_thread(thread).chunks(order.at_once()) {
                        for save in saves {
                            log.note(Note::Begun(save.clone()));
                        }
                        do_saves(root, saves, order).unwrap_or_else(|e| panic!("{saves:?}: {e}"));
                        for save in saves {
                            log.note(Note::Returned(save.clone()));
                        }
                        // What others do meanwhile commits what is not yet durable.
                        if saves[0].version % 4 == 3 {
                            sync_directory(root).expect("a bystander's sync");
                        }
                    }
                });
            }
        });
        sync_file_system(root).expect("the last sync");
    }
}

fn save_of_size(path: String, size: usize) -> Save {
    Save {
        path,
        version: 1,
        size,
        replace: false,
    }
}

fn do_saves(root: &Path, saves: &[Save], order: Order) -> io::Result<()> {
    let mut how = PublishOptions::new();
    how.durability(order.level());
    let mut batch = PublishBatch::with_options(&how);
    for save in saves {
        let path = root.join(&save.path);
        let directory = path.parent().unwrap_or(root);
        if !directory.exists() {
            fs::create_dir(directory)?;
            // The names of directories are for those to sync who make them; btrfs of 5.10 lost one.
            sync_directory(directory)?;
            sync_directory(root)?;
        }
        match order {
            Order::Library(_) => {
                let file = write(save, directory)?;
                how.replace(save.replace).publish(file, path)?;
            }
            Order::Batch(_) if save.replace => {
                drop(batch.add_replacing(write(save, directory)?, path))
            }
            Order::Batch(_) => drop(batch.add(write(save, directory)?, path)),
            by_hand => do_by_hand(save, &path, directory, by_hand)?,
        }
    }
    batch.commit().into_result()?;
    Ok(())
}

fn write(save: &Save, directory: &Path) -> io::Result<LinkableFile> {
    let mut file = OpenOptions::new().mode(MODE).anonymous_in(directory)?;
    file.write_all(&save.contents())?;
    Ok(file)
}

fn do_by_hand(save: &Save, path: &Path, directory: &Path, order: Order) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(MODE).custom_flags(libc::O_TMPFILE);
    let mut file = options.open(directory)?;
    file.write_all(&save.contents())?;
    let before_link = [
        Order::SyncOnce,
        Order::NoDirectorySync,
        Order::DataSyncAfterLink,
        Order::SyncTwice,
    ];
    if before_link.contains(&order) {
        file.sync_all()?;
    }
    if save.replace || order == Order::SyncBeforeRename {
        let temporary = directory.join(format!(".linkable-{}.tmp", save.version));
        link(&file, &temporary)?;
        if order == Order::SyncBeforeRename {
            file.sync_all()?;
        }
        fs::rename(temporary, path)?;
    } else {
        link(&file, path)?;
    }
    match order {
        Order::SyncOnce | Order::NoFileSync => sync_directory(directory),
        Order::DataSyncAfterLink => file.sync_data(),
        Order::SyncTwice => {
            file.sync_all()?;
            sync_directory(directory)
        }
        _ => Ok(()),
    }
}

fn link(file: &File, path: &Path) -> io::Result<()> {
    let procfs = PathBuf::from(format!("/proc/thread-self/fd/{}", file.as_raw_fd()));
    let (cwd, follow) = (rustix::fs::CWD, rustix::fs::AtFlags::SYMLINK_FOLLOW);
    Ok(rustix::fs::linkat(cwd, procfs, cwd, path, follow)?)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn sync_file_system(root: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}

/// Makes this thread go the named route: `O_TMPFILE` does not exist in it.
pub(crate) fn without_o_tmpfile() {
    use seccompiler::{
        SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };
    let flags = u64::from(libc::O_TMPFILE.unsigned_abs());
    let all_set = SeccompCmpOp::MaskedEq(flags);
    let condition = SeccompCondition::new(2, SeccompCmpArgLen::Dword, all_set, flags);
    let rule = SeccompRule::new(vec![condition.expect("a condition")]).expect("a rule");
    let filter = SeccompFilter::new(
        [(libc::SYS_openat, vec![rule])].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EOPNOTSUPP.unsigned_abs()),
        std::env::consts::ARCH
            .try_into()
            .expect("a known processor"),
    );
    let program: seccompiler::BpfProgram = filter.expect("a filter").try_into().expect("a program");
    seccompiler::apply_filter(&program).expect("seccomp");
}
