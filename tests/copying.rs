//! `allow_copy`: a copy has the name where the file itself is refused it.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{symlink, MetadataExt, OpenOptionsExt, PermissionsExt};

use common::{
    contents, file_in, names, on, on_both_routes, refused, set_default_acl, Bed, Route, LEVELS,
};
use linkable::{
    OpenOptionsAnonymousExt, Preserve,
    PublishErrorKind::{AlreadyExists, CrossesDevices, LinkForbidden, Other},
    PublishOptions, Symlinks,
};
use rustix::fs::{fcntl_getfl, fgetxattr, fsetxattr, OFlags, XattrFlags};
use rustix::thread::{capabilities, set_capabilities, CapabilitySet};
use testbed::{deny, in_thread, Mounted, Rule};

on_both_routes! {
    // A copy has a temporary name.
    anonymous: Route::AnonymousFirst;

    #[ignore = "needs root, to mount"]
    a_copy_can_be_published_on_another_file_system,
    #[ignore = "needs root, to mount"]
    nothing_is_copied_unless_allowed,
    #[ignore = "needs root, to mount"]
    a_failed_copy_gives_the_file_back_and_leaves_nothing,
    #[ignore = "needs root, to mount"]
    a_copy_keeps_mode_owner_times_and_attributes,
    #[ignore = "needs root, to mount"]
    a_copy_does_not_inherit_an_acl,
    #[ignore = "needs root, to mount"]
    a_copy_that_cannot_keep_its_owner_is_not_set_user_id,
    #[ignore = "needs root, to mount"]
    a_copy_keeps_access_mode_flags_and_offset,
    #[ignore = "needs root, to mount"]
    a_write_only_file_is_copied,
    #[ignore = "needs root, to mount"]
    holes_stay_holes,
    #[ignore = "needs root, to mount"]
    a_copy_replaces_a_symlink_and_does_not_follow_it,
    #[ignore = "needs root, to mount"]
    a_copy_takes_over_what_is_to_be_preserved_at_the_end_of_a_symlink,
    #[ignore = "needs root, to mount"]
    a_copy_leaves_out_what_the_other_file_system_cannot_hold,
    #[ignore = "needs root, to mount"]
    a_copy_without_its_acl_gives_the_group_no_more_access,
    #[ignore = "needs root, to drop a capability"]
    a_copy_keeps_its_owner_with_the_right_to_change_owners_alone,
    #[ignore = "needs root, to mount"]
    a_copy_keeps_the_attributes_of_a_file_that_its_mode_closes,
    #[ignore = "needs root, to mount"]
    a_copy_can_be_published_near_the_limit_of_paths,
}

/// What a sandbox does that lets files be opened and not be linked.
fn forbid_links() {
    deny(libc::EPERM, &[Rule::call(libc::SYS_linkat)]);
}

fn copying() -> PublishOptions {
    let mut options = PublishOptions::new();
    options.allow_copy(true);
    options
}

/// Another file system at `other` in the bed, for this thread.
fn mount_other(bed: &Bed, options: &str) -> Mounted {
    testbed::own_mounts();
    Mounted::new("tmpfs", bed.path("other"), options)
}

fn a_copy_can_be_published_on_another_file_system(bed: &Bed) {
    let other = mount_other(bed, "");
    for durability in LEVELS {
        let mut options = copying();
        options.durability(durability);
        options
            .publish(bed.file("new"), other.join("file"))
            .unwrap();
        assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "new");
        let taken = options.publish(bed.file("newer"), other.join("file"));
        let file = refused(taken, AlreadyExists, libc::EEXIST);
        options
            .replace(true)
            .publish(file, other.join("file"))
            .unwrap();
        assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "newer");
        assert_eq!(names(&other), ["file"]);
        fs::remove_file(other.join("file")).unwrap();
    }
}

fn nothing_is_copied_unless_allowed(bed: &Bed) {
    let other = mount_other(bed, "");
    let file = refused(
        bed.file("kept").publish(other.join("file")),
        CrossesDevices,
        libc::EXDEV,
    );
    assert_eq!(names(&other), [""; 0]);
    assert_eq!(contents(&file), "kept");
}

fn a_failed_copy_gives_the_file_back_and_leaves_nothing(bed: &Bed) {
    let other = mount_other(bed, "size=64k");
    fs::write(other.join("file"), "old").unwrap();
    let text = "too large".repeat(20_000);
    let outcome = copying()
        .replace(true)
        .publish(bed.file(&text), other.join("file"));
    let file = refused(outcome, Other, libc::ENOSPC);
    assert_eq!(names(&other), ["file"]);
    assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "old");
    file.publish(bed.path("here")).unwrap();
    assert_eq!(bed.read("here"), text);
}

fn a_copy_keeps_mode_owner_times_and_attributes(bed: &Bed) {
    let other = mount_other(bed, "");
    let file = bed.file("whole");
    fsetxattr(&file, "user.origin", b"here", XattrFlags::empty()).unwrap();
    std::os::unix::fs::fchown(&file, Some(1234), Some(5678)).unwrap();
    file.as_file()
        .set_permissions(PermissionsExt::from_mode(0o6711))
        .unwrap();
    file.as_file().set_modified(std::time::UNIX_EPOCH).unwrap();
    copying().publish(file, other.join("file")).unwrap();
    let copy = File::open(other.join("file")).unwrap();
    let found = copy.metadata().unwrap();
    assert_eq!((found.uid(), found.gid(), found.mtime()), (1234, 5678, 0));
    assert_eq!(found.mode() & 0o7777, 0o6711);
    let mut value = [0; 8];
    assert_eq!(fgetxattr(&copy, "user.origin", &mut value).unwrap(), 4);
}

fn a_copy_does_not_inherit_an_acl(bed: &Bed) {
    const ACCESS: &str = "system.posix_acl_access";
    let other = mount_other(bed, "");
    set_default_acl(&other);
    let copy = copying()
        .publish(bed.file("whole"), other.join("file"))
        .unwrap();
    let found = fgetxattr(&copy, ACCESS, &mut [0; 256]);
    assert_eq!(found, Err(rustix::io::Errno::NODATA));
}

fn a_copy_that_cannot_keep_its_owner_is_not_set_user_id(bed: &Bed) {
    let other = mount_other(bed, "mode=777");
    testbed::give_to_ordinary_user(bed.dir());
    let file = bed.file("root's");
    file.as_file()
        .set_permissions(PermissionsExt::from_mode(0o6755))
        .unwrap();
    let path = other.join("file");
    in_thread(move || {
        testbed::as_ordinary_user();
        copying().publish(file, path).unwrap();
    });
    let found = other.join("file").metadata().unwrap();
    assert_ne!(found.uid(), 0);
    assert_eq!(found.mode() & 0o7777, 0o755);
}

fn a_copy_keeps_access_mode_flags_and_offset(bed: &Bed) {
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

fn a_write_only_file_is_copied(bed: &Bed) {
    let other = mount_other(bed, "");
    let mut file = OpenOptions::new().anonymous_in(bed.dir()).unwrap();
    file.write_all(b"write-only").unwrap();
    let mut copy = copying().publish(file, other.join("file")).unwrap();
    copy.write_all(b", still").unwrap();
    assert_eq!(
        fs::read_to_string(other.join("file")).unwrap(),
        "write-only, still"
    );
}

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
    assert_eq!(
        (&bytes[..5], &bytes[middle..middle + 7]),
        (&b"head\0"[..], &b"middle\0"[..])
    );
}

fn a_copy_replaces_a_symlink_and_does_not_follow_it(bed: &Bed) {
    let other = mount_other(bed, "");
    symlink("nowhere", other.join("link")).unwrap();
    copying()
        .replace(true)
        .publish(bed.file("new"), other.join("link"))
        .unwrap();
    assert!(other.join("link").symlink_metadata().unwrap().is_file());
    assert_eq!(names(&other), ["link"]);
}

fn a_copy_takes_over_what_is_to_be_preserved_at_the_end_of_a_symlink(bed: &Bed) {
    let other = mount_other(bed, "");
    let path = other.join("file");
    fs::write(&path, "old").unwrap();
    std::os::unix::fs::chown(&path, Some(1234), Some(5678)).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    symlink(&path, bed.path("link")).unwrap();
    let mut options = copying();
    options
        .replace(true)
        .symlinks(Symlinks::Follow)
        .preserve(Preserve::ALL);
    options.publish(bed.file("new"), bed.path("link")).unwrap();
    let found = path.metadata().unwrap();
    assert_eq!((found.uid(), found.gid()), (1234, 5678));
    assert_eq!(found.mode() & 0o7777, 0o640);
    assert_eq!(fs::read_to_string(path).unwrap(), "new");
    assert_eq!(names(&other), ["file"]);
    assert!(bed.path("link").is_symlink());
}

fn a_copy_leaves_out_what_the_other_file_system_cannot_hold(bed: &Bed) {
    testbed::own_mounts();
    let other = Mounted::new("ramfs", bed.path("other"), "");
    let file = bed.file("whole");
    fsetxattr(&file, "user.origin", b"here", XattrFlags::empty()).unwrap();
    file.as_file()
        .set_permissions(PermissionsExt::from_mode(0o640))
        .unwrap();
    let copy = copying().publish(file, other.join("file")).unwrap();
    assert_eq!(contents(&copy), "whole");
    assert_eq!(copy.metadata().unwrap().mode() & 0o7777, 0o640);
    assert_eq!(names(&other), ["file"]);
}

/// The mode of a file with an ACL has the most that the list gives to anybody, where the group's own
/// access would be.
fn a_copy_without_its_acl_gives_the_group_no_more_access(bed: &Bed) {
    testbed::own_mounts();
    let other = Mounted::new("ramfs", bed.path("other"), "");
    let dir = bed.path("dir");
    fs::create_dir(&dir).unwrap();
    // It gives r-x to the group, and r-- to user 1234, of which a mode of rw-rw---- leaves r--.
    set_default_acl(&dir);
    let mut options = OpenOptions::new();
    let file = options.read(true).mode(0o660).anonymous_in(&dir).unwrap();
    file.as_file()
        .set_permissions(PermissionsExt::from_mode(0o670))
        .unwrap();
    let copy = copying().publish(file, other.join("file")).unwrap();
    assert_eq!(copy.metadata().unwrap().mode() & 0o777, 0o650);
}

/// `CAP_CHOWN` without `CAP_FOWNER`: once the copy is somebody else's, its mode cannot be set.
fn a_copy_keeps_its_owner_with_the_right_to_change_owners_alone(bed: &Bed) {
    let other = mount_other(bed, "");
    let file = bed.file("whole");
    file.as_file()
        .set_permissions(PermissionsExt::from_mode(0o640))
        .unwrap();
    std::os::unix::fs::fchown(&file, Some(1234), Some(5678)).unwrap();
    let path = other.join("file");
    in_thread(move || {
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::FOWNER);
        set_capabilities(None, sets).unwrap();
        copying().publish(file, path).unwrap();
    });
    let found = other.join("file").metadata().unwrap();
    assert_eq!((found.uid(), found.gid()), (1234, 5678));
    assert_eq!(found.mode() & 0o7777, 0o640);
}

fn a_copy_keeps_the_attributes_of_a_file_that_its_mode_closes(bed: &Bed) {
    let other = mount_other(bed, "mode=777");
    testbed::give_to_ordinary_user(bed.dir());
    for mode in [0o200, 0o400, 0] {
        let (dir, path) = (bed.dir().to_owned(), other.join(format!("{mode:o}")));
        in_thread(move || {
            testbed::as_ordinary_user();
            let file = file_in(&dir, "whole");
            fsetxattr(&file, "user.origin", b"here", XattrFlags::empty()).unwrap();
            let permissions = fs::Permissions::from_mode(mode);
            file.as_file().set_permissions(permissions).unwrap();
            copying().publish(file, &path).unwrap();
        });
        let copy = File::open(other.join(format!("{mode:o}"))).unwrap();
        assert_eq!(copy.metadata().unwrap().mode() & 0o7777, mode);
        let mut value = [0; 8];
        assert_eq!(
            fgetxattr(&copy, "user.origin", &mut value),
            Ok(4),
            "{mode:o}"
        );
    }
}

/// The path of its temporary name is too long.
fn a_copy_can_be_published_near_the_limit_of_paths(bed: &Bed) {
    let other = mount_other(bed, "");
    let mut dir = other.to_path_buf();
    while dir.as_os_str().len() < 4_080 {
        let left = 4_080 - dir.as_os_str().len();
        dir.push("d".repeat(left.min(200)));
    }
    fs::create_dir_all(&dir).unwrap();
    copying()
        .publish(bed.file("new"), dir.join("file"))
        .unwrap();
    assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "new");
    assert_eq!(names(&dir), ["file"]);
}

/// File systems that have unnamed files and no links.
#[test]
fn a_copy_is_published_where_links_are_not_supported() {
    for errno in [libc::EOPNOTSUPP, libc::EINVAL, libc::ENOSYS, libc::EACCES] {
        on(Route::AnonymousFirst, move |bed| {
            let file = bed.file("whole");
            deny(errno, &[Rule::call(libc::SYS_linkat)]);
            let file = refused(file.publish(bed.path("file")), LinkForbidden, errno);
            copying().publish(file, bed.path("file")).unwrap();
            bed.holds_only("file", "whole");
        });
    }
}

/// The late refusal: it could be opened without a name, and may not have one.
#[test]
fn a_copy_is_published_where_links_are_forbidden() {
    on(Route::AnonymousFirst, |bed| {
        let (file, newer) = (bed.file("new"), bed.file("newer"));
        forbid_links();
        copying().publish(file, bed.path("file")).unwrap();
        bed.holds_only("file", "new");
        let file = refused(
            copying().publish(newer, bed.path("file")),
            AlreadyExists,
            libc::EEXIST,
        );
        copying()
            .replace(true)
            .publish(file, bed.path("file"))
            .unwrap();
        bed.holds_only("file", "newer");
    });
}

#[test]
fn if_no_copy_can_be_made_the_first_error_is_reported() {
    on(Route::Anonymous, |bed| {
        let file = bed.file("kept");
        forbid_links();
        deny(libc::EACCES, &Rule::open_with(libc::O_CREAT));
        let outcome = copying().publish(file, bed.path("file"));
        let file = refused(outcome, LinkForbidden, libc::EPERM);
        assert_eq!(contents(&file), "kept");
    });
}

/// Nothing could be read again through procfs, which is not there.
#[test]
#[ignore = "needs root, to unmount /proc"]
fn a_readable_file_is_copied_without_procfs() {
    on(Route::AnonymousFirst, |bed| {
        let (mut readable, dir) = (bed.file("one two"), bed.dir().to_owned());
        readable.seek(SeekFrom::Start(4)).unwrap();
        let write_only = OpenOptions::new().anonymous_in(&dir).unwrap();
        in_thread(move || {
            testbed::own_mounts();
            testbed::without_procfs();
            forbid_links();
            let mut copy = copying().publish(readable, dir.join("file")).unwrap();
            assert_eq!(copy.stream_position().unwrap(), 4);
            let outcome = copying().publish(write_only, dir.join("other"));
            // That it cannot be read either tells less than why it cannot be linked.
            drop(refused(outcome, LinkForbidden, libc::EPERM));
        });
        bed.holds_only("file", "one two");
    });
}
