//! `allow_copy`: a copy has the name where the file itself is refused it.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{symlink, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use common::kernel::{self, Mounted, Rule};
use common::{contents, deny, in_thread, on, on_both_routes, Bed, Route};
use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, PublishError, PublishErrorKind,
    PublishOptions,
};
use rustix::fs::{fcntl_getfl, fgetxattr, fsetxattr, OFlags, XattrFlags};

/// What a sandbox does that lets files be opened and not be linked.
fn forbid_links() {
    deny(libc::EPERM, &[Rule::call(libc::SYS_linkat)]);
}

fn copying() -> PublishOptions {
    let mut options = PublishOptions::new();
    options.allow_copy(true);
    options
}

#[track_caller]
fn given_back(outcome: Result<File, PublishError>, errno: i32) -> LinkableFile {
    let error = outcome.expect_err("published");
    assert_eq!(error.io_error().raw_os_error(), Some(errno), "{error:?}");
    match error {
        PublishError::NotPublished { file, .. } => file,
        error => panic!("{error:?}"),
    }
}

/// Another file system at `other` in the bed, for this thread.
fn mount_other(bed: &Bed, options: &str) -> Mounted {
    kernel::own_mounts();
    Mounted::new("tmpfs", bed.path("other"), options)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect()
}

on_both_routes! {
    // A copy has a temporary name.
    anonymous: Route::AnonymousFirst;

    #[ignore = "needs root, to mount"]
    fn a_copy_crosses_devices(bed: &Bed) {
        let other = mount_other(bed, "");
        for durability in [Durability::None, Durability::Contents, Durability::Full] {
            let mut options = copying();
            options.durability(durability);
            options.publish(bed.file("new"), other.join("file")).unwrap();
            assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "new");
            let taken = options.publish(bed.file("newer"), other.join("file"));
            let file = given_back(taken, libc::EEXIST);
            options.replace(true).publish(file, other.join("file")).unwrap();
            assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "newer");
            assert_eq!(names(&other), ["file"]);
            fs::remove_file(other.join("file")).unwrap();
        }
    }

    #[ignore = "needs root, to mount"]
    fn without_being_asked_nothing_is_copied(bed: &Bed) {
        let other = mount_other(bed, "");
        let file = given_back(bed.file("kept").publish(other.join("file")), libc::EXDEV);
        assert_eq!(names(&other), [""; 0]);
        assert_eq!(contents(&file), "kept");
    }

    #[ignore = "needs root, to mount"]
    fn a_failed_copy_gives_the_file_back_and_leaves_nothing(bed: &Bed) {
        let other = mount_other(bed, "size=64k");
        fs::write(other.join("file"), "old").unwrap();
        let text = "too large".repeat(20_000);
        let outcome = copying().replace(true).publish(bed.file(&text), other.join("file"));
        let file = given_back(outcome, libc::ENOSPC);
        assert_eq!(names(&other), ["file"]);
        assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "old");
        file.publish(bed.path("here")).unwrap();
        assert_eq!(bed.read("here"), text);
    }

    #[ignore = "needs root, to mount"]
    fn a_copy_keeps_mode_owner_times_and_attributes(bed: &Bed) {
        let other = mount_other(bed, "");
        let file = bed.file("whole");
        fsetxattr(&file, "user.origin", b"here", XattrFlags::empty()).unwrap();
        std::os::unix::fs::fchown(&file, Some(1234), Some(5678)).unwrap();
        file.as_file().set_permissions(PermissionsExt::from_mode(0o6711)).unwrap();
        file.as_file().set_modified(std::time::UNIX_EPOCH).unwrap();
        copying().publish(file, other.join("file")).unwrap();
        let copy = File::open(other.join("file")).unwrap();
        let found = copy.metadata().unwrap();
        assert_eq!((found.uid(), found.gid(), found.mtime()), (1234, 5678, 0));
        assert_eq!(found.mode() & 0o7777, 0o6711);
        let mut value = [0; 8];
        assert_eq!(fgetxattr(&copy, "user.origin", &mut value).unwrap(), 4);
    }

    #[ignore = "needs root, to mount"]
    fn a_copy_has_no_access_control_list_that_the_file_had_not(bed: &Bed) {
        const ACCESS: &str = "system.posix_acl_access";
        let other = mount_other(bed, "");
        // Version 2, then (tag, permissions, id): the owner, user 1234, group, mask, others.
        let entries = [(1_u16, 7_u16, !0_u32), (2, 7, 1234), (4, 5, !0), (16, 7, !0), (32, 0, !0)];
        let mut acl = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            acl.extend(tag.to_le_bytes());
            acl.extend(permissions.to_le_bytes());
            acl.extend(id.to_le_bytes());
        }
        let default = "system.posix_acl_default";
        rustix::fs::setxattr(&*other, default, &acl, XattrFlags::empty()).unwrap();
        let copy = copying().publish(bed.file("whole"), other.join("file")).unwrap();
        let found = fgetxattr(&copy, ACCESS, &mut [0; 256]);
        assert_eq!(found, Err(rustix::io::Errno::NODATA));
    }

    #[ignore = "needs root, to mount"]
    fn a_copy_without_its_owner_is_not_set_user_id(bed: &Bed) {
        let other = mount_other(bed, "mode=777");
        kernel::give_to_ordinary_user(bed.dir());
        let file = bed.file("root's");
        file.as_file().set_permissions(PermissionsExt::from_mode(0o6755)).unwrap();
        let path = other.join("file");
        in_thread(move || {
            kernel::as_ordinary_user();
            copying().publish(file, path).unwrap();
        });
        let found = other.join("file").metadata().unwrap();
        assert_ne!(found.uid(), 0);
        assert_eq!(found.mode() & 0o7777, 0o755);
    }

    #[ignore = "needs root, to mount"]
    fn a_copy_is_open_as_the_file_was(bed: &Bed) {
        let other = mount_other(bed, "");
        let mut options = OpenOptions::new();
        options.read(true).append(true).custom_flags(libc::O_SYNC);
        let mut file = bed.open_with(&options);
        file.write_all(b"one two").unwrap();
        file.seek(SeekFrom::Start(4)).unwrap();
        let before = fcntl_getfl(&file).unwrap();
        let mut copy = copying().publish(file, other.join("file")).unwrap();
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::SYNC;
        assert!(before.contains(flags) && fcntl_getfl(&copy).unwrap().contains(flags));
        assert_eq!(copy.stream_position().unwrap(), 4);
        copy.write_all(b" three").unwrap();
        assert_eq!(contents(copy), "one two three");
    }

    #[ignore = "needs root, to mount"]
    fn a_file_opened_for_writing_only_is_copied_too(bed: &Bed) {
        let other = mount_other(bed, "");
        let mut file = OpenOptions::new().anonymous_in(bed.dir()).unwrap();
        file.write_all(b"write-only").unwrap();
        let mut copy = copying().publish(file, other.join("file")).unwrap();
        copy.write_all(b", still").unwrap();
        assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "write-only, still");
    }

    #[ignore = "needs root, to mount"]
    fn holes_stay_holes(bed: &Bed) {
        const SIZE: u64 = 64 << 20;
        let other = mount_other(bed, "");
        let mut file = bed.file("head");
        file.seek(SeekFrom::Start(SIZE / 2)).unwrap();
        file.write_all(b"middle").unwrap();
        file.as_file().set_len(SIZE).unwrap();
        copying().publish(file, other.join("file")).unwrap();
        let found = other.join("file").metadata().unwrap();
        assert_eq!(found.len(), SIZE);
        assert!(found.blocks() * 512 < 1 << 20, "{} blocks", found.blocks());
        let bytes = fs::read(other.join("file")).unwrap();
        let middle = usize::try_from(SIZE / 2).unwrap();
        assert_eq!((&bytes[..5], &bytes[middle..middle + 7]), (&b"head\0"[..], &b"middle\0"[..]));
    }

    #[ignore = "needs root, to mount"]
    fn a_copy_replaces_a_symlink_and_does_not_follow_it(bed: &Bed) {
        let other = mount_other(bed, "");
        symlink("nowhere", other.join("link")).unwrap();
        copying().replace(true).publish(bed.file("new"), other.join("link")).unwrap();
        assert!(other.join("link").symlink_metadata().unwrap().is_file());
        assert_eq!(names(&other), ["link"]);
    }
}

/// The late refusal: it could be opened without a name, and may not have one.
#[test]
fn where_links_are_forbidden_a_copy_is_published() {
    on(Route::AnonymousFirst, |bed| {
        let (file, newer) = (bed.file("new"), bed.file("newer"));
        forbid_links();
        copying().publish(file, bed.path("file")).unwrap();
        bed.holds_only("file", "new");
        let file = given_back(copying().publish(newer, bed.path("file")), libc::EEXIST);
        copying()
            .replace(true)
            .publish(file, bed.path("file"))
            .unwrap();
        bed.holds_only("file", "newer");
    });
}

#[test]
fn where_links_are_forbidden_and_new_files_too_the_refusal_is_told() {
    on(Route::Anonymous, |bed| {
        let file = bed.file("kept");
        forbid_links();
        deny(libc::EACCES, &Rule::open_with(libc::O_CREAT));
        let error = copying().publish(file, bed.path("file")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
        assert_eq!(contents(given_back(Err(error), libc::EPERM)), "kept");
    });
}

/// Nothing could be read again through procfs, which is not there.
#[test]
#[ignore = "needs root, to unmount /proc"]
fn without_procfs_a_file_that_can_be_read_is_copied() {
    on(Route::AnonymousFirst, |bed| {
        let (mut readable, dir) = (bed.file("one two"), bed.dir().to_owned());
        readable.seek(SeekFrom::Start(4)).unwrap();
        let write_only = OpenOptions::new().anonymous_in(&dir).unwrap();
        in_thread(move || {
            kernel::own_mounts();
            kernel::without_procfs();
            forbid_links();
            let mut copy = copying().publish(readable, dir.join("file")).unwrap();
            assert_eq!(copy.stream_position().unwrap(), 4);
            let refused = copying().publish(write_only, dir.join("other"));
            drop(given_back(refused, libc::ENOENT));
        });
        bed.holds_only("file", "one two");
    });
}
