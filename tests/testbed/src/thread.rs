//! What a thread or a process has for itself, and who it is.

use std::fs;
use std::io::{self, Write};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::path::Path;
use std::thread;

use rustix::mount::{mount_change, MountPropagationFlags};
use rustix::process::{getegid, geteuid, set_dumpable_behavior, DumpableBehavior, Gid, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid, unshare_unsafe, UnshareFlags};

use crate::{bind, deny, Rule};

/// Runs `body` in a thread of its own, where it can do what cannot be undone.
pub fn in_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    match thread::spawn(body).join() {
        Ok(value) => value,
        Err(panic) => resume_unwind(panic),
    }
}

/// Runs `body` where these calls fail with `errno`. They work again when it returns.
pub fn with_fault<T: Send + 'static>(
    errno: i32,
    rules: Vec<Rule>,
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    in_thread(move || {
        deny(errno, &rules);
        body()
    })
}

/// Runs `body` in a child process, which inherits the descriptors. Whether it returned.
pub fn in_child(body: impl FnOnce()) -> bool {
    // SAFETY: the child is this thread alone and leaves by _exit(2).
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", io::Error::last_os_error()),
        0 => {
            // Ends a child that waits for a lock which another thread held at the fork.
            // SAFETY: sets a timer, nothing else.
            unsafe { libc::alarm(20) };
            let outcome = catch_unwind(AssertUnwindSafe(body));
            // SAFETY: ends the process without running what belongs to the parent.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` outlives the call.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

fn unshare_here(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: unsafe because of FILES, after which a descriptor of another thread means nothing;
    // `own_descriptors` warns its callers.
    unsafe { unshare_unsafe(flags) }
}

/// Gives this thread its own descriptor table: others do not have what it opens from now on.
pub fn own_descriptors() {
    unshare_here(UnshareFlags::FILES).unwrap();
}

/// Gives this thread its own umask, current directory and root directory.
pub fn own_fs() {
    unshare_here(UnshareFlags::FS).unwrap();
}

/// Gives this thread its own mounts, which are gone when it ends. Needs root.
pub fn own_mounts() {
    unshare_here(UnshareFlags::NEWNS).expect("mounting needs root");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).unwrap();
}

/// Gives this process, which has one thread only, its own user namespace, in which it is root.
pub fn own_users() {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    // In a process that has changed its user, procfs would belong to root.
    set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
    unshare_here(UnshareFlags::NEWUSER).expect("user namespaces are needed");
    fs::write("/proc/self/setgroups", "deny").unwrap();
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).unwrap();
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).unwrap();
}

/// Puts the children of this thread into a process namespace of their own. Needs root.
pub fn own_process_ids() {
    unshare_here(UnshareFlags::NEWPID).expect("this needs root");
}

/// From now on procfs tells this thread, which gets its own mounts, of another kernel. Needs root.
pub fn as_kernel(release: &str) {
    let osrelease = Path::new("/proc/sys/kernel/osrelease");
    if fs::read_to_string(osrelease).unwrap().trim() == release {
        // A test that runs itself once more is one to which it was told already.
        return;
    }
    own_mounts();
    // The file loses its name, and FUSE would lose the file.
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    writeln!(file, "{release}").unwrap();
    bind(file.path(), osrelease);
}

const NOBODY: u32 = 65534;

/// If this is root, gives the file to the user that [`as_ordinary_user`] becomes.
pub fn give_to_ordinary_user(path: &Path) {
    if geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// If this is root, makes this thread an ordinary user. Anybody else already is one.
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
