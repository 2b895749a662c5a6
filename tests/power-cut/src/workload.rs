//! What is done to the file system before the power is cut: files are saved, and others disturb.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;

use linkable::LinkableFile;
use rustix::fs::{fallocate, FallocateFlags};
use serde::{Deserialize, Serialize};

use crate::disk::Log;
use crate::library::{self, MODE};
use crate::order::{sync_directory, sync_file_system, Order};

/// The directory of whoever disturbs; nothing is promised of it.
pub(crate) const BYSTANDER: &str = "bystander";
/// A directory in which files are opened that are published in others.
const ELSEWHERE: &str = "elsewhere";
const MANY: &str = "many";
/// What O_DIRECT wants buffers, lengths and offsets to be multiples of.
const ALIGNMENT: usize = 4096;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Written {
    AtOnce,
    /// A third of it is a hole, and so is its end.
    WithHoles,
    /// Through mmap(2).
    Mapped,
    /// Past the page cache, with O_DIRECT.
    Direct,
    /// In many pieces, with O_APPEND.
    Appended,
}

impl Written {
    fn of(n: u32) -> Self {
        let ways = [
            Self::AtOnce,
            Self::WithHoles,
            Self::Mapped,
            Self::Direct,
            Self::Appended,
        ];
        ways[n as usize % ways.len()]
    }
}

/// One version of one file; version 0 is there from the beginning, if `replace`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Save {
    /// Relative to the file system's root.
    pub(crate) path: String,
    pub(crate) version: u32,
    pub(crate) size: usize,
    pub(crate) replace: bool,
    pub(crate) written: Written,
    /// Whether it is opened in another directory than it is published in.
    pub(crate) elsewhere: bool,
}

impl Save {
    /// What was at `path` from the beginning.
    pub(crate) fn before(path: String) -> Self {
        Self {
            path,
            version: 0,
            size: 5_000,
            replace: true,
            written: Written::AtOnce,
            elsewhere: false,
        }
    }

    /// Bytes that are those of no other save, and of no part of one.
    pub(crate) fn contents(&self) -> Vec<u8> {
        if self.size == 0 {
            return Vec::new();
        }
        let mut bytes = format!("{} {} {}\n", self.path, self.version, self.size).into_bytes();
        let seed = bytes
            .iter()
            .fold(0_u64, |seed, &byte| seed.wrapping_mul(31) + u64::from(byte));
        let start = bytes.len();
        bytes.resize(self.size.max(start), 0);
        fastrand::Rng::with_seed(seed).fill(&mut bytes[start..]);
        if self.written == Written::WithHoles {
            let third = bytes.len() / 3;
            bytes[third.max(start)..(2 * third).max(start)].fill(0);
            let end = bytes.len() - third / 2;
            bytes[end.max(start)..].fill(0);
        }
        bytes
    }

    /// The directory that the file gets its name in.
    pub(crate) fn directory(&self, root: &Path) -> PathBuf {
        let path = root.join(&self.path);
        path.parent().unwrap_or(root).to_owned()
    }

    pub(crate) fn opened_in(&self, root: &Path) -> PathBuf {
        if self.elsewhere {
            root.join(ELSEWHERE)
        } else {
            self.directory(root)
        }
    }

    /// The flags to open the file with, so that it can be written as it is to be.
    pub(crate) fn flags(&self) -> i32 {
        match self.written {
            Written::Direct => libc::O_DIRECT,
            Written::Appended => libc::O_APPEND,
            _ => 0,
        }
    }

    /// Opens and writes the file, with the library.
    pub(crate) fn write(&self, root: &Path) -> io::Result<LinkableFile> {
        let file = library::open(&self.opened_in(root), self.flags())?;
        self.fill(file.as_file())?;
        Ok(file)
    }

    /// Writes the contents.
    pub(crate) fn fill(&self, mut file: &File) -> io::Result<()> {
        let bytes = self.contents();
        let length = bytes.len() as u64;
        match self.written {
            Written::AtOnce => file.write_all(&bytes),
            Written::WithHoles => {
                let pieces = (0_u64..).step_by(ALIGNMENT).zip(bytes.chunks(ALIGNMENT));
                for (offset, piece) in pieces {
                    if piece.iter().any(|&byte| byte != 0) {
                        file.write_all_at(piece, offset)?;
                    }
                }
                file.set_len(length)
            }
            Written::Mapped => {
                file.set_len(length)?;
                copy_into_mapped(file, &bytes)
            }
            Written::Direct => {
                let room = bytes.len().next_multiple_of(ALIGNMENT);
                let mut buffer = vec![0; room + ALIGNMENT];
                let start = buffer.as_ptr().align_offset(ALIGNMENT);
                buffer[start..start + bytes.len()].copy_from_slice(&bytes);
                file.write_all(&buffer[start..start + room])?;
                file.set_len(length)
            }
            Written::Appended => {
                let pieces = bytes.chunks(3_333.max(bytes.len() / 16));
                pieces
                    .into_iter()
                    .try_for_each(|piece| file.write_all(piece))
            }
        }
    }
}

/// The argument with which this program is a process that does nothing but [`write_mapped`].
pub(crate) const WRITE_MAPPED: &str = "--write-mapped";

/// Writes all of a file of this length through mmap(2), in another process: a page fault that waits for
/// the disk keeps this one from mapping memory, which the disk, in this process, may have to do first.
fn copy_into_mapped(file: &File, bytes: &[u8]) -> io::Result<()> {
    let mut writer = Command::new("/proc/self/exe");
    writer.arg(WRITE_MAPPED).stdout(file.try_clone()?);
    let mut writer = writer.stdin(Stdio::piped()).spawn()?;
    writer.stdin.take().expect("a pipe").write_all(bytes)?;
    if writer.wait()?.success() {
        Ok(())
    } else {
        Err(io::Error::other("a mapped file was not written"))
    }
}

/// Copies standard input into standard output, which is a file that is mapped for it.
pub(crate) fn write_mapped() -> io::Result<()> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    // SAFETY: nobody else has this file, so nobody truncates it.
    let mut map = unsafe { memmap2::MmapMut::map_mut(&io::stdout()) }?;
    map.copy_from_slice(&bytes);
    Ok(())
}

/// What the log says of a save.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Note {
    Begun(Save),
    Returned(Save),
}

/// Which files are saved, by how many threads at once, and whether somebody else is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) threads: usize,
    /// How many files of each sort a thread saves.
    pub(crate) files: u32,
    pub(crate) disturbed: bool,
}

impl Plan {
    pub(crate) const ALONE: Self = Self {
        threads: 1,
        files: 10,
        disturbed: false,
    };
    pub(crate) const DISTURBED: Self = Self {
        threads: 1,
        files: 10,
        disturbed: true,
    };
    pub(crate) const FOUR: Self = Self {
        threads: 4,
        files: 4,
        disturbed: true,
    };

    pub(crate) fn name(self) -> String {
        let others = if self.disturbed { "+" } else { "" };
        format!("{}{others}", self.threads)
    }

    /// The saves of one thread, in order.
    fn of_thread(self, thread: usize) -> Vec<Save> {
        let small = |n: u32| 100 + (n as usize * 7919) % 30_000;
        let mut saves = Vec::new();
        let mut add = |path: String, n: u32, size| {
            saves.push(Save {
                path,
                version: 1,
                size,
                replace: false,
                written: Written::of(n),
                elsewhere: false,
            });
            saves.len() - 1
        };
        let mut replaced = Vec::new();
        let mut moved = Vec::new();
        for n in 0..self.files {
            add(format!("{MANY}/new-{thread}-{n}"), n, small(n));
            let version = add(format!("taken-{thread}"), n + 2, small(n + 50));
            replaced.push((version, n + 1));
            match n % 3 {
                0 => drop(add(format!("fresh-{thread}-{n}/new"), n, small(n + 99))),
                1 => moved.push(add(format!("{MANY}/moved-{thread}-{n}"), n, small(n + 7))),
                // Large enough that its blocks, once free, are wanted by others.
                _ => {
                    let version = add(format!("again-{thread}"), n, 300_000 + small(n));
                    replaced.push((version, n));
                    moved.push(version);
                }
            }
        }
        add(format!("empty-{thread}"), 0, 0);
        add(format!("large-{thread}"), 0, 3 << 20);
        for (save, version) in replaced {
            saves[save].replace = true;
            saves[save].version = version;
        }
        for save in moved {
            saves[save].elsewhere = true;
        }
        saves
    }

    /// What is there before anything is logged; if `tight`, that is nearly all that there is room for.
    pub(crate) fn prepare(self, root: &Path, tight: bool) -> io::Result<()> {
        for directory in [MANY, ELSEWHERE, BYSTANDER] {
            fs::create_dir(root.join(directory))?;
        }
        for path in (0..self.threads).flat_map(|n| [format!("taken-{n}"), format!("again-{n}")]) {
            let mut options = OpenOptions::new();
            options.write(true).create(true).mode(MODE);
            let mut file = options.open(root.join(&path))?;
            file.write_all(&Save::before(path).contents())?;
            file.sync_all()?;
        }
        if tight {
            let wanted = (4 + 4 * self.threads as u64) << 20;
            let stat = rustix::fs::statvfs(root)?;
            let surplus = (stat.f_bavail * stat.f_frsize).saturating_sub(wanted);
            let ballast = File::create(root.join(BYSTANDER).join("ballast"))?;
            fallocate(&ballast, FallocateFlags::empty(), 0, surplus.max(1))?;
        }
        sync_file_system(root)
    }

    /// Does it all, in threads that `start` has prepared, and notes each step.
    pub(crate) fn run(
        self,
        root: &Path,
        order: Order,
        log: &Log<Note>,
        start: fn(),
    ) -> io::Result<()> {
        let (begun, wake) = channel();
        let begun = self.disturbed.then_some(begun);
        thread::scope(|scope| {
            // It ends when the last thread has dropped its sender.
            scope.spawn(move || disturb(root, &wake).expect("a bystander's work"));
            let runs: Vec<_> = (0..self.threads)
                .map(|thread| {
                    let begun = begun.clone();
                    scope.spawn(move || {
                        start();
                        self.run_thread(thread, root, order, log, begun.as_ref())
                    })
                })
                .collect();
            drop(begun);
            let results = runs.into_iter().map(|run| run.join().expect("a thread"));
            results.collect::<io::Result<Vec<()>>>()
        })?;
        sync_file_system(root)
    }

    fn run_thread(
        self,
        thread: usize,
        root: &Path,
        order: Order,
        log: &Log<Note>,
        begun: Option<&Sender<()>>,
    ) -> io::Result<()> {
        for saves in self.of_thread(thread).chunks(order.at_once()) {
            for save in saves {
                log.note(Note::Begun(save.clone()));
            }
            if let Some(begun) = begun {
                // A bystander who has failed is told of elsewhere.
                let _ = begun.send(());
            }
            order.save(root, saves)?;
            for save in saves {
                log.note(Note::Returned(save.clone()));
            }
            // What others do meanwhile commits what is not yet durable.
            if saves[0].version % 4 == 3 {
                sync_directory(root)?;
            }
        }
        Ok(())
    }
}

/// Whenever a save begins, works on a file of its own and syncs it, or all.
fn disturb(root: &Path, wake: &Receiver<()>) -> io::Result<()> {
    let file = File::create(root.join(BYSTANDER).join("own"))?;
    let other = |n: u64| root.join(BYSTANDER).join(format!("other-{}", n % 2));
    for (n, ()) in (0_u64..).zip(wake.iter()) {
        match n % 6 {
            0 => file.write_all_at(&vec![7; 20_000], n * 1_000)?,
            1 => file.sync_all()?,
            2 => fs::write(other(n), vec![8; 9_000])?,
            3 => sync_file_system(root)?,
            4 => file.set_len(n * 500)?,
            _ => {
                fs::rename(other(0), other(1))?;
                file.sync_data()?;
            }
        }
    }
    Ok(())
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
