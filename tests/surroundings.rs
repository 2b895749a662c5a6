//! Surroundings: fork, threads, procfs of every kind or none, mounts, namespaces, sandboxes, other
//! credentials.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{symlink, MetadataExt};

use common::kernel::{self, Rule};
use common::{contents, deny, in_thread, on, on_both_routes, Bed, Route};
use landlock::{AccessFs, BitFlags};
use linkable::{
    Durability, OpenOptionsAnonymousExt, PublishError, PublishErrorKind, PublishOptions,
};
use rustix::process::{set_dumpable_behavior, DumpableBehavior};
use rustix::thread::{no_new_privs, set_no_new_privs};

/// Runs `body` in a child process, which has the same descriptors, and tells whether it returned.
fn in_child(body: impl FnOnce()) -> bool {
    // SAFETY: the child is this thread alone and leaves by _exit(2).
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // Ends a child that waits for a lock which another thread held at the fork.
            // SAFETY: sets a timer, nothing else.
            unsafe { libc::alarm(20) };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            // SAFETY: ends the process without running what belongs to the parent.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` outlives the call.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

fn publishes_and_replaces(bed: &Bed) {
    bed.file("new").publish(bed.path("new")).unwrap();
    bed.file("newer").replace(bed.path("new")).unwrap();
    bed.holds_only("new", "newer");
}

/// The same as an ordinary user on Linux before 6.10, who needs procfs.
fn publishes_and_replaces_by_procfs(bed: &Bed) {
    deny(libc::ENOENT, &[Rule::link_empty_path()]);
    kernel::as_ordinary_user_in(bed.dir());
    publishes_and_replaces(bed);
}

/// In a user namespace, with a file of the one outside, too.
fn publishes_in_a_user_namespace(bed: &Bed) {
    let outside = bed.file("outside");
    assert!(in_child(|| {
        kernel::own_users();
        outside.publish(bed.path("outside")).unwrap();
        assert_eq!(bed.read("outside"), "outside");
        fs::remove_file(bed.path("outside")).unwrap();
        publishes_and_replaces(bed);
    }));
}

on_both_routes! {
    /// A procfs directory kept from before the fork would lead to the parent's descriptors.
    fn a_child_publishes_its_own_file_and_not_the_parents(bed: &Bed) {
        kernel::give_to_ordinary_user(bed.dir());
        let dir = bed.dir().to_owned();
        in_thread(move || {
            kernel::as_ordinary_user();
            let open = || OpenOptions::new().anonymous_in(&dir).unwrap();
            let (mut file, other, _third) = (open(), open(), open());
            file.write_all(b"inherited").unwrap();
            // So that whatever is remembered is remembered from the parent.
            other.publish(dir.join("parent")).unwrap();
            let path = dir.join("child");
            assert!(in_child(|| {
                file.publish(path).unwrap();
            }));
            assert_eq!(fs::read_to_string(dir.join("child")).unwrap(), "inherited");

            let path = dir.join("child's own");
            assert!(in_child(|| {
                let mut file = open();
                file.write_all(b"own").unwrap();
                file.publish(path).unwrap();
            }));
            assert_eq!(fs::read_to_string(dir.join("child's own")).unwrap(), "own");
            assert_eq!(fs::read_to_string(dir.join("parent")).unwrap(), "");
        });
    }

    fn a_thread_with_its_own_descriptors_publishes_its_own_file(bed: &Bed) {
        kernel::own_descriptors();
        bed.file("own").publish(bed.path("new")).unwrap();
        bed.file("own too").replace(bed.path("new")).unwrap();
        bed.holds_only("new", "own too");
    }

    #[ignore = "needs root, to unmount /proc"]
    fn procfs_is_not_needed(bed: &Bed) {
        kernel::own_mounts();
        kernel::without_procfs();
        kernel::as_ordinary_user_in(bed.dir());
        publishes_and_replaces(bed);
    }

    #[ignore = "needs root, to mount"]
    fn a_procfs_that_hides_other_processes_serves(bed: &Bed) {
        kernel::own_mounts();
        kernel::mount_new("proc", "/proc".as_ref(), "hidepid=2");
        publishes_and_replaces_by_procfs(bed);
    }

    #[ignore = "needs root, to mount"]
    fn a_procfs_of_processes_only_serves(bed: &Bed) {
        kernel::own_mounts();
        kernel::mount_new("proc", "/proc".as_ref(), "subset=pid");
        assert!(fs::metadata("/proc/sys").is_err());
        publishes_and_replaces_by_procfs(bed);
    }

    /// Its files in procfs are root's.
    fn an_undumpable_process_publishes(bed: &Bed) {
        assert!(in_child(|| {
            set_dumpable_behavior(DumpableBehavior::NotDumpable).unwrap();
            publishes_and_replaces_by_procfs(bed);
        }));
    }

    /// Seccomp profiles that are older than the call have it so.
    fn a_sandbox_without_statx_serves(bed: &Bed) {
        // In a child, as std could not clean up either.
        assert!(in_child(|| {
            deny(libc::EPERM, &[Rule::call(libc::SYS_statx)]);
            drop(bed.file("dropped"));
            publishes_and_replaces(bed);
        }));
    }

    fn without_new_privileges_nothing_changes(bed: &Bed) {
        set_no_new_privs(true).unwrap();
        assert!(no_new_privs().unwrap());
        publishes_and_replaces_by_procfs(bed);
    }

    #[ignore = "needs root, or user namespaces for everyone"]
    fn a_user_namespace_of_root_serves(bed: &Bed) {
        publishes_in_a_user_namespace(bed);
    }

    #[ignore = "needs root, or user namespaces for everyone"]
    fn a_user_namespace_of_an_ordinary_user_serves(bed: &Bed) {
        kernel::as_ordinary_user_in(bed.dir());
        publishes_in_a_user_namespace(bed);
    }

    /// A root that is read-only, one directory to write in, and no procfs.
    #[ignore = "needs root, to mount"]
    fn a_container_serves(bed: &Bed) {
        fs::create_dir(bed.path("volume")).unwrap();
        let root = bed.dir().to_owned();
        in_thread(move || {
            kernel::own_mounts();
            kernel::bind(&root, &root);
            kernel::bind(&root.join("volume"), &root.join("volume"));
            kernel::make_read_only(&root);
            kernel::contain(&root);
            assert!(fs::metadata("/proc").is_err());
            kernel::as_ordinary_user_in("/volume".as_ref());
            let error = OpenOptions::new().anonymous_in("/").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EROFS));
            let file = OpenOptions::new().anonymous_in("/volume").unwrap();
            file.publish("/volume/new").unwrap();
            linkable::write("/volume/new", "newer").unwrap();
        });
        assert_eq!(bed.read("volume/new"), "newer");
        assert_eq!(fs::read_dir(bed.path("volume")).unwrap().count(), 1);
    }

    fn a_landlock_domain_with_the_rights_serves(bed: &Bed) {
        fs::create_dir(bed.path("dir")).unwrap();
        kernel::landlock_without(BitFlags::EMPTY);
        bed.file("new").publish(bed.path("dir/new")).unwrap();
        bed.file("newer").replace(bed.path("dir/new")).unwrap();
        assert_eq!(bed.read("dir/new"), "newer");
        assert_eq!(fs::read_dir(bed.path("dir")).unwrap().count(), 1);
    }

    /// What Landlock denies in a domain that does not speak of it, too.
    fn landlock_without_refer_keeps_a_file_in_its_directory(bed: &Bed) {
        fs::create_dir(bed.path("dir")).unwrap();
        kernel::landlock_without(AccessFs::Refer.into());
        let error = bed.file("kept").publish(bed.path("dir/new")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::CrossesDevices);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EXDEV));
        assert!(error.to_string().contains("same directory"), "{error}");
        let PublishError::NotPublished { file, .. } = error else { panic!("{error:?}") };
        file.publish(bed.path("new")).unwrap();
        assert_eq!(bed.read("new"), "kept");
    }

    #[ignore = "needs root, for chroot"]
    fn a_chroot_without_procfs_serves(bed: &Bed) {
        kernel::own_fs();
        fs::create_dir(bed.path("dir")).unwrap();
        let (outside, dir) = (bed.file("outside"), bed.dir().to_owned());
        in_thread(move || {
            kernel::own_fs();
            rustix::process::chroot(&dir).unwrap();
            std::env::set_current_dir("/").unwrap();
            outside.publish("/dir/outside").unwrap();
            let mut file = OpenOptions::new().anonymous_in("/dir").unwrap();
            file.write_all(b"inside").unwrap();
            file.replace("dir/inside").unwrap();
        });
        assert_eq!(bed.read("dir/outside"), "outside");
        assert_eq!(bed.read("dir/inside"), "inside");
        assert_eq!(fs::read_dir(bed.path("dir")).unwrap().count(), 2);
    }

    #[ignore = "needs root, to mount"]
    fn a_mount_point_is_told_and_left_alone(bed: &Bed) {
        kernel::own_mounts();
        fs::write(bed.path("below"), "below").unwrap();
        fs::write(bed.path("mounted"), "").unwrap();
        kernel::bind(&bed.path("below"), &bed.path("mounted"));
        let error = bed.file("kept").replace(bed.path("mounted")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::MountPoint);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EBUSY));
        let PublishError::NotPublished { file, .. } = error else { panic!("{error:?}") };
        let error = file.publish(bed.path("mounted")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::AlreadyExists);
        assert_eq!(bed.read("mounted"), "below");
        kernel::unmount_at(&bed.path("mounted"));
    }

    /// The same directory of the same file system, seen through another mount.
    #[ignore = "needs root, to mount"]
    fn another_bind_mount_crosses_devices(bed: &Bed) {
        kernel::own_mounts();
        for dir in ["one", "two"] {
            fs::create_dir(bed.path(dir)).unwrap();
        }
        kernel::bind(&bed.path("one"), &bed.path("two"));
        let file = OpenOptions::new().anonymous_in(bed.path("one")).unwrap();
        let error = file.publish(bed.path("two/new")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::CrossesDevices);
        drop(error);
        kernel::unmount_at(&bed.path("two"));
    }

    #[ignore = "needs root, to mount"]
    fn a_full_disk_leaves_the_old_file_and_can_still_name_a_new_one(bed: &Bed) {
        kernel::own_mounts();
        kernel::mount_new("tmpfs", bed.dir(), "size=64k");
        fs::write(bed.path("file"), "old").unwrap();
        let mut file = bed.file("new");
        let error = file.write_all(&vec![0; 100_000]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        let error = linkable::write(bed.path("file"), "x").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        assert_eq!(bed.read("file"), "old");
        file.as_file().set_len(3).unwrap();
        file.replace(bed.path("file")).unwrap();
        bed.holds_only("file", "new");
        kernel::unmount_at(bed.dir());
    }

    #[ignore = "needs root, to mount"]
    fn a_disk_without_inodes_is_the_callers_error(bed: &Bed) {
        kernel::own_mounts();
        kernel::mount_new("tmpfs", bed.dir(), "nr_inodes=2");
        fs::write(bed.path("last"), "").unwrap();
        let error = OpenOptions::new().anonymous_in(bed.dir()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        kernel::unmount_at(bed.dir());
    }

    #[ignore = "needs root, for chattr"]
    fn an_immutable_directory_is_no_matter_of_policy(bed: &Bed) {
        let immutable = rustix::fs::IFlags::IMMUTABLE;
        fs::create_dir(bed.path("dir")).unwrap();
        let dir = File::open(bed.path("dir")).unwrap();
        let flags = rustix::fs::ioctl_getflags(&dir).unwrap();
        rustix::fs::ioctl_setflags(&dir, flags | immutable).unwrap();
        let refused = OpenOptions::new().anonymous_in(bed.path("dir"));
        let by_rename = bed.file("kept").publish(bed.path("dir/new"));
        deny(libc::EINVAL, &[Rule::call(libc::SYS_renameat2)]);
        let by_link = bed.file("kept").publish(bed.path("dir/new"));
        rustix::fs::ioctl_setflags(&dir, flags).unwrap();
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EPERM));
        for error in [by_rename.unwrap_err(), by_link.unwrap_err()] {
            assert_eq!(error.io_error().raw_os_error(), Some(libc::EPERM));
            assert_eq!(error.kind(), PublishErrorKind::Other);
        }
    }
}

/// Here the process has another file under the same number: `/proc/self/fd` is the wrong table, and
/// `/proc/thread-self/fd` the right one.
#[test]
fn the_way_through_procfs_takes_the_threads_own_descriptors() {
    on(Route::Anonymous, |bed| {
        deny(libc::ENOENT, &[Rule::link_empty_path()]);
        let decoy = File::create(bed.path("decoy")).unwrap();
        let (number, dir) = (decoy.as_raw_fd(), bed.dir().to_owned());
        in_thread(move || {
            kernel::own_descriptors();
            // Closes it here; the process goes on having it.
            drop(decoy);
            let mut opened = Vec::new();
            let mut file = loop {
                let file = OpenOptions::new().anonymous_in(&dir).unwrap();
                if file.as_raw_fd() == number {
                    break file;
                }
                opened.push(file);
            };
            file.write_all(b"own").unwrap();
            file.publish(dir.join("new")).unwrap();
        });
        assert_eq!(bed.read("new"), "own");
        assert_eq!(bed.path("decoy").metadata().unwrap().nlink(), 1);
    });
}

/// A process of another namespace has no number there, and so no `/proc/self`.
#[test]
#[ignore = "needs root, to mount"]
fn a_procfs_of_other_processes_serves_as_little_as_none() {
    on(Route::Anonymous, |bed| {
        kernel::own_mounts();
        assert!(in_child(|| {
            kernel::own_process_ids();
            let procfs = || kernel::mount_new("proc", "/proc".as_ref(), "");
            assert!(in_child(procfs));
        }));
        assert!(fs::metadata("/proc/sys").is_ok());
        assert!(fs::metadata("/proc/self").is_err());
        kernel::as_ordinary_user_in(bed.dir());
        publishes_and_replaces(bed);

        deny(libc::ENOENT, &[Rule::link_empty_path()]);
        let error = bed.open().publish(bed.path("newer")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::ProcUnavailable);
        assert!(error.to_string().contains("procfs"), "{error}");
    });
}

/// Landlock asks for the right to make a file when the file gets its name.
#[test]
fn landlock_without_make_reg_is_link_forbidden() {
    on(Route::Anonymous, |bed| {
        fs::write(bed.path("taken"), "old").unwrap();
        kernel::landlock_without(AccessFs::MakeReg.into());
        let error = bed.file("intact").publish(bed.path("new")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EACCES));
        assert!(error.to_string().contains("sandbox"), "{error}");
        let PublishError::NotPublished { file, .. } = error else {
            panic!("{error:?}")
        };
        let error = file.replace(bed.path("taken")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
        let PublishError::NotPublished { file, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(contents(&file), "intact");
        bed.holds_only("taken", "old");
    });
}

/// A named file is made when it is opened, so there it is known at once.
#[test]
fn landlock_without_make_reg_refuses_to_open_a_named_file() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        kernel::landlock_without(AccessFs::MakeReg.into());
        let error = OpenOptions::new().anonymous_in(bed.dir()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
        assert_eq!(bed.names(), [""; 0]);
    });
}

/// Nothing is renamed or removed on the way to a new name.
#[test]
fn landlock_without_remove_file_lets_an_unnamed_file_be_published() {
    on(Route::Anonymous, |bed| {
        fs::create_dir(bed.path("dir")).unwrap();
        let path = bed.path("dir/new");
        let file = bed.file("new");
        // Before a sync some file systems need a temporary name.
        let mut options = PublishOptions::new();
        options.durability(Durability::None);
        in_thread(move || {
            kernel::landlock_without(AccessFs::RemoveFile.into());
            options.publish(file, path).unwrap();
        });
        assert_eq!(bed.read("dir/new"), "new");
    });
}

/// Linux before 6.10 without procfs: the one thing that cannot be done.
#[test]
#[ignore = "needs root, to unmount /proc"]
fn without_procfs_and_the_first_way_the_error_says_so() {
    on(Route::Anonymous, |bed| {
        let (file, path) = (bed.file("kept"), bed.path("new"));
        let error = in_thread(move || {
            kernel::own_mounts();
            kernel::without_procfs();
            deny(libc::ENOENT, &[Rule::link_empty_path()]);
            file.publish(path).unwrap_err()
        });
        assert_eq!(error.kind(), PublishErrorKind::ProcUnavailable);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::ENOENT));
        assert!(error.to_string().contains("procfs"), "{error}");
        let PublishError::NotPublished { file, .. } = error else {
            panic!("{error:?}")
        };
        file.publish(bed.path("new")).unwrap();
        assert_eq!(bed.read("new"), "kept");
    });
}

/// `ENOENT` for want of procfs says little; what the first way said is what is wrong.
#[test]
#[ignore = "needs root, to unmount /proc"]
fn without_procfs_the_errno_of_the_first_way_is_reported() {
    on(Route::Anonymous, |bed| {
        let (file, path) = (bed.file("kept"), bed.path("new"));
        let error = in_thread(move || {
            kernel::own_mounts();
            kernel::without_procfs();
            deny(libc::EPERM, &[Rule::link_empty_path()]);
            file.publish(path).unwrap_err()
        });
        assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EPERM));
    });
}

/// AppArmor says `ENOENT` too, of a file that procfs shows.
#[test]
#[ignore = "needs root, to mount"]
fn apparmor_is_told_from_a_file_that_can_have_no_name() {
    for (label, kind) in [
        ("profile (enforce)\n", PublishErrorKind::LinkForbidden),
        ("unconfined\n", PublishErrorKind::NeverLinkable),
    ] {
        on(Route::Anonymous, move |bed| {
            let label_file = bed.path("label");
            fs::write(&label_file, label).unwrap();
            let (file, path) = (bed.open(), bed.path("new"));
            let error = in_thread(move || {
                kernel::own_mounts();
                kernel::bind(&label_file, "/proc/thread-self/attr/current".as_ref());
                deny(libc::ENOENT, &Rule::link_unnamed());
                file.publish(path).unwrap_err()
            });
            assert_eq!(error.kind(), kind);
        });
    }
}

/// A file in the place of `/proc/self/fd/N` that is not ours is not published in its stead.
#[test]
#[ignore = "needs root, to mount"]
fn a_forged_procfs_publishes_nothing() {
    for already_linked in [false, true] {
        on(Route::Anonymous, move |bed| {
            forged_procfs(bed, already_linked);
        });
    }
}

fn forged_procfs(bed: &Bed, already_linked: bool) {
    let file = bed.file("ours");
    if already_linked {
        let procfs = format!("/proc/self/fd/{}", file.as_raw_fd());
        let (cwd, follow) = (rustix::fs::CWD, rustix::fs::AtFlags::SYMLINK_FOLLOW);
        rustix::fs::linkat(cwd, procfs, cwd, bed.path("by hand"), follow).unwrap();
    }
    let forged = bed.path("self/fd");
    fs::create_dir_all(&forged).unwrap();
    let decoy = forged.join(file.as_raw_fd().to_string());
    fs::write(&decoy, "decoy").unwrap();
    let (self_dir, path) = (bed.path("self"), bed.path("new"));
    let error = in_thread(move || {
        kernel::own_mounts();
        kernel::mount_new("tmpfs", "/proc".as_ref(), "");
        symlink(self_dir, "/proc/self").unwrap();
        deny(libc::ENOENT, &[Rule::link_empty_path()]);
        assert_eq!(
            file.reopen().unwrap_err().raw_os_error(),
            Some(libc::ENOENT)
        );
        file.publish(path).unwrap_err()
    });
    assert_eq!(error.kind(), PublishErrorKind::ProcUnavailable);
    assert!(!bed.path("new").exists());
    assert_eq!(decoy.metadata().unwrap().nlink(), 1);
}

/// `protected_hardlinks` is on in every distribution.
#[test]
#[ignore = "needs root, to drop it"]
fn a_file_opened_before_privileges_were_dropped_is_link_forbidden() {
    assert_eq!(
        fs::read_to_string("/proc/sys/fs/protected_hardlinks")
            .unwrap()
            .trim(),
        "1"
    );
    on(Route::Anonymous, |bed| {
        kernel::give_to_ordinary_user(bed.dir());
        let (file, path) = (bed.file("root's"), bed.path("new"));
        let error = in_thread(move || {
            kernel::as_ordinary_user();
            file.publish(path).unwrap_err()
        });
        assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EPERM));
        let PublishError::NotPublished { file, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(contents(&file), "root's");
        file.publish(bed.path("new")).unwrap();
    });
}
