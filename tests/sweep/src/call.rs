//! A system call of an operation, and what it is about.

use std::ffi::{c_char, c_long, CStr};
use std::fmt;
use std::fs;

use crate::directory::LEFT;
use crate::fault::Harm;
use crate::manual;

/// What the name or the descriptor in a call stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The name that is to be published.
    Target,
    /// A hidden temporary name.
    Temporary,
    /// Something of procfs or sysfs.
    Procfs,
    /// What procfs tells of the journal of an ext4.
    Journal,
    /// Another path, which is that of the directory.
    Directory,
    /// The directory that a file was opened in, if it is published in another one.
    Left,
    /// A descriptor of a file.
    File,
    /// Neither a name nor one of those descriptors.
    Nothing,
}

/// During which part of a run a call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The operation itself.
    Operation,
    /// The drop of the handle that it left behind.
    Drop,
}

/// How the words for a call of [`Phase::Drop`] end.
pub(crate) const IN_DROP: &str = " in drop";

/// One system call, as its caller made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    /// The one flag that tells what the call is for, if there is one.
    pub(crate) flag: &'static str,
    pub(crate) about: About,
    pub(crate) phase: Phase,
    /// What the sweep did to it.
    pub(crate) harm: Option<Harm>,
}

/// Calls of allocators, locks, signals and the end of a process, which no library has a say in.
const NOISE: [c_long; 13] = [
    libc::SYS_brk,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
];

pub(crate) fn is_noise(data: &libc::seccomp_data) -> bool {
    let number = c_long::from(data.nr);
    // std's debug builds ask whether a descriptor that they close is open.
    let asks = number == libc::SYS_fcntl && argument(data, 1) == libc::F_GETFD;
    asks || NOISE.contains(&number)
}

/// An argument that is an `int` or has its flags in the lower half.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn argument(data: &libc::seccomp_data, index: usize) -> i32 {
    data.args[index] as i32
}

/// The flag with which sync_file_range(2) waits until the device has the contents.
const WAIT_AFTER: &str = "SYNC_FILE_RANGE_WAIT_AFTER";

fn flag(name: &str, data: &libc::seccomp_data) -> &'static str {
    let known: (usize, &[(&str, i32)]) = match name {
        "open" | "openat" => (
            if name == "open" { 1 } else { 2 },
            &[
                ("O_TMPFILE", libc::O_TMPFILE),
                ("O_CREAT", libc::O_CREAT),
                ("O_PATH", libc::O_PATH),
                ("O_DIRECTORY", libc::O_DIRECTORY),
            ],
        ),
        "linkat" => (
            4,
            &[
                ("AT_EMPTY_PATH", libc::AT_EMPTY_PATH),
                ("AT_SYMLINK_FOLLOW", libc::AT_SYMLINK_FOLLOW),
            ],
        ),
        "renameat2" => (4, &[("RENAME_NOREPLACE", 1)]),
        "sync_file_range" => (3, &[(WAIT_AFTER, 4), ("SYNC_FILE_RANGE_WRITE", 2)]),
        _ => return "",
    };
    let (index, flags) = known;
    let given = argument(data, index);
    let meant = flags.iter().find(|(_, flag)| given & flag == *flag);
    meant.map_or("", |(name, _)| name)
}

/// # Safety
///
/// As for [`Call::read`].
unsafe fn about(name: &str, data: &libc::seccomp_data) -> About {
    let path = match name {
        "open" | "readlink" | "llistxattr" | "lgetxattr" => 0,
        "openat" | "readlinkat" | "unlinkat" | "newfstatat" | "statx" | "faccessat"
        | "faccessat2" => 1,
        // The new name.
        "linkat" | "renameat" | "renameat2" => 3,
        "fsync" | "fdatasync" | "syncfs" | "sync_file_range" => {
            return kind_of(argument(data, 0));
        }
        "write" | "fstat" | "fstatfs" | "fgetxattr" | "fchmod" | "fchown" | "fsetxattr"
        | "fremovexattr" => return About::File,
        _ => return About::Nothing,
    };
    // SAFETY: the caller's promise: a path of this process, or NULL, as std's probe for statx(2).
    let path = unsafe {
        let path = data.args[path] as *const c_char;
        if path.is_null() {
            return About::Nothing;
        }
        CStr::from_ptr(path).to_bytes()
    };
    let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    match path {
        b"" => About::File,
        b"." => kind_of(argument(data, 0)),
        _ if path.starts_with(b"/proc/fs/ext4/") => About::Journal,
        _ if path.starts_with(b"/proc/") || path.starts_with(b"/sys/") => About::Procfs,
        _ if last.starts_with(b".linkable-") => About::Temporary,
        _ if last == crate::operation::TARGET.as_bytes() => About::Target,
        _ => About::Directory,
    }
}

/// Whether a descriptor is that of a directory, and of which one.
fn kind_of(descriptor: i32) -> About {
    // SAFETY: fstat(2) fills in the structure, of which zero is a value.
    let stat = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        libc::fstat(descriptor, &raw mut stat);
        stat
    };
    if stat.st_mode & libc::S_IFMT != libc::S_IFDIR {
        return About::File;
    }
    // This is the supervisor's thread, whose calls nobody asks about.
    let path = fs::read_link(format!("/proc/self/fd/{descriptor}"));
    if path.is_ok_and(|path| path.ends_with(LEFT)) {
        About::Left
    } else {
        About::Directory
    }
}

impl Call {
    /// What a call is, if there is a man page that tells how it can fail.
    ///
    /// # Safety
    ///
    /// `data` is that of a call of this very process, which waits for an answer.
    pub(crate) unsafe fn read(data: &libc::seccomp_data, phase: Phase) -> Option<Self> {
        let name = manual::name(c_long::from(data.nr))?;
        Some(Self {
            name,
            flag: flag(name, data),
            // SAFETY: the caller's promise.
            about: unsafe { about(name, data) },
            phase,
            harm: None,
        })
    }

    /// Whether the kernel itself was to answer.
    pub(crate) fn was_made(&self) -> bool {
        self.harm.is_none()
    }

    /// Whether it could have given the file the name that was asked for.
    pub(crate) fn names_target(&self) -> bool {
        matches!(self.name, "linkat" | "renameat" | "renameat2") && self.about == About::Target
    }

    /// Whether it has the disk flush what it has in its cache.
    pub(crate) fn flushes(&self) -> bool {
        matches!(self.name, "fsync" | "fdatasync" | "syncfs")
    }

    /// Whether it writes contents out and waits for that, without a flush.
    pub(crate) fn writes_out(&self) -> bool {
        self.name == "sync_file_range" && self.flag == WAIT_AFTER
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if !self.flag.is_empty() {
            write!(f, " {}", self.flag)?;
        }
        if self.about != About::Nothing {
            write!(f, " of the {}", format!("{:?}", self.about).to_lowercase())?;
        }
        if self.phase == Phase::Drop {
            f.write_str(IN_DROP)?;
        }
        match self.harm {
            Some(harm) => write!(f, " = {harm}"),
            None => Ok(()),
        }
    }
}
