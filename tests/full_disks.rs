//! No space, no inodes, no quota left.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::Command;

use common::{errno_in, fails, file_in, names, on_both_routes, on_disk, on_overlay, refused, Bed};
use linkable::{OpenOptionsAnonymousExt, PublishErrorKind::Other};
use testbed::{FileSystem, Kind, Mounted};

on_both_routes! {
    #[ignore = "needs root, to mount"]
    a_full_tmpfs_keeps_the_old_file_and_can_still_publish,
    #[ignore = "needs root, to mount"]
    a_tmpfs_without_free_inodes_is_enospc,
    #[ignore = "needs root and mkfs.ext4, to mount"]
    a_full_ext4_keeps_the_old_file_and_can_still_publish,
    #[ignore = "needs root and mkfs.ext4, to mount"]
    an_ext4_without_free_inodes_is_enospc,
    #[ignore = "needs root and mkfs.ext4, to mount"]
    on_a_full_disk_space_cannot_be_reserved,
    #[ignore = "needs root and mkfs.btrfs, to mount"]
    an_exceeded_quota_is_reported_and_the_file_given_back,
    #[ignore = "needs root, to mount"]
    an_overlay_whose_upper_layer_is_full_keeps_the_old_file,
}

/// Writes to a new file as long as there is room, a piece at a time.
fn fill(path: &Path, piece: usize) -> io::Error {
    let mut file = File::create(path).unwrap();
    loop {
        if let Err(error) = file
            .write_all(&vec![b'x'; piece])
            .and_then(|()| file.sync_all())
        {
            return error;
        }
    }
}

fn a_full_tmpfs_keeps_the_old_file_and_can_still_publish(bed: &Bed) {
    testbed::own_mounts();
    let _mounted = Mounted::new("tmpfs", bed.dir().to_owned(), "size=64k");
    fs::write(bed.path("file"), "old").unwrap();
    let mut file = bed.file("new");
    let error = file.write_all(&vec![0; 100_000]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    fails(linkable::write(bed.path("file"), "x"), libc::ENOSPC);
    assert_eq!(bed.read("file"), "old");
    file.as_file().set_len(3).unwrap();
    file.replace(bed.path("file")).unwrap();
    bed.holds_only("file", "new");
}

fn a_tmpfs_without_free_inodes_is_enospc(bed: &Bed) {
    testbed::own_mounts();
    let _mounted = Mounted::new("tmpfs", bed.dir().to_owned(), "nr_inodes=2");
    fs::write(bed.path("last"), "").unwrap();
    fails(OpenOptions::new().anonymous_in(bed.dir()), libc::ENOSPC);
}

fn a_full_ext4_keeps_the_old_file_and_can_still_publish(bed: &Bed) {
    on_disk(bed, FileSystem::from(Kind::Ext4).size(8 << 20), |disk| {
        let path = disk.join("file");
        fs::write(&path, "old").unwrap();
        let mut file = file_in(disk, "new");
        file.as_file().sync_all().unwrap();
        assert_eq!(
            fill(&disk.join("rest"), 4096).raw_os_error(),
            Some(libc::ENOSPC)
        );
        fails(file.write_all(&vec![b'x'; 100_000]), libc::ENOSPC);
        fails(linkable::write(&path, "x"), libc::ENOSPC);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.as_file().set_len(3).unwrap();
        file.replace(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(disk), ["file", "lost+found", "rest"]);
    });
}

fn an_ext4_without_free_inodes_is_enospc(bed: &Bed) {
    let disk = FileSystem::from(Kind::Ext4).size(8 << 20);
    on_disk(bed, disk.mkfs(&["-N", "16"]), |disk| {
        let file = file_in(disk, "the last");
        let full = (0..).find_map(|i| File::create(disk.join(format!("{i}"))).err());
        assert_eq!(full.unwrap().raw_os_error(), Some(libc::ENOSPC));
        fails(OpenOptions::new().anonymous_in(disk), libc::ENOSPC);
        fails(linkable::write(disk.join("0"), "x"), libc::ENOSPC);
        file.replace(disk.join("0")).unwrap();
        assert_eq!(fs::read_to_string(disk.join("0")).unwrap(), "the last");
        assert!(!names(disk).iter().any(|name| name.contains("linkable")));
    });
}

fn on_a_full_disk_space_cannot_be_reserved(bed: &Bed) {
    for disk in [
        FileSystem::from(Kind::Tmpfs).options("size=8m"),
        FileSystem::from(Kind::Ext4).size(8 << 20),
    ] {
        on_disk(bed, disk, |disk| {
            let path = disk.join("file");
            fs::write(&path, "old").unwrap();
            let large = file_in(disk, "too large");
            let error = large.allocate(16 << 20).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            assert_eq!(errno_in(&error), Some(libc::ENOSPC));
            assert!(error.to_string().contains("16777216 bytes"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            drop(large);
            // All of the space is free again, and what is reserved is the file's.
            let mut file = file_in(disk, "");
            file.allocate(1 << 20).unwrap();
            fill(&disk.join("rest"), 4096);
            file.write_all(&vec![b'x'; 1 << 20]).unwrap();
            file.replace(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 20);
        });
    }
}

/// A name takes room, too.
fn an_exceeded_quota_is_reported_and_the_file_given_back(bed: &Bed) {
    on_disk(bed, Kind::Btrfs, |disk| {
        let quota = |words: &[&str]| {
            testbed::run(Command::new("btrfs").args(words).arg(disk)).unwrap();
        };
        quota(&["quota", "enable"]);
        quota(&["qgroup", "limit", "1M"]);
        let mut file = file_in(disk, "kept");
        file.as_file().sync_all().unwrap();
        assert_eq!(
            fill(&disk.join("rest"), 4096).raw_os_error(),
            Some(libc::EDQUOT)
        );
        fails(file.write_all(&vec![b'x'; 100_000]), libc::EDQUOT);
        let file = refused(file.publish(disk.join("new")), Other, libc::EDQUOT);
        quota(&["qgroup", "limit", "none"]);
        file.as_file().set_len(4).unwrap();
        file.publish(disk.join("new")).unwrap();
        assert_eq!(fs::read_to_string(disk.join("new")).unwrap(), "kept");
        assert_eq!(names(disk), ["new", "rest"]);
    });
}

fn an_overlay_whose_upper_layer_is_full_keeps_the_old_file(bed: &Bed) {
    on_overlay(bed, "size=64k", |_, merged| {
        let path = merged.join("dir/file");
        let mut file = file_in(merged, "new");
        fails(file.write_all(&vec![b'x'; 100_000]), libc::ENOSPC);
        fails(linkable::write(&path, "x"), libc::ENOSPC);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.as_file().set_len(3).unwrap();
        file.replace(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(&merged.join("dir")), ["file"]);
    });
}
