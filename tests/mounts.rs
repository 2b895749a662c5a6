//! Borders that a file cannot cross, mount points and overlays.

mod common;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use common::{file_in, given_back, names, on_both_routes, on_disk, on_overlay, refused, Bed};
use linkable::{
    OpenOptionsAnonymousExt,
    PublishErrorKind::{self, AlreadyExists, CrossesDevices},
};
use testbed::{Kind, Mounted};

on_both_routes! {
    another_directory_of_the_same_mount_works,
    another_mount_crosses_devices,
    #[ignore = "needs root, to mount"]
    another_bind_mount_crosses_devices,
    #[ignore = "needs root, to mount"]
    a_mount_point_is_reported_and_not_replaced,
    #[ignore = "needs root and mkfs.btrfs, to mount"]
    another_btrfs_subvolume_crosses_devices,
    #[ignore = "needs root, mkfs.xfs and xfs_io, to mount"]
    another_xfs_project_crosses_devices,
    #[ignore = "needs root, to mount"]
    an_overlay_replaces_files_of_its_lower_layer,
}

fn another_directory_of_the_same_mount_works(bed: &Bed) {
    fs::create_dir(bed.path("other")).unwrap();
    bed.file("a").publish(bed.path("other/new")).unwrap();
    bed.file("b").replace(bed.path("other/new")).unwrap();
    assert_eq!(
        (bed.names(), bed.read("other/new")),
        (vec!["other".into()], "b".into())
    );
}

fn another_mount_crosses_devices(bed: &Bed) {
    let here = bed.dir().metadata().unwrap().dev();
    let elsewhere = |dir: &&str| fs::metadata(dir).is_ok_and(|dir| dir.dev() != here);
    let other = ["/dev/shm", "/sys", "/dev"]
        .into_iter()
        .find(elsewhere)
        .unwrap();
    let other = Path::new(other).join(format!("linkable-test-{}", std::process::id()));
    let file = refused(
        bed.file("kept").publish(&other),
        CrossesDevices,
        libc::EXDEV,
    );
    let file = refused(file.replace(&other), CrossesDevices, libc::EXDEV);
    file.publish(bed.path("new")).unwrap();
    assert_eq!(bed.read("new"), "kept");
}

/// The same directory of the same file system, seen through another mount.
fn another_bind_mount_crosses_devices(bed: &Bed) {
    testbed::own_mounts();
    for dir in ["one", "two"] {
        fs::create_dir(bed.path(dir)).unwrap();
    }
    let _two = Mounted::bind(&bed.path("one"), bed.path("two"));
    let file = OpenOptions::new().anonymous_in(bed.path("one")).unwrap();
    let error = file.publish(bed.path("two/new")).unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::CrossesDevices);
    drop(error);
}

fn a_mount_point_is_reported_and_not_replaced(bed: &Bed) {
    testbed::own_mounts();
    fs::write(bed.path("below"), "below").unwrap();
    fs::write(bed.path("mounted"), "").unwrap();
    let _mounted = Mounted::bind(&bed.path("below"), bed.path("mounted"));
    let error = bed.file("kept").replace(bed.path("mounted")).unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::MountPoint);
    assert_eq!(error.io_error().raw_os_error(), Some(libc::EBUSY));
    let file = given_back(error);
    let error = file.publish(bed.path("mounted")).unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::AlreadyExists);
    assert_eq!(bed.read("mounted"), "below");
}

fn another_btrfs_subvolume_crosses_devices(bed: &Bed) {
    on_disk(bed, Kind::Btrfs, |disk| {
        let volume = disk.join("volume");
        testbed::run(
            Command::new("btrfs")
                .args(["subvolume", "create"])
                .arg(&volume),
        )
        .unwrap();
        crosses_devices(disk, &volume);
    });
}

fn another_xfs_project_crosses_devices(bed: &Bed) {
    on_disk(bed, Kind::Xfs, |disk| {
        let project = disk.join("project");
        fs::create_dir(&project).unwrap();
        let commands = ["-c", "chproj 42", "-c", "chattr +P"];
        testbed::run(Command::new("xfs_io").args(commands).arg(&project)).unwrap();
        crosses_devices(disk, &project);
    });
}

/// A file is published on its own side of the border only.
fn crosses_devices(here: &Path, there: &Path) {
    let file = file_in(here, "kept");
    let file = refused(file.publish(there.join("new")), CrossesDevices, libc::EXDEV);
    let file = refused(file.replace(there.join("new")), CrossesDevices, libc::EXDEV);
    file.publish(here.join("new")).unwrap();
    assert_eq!(fs::read_to_string(here.join("new")).unwrap(), "kept");
    file_in(there, "within").publish(there.join("new")).unwrap();
    assert_eq!((names(here).len(), names(there)), (2, vec!["new".into()]));
}

fn an_overlay_replaces_files_of_its_lower_layer(bed: &Bed) {
    on_overlay(bed, "", |lower, merged| {
        let dir = merged.join("dir");
        file_in(&dir, "new").publish(dir.join("new")).unwrap();
        file_in(&dir, "newer").replace(dir.join("file")).unwrap();
        let file = file_in(&dir, "kept").publish(dir.join("file"));
        drop(refused(file, AlreadyExists, libc::EEXIST));
        assert_eq!(names(&dir), ["file", "new"]);
        assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "newer");
        assert_eq!(fs::read_to_string(lower.join("dir/file")).unwrap(), "old");
    });
}
