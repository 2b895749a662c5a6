//! Durability: what is synced, and what a failed sync means to the file.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;

use common::{contents, given_back, on_both_routes, Bed, LEVELS};
use linkable::{Durability, OpenOptionsAnonymousExt, PublishErrorKind, PublishOptions};
use testbed::{in_thread, with_fault, FileSystem, Kind, Mounted, Rule};

on_both_routes! {
    a_file_whose_sync_failed_can_never_be_published,
    without_durability_nothing_is_synced,
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

fn a_file_whose_sync_failed_can_never_be_published(bed: &Bed) {
    let (file, path) = (bed.file("lost"), bed.path("new"));
    let error = with_fault(libc::EIO, vec![Rule::call(libc::SYS_fsync)], move || {
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
