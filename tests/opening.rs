//! Opening: options, modes, flags, directories, and when the named file steps in.

mod common;

use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{symlink, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use common::{contents, fails, link_by_hand, on_both_routes, on_disk, set_default_acl, Bed};
use linkable::{LinkableFile, OpenOptionsAnonymousExt};
use rustix::fs::{fcntl_getfl, OFlags};
use testbed::{FileSystem, Kind};

on_both_routes! {
    nobody_sees_the_file_before_it_is_published,
    the_default_options_open_for_writing_only,
    read_is_honoured,
    append_is_honoured,
    create_and_truncate_are_ignored,
    the_options_are_not_changed,
    the_mode_is_the_same_as_with_create,
    #[ignore = "needs root and mkfs.btrfs, to mount"]
    the_mode_is_the_same_without_access_control_lists,
    #[ignore = "needs root, to have two groups"]
    the_group_of_a_setgid_directory_is_inherited,
    a_default_acl_is_inherited,
    custom_flags_are_honoured,
    o_excl_and_o_path_are_refused,
    an_empty_directory_path_is_the_current_directory,
    a_file_beside_a_path_is_opened_in_the_directory_of_the_path,
    a_bad_directory_is_reported_with_its_errno,
    o_nofollow_applies_to_the_directory,
    a_dropped_file_leaves_nothing,
    a_panic_leaves_nothing,
    converting_into_a_file_removes_the_temporary_name,
    a_scratch_file_can_never_be_linked,
}

fn nobody_sees_the_file_before_it_is_published(bed: &Bed) {
    let file = bed.file("secret");
    let visible: Vec<_> = bed
        .names()
        .into_iter()
        .filter(|n| !n.starts_with('.'))
        .collect();
    assert_eq!(visible, [""; 0]);
    assert_eq!(bed.names().len(), usize::from(!bed.is_anonymous()));
    drop(file);
}

fn the_default_options_open_for_writing_only(bed: &Bed) {
    let mut file = bed.open_with(&OpenOptions::new());
    file.write_all(b"x").unwrap();
    let refused = file.read(&mut [0]).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EBADF));
}

fn read_is_honoured(bed: &Bed) {
    let mut file = bed.open_with(OpenOptions::new().read(true));
    file.write_all(b"there and back").unwrap();
    assert_eq!(contents(&file), "there and back");
}

fn append_is_honoured(bed: &Bed) {
    let mut file = bed.open_with(OpenOptions::new().read(true).append(true));
    file.write_all(b"one").unwrap();
    file.rewind().unwrap();
    file.write_all(b"two").unwrap();
    assert_eq!(contents(&file), "onetwo");
}

fn create_and_truncate_are_ignored(bed: &Bed) {
    let mut options = OpenOptions::new();
    options
        .create(true)
        .create_new(true)
        .truncate(true)
        .write(false);
    options.custom_flags(libc::O_CREAT | libc::O_TRUNC);
    bed.open_with(&options).write_all(b"x").unwrap();
    bed.open_with(options.append(true)).write_all(b"x").unwrap();
}

fn the_options_are_not_changed(bed: &Bed) {
    let mut options = OpenOptions::new();
    options.read(true).mode(0o640).custom_flags(libc::O_SYNC);
    let before = format!("{options:?}");
    drop((bed.open_with(&options), bed.open_with(&options)));
    assert_eq!(format!("{options:?}"), before);
}

fn the_mode_is_the_same_as_with_create(bed: &Bed) {
    modes_are_those_of_create(bed.dir(), |options| bed.open_with(options));
}

/// There Linux before 6.0 forgets the umask of an unnamed file.
fn the_mode_is_the_same_without_access_control_lists(bed: &Bed) {
    on_disk(
        bed,
        FileSystem::from(Kind::Btrfs).options("noacl"),
        |disk| {
            modes_are_those_of_create(disk, |options| options.anonymous_in(disk).unwrap());
        },
    );
}

fn modes_are_those_of_create(dir: &Path, open: impl Fn(&OpenOptions) -> LinkableFile) {
    testbed::own_fs();
    for umask in [0, 0o022, 0o027, 0o077, 0o777] {
        rustix::process::umask(rustix::fs::Mode::from_bits_retain(umask));
        for mode in [
            None,
            Some(0),
            Some(0o600),
            Some(0o644),
            Some(0o777),
            Some(0o6755),
        ] {
            let mut options = OpenOptions::new();
            if let Some(mode) = mode {
                options.mode(mode);
            }
            let plain = dir.join("plain");
            let expected = options
                .clone()
                .write(true)
                .create(true)
                .open(&plain)
                .unwrap();
            fs::remove_file(plain).unwrap();
            let expected = expected.metadata().unwrap().mode();

            let file = open(&options).publish(dir.join("new")).unwrap();
            let scratch = options.scratch_in(dir).unwrap();
            fs::remove_file(dir.join("new")).unwrap();
            for found in [file, scratch] {
                let found = found.metadata().unwrap().mode();
                assert_eq!(found, expected, "{found:o}: mode {mode:?} umask {umask:o}");
            }
        }
    }
}

fn the_group_of_a_setgid_directory_is_inherited(bed: &Bed) {
    testbed::give_to_ordinary_user(bed.dir());
    fs::set_permissions(bed.dir(), Permissions::from_mode(0o2755)).unwrap();
    let group = bed.dir().metadata().unwrap().gid();
    assert_ne!(group, 0);
    assert_eq!(bed.open().as_file().metadata().unwrap().gid(), group);
}

fn a_default_acl_is_inherited(bed: &Bed) {
    const ACCESS: &str = "system.posix_acl_access";
    set_default_acl(bed.dir());
    let file = bed.open().publish(bed.path("new")).unwrap();
    let plain = fs::File::create(bed.path("plain")).unwrap();
    let acl_of = |file: &fs::File| {
        let mut acl = [0; 256];
        let len = rustix::fs::fgetxattr(file, ACCESS, &mut acl).unwrap();
        acl[..len].to_vec()
    };
    assert_eq!(acl_of(&file), acl_of(&plain));
    assert_eq!(
        file.metadata().unwrap().mode(),
        plain.metadata().unwrap().mode()
    );
}

fn custom_flags_are_honoured(bed: &Bed) {
    for flags in [
        libc::O_SYNC,
        libc::O_DSYNC,
        libc::O_NOATIME,
        libc::O_DIRECT,
        libc::O_NONBLOCK | libc::O_SYNC,
        libc::O_SYNC | libc::O_DIRECTORY,
        libc::O_SYNC | libc::O_NOFOLLOW,
    ] {
        let file = bed.open_with(OpenOptions::new().custom_flags(flags));
        let scratch = OpenOptions::new()
            .custom_flags(flags)
            .scratch_in(bed.dir())
            .unwrap();
        let expected = flags & !(libc::O_DIRECTORY | libc::O_NOFOLLOW);
        let expected = OFlags::from_bits_retain(expected.unsigned_abs());
        assert!(fcntl_getfl(&file).unwrap().contains(expected), "{flags:#o}");
        assert!(
            fcntl_getfl(&scratch).unwrap().contains(expected),
            "{flags:#o}"
        );
    }
}

fn o_excl_and_o_path_are_refused(bed: &Bed) {
    for (flag, name) in [(libc::O_EXCL, "scratch_in"), (libc::O_PATH, "O_PATH")] {
        let mut options = OpenOptions::new();
        options.custom_flags(flag | libc::O_SYNC);
        let error = options.anonymous_in(bed.dir()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(name), "{error}");
    }
    let path = OpenOptions::new()
        .custom_flags(libc::O_PATH)
        .scratch_in(bed.dir());
    assert_eq!(path.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// `Path::parent` of a file name alone is an empty path.
fn an_empty_directory_path_is_the_current_directory(bed: &Bed) {
    testbed::own_fs();
    std::env::set_current_dir(bed.dir()).unwrap();
    let path = Path::new("new");
    let parent = path.parent().unwrap();
    let mut file = OpenOptions::new().anonymous_in(parent).unwrap();
    file.write_all(b"whole").unwrap();
    file.publish(path).unwrap();
    drop(OpenOptions::new().scratch_in(parent).unwrap());
    bed.holds_only("new", "whole");
}

fn a_file_beside_a_path_is_opened_in_the_directory_of_the_path(bed: &Bed) {
    testbed::own_fs();
    let [dir, elsewhere] = ["dir", "elsewhere"].map(|name| bed.path(name));
    fs::create_dir(&dir).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    symlink(elsewhere.join("file"), dir.join("link")).unwrap();
    symlink("dir", bed.path("alias")).unwrap();
    std::env::set_current_dir(&dir).unwrap();
    for (path, parent) in [
        (bed.path("file"), bed.dir()),
        (dir.join("missing"), &dir),
        (dir.join("link"), &dir),
        (bed.path("alias/file"), &dir),
        (dir.join("sub/../file"), &dir),
        ("bare".into(), &dir),
        ("".into(), &dir),
        ("../file".into(), bed.dir()),
    ] {
        let _sub = fs::create_dir(dir.join("sub"));
        let file = OpenOptions::new().anonymous_beside(&path).unwrap();
        assert_eq!(file.is_anonymous(), bed.is_anonymous());
        let shown = fs::read_link(format!("/proc/thread-self/fd/{}", file.as_raw_fd())).unwrap();
        let parent = parent.canonicalize().unwrap();
        assert_eq!(shown.parent(), Some(&*parent), "{path:?}: {shown:?}");
    }
    let missing = OpenOptions::new().anonymous_beside(bed.path("missing/file"));
    fails(missing, libc::ENOENT);
    let no_directory = OpenOptions::new().anonymous_beside("/dev/null/file");
    fails(no_directory, libc::ENOTDIR);
}

fn a_bad_directory_is_reported_with_its_errno(bed: &Bed) {
    fs::write(bed.path("file"), "").unwrap();
    symlink("loop", bed.path("loop")).unwrap();
    symlink("nowhere", bed.path("dangling")).unwrap();
    for (dir, errno) in [
        (bed.path("missing"), libc::ENOENT),
        (bed.path("dangling"), libc::ENOENT),
        (bed.path("file"), libc::ENOTDIR),
        (bed.path("file/below"), libc::ENOTDIR),
        (bed.path("loop"), libc::ELOOP),
        (bed.path("x".repeat(256)), libc::ENAMETOOLONG),
    ] {
        let options = OpenOptions::new();
        fails(options.anonymous_in(&dir), errno);
        fails(options.scratch_in(&dir), errno);
    }
    let error = OpenOptions::new().anonymous_in("a\0b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

fn o_nofollow_applies_to_the_directory(bed: &Bed) {
    fs::create_dir(bed.path("real")).unwrap();
    symlink("real", bed.path("link")).unwrap();
    let mut options = OpenOptions::new();
    drop(options.anonymous_in(bed.path("link")).unwrap());
    options.custom_flags(libc::O_NOFOLLOW);
    drop(options.anonymous_in(bed.path("real")).unwrap());
    fails(options.anonymous_in(bed.path("link")), libc::ENOTDIR);
}

fn a_dropped_file_leaves_nothing(bed: &Bed) {
    drop(bed.file("gone"));
    assert_eq!(bed.names(), [""; 0]);
}

fn a_panic_leaves_nothing(bed: &Bed) {
    let file = bed.file("gone");
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _file = file;
        std::panic::resume_unwind(Box::new("a panic"));
    }));
    assert!(panic.is_err());
    assert_eq!(bed.names(), [""; 0]);
}

fn converting_into_a_file_removes_the_temporary_name(bed: &Bed) {
    let file: fs::File = bed.file("still here").into();
    assert_eq!(bed.names(), [""; 0]);
    assert_eq!(contents(&file), "still here");
    assert_eq!(file.metadata().unwrap().nlink(), 0);
}

fn a_scratch_file_can_never_be_linked(bed: &Bed) {
    let mut file = OpenOptions::new().read(true).scratch_in(bed.dir()).unwrap();
    assert_eq!(bed.names(), [""; 0]);
    file.write_all(b"scratch").unwrap();
    assert_eq!(contents(&file), "scratch");
    let link = link_by_hand(&file, &bed.path("name"));
    assert_eq!(link, Err(rustix::io::Errno::NOENT));
}
