//! Sandboxes: seccomp, Landlock, AppArmor.

mod common;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use common::{
    contents, fails, file_in, given_back, on, on_both_routes, on_disk, publishes_and_replaces,
    publishes_and_replaces_by_procfs, refused, Bed, Route,
};
use linkable::{
    Durability, OpenOptionsAnonymousExt, PublishBatch, PublishErrorKind, PublishOptions,
};
use rustix::thread::{no_new_privs, set_no_new_privs};
use testbed::{deny, in_child, in_thread, with_fault, AccessFs, BitFlags, Kind, Rule};

on_both_routes! {
    a_sandbox_without_statx_works,
    a_sandbox_without_uname_and_limits_works,
    #[ignore = "needs root and mkfs.btrfs, to mount"]
    a_sandbox_without_uname_works_on_btrfs,
    no_new_privs_changes_nothing,
    landlock_with_the_rights_works,
    landlock_without_refer_crosses_devices,
}

/// Seccomp profiles that are older than the call have it so.
fn a_sandbox_without_statx_works(bed: &Bed) {
    // In a child, as std could not clean up either.
    assert!(in_child(|| {
        deny(libc::EPERM, &[Rule::call(libc::SYS_statx)]);
        drop(bed.file("dropped"));
        publishes_and_replaces(bed);
    }));
}

/// Calls that rustix takes for such as cannot fail.
fn deny_uname_and_limits() {
    let calls = [
        libc::SYS_uname,
        libc::SYS_prlimit64,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_getrlimit,
    ];
    deny(libc::EPERM, &calls.map(Rule::call));
}

fn publishes_in_a_batch(dir: &Path) {
    let mut options = PublishOptions::new();
    let mut batch = PublishBatch::with_options(options.durability(Durability::Full));
    for i in 0..20 {
        batch.add(file_in(dir, "new"), dir.join(i.to_string()));
    }
    assert_eq!(batch.commit().into_result().unwrap(), 20);
    (0..20).for_each(|i| fs::remove_file(dir.join(i.to_string())).unwrap());
}

fn a_sandbox_without_uname_and_limits_works(bed: &Bed) {
    deny_uname_and_limits();
    publishes_in_a_batch(bed.dir());
    publishes_and_replaces(bed);
}

/// What has to be done there depends on how old the kernel is.
fn a_sandbox_without_uname_works_on_btrfs(bed: &Bed) {
    on_disk(bed, Kind::Btrfs, |disk| {
        // What unmounts it comes after this.
        let disk = disk.to_owned();
        in_thread(move || {
            deny_uname_and_limits();
            publishes_in_a_batch(&disk);
            linkable::write(disk.join("new"), "new").unwrap();
        });
    });
}

fn no_new_privs_changes_nothing(bed: &Bed) {
    set_no_new_privs(true).unwrap();
    assert!(no_new_privs().unwrap());
    publishes_and_replaces_by_procfs(bed);
}

fn landlock_with_the_rights_works(bed: &Bed) {
    fs::create_dir(bed.path("dir")).unwrap();
    testbed::landlock_without(BitFlags::EMPTY);
    bed.file("new").publish(bed.path("dir/new")).unwrap();
    bed.file("newer").replace(bed.path("dir/new")).unwrap();
    assert_eq!(bed.read("dir/new"), "newer");
    assert_eq!(fs::read_dir(bed.path("dir")).unwrap().count(), 1);
}

/// What Landlock denies in a domain that does not speak of it, too.
fn landlock_without_refer_crosses_devices(bed: &Bed) {
    fs::create_dir(bed.path("dir")).unwrap();
    testbed::landlock_without(AccessFs::Refer.into());
    let error = bed.file("kept").publish(bed.path("dir/new")).unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::CrossesDevices);
    assert_eq!(error.io_error().raw_os_error(), Some(libc::EXDEV));
    assert!(error.to_string().contains("same directory"), "{error}");
    let file = given_back(error);
    file.publish(bed.path("new")).unwrap();
    assert_eq!(bed.read("new"), "kept");
}

/// A sandbox that lets the file be opened and not be linked.
#[test]
fn a_sandbox_that_denies_linkat_is_link_forbidden() {
    for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
        on(Route::Anonymous, move |bed| {
            let (file, path) = (bed.file("intact"), bed.path("new"));
            let error = with_fault(errno, Rule::link_unnamed(), move || {
                file.publish(path).unwrap_err()
            });
            assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
            assert_eq!(error.io_error().raw_os_error(), Some(errno));
            assert!(error.to_string().contains("sandbox"), "{error}");
            let file = given_back(error);
            assert_eq!(contents(&file), "intact");
            file.publish(bed.path("new")).unwrap();
        });
    }
}

/// Landlock asks for the right to make a file when the file gets its name.
#[test]
fn landlock_without_make_reg_is_link_forbidden() {
    on(Route::Anonymous, |bed| {
        fs::write(bed.path("taken"), "old").unwrap();
        testbed::landlock_without(AccessFs::MakeReg.into());
        let error = bed.file("intact").publish(bed.path("new")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EACCES));
        assert!(error.to_string().contains("sandbox"), "{error}");
        let file = given_back(error);
        let error = file.replace(bed.path("taken")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
        let file = given_back(error);
        assert_eq!(contents(&file), "intact");
        bed.holds_only("taken", "old");
    });
}

/// A named file is made when it is opened, so there it is known at once.
#[test]
fn landlock_without_make_reg_refuses_to_open_a_named_file() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        testbed::landlock_without(AccessFs::MakeReg.into());
        fails(OpenOptions::new().anonymous_in(bed.dir()), libc::EACCES);
        assert_eq!(bed.names(), [""; 0]);
    });
}

/// Linux makes the file, and then finds out that it may not be opened.
#[test]
fn landlock_without_read_or_write_leaves_no_litter_of_a_refused_open() {
    for denied in [AccessFs::ReadFile, AccessFs::WriteFile] {
        on(Route::Named(libc::EOPNOTSUPP), move |bed| {
            let dir = bed.dir().to_owned();
            in_thread(move || {
                testbed::landlock_without(denied.into());
                let mut options = OpenOptions::new();
                options.read(true).mode(0o640);
                fails(options.anonymous_in(&dir), libc::EACCES);
                fails(options.scratch_in(&dir), libc::EACCES);
            });
            assert_eq!(bed.names(), [""; 0]);
        });
    }
}

/// The same for the temporary name of a copy.
#[test]
fn landlock_without_write_leaves_no_litter_of_a_refused_copy() {
    on(Route::AnonymousFirst, |bed| {
        let (file, path) = (bed.file("kept"), bed.path("new"));
        let outcome = in_thread(move || {
            deny(libc::EPERM, &Rule::link_unnamed());
            testbed::landlock_without(AccessFs::WriteFile.into());
            PublishOptions::new().allow_copy(true).publish(file, path)
        });
        let file = refused(outcome, PublishErrorKind::LinkForbidden, libc::EPERM);
        assert_eq!(contents(&file), "kept");
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
            testbed::landlock_without(AccessFs::RemoveFile.into());
            options.publish(file, path).unwrap();
        });
        assert_eq!(bed.read("dir/new"), "new");
    });
}

/// AppArmor says `ENOENT` too, of a file that procfs shows.
#[test]
#[ignore = "needs root, to mount"]
fn a_denial_by_apparmor_is_link_forbidden_and_not_never_linkable() {
    for (label, kind) in [
        ("profile (enforce)\n", PublishErrorKind::LinkForbidden),
        ("unconfined\n", PublishErrorKind::NeverLinkable),
    ] {
        on(Route::Anonymous, move |bed| {
            let label_file = bed.path("label");
            fs::write(&label_file, label).unwrap();
            let (file, path) = (bed.open(), bed.path("new"));
            let error = in_thread(move || {
                testbed::own_mounts();
                testbed::bind(&label_file, "/proc/thread-self/attr/current".as_ref());
                deny(libc::ENOENT, &Rule::link_unnamed());
                file.publish(path).unwrap_err()
            });
            assert_eq!(error.kind(), kind);
        });
    }
}
