//! Files that belong to somebody: what is kept of them, and what is never replaced or followed.

mod common;

use std::cell::Cell;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{symlink, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;

use common::{
    contents, make_socket, on, on_both_routes, refused, set_acl, set_default_acl, Bed, Route,
    ACCESS, DEFAULT,
};
use linkable::{
    OpenOptionsAnonymousExt, Preserve, PublishBatch,
    PublishErrorKind::{AlreadyExists, IsADirectory, IsASymlink, NotARegularFile, Other},
    PublishOptions, Symlinks,
};
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::fs::{
    getxattr, makedev, mkfifoat, mknodat, open, setxattr, FileType, Mode, OFlags, XattrFlags, CWD,
};
use rustix::io::Errno;
use rustix::process::umask;
use rustix::thread::{capabilities, set_capabilities, set_thread_groups, CapabilitySet};
use testbed::{deny, in_thread, with_fault, Mounted, Rule};

on_both_routes! {
    write_makes_a_new_file_as_std_does,
    write_keeps_the_mode,
    #[ignore = "needs root, to change owners"]
    write_keeps_the_owner_and_the_set_user_id_bit,
    write_keeps_attributes_and_the_access_control_list,
    write_does_not_let_in_whom_the_directory_would,
    #[ignore = "needs root, to change owners"]
    a_group_that_cannot_be_kept_takes_its_permissions_with_it,
    #[ignore = "needs root, to change owners"]
    a_list_is_limited_if_the_group_cannot_be_kept,
    #[ignore = "needs root, to change owners"]
    the_owner_is_kept_with_the_right_to_change_owners_alone,
    #[ignore = "needs root, to change owners"]
    capabilities_are_not_kept,
    write_needs_no_permission_on_the_file,
    write_follows_symlinks,
    write_follows_a_dangling_symlink,
    write_fails_at_a_loop_of_symlinks_as_std_does,
    write_opens_the_file_where_the_symlink_leads,
    write_refuses_what_is_no_regular_file,
    a_link_of_procfs_is_followed_only_to_a_path,
    symlinks_can_be_refused,
    publish_follows_a_symlink_to_a_new_file_only,
    what_is_to_be_preserved_must_be,
    #[ignore = "needs root, to change owners"]
    an_owner_that_must_be_preserved_must_be,
    the_mode_alone_gives_the_group_no_more_than_the_list_did,
    attributes_alone_bring_no_mode,
    attributes_are_kept_relative_to_an_open_directory,
    nothing_is_preserved_of_an_absent_file_or_a_symlink,
    a_device_fifo_or_socket_is_replaced_only_if_allowed,
    a_file_can_appear_by_rename,
    write_with_publishes_what_the_closure_has_written,
    write_with_publishes_nothing_after_an_error_or_a_panic,
    #[ignore = "needs root, to mount"]
    write_with_reports_the_error_of_the_last_bytes,
    write_does_not_replace_unless_asked,
    a_path_can_be_relative_to_an_open_directory,
    #[ignore = "needs root, to mount"]
    a_directory_that_is_mounted_over_is_still_the_open_one,
    a_batch_preserves_and_follows,
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// An old file with this mode.
fn old(bed: &Bed, mode: u32) -> std::path::PathBuf {
    let path = bed.path("file");
    fs::write(&path, "old").unwrap();
    set_mode(&path, mode);
    path
}

fn xattr(path: &Path, name: &str) -> Result<Vec<u8>, Errno> {
    let mut value = [0; 256];
    getxattr(path, name, &mut value[..]).map(|length| value[..length].to_vec())
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    setxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn preserving(what: Preserve) -> PublishOptions {
    let mut options = PublishOptions::new();
    options.replace(true).preserve(what);
    options
}

fn write_makes_a_new_file_as_std_does(bed: &Bed) {
    testbed::own_fs();
    for mask in [0o022, 0o077, 0] {
        umask(Mode::from_bits_truncate(mask));
        fs::write(bed.path("std"), "").unwrap();
        linkable::write(bed.path("ours"), "").unwrap();
        assert_eq!(mode(&bed.path("ours")), mode(&bed.path("std")));
        for name in ["std", "ours"] {
            fs::remove_file(bed.path(name)).unwrap();
        }
    }
}

fn write_keeps_the_mode(bed: &Bed) {
    for kept in [0o600, 0o644, 0o400, 0o755, 0o1660, 0] {
        let path = old(bed, kept);
        linkable::write(&path, "new").unwrap();
        assert_eq!(mode(&path), kept);
        set_mode(&path, 0o600);
        bed.holds_only("file", "new");
    }
}

fn write_keeps_the_owner_and_the_set_user_id_bit(bed: &Bed) {
    let path = old(bed, 0o644);
    std::os::unix::fs::chown(&path, Some(1234), Some(5678)).unwrap();
    set_mode(&path, 0o6750);
    linkable::write(&path, "new").unwrap();
    let found = path.metadata().unwrap();
    assert_eq!((found.uid(), found.gid()), (1234, 5678));
    assert_eq!(mode(&path), 0o6750);
}

fn write_keeps_attributes_and_the_access_control_list(bed: &Bed) {
    let path = old(bed, 0o640);
    set_xattr(&path, "user.origin", b"here");
    set_acl(&path, ACCESS);
    let (list, before) = (xattr(&path, ACCESS), mode(&path));
    assert!(list.is_ok());
    linkable::write(&path, "new").unwrap();
    assert_eq!(xattr(&path, "user.origin"), Ok(b"here".to_vec()));
    assert_eq!((xattr(&path, ACCESS), mode(&path)), (list, before));
}

fn write_does_not_let_in_whom_the_directory_would(bed: &Bed) {
    let path = old(bed, 0o640);
    set_default_acl(bed.dir());
    linkable::write(&path, "new").unwrap();
    assert_eq!(xattr(&path, ACCESS), Err(Errno::NODATA));
    assert_eq!(mode(&path), 0o640);
    assert!(xattr(bed.dir(), DEFAULT).is_ok());
}

/// A file of root and the group 5678, in a directory of the ordinary user.
fn of_root(bed: &Bed, mode: u32) -> std::path::PathBuf {
    let path = old(bed, mode);
    std::os::unix::fs::chown(&path, Some(0), Some(5678)).unwrap();
    set_mode(&path, mode);
    testbed::give_to_ordinary_user(bed.dir());
    path
}

fn as_ordinary_user_in_group(group: Option<u32>) {
    let groups: Vec<_> = group
        .into_iter()
        .map(rustix::process::Gid::from_raw)
        .collect();
    set_thread_groups(&groups).unwrap();
    testbed::as_ordinary_user();
}

fn a_group_that_cannot_be_kept_takes_its_permissions_with_it(bed: &Bed) {
    for (group, before, after) in [
        (None, 0o660, 0o600),
        (None, 0o664, 0o644),
        (None, 0o644, 0o644),
        (None, 0o604, 0o600),
        (None, 0o6775, 0o755),
        (Some(5678), 0o660, 0o660),
        (Some(5678), 0o6775, 0o2775),
    ] {
        let path = of_root(bed, before);
        let written = path.clone();
        in_thread(move || {
            as_ordinary_user_in_group(group);
            linkable::write(written, "new").unwrap();
        });
        let found = path.metadata().unwrap();
        assert_ne!(found.uid(), 0);
        assert_eq!(found.gid() == 5678, group.is_some());
        assert_eq!(mode(&path), after, "{before:o}");
        fs::remove_file(path).unwrap();
    }
}

fn a_list_is_limited_if_the_group_cannot_be_kept(bed: &Bed) {
    let path = of_root(bed, 0o640);
    // It gives r-x to the group, and nothing to others.
    set_acl(&path, ACCESS);
    let list = xattr(&path, ACCESS).unwrap();
    let written = path.clone();
    in_thread(move || {
        as_ordinary_user_in_group(None);
        linkable::write(written, "new").unwrap();
    });
    let mut limited = list;
    let group = limited[4..].chunks_exact_mut(8).find(|entry| entry[0] == 4);
    group.unwrap()[2] = 0;
    assert_eq!(xattr(&path, ACCESS), Ok(limited));
}

/// `CAP_CHOWN` without `CAP_FOWNER`: once the file is somebody else's, its mode cannot be set.
fn the_owner_is_kept_with_the_right_to_change_owners_alone(bed: &Bed) {
    let path = old(bed, 0o640);
    set_acl(&path, ACCESS);
    let list = xattr(&path, ACCESS);
    std::os::unix::fs::chown(&path, Some(1234), Some(5678)).unwrap();
    let written = path.clone();
    in_thread(move || {
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::FOWNER);
        set_capabilities(None, sets).unwrap();
        linkable::write(written, "new").unwrap();
    });
    let found = path.metadata().unwrap();
    assert_eq!((found.uid(), found.gid()), (1234, 5678));
    assert_eq!(xattr(&path, ACCESS), list);
}

fn capabilities_are_not_kept(bed: &Bed) {
    let path = old(bed, 0o755);
    // Version 2 with the effective bit: cap_net_raw, as of ping.
    let mut value = 0x0200_0001_u32.to_le_bytes().to_vec();
    value.extend([0, 0x20, 0, 0].iter().chain(&[0; 12]));
    set_xattr(&path, "security.capability", &value);
    linkable::write(&path, "new").unwrap();
    assert!(xattr(&path, "security.capability").is_err());
}

fn write_needs_no_permission_on_the_file(bed: &Bed) {
    let path = old(bed, 0o400);
    testbed::give_to_ordinary_user(bed.dir());
    testbed::give_to_ordinary_user(&path);
    let written = path.clone();
    in_thread(move || {
        testbed::as_ordinary_user();
        linkable::write(written, "new").unwrap();
    });
    assert_eq!(mode(&path), 0o400);
    assert_eq!(fs::read_to_string(path).unwrap(), "new");
}

fn write_follows_symlinks(bed: &Bed) {
    fs::create_dir_all(bed.path("real/deep")).unwrap();
    let file = bed.path("real/deep/file");
    symlink("real/deep/file", bed.path("relative")).unwrap();
    symlink(&file, bed.path("absolute")).unwrap();
    symlink("relative", bed.path("chained")).unwrap();
    symlink("real/deep", bed.path("dir")).unwrap();
    symlink("../real/deep/../deep/file", bed.path("real/up")).unwrap();
    for link in ["relative", "absolute", "chained", "dir/file", "real/up"] {
        fs::write(&file, "old").unwrap();
        set_mode(&file, 0o640);
        linkable::write(bed.path(link), link).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), link);
        assert_eq!(mode(&file), 0o640);
        if link != "dir/file" {
            assert!(bed.path(link).is_symlink(), "{link}");
        }
    }
    assert_eq!(common::names(&bed.path("real/deep")), ["file"]);
}

fn write_follows_a_dangling_symlink(bed: &Bed) {
    fs::create_dir(bed.path("real")).unwrap();
    symlink("real/new", bed.path("link")).unwrap();
    symlink("missing/new", bed.path("nowhere")).unwrap();
    symlink("real/dir/", bed.path("slash")).unwrap();
    linkable::write(bed.path("link"), "new").unwrap();
    assert_eq!(bed.read("real/new"), "new");
    for link in ["nowhere", "slash"] {
        let ours = linkable::write(bed.path(link), "").unwrap_err();
        assert_eq!(ours.kind(), ErrorKind::NotFound, "{link}");
    }
    assert!(bed.path("link").is_symlink());
}

fn write_fails_at_a_loop_of_symlinks_as_std_does(bed: &Bed) {
    symlink("b", bed.path("a")).unwrap();
    symlink("a", bed.path("b")).unwrap();
    let std = fs::write(bed.path("a"), "").unwrap_err();
    let ours = linkable::write(bed.path("a"), "").unwrap_err();
    assert_eq!(ours.kind(), std.kind());
    assert_eq!(testbed::errno(&ours), Some(libc::ELOOP));
    assert_eq!(bed.names(), ["a", "b"]);
}

/// Where the link is, nothing may be created.
fn write_opens_the_file_where_the_symlink_leads(bed: &Bed) {
    for dir in ["links", "real"] {
        fs::create_dir(bed.path(dir)).unwrap();
    }
    symlink("../real/file", bed.path("links/file")).unwrap();
    testbed::give_to_ordinary_user(&bed.path("real"));
    set_mode(&bed.path("links"), 0o555);
    let path = bed.path("links/file");
    in_thread(move || {
        testbed::as_ordinary_user();
        linkable::write(path, "new").unwrap();
    });
    assert_eq!(bed.read("real/file"), "new");
    set_mode(&bed.path("links"), 0o755);
}

fn write_refuses_what_is_no_regular_file(bed: &Bed) {
    mkfifoat(CWD, bed.path("fifo"), Mode::RUSR).unwrap();
    make_socket(&bed.path("socket"));
    symlink("fifo", bed.path("link")).unwrap();
    fs::create_dir(bed.path("dir")).unwrap();
    let before = bed.names();
    for name in ["fifo", "socket", "link"] {
        let error = linkable::write(bed.path(name), "x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}: {error}");
    }
    let error = linkable::write(bed.path("dir"), "x").unwrap_err();
    assert_eq!(testbed::errno(&error), Some(libc::EISDIR));
    let error = linkable::write("/dev/null", "x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(bed.names(), before);
}

/// A temporary name could not be seen, either, and so not be removed.
#[test]
fn write_replaces_nothing_that_it_cannot_see() {
    on(Route::Anonymous, |bed| {
        let path = old(bed, 0o600);
        let looks = [libc::SYS_statx, libc::SYS_newfstatat].map(Rule::call);
        let write = move || linkable::write(path, "new").unwrap_err();
        let error = with_fault(libc::EIO, looks.into(), write);
        assert_eq!(testbed::errno(&error), Some(libc::EIO));
        bed.holds_only("file", "old");
    });
}

fn a_link_of_procfs_is_followed_only_to_a_path(bed: &Bed) {
    let follow = |number: i32| {
        let link = format!("/proc/self/fd/{number}");
        linkable::write(link, "new").map_err(|error| error.kind())
    };
    let file = File::create(bed.path("file")).unwrap();
    assert_eq!(follow(file.as_raw_fd()), Ok(()));
    bed.holds_only("file", "new");
    let (reader, _writer) = io::pipe().unwrap();
    assert_eq!(follow(reader.as_raw_fd()), Err(ErrorKind::InvalidInput));
    // The file that it leads to has been replaced.
    let error = follow(file.as_raw_fd()).unwrap_err();
    assert_eq!(error, io::Error::from_raw_os_error(libc::ELOOP).kind());
    bed.holds_only("file", "new");
}

fn symlinks_can_be_refused(bed: &Bed) {
    fs::write(bed.path("file"), "old").unwrap();
    symlink("file", bed.path("link")).unwrap();
    symlink("nowhere", bed.path("dangling")).unwrap();
    let mut options = PublishOptions::new();
    options.symlinks(Symlinks::Refuse);
    let mut file = bed.file("new");
    for replace in [false, true] {
        for name in ["link", "dangling"] {
            let outcome = options.replace(replace).publish(file, bed.path(name));
            file = refused(outcome, IsASymlink, libc::ELOOP);
        }
    }
    options.publish(file, bed.path("file")).unwrap();
    assert_eq!(bed.read("link"), "new");
}

fn publish_follows_a_symlink_to_a_new_file_only(bed: &Bed) {
    fs::write(bed.path("file"), "old").unwrap();
    symlink("file", bed.path("link")).unwrap();
    symlink("new", bed.path("dangling")).unwrap();
    let mut options = PublishOptions::new();
    options.symlinks(Symlinks::Follow);
    let outcome = options.publish(bed.file("contents"), bed.path("link"));
    let file = refused(outcome, AlreadyExists, libc::EEXIST);
    options.publish(file, bed.path("dangling")).unwrap();
    assert_eq!(
        (bed.read("file"), bed.read("new")),
        ("old".into(), "contents".into())
    );
}

fn what_is_to_be_preserved_must_be(bed: &Bed) {
    let path = old(bed, 0o640);
    set_xattr(&path, "user.origin", b"here");
    let fail_setxattr = || deny(libc::EPERM, &[Rule::call(libc::SYS_fsetxattr)]);
    let file = bed.file("new");
    let there = path.clone();
    let file = in_thread(move || {
        fail_setxattr();
        let outcome = preserving(Preserve::ATTRIBUTES).publish(file, there);
        refused(outcome, Other, libc::EPERM)
    });
    assert_eq!(bed.read("file"), "old");
    in_thread(move || {
        fail_setxattr();
        let options = preserving(Preserve::ATTRIBUTES.where_possible());
        options.publish(file, path).unwrap();
    });
    bed.holds_only("file", "new");
}

fn an_owner_that_must_be_preserved_must_be(bed: &Bed) {
    let path = of_root(bed, 0o664);
    let written = path.clone();
    in_thread(move || {
        testbed::as_ordinary_user();
        let all = preserving(Preserve::ALL);
        let error = all.write(&written, "new").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        preserving(Preserve::MODE).write(&written, "new").unwrap();
    });
    bed.holds_only("file", "new");
    // The mode as it was, which the owner alone has asked for.
    assert_eq!(mode(&path), 0o664);
}

fn the_mode_alone_gives_the_group_no_more_than_the_list_did(bed: &Bed) {
    let path = old(bed, 0o640);
    // r-x for the group, and a mask that the mode then shows as rwx.
    set_acl(&path, ACCESS);
    set_mode(&path, 0o670);
    preserving(Preserve::MODE).write(&path, "new").unwrap();
    assert_eq!(xattr(&path, ACCESS), Err(Errno::NODATA));
    assert_eq!(mode(&path), 0o650);
}

fn attributes_alone_bring_no_mode(bed: &Bed) {
    let path = old(bed, 0o751);
    set_xattr(&path, "user.origin", b"here");
    let file = OpenOptions::new()
        .mode(0o600)
        .anonymous_in(bed.dir())
        .unwrap();
    preserving(Preserve::ATTRIBUTES)
        .publish(file, &path)
        .unwrap();
    assert_eq!(xattr(&path, "user.origin"), Ok(b"here".to_vec()));
    assert_eq!(mode(&path), 0o600);
}

fn attributes_are_kept_relative_to_an_open_directory(bed: &Bed) {
    let path = old(bed, 0o640);
    set_xattr(&path, "user.origin", b"here");
    let dir = File::open(bed.dir()).unwrap();
    let all = preserving(Preserve::ALL);
    all.publish_at(bed.open(), &dir, "file").unwrap();
    assert_eq!(xattr(&path, "user.origin"), Ok(b"here".to_vec()));
    assert_eq!(mode(&path), 0o640);
}

fn nothing_is_preserved_of_an_absent_file_or_a_symlink(bed: &Bed) {
    fs::write(bed.path("std"), "").unwrap();
    symlink("nowhere", bed.path("ours")).unwrap();
    preserving(Preserve::ALL)
        .write(bed.path("ours"), "")
        .unwrap();
    assert_eq!(mode(&bed.path("ours")), mode(&bed.path("std")));

    let own = || {
        OpenOptions::new()
            .mode(0o600)
            .anonymous_in(bed.dir())
            .unwrap()
    };
    symlink("nowhere", bed.path("link")).unwrap();
    for name in ["absent", "link"] {
        let options = preserving(Preserve::ALL);
        options.publish(own(), bed.path(name)).unwrap();
        assert_eq!(mode(&bed.path(name)), 0o600);
    }
}

fn a_device_fifo_or_socket_is_replaced_only_if_allowed(bed: &Bed) {
    mkfifoat(CWD, bed.path("fifo"), Mode::RUSR).unwrap();
    make_socket(&bed.path("socket"));
    let mut names = vec!["fifo", "socket"];
    // Only root may make one.
    let null = makedev(1, 3);
    if mknodat(
        CWD,
        bed.path("null"),
        FileType::CharacterDevice,
        Mode::RUSR,
        null,
    )
    .is_ok()
    {
        names.push("null");
    }
    for name in names {
        let outcome = bed.file(name).replace(bed.path(name));
        let file = refused(outcome, NotARegularFile, libc::EINVAL);
        let outcome = PublishOptions::new().publish(file, bed.path(name));
        let file = refused(outcome, AlreadyExists, libc::EEXIST);
        let mut options = PublishOptions::new();
        options.replace(true).any_file_type(true);
        options.publish(file, bed.path(name)).unwrap();
        assert_eq!(bed.read(name), name);
    }
    fs::create_dir(bed.path("dir")).unwrap();
    let mut options = PublishOptions::new();
    options.replace(true).any_file_type(true);
    let outcome = options.publish(bed.open(), bed.path("dir"));
    drop(refused(outcome, IsADirectory, libc::EISDIR));
}

/// What inotify(7) reports of a name, as long as `change` runs.
fn events(bed: &Bed, name: &str, change: impl FnOnce()) -> Vec<ReadFlags> {
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    let wanted = WatchFlags::CREATE | WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, bed.dir(), wanted).unwrap();
    change();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(&watch, &mut buffer);
    let mut seen = Vec::new();
    while let Ok(event) = reader.next() {
        if event
            .file_name()
            .is_some_and(|found| found.to_bytes() == name.as_bytes())
        {
            seen.push(event.events());
        }
    }
    seen
}

fn a_file_can_appear_by_rename(bed: &Bed) {
    for replace in [false, true] {
        let mut options = PublishOptions::new();
        options.replace(replace).by_rename(true);
        let file = bed.file("new");
        let seen = events(bed, "file", || {
            options.publish(file, bed.path("file")).unwrap();
        });
        assert_eq!(seen, [ReadFlags::MOVED_TO], "replace: {replace}");
        bed.holds_only("file", "new");
        if !replace {
            let outcome = options.publish(bed.open(), bed.path("file"));
            drop(refused(outcome, AlreadyExists, libc::EEXIST));
            fs::remove_file(bed.path("file")).unwrap();
        }
    }
}

fn write_with_publishes_what_the_closure_has_written(bed: &Bed) {
    let path = old(bed, 0o640);
    let returned = preserving(Preserve::MODE).write_with(&path, |file| {
        write!(file, "line {}", 1)?;
        assert_eq!(bed.read("file"), "old");
        Ok("returned")
    });
    assert_eq!(returned.unwrap(), "returned");
    bed.holds_only("file", "line 1");
    assert_eq!(mode(&path), 0o640);
}

fn write_with_publishes_nothing_after_an_error_or_a_panic(bed: &Bed) {
    let path = old(bed, 0o600);
    let options = preserving(Preserve::NONE);
    let failed = options.write_with(&path, |file| {
        file.write_all(b"half")?;
        Err::<(), _>(io::Error::other("the source is gone"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "the source is gone");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        options.write_with(&path, |file| -> io::Result<()> {
            file.write_all(b"half")?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    bed.holds_only("file", "old");
}

fn write_with_reports_the_error_of_the_last_bytes(bed: &Bed) {
    testbed::own_mounts();
    let full = Mounted::new("tmpfs", bed.path("full"), "size=4k,nr_inodes=8");
    let path = full.join("file");
    let returned = Cell::new(false);
    let outcome = PublishOptions::new().write_with(&path, |file| {
        // They fit into the buffer, and not onto the disk.
        file.write_all(&[b'x'; 5000])?;
        returned.set(true);
        Ok(())
    });
    assert!(returned.get());
    assert_eq!(testbed::errno(&outcome.unwrap_err()), Some(libc::ENOSPC));
    assert_eq!(common::names(&full), [""; 0]);
}

fn write_does_not_replace_unless_asked(bed: &Bed) {
    let path = old(bed, 0o600);
    let error = PublishOptions::new().write(&path, "new").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    bed.holds_only("file", "old");
    PublishOptions::unsynced()
        .replace(true)
        .write(&path, "new")
        .unwrap();
    bed.holds_only("file", "new");
}

fn a_path_can_be_relative_to_an_open_directory(bed: &Bed) {
    let [here, there] = ["here", "there"].map(|name| bed.path(name));
    fs::create_dir_all(here.join("sub")).unwrap();
    let by_path = open(&here, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    fs::rename(&here, &there).unwrap();
    fs::create_dir(&here).unwrap();
    for durability in common::LEVELS {
        let mut options = PublishOptions::new();
        options.durability(durability);
        let published = options.publish_at(bed.file("new"), &by_path, "sub/file");
        assert_eq!(contents(published.unwrap()), "new");
        let mut options = options.clone();
        options
            .replace(true)
            .preserve(Preserve::ALL)
            .symlinks(Symlinks::Follow);
        symlink("sub/file", there.join("link")).unwrap();
        set_mode(&there.join("sub/file"), 0o640);
        options
            .publish_at(bed.file("newer"), &by_path, "link")
            .unwrap();
        assert_eq!(mode(&there.join("sub/file")), 0o640);
        assert_eq!(common::names(&there.join("sub")), ["file"]);
        fs::remove_file(there.join("sub/file")).unwrap();
        fs::remove_file(there.join("link")).unwrap();
    }
    let absolute = bed.path("absolute");
    PublishOptions::new()
        .publish_at(bed.open(), &by_path, &absolute)
        .unwrap();
    let again = PublishOptions::new().publish_at(bed.open(), &by_path, &absolute);
    drop(refused(again, AlreadyExists, libc::EEXIST));
    assert_eq!(bed.names(), ["absolute", "here", "there"]);
}

fn a_directory_that_is_mounted_over_is_still_the_open_one(bed: &Bed) {
    testbed::own_mounts();
    let dir = bed.path("dir");
    fs::create_dir(&dir).unwrap();
    let held = File::open(&dir).unwrap();
    let over = Mounted::new("tmpfs", dir, "");
    for replace in [false, true] {
        let mut options = PublishOptions::new();
        options.replace(replace);
        options.publish_at(bed.file("new"), &held, "file").unwrap();
    }
    assert_eq!(common::names(&over), [""; 0]);
    drop(over);
    assert_eq!(bed.read("dir/file"), "new");
}

fn a_batch_preserves_and_follows(bed: &Bed) {
    fs::create_dir(bed.path("real")).unwrap();
    let mut options = PublishOptions::new();
    options.symlinks(Symlinks::Follow).preserve(Preserve::ALL);
    for durability in common::LEVELS {
        let mut batch = PublishBatch::with_options(options.durability(durability));
        for number in 0..20 {
            let link = bed.path(format!("link{number}"));
            let name = format!("real/{number}");
            let _ = symlink(&name, &link);
            fs::write(bed.path(&name), "old").unwrap();
            set_mode(&bed.path(&name), 0o600 + number);
            batch.add_replacing(bed.file(&name), &link);
        }
        mkfifoat(CWD, bed.path("fifo"), Mode::RUSR).unwrap();
        batch.add_replacing(bed.open(), bed.path("fifo"));
        let report = batch.commit();
        assert_eq!(report.published(), 20);
        assert_eq!(report.failures()[0].1.kind(), NotARegularFile);
        for number in 0..20 {
            let name = format!("real/{number}");
            assert_eq!(bed.read(&name), name);
            assert_eq!(mode(&bed.path(&name)), 0o600 + number);
        }
        fs::remove_file(bed.path("fifo")).unwrap();
    }
}
