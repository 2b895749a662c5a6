//! User namespaces, containers and chroot.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;

use common::{fails, on_both_routes, publishes_and_replaces, Bed};
use linkable::OpenOptionsAnonymousExt;
use testbed::{in_child, in_thread};

on_both_routes! {
    #[ignore = "needs root, or user namespaces for everyone"]
    a_user_namespace_of_root_works,
    #[ignore = "needs root, or user namespaces for everyone"]
    a_user_namespace_of_an_ordinary_user_works,
    #[ignore = "needs root, to mount"]
    a_read_only_container_without_procfs_works,
    #[ignore = "needs root, for chroot"]
    a_chroot_without_procfs_works,
}

/// In a user namespace, with a file of the one outside, too.
fn publishes_in_a_user_namespace(bed: &Bed) {
    let outside = bed.file("outside");
    assert!(in_child(|| {
        testbed::own_users();
        outside.publish(bed.path("outside")).unwrap();
        assert_eq!(bed.read("outside"), "outside");
        fs::remove_file(bed.path("outside")).unwrap();
        publishes_and_replaces(bed);
    }));
}

fn a_user_namespace_of_root_works(bed: &Bed) {
    publishes_in_a_user_namespace(bed);
}

fn a_user_namespace_of_an_ordinary_user_works(bed: &Bed) {
    testbed::as_ordinary_user_in(bed.dir());
    publishes_in_a_user_namespace(bed);
}

/// A root that is read-only, one directory to write in, and no procfs.
fn a_read_only_container_without_procfs_works(bed: &Bed) {
    fs::create_dir(bed.path("volume")).unwrap();
    let root = bed.dir().to_owned();
    in_thread(move || {
        testbed::own_mounts();
        testbed::bind(&root, &root);
        testbed::bind(&root.join("volume"), &root.join("volume"));
        testbed::make_read_only(&root);
        testbed::contain(&root);
        assert!(fs::metadata("/proc").is_err());
        testbed::as_ordinary_user_in("/volume".as_ref());
        fails(OpenOptions::new().anonymous_in("/"), libc::EROFS);
        let file = OpenOptions::new().anonymous_in("/volume").unwrap();
        file.publish("/volume/new").unwrap();
        linkable::write("/volume/new", "newer").unwrap();
    });
    assert_eq!(bed.read("volume/new"), "newer");
    assert_eq!(fs::read_dir(bed.path("volume")).unwrap().count(), 1);
}

fn a_chroot_without_procfs_works(bed: &Bed) {
    testbed::own_fs();
    fs::create_dir(bed.path("dir")).unwrap();
    let (outside, dir) = (bed.file("outside"), bed.dir().to_owned());
    in_thread(move || {
        testbed::own_fs();
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
