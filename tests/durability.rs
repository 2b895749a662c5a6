//! Durability: what is synced, and what a failed sync means to the file.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{
    contents, file_in, given_back, names, on, on_both_routes, on_disk, Bed, Flagged, Route, LEVELS,
};
use linkable::{
    Durability, OpenOptionsAnonymousExt, PublishBatch, PublishErrorKind, PublishOptions,
};
use rustix::fs::IFlags;
use rustix::mount::MountFlags;
use testbed::{deny, in_child, in_thread, with_fault, FileSystem, Kind, Mounted, Rule};

on_both_routes! {
    a_file_whose_sync_failed_can_never_be_published,
    without_durability_nothing_is_synced,
    a_directory_that_a_file_leaves_need_not_be_readable,
}

/// The file system has promised room that the disk under it does not have: an image with holes, in
/// a full tmpfs. write(2) succeeds, and fsync(2) finds out.
#[test]
#[ignore = "needs root and mkfs.ext4, to mount"]
fn if_a_sync_finds_the_disk_full_the_file_can_never_be_published() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().to_owned();
    in_thread(move || {
        testbed::own_mounts();
        let small = Mounted::new("tmpfs", path.join("small"), "size=12m");
        fs::create_dir(path.join("mounted")).unwrap();
        let disk = FileSystem::from(Kind::Ext4).image_in(&small);
        let mounted = disk.mount(&path.join("mounted")).unwrap();
        linkable::write(mounted.join("file"), "old").unwrap();

        let mut file = OpenOptions::new()
            .read(true)
            .anonymous_in(&mounted)
            .unwrap();
        file.write_all(&vec![b'x'; 32 << 20]).unwrap();
        let error = file.replace(mounted.join("file")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::SyncFailed);
        let errno = error.io_error().raw_os_error();
        // If ext4 finds out before the sync does, it makes itself read-only.
        let errnos = [libc::ENOSPC, libc::EIO, libc::EROFS].map(Some);
        assert!(errnos.contains(&errno), "{errno:?}");
        let file = given_back(error);

        // A second fsync(2) may well succeed: it has nothing left to write.
        let mut options = PublishOptions::new();
        let options = options.replace(true).durability(Durability::None);
        let error = options.publish(file, mounted.join("file")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::SyncFailed);
        assert_eq!(error.io_error().raw_os_error(), errno);
        drop(error);
        assert_eq!(
            contents(fs::File::open(mounted.join("file")).unwrap()),
            "old"
        );
    });
}

/// It cannot be synced then, and the name is there.
fn a_directory_that_a_file_leaves_need_not_be_readable(bed: &Bed) {
    let [from, to] = ["from", "to"].map(|name| bed.path(name));
    for dir in [&from, &to] {
        fs::create_dir(dir).unwrap();
        testbed::give_to_ordinary_user(dir);
    }
    fs::set_permissions(&from, fs::Permissions::from_mode(0o333)).unwrap();
    in_thread(move || {
        testbed::as_ordinary_user();
        let mut options = PublishOptions::new();
        options.durability(Durability::Full);
        options
            .publish(file_in(&from, "one"), to.join("one"))
            .unwrap();
        let mut batch = PublishBatch::with_options(&options);
        batch.add(file_in(&from, "two"), to.join("two"));
        batch.commit().into_result().unwrap();
    });
    assert_eq!(
        (bed.read("to/one"), bed.read("to/two")),
        ("one".into(), "two".into())
    );
    // So that it can be removed.
    fs::set_permissions(bed.path("from"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether a file is given a name there before its sync, which is the safe order where a journal does
/// not keep unnamed files. It shows if that name cannot be changed any more.
fn names_before_sync(dir: &Path) -> bool {
    let (file, path) = (file_in(dir, ""), dir.join("new"));
    match with_fault(libc::EIO, Rule::rename(), move || file.publish(path)) {
        Ok(_) => {
            fs::remove_file(dir.join("new")).unwrap();
            false
        }
        Err(error) => {
            assert_eq!(
                error.io_error().raw_os_error(),
                Some(libc::EIO),
                "{error:?}"
            );
            !given_back(error).is_anonymous()
        }
    }
}

/// With a journal, in which nothing has to be asked twice.
#[test]
#[ignore = "needs root and mkfs.ext4, to mount"]
fn a_journal_that_cannot_be_asked_for_counts_as_none_until_it_can() {
    on(Route::Anonymous, |bed| {
        on_disk(bed, Kind::Ext4, |disk| {
            let (known, unknown) = (disk.to_owned(), disk.to_owned());
            in_thread(move || {
                testbed::own_mounts();
                testbed::without_procfs();
                assert!(names_before_sync(&unknown));
            });
            assert!(!names_before_sync(&known));
        });
    });
}

#[test]
#[ignore = "needs root and mkfs.ext4, to mount"]
fn a_journal_is_found_without_sysfs() {
    for hidden in ["/sys/fs", "/sys"] {
        on(Route::Anonymous, move |bed| {
            on_disk(bed, Kind::Ext4, |disk| {
                testbed::mount_new("tmpfs", hidden.as_ref(), "");
                assert!(!names_before_sync(disk), "without {hidden}");
            });
        });
    }
}

/// It would keep every temporary name.
#[test]
#[ignore = "needs root and mkfs.ext4, to mount"]
fn an_append_only_directory_gets_no_temporary_name_if_the_journal_is_unknown() {
    on(Route::Anonymous, |bed| {
        on_disk(bed, Kind::Ext4, |disk| {
            let dir = disk.join("dir");
            fs::create_dir(&dir).unwrap();
            let flagged = Flagged::new(&dir, IFlags::APPEND);
            in_thread({
                let dir = dir.clone();
                move || {
                    testbed::own_mounts();
                    testbed::without_procfs();
                    file_in(&dir, "new").publish(dir.join("new")).unwrap();
                }
            });
            drop(flagged);
            assert_eq!(names(&dir), ["new"]);
        });
    });
}

/// Without statx(2) a mount has no ID of its own, and a device number comes again.
#[test]
#[ignore = "needs root, mkfs.ext4 and mkfs.ext2, to mount"]
fn another_file_system_on_the_same_device_is_asked_again_without_statx() {
    on(Route::Anonymous, |bed| {
        testbed::own_mounts();
        let memory = Mounted::new("tmpfs", bed.path("memory"), "");
        let (image, at) = (memory.join("image"), memory.join("disk"));
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        fs::create_dir(&at).unwrap();
        let device = LoopDevice::new(&image);
        // In a child, as std remembers that there is no such call.
        assert!(in_child(|| {
            deny(libc::ENOSYS, &[Rule::call(libc::SYS_statx)]);
            for (kind, expected) in [(Kind::Ext4, false), (Kind::Ext2, true), (Kind::Ext4, false)] {
                FileSystem::from(kind).make(&device.0).unwrap();
                let none = MountFlags::empty();
                rustix::mount::mount(&device.0, &at, kind.name(), none, None).unwrap();
                for _ in 0..2 {
                    assert_eq!(names_before_sync(&at), expected, "{kind:?}");
                }
                testbed::unmount_at(&at);
            }
        }));
    });
}

/// A file as a disk, until this is dropped.
struct LoopDevice(PathBuf);

impl LoopDevice {
    fn new(image: &Path) -> Self {
        let mut losetup = Command::new("losetup");
        let device = testbed::run(losetup.args(["--find", "--show"]).arg(image));
        Self(device.unwrap().trim().into())
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        testbed::run(Command::new("losetup").arg("--detach").arg(&self.0)).unwrap();
    }
}

fn a_file_whose_sync_failed_can_never_be_published(bed: &Bed) {
    let (file, path) = (bed.file("lost"), bed.path("new"));
    let error = with_fault(libc::EIO, Rule::sync_contents(), move || {
        file.publish(path).unwrap_err()
    });
    assert_eq!(error.kind(), PublishErrorKind::SyncFailed);
    assert_eq!(error.io_error().raw_os_error(), Some(libc::EIO));
    let mut file = given_back(error);
    assert!(!bed.path("new").exists());

    // Now fsync(2) works again, and would say that all is well.
    for durability in LEVELS {
        let mut options = PublishOptions::new();
        options.durability(durability).replace(true);
        // Other errors in between do not make it sound again.
        file = given_back(options.publish(file, bed.path("a\0b")).unwrap_err());
        file = given_back(options.publish(file, bed.path("missing/new")).unwrap_err());
        let error = options.publish(file, bed.path("new")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::SyncFailed);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EIO));
        file = given_back(error);
    }
    assert_eq!(contents(&file), "lost");
    drop(file);
    assert_eq!(bed.names(), [""; 0]);
}

fn without_durability_nothing_is_synced(bed: &Bed) {
    let (file, path) = (bed.file("whole"), bed.path("new"));
    let syncs = [
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_sync,
        libc::SYS_syncfs,
        libc::SYS_sync_file_range,
    ];
    let syncs = syncs.map(Rule::call);
    with_fault(libc::EIO, syncs.to_vec(), move || {
        PublishOptions::new()
            .durability(Durability::None)
            .publish(file, path)
            .unwrap()
    });
    assert_eq!(bed.read("new"), "whole");
}
