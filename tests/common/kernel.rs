//! Faults and surroundings, each for one thread, made by the kernel and not by the code under test.

use std::collections::BTreeMap;
use std::ffi::c_long;
use std::fs;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use landlock::{
    Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, ABI,
};
use rustix::mount::{
    mount, mount_bind, mount_change, mount_remount, unmount, MountFlags, MountPropagationFlags,
    UnmountFlags,
};
use rustix::process::{
    chdir, getegid, geteuid, pivot_root, set_dumpable_behavior, DumpableBehavior, Gid, Uid,
};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid, unshare_unsafe, UnshareFlags};
use seccompiler::{
    apply_filter, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// Runs `body` in a thread of its own, where it can do what cannot be undone.
pub fn in_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    match thread::spawn(body).join() {
        Ok(value) => value,
        Err(panic) => resume_unwind(panic),
    }
}

/// A system call, or those calls of it that have all of some flags set.
#[derive(Clone, Copy)]
pub struct Rule {
    number: c_long,
    flags: Option<(u8, i32)>,
}

impl Rule {
    pub fn call(number: c_long) -> Self {
        Self {
            number,
            flags: None,
        }
    }

    /// Calls whose argument `index`, counted from 0, has all of `flags`.
    pub fn with_flags(number: c_long, index: u8, flags: i32) -> Self {
        Self {
            number,
            flags: Some((index, flags)),
        }
    }

    /// All ways to open a file with these flags.
    pub fn open_with(flags: i32) -> Vec<Self> {
        vec![
            Self::with_flags(libc::SYS_openat, 2, flags),
            #[cfg(target_arch = "x86_64")]
            Self::with_flags(libc::SYS_open, 1, flags),
        ]
    }

    pub fn rename() -> Vec<Self> {
        vec![
            Self::call(libc::SYS_renameat2),
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            Self::call(libc::SYS_renameat),
        ]
    }

    /// All ways to link a file that has no name.
    pub fn link_unnamed() -> Vec<Self> {
        vec![Self::link_empty_path(), Self::link_by_procfs()]
    }

    pub fn link_empty_path() -> Self {
        Self::with_flags(libc::SYS_linkat, 4, libc::AT_EMPTY_PATH)
    }

    pub fn link_by_procfs() -> Self {
        Self::with_flags(libc::SYS_linkat, 4, libc::AT_SYMLINK_FOLLOW)
    }

    fn condition(self) -> Option<SeccompRule> {
        let (index, flags) = self.flags?;
        let flags = u64::from(flags.unsigned_abs());
        let all_set = SeccompCmpOp::MaskedEq(flags);
        let condition =
            SeccompCondition::new(index, SeccompCmpArgLen::Dword, all_set, flags).unwrap();
        Some(SeccompRule::new(vec![condition]).unwrap())
    }
}

/// From now on these calls fail with `errno`, in this thread and those that it starts.
pub fn deny(errno: i32, rules: &[Rule]) {
    let mut calls = BTreeMap::<_, Vec<_>>::new();
    for rule in rules {
        // Any of a call's conditions will do, and none at all stands for the call as such.
        calls
            .entry(rule.number)
            .or_default()
            .extend(rule.condition());
    }
    let filter = SeccompFilter::new(
        calls,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}

/// From now on Landlock lets this thread do everything but `denied`. Needs no privilege.
pub fn landlock_without(denied: BitFlags<AccessFs>) {
    // The ABI of Linux 6.2, without ioctl(2) and sockets.
    let all = AccessFs::from_all(ABI::V3);
    let root = PathFd::new("/").unwrap();
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(all)
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rule(PathBeneath::new(root, all & !denied)))
        .and_then(RulesetCreated::restrict_self);
    let enforced = status.expect("Landlock of Linux 6.2").ruleset;
    assert_eq!(enforced, RulesetStatus::FullyEnforced);
}

fn unshare_here(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: unsafe because of FILES, after which a descriptor of another thread means nothing;
    // `own_descriptors` says so to its callers.
    unsafe { unshare_unsafe(flags) }
}

/// Gives this thread its own descriptor table: what is opened from now on, others do not have.
pub fn own_descriptors() {
    unshare_here(UnshareFlags::FILES).unwrap();
}

/// Gives this thread its own umask, current directory and root directory.
pub fn own_fs() {
    unshare_here(UnshareFlags::FS).unwrap();
}

/// Gives this thread its own mounts, gone when it ends. Needs root.
pub fn own_mounts() {
    unshare_here(UnshareFlags::NEWNS).expect("mounting needs root");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).unwrap();
}

/// Gives this process, which has one thread only, its own user namespace, where it is root.
pub fn own_users() {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    // procfs would be root's in a process that has changed its user.
    set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
    unshare_here(UnshareFlags::NEWUSER).expect("user namespaces are needed");
    fs::write("/proc/self/setgroups", "deny").unwrap();
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).unwrap();
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).unwrap();
}

/// Makes the children of this thread live in a process namespace of their own. Needs root.
pub fn own_process_ids() {
    unshare_here(UnshareFlags::NEWPID).expect("this needs root");
}

/// Makes `root` the root directory, with nothing else in sight, as a container's is.
pub fn contain(root: &Path) {
    chdir(root).unwrap();
    // The old root goes on top of the new one; see pivot_root(2).
    pivot_root(".", ".").unwrap();
    unmount(".", UnmountFlags::DETACH).unwrap();
    chdir("/").unwrap();
}

/// Mounts a file system without a device, such as tmpfs.
pub fn mount_new(kind: &str, at: &Path, options: &str) {
    let options = std::ffi::CString::new(options).unwrap();
    mount(kind, at, kind, MountFlags::empty(), options.as_c_str()).unwrap();
}

/// Makes a file system in a new image file, and mounts it.
pub fn mount_made(kind: &str, options: &[&str], image: &Path, size: u64, at: &Path) {
    fs::File::create(image).unwrap().set_len(size).unwrap();
    let mkfs = format!("mkfs.{kind}");
    run(Command::new(mkfs).arg("-q").args(options).arg(image));
    run(Command::new("mount").args(["-o", "loop"]).args([image, at]));
}

/// Runs a program, which must succeed.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

pub fn bind(from: &Path, at: &Path) {
    mount_bind(from, at).unwrap();
}

pub fn make_read_only(at: &Path) {
    mount_remount(at, MountFlags::BIND | MountFlags::RDONLY, c"").unwrap();
}

/// Takes procfs away from this thread, which has its own mounts.
pub fn without_procfs() {
    // One may be mounted over another.
    while unmount("/proc", UnmountFlags::DETACH).is_ok() {}
    assert!(fs::metadata("/proc/self").is_err());
}

pub fn unmount_at(at: &Path) {
    unmount(at, UnmountFlags::DETACH).unwrap();
}

/// What is mounted on a directory, until this is dropped: when a test fails, too.
pub struct Mounted(pub PathBuf);

impl Mounted {
    /// As [`mount_new`], on a new directory.
    pub fn new(kind: &str, at: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&at).unwrap();
        mount_new(kind, &at, options);
        Self(at)
    }
}

impl Deref for Mounted {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount_at(&self.0);
    }
}

const NOBODY: u32 = 65534;

/// If this is root, hands the file over to whom [`as_ordinary_user`] becomes.
pub fn give_to_ordinary_user(path: &Path) {
    if geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// If this is root, makes this thread an ordinary user, which all else are already.
pub fn as_ordinary_user() {
    if geteuid().is_root() {
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        set_thread_res_gid(group, group, group).unwrap();
        set_thread_res_uid(user, user, user).unwrap();
    }
}

/// [`as_ordinary_user`], who may write in `directory`.
pub fn as_ordinary_user_in(directory: &Path) {
    give_to_ordinary_user(directory);
    as_ordinary_user();
}
