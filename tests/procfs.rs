//! Linking an unnamed file by its descriptor or through procfs, and procfs of every kind or none.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{symlink, MetadataExt};

use common::{
    fails, given_back, link_by_hand, on, on_both_routes, publishes_and_replaces,
    publishes_and_replaces_by_procfs, Bed, Route,
};
use linkable::{OpenOptionsAnonymousExt, PublishErrorKind};
use rustix::process::{set_dumpable_behavior, DumpableBehavior};
use testbed::{deny, in_child, in_thread, Rule};

on_both_routes! {
    #[ignore = "needs root, to unmount /proc"]
    publishing_works_without_procfs,
    #[ignore = "needs root, to mount"]
    procfs_with_hidepid_works,
    #[ignore = "needs root, to mount"]
    procfs_with_subset_pid_works,
    an_undumpable_process_can_publish,
}

fn publishing_works_without_procfs(bed: &Bed) {
    testbed::own_mounts();
    testbed::without_procfs();
    testbed::as_ordinary_user_in(bed.dir());
    publishes_and_replaces(bed);
}

fn procfs_with_hidepid_works(bed: &Bed) {
    testbed::own_mounts();
    testbed::mount_new("proc", "/proc".as_ref(), "hidepid=2");
    publishes_and_replaces_by_procfs(bed);
}

fn procfs_with_subset_pid_works(bed: &Bed) {
    testbed::own_mounts();
    testbed::mount_new("proc", "/proc".as_ref(), "subset=pid");
    assert!(fs::metadata("/proc/sys").is_err());
    publishes_and_replaces_by_procfs(bed);
}

/// Its files in procfs are root's.
fn an_undumpable_process_can_publish(bed: &Bed) {
    assert!(in_child(|| {
        set_dumpable_behavior(DumpableBehavior::NotDumpable).unwrap();
        publishes_and_replaces_by_procfs(bed);
    }));
}

/// `ENOENT`, the errno of a missing directory, is also what kernels before 6.10 say here.
#[test]
fn if_the_descriptor_cannot_be_linked_procfs_is_used() {
    for errno in [libc::ENOENT, libc::EINVAL, libc::EPERM] {
        on(Route::Anonymous, move |bed| {
            deny(errno, &[Rule::link_empty_path()]);
            bed.file("new").publish(bed.path("new")).unwrap();
            bed.file("newer").replace(bed.path("new")).unwrap();
            bed.holds_only("new", "newer");
        });
    }
}

#[test]
fn if_the_descriptor_cannot_be_linked_a_missing_directory_is_still_not_found() {
    for errno in [libc::ENOENT, libc::EINVAL, libc::EPERM] {
        on(Route::Anonymous, move |bed| {
            deny(errno, &[Rule::link_empty_path()]);
            for name in ["new", "newer"] {
                let error = bed.open().publish(bed.path("missing/new")).unwrap_err();
                assert_eq!(error.kind(), PublishErrorKind::NotFound);
                assert_eq!(error.io_error().raw_os_error(), Some(libc::ENOENT));
                // From now on procfs comes first.
                bed.open().publish(bed.path(name)).unwrap();
            }
        });
    }
}

#[test]
fn if_procfs_cannot_be_used_the_descriptor_is_linked() {
    on(Route::Anonymous, |bed| {
        deny(libc::ENOENT, &[Rule::link_by_procfs()]);
        bed.file("new").publish(bed.path("new")).unwrap();
        assert_eq!(bed.read("new"), "new");
    });
}

/// Here the process has another file under the same number: `/proc/self/fd` is the wrong table, and
/// `/proc/thread-self/fd` the right one.
#[test]
fn procfs_links_the_threads_own_descriptors() {
    on(Route::Anonymous, |bed| {
        deny(libc::ENOENT, &[Rule::link_empty_path()]);
        let decoy = File::create(bed.path("decoy")).unwrap();
        let (number, dir) = (decoy.as_raw_fd(), bed.dir().to_owned());
        in_thread(move || {
            testbed::own_descriptors();
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
fn procfs_of_another_process_namespace_is_unavailable() {
    on(Route::Anonymous, |bed| {
        testbed::own_mounts();
        assert!(in_child(|| {
            testbed::own_process_ids();
            let procfs = || testbed::mount_new("proc", "/proc".as_ref(), "");
            assert!(in_child(procfs));
        }));
        assert!(fs::metadata("/proc/sys").is_ok());
        assert!(fs::metadata("/proc/self").is_err());
        testbed::as_ordinary_user_in(bed.dir());
        publishes_and_replaces(bed);

        deny(libc::ENOENT, &[Rule::link_empty_path()]);
        let error = bed.open().publish(bed.path("newer")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::ProcUnavailable);
        assert!(error.to_string().contains("procfs"), "{error}");
    });
}

/// Linux before 6.10 without procfs: the one thing that cannot be done.
#[test]
#[ignore = "needs root, to unmount /proc"]
fn if_neither_the_descriptor_nor_procfs_can_be_used_procfs_is_unavailable() {
    on(Route::Anonymous, |bed| {
        let (file, path) = (bed.file("kept"), bed.path("new"));
        let error = in_thread(move || {
            testbed::own_mounts();
            testbed::without_procfs();
            deny(libc::ENOENT, &[Rule::link_empty_path()]);
            file.publish(path).unwrap_err()
        });
        assert_eq!(error.kind(), PublishErrorKind::ProcUnavailable);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::ENOENT));
        assert!(error.to_string().contains("procfs"), "{error}");
        let file = given_back(error);
        file.publish(bed.path("new")).unwrap();
        assert_eq!(bed.read("new"), "kept");
    });
}

/// `ENOENT` for want of procfs says little; what the first way said is what is wrong.
#[test]
#[ignore = "needs root, to unmount /proc"]
fn without_procfs_the_errno_of_linking_the_descriptor_is_reported() {
    on(Route::Anonymous, |bed| {
        let (file, path) = (bed.file("kept"), bed.path("new"));
        let error = in_thread(move || {
            testbed::own_mounts();
            testbed::without_procfs();
            deny(libc::EPERM, &[Rule::link_empty_path()]);
            file.publish(path).unwrap_err()
        });
        assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EPERM));
    });
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
        link_by_hand(&file, &bed.path("by hand")).unwrap();
    }
    let forged = bed.path("self/fd");
    fs::create_dir_all(&forged).unwrap();
    let decoy = forged.join(file.as_raw_fd().to_string());
    fs::write(&decoy, "decoy").unwrap();
    let (self_dir, path) = (bed.path("self"), bed.path("new"));
    let error = in_thread(move || {
        testbed::own_mounts();
        testbed::mount_new("tmpfs", "/proc".as_ref(), "");
        symlink(self_dir, "/proc/self").unwrap();
        deny(libc::ENOENT, &[Rule::link_empty_path()]);
        fails(file.reopen(), libc::ENOENT);
        file.publish(path).unwrap_err()
    });
    assert_eq!(error.kind(), PublishErrorKind::ProcUnavailable);
    assert!(!bed.path("new").exists());
    assert_eq!(decoy.metadata().unwrap().nlink(), 1);
}
