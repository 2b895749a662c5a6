//! Publishing: in one step, to the right name, never over another file unless asked.

mod common;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, MetadataExt};
use std::path::{Path, PathBuf};

use common::{
    contents, fails, given_back, link_by_hand, names, on_both_routes, on_disk, refused, Bed, LEVELS,
};
use linkable::{
    LinkableFile, OpenOptionsAnonymousExt, PublishBatch,
    PublishErrorKind::{
        AlreadyExists, CrossesDevices, IsADirectory, NeverLinkable, NotFound, Other,
    },
    PublishOptions,
};
use testbed::{with_fault, Kind, Rule};

on_both_routes! {
    a_published_file_is_complete_and_has_one_name,
    a_published_file_can_still_be_written,
    publish_never_replaces,
    replace_overwrites_a_file,
    replace_creates_a_missing_file,
    replace_overwrites_a_symlink_and_does_not_follow_it,
    replace_never_overwrites_a_directory,
    the_root_directory_is_never_a_target,
    a_path_without_a_parent_directory_is_not_found,
    a_parent_that_is_no_directory_is_reported_with_its_errno,
    names_of_255_bytes_work_and_256_are_too_long,
    long_paths_work,
    paths_near_the_limit_work,
    #[ignore = "needs root and mkfs.ext2, to mount"]
    paths_near_the_limit_work_where_a_temporary_name_comes_first,
    #[ignore = "needs root, to unmount /proc"]
    paths_near_the_limit_work_without_procfs,
    names_need_not_be_utf8,
    a_nul_byte_is_invalid_input_and_the_file_is_given_back,
    a_relative_path_is_relative_to_the_current_directory,
    a_file_can_be_opened_in_dot_and_published_under_a_bare_name,
    a_removed_directory_is_not_found_and_the_file_is_given_back,
    a_removed_current_directory_is_not_found,
    a_file_linked_by_hand_keeps_that_name,
    a_replace_of_the_file_that_is_there_already_leaves_one_name,
    write_replaces_and_creates,
    dropping_the_file_after_a_failed_replace_leaves_nothing,
}

fn a_published_file_is_complete_and_has_one_name(bed: &Bed) {
    let file = bed.file("all of it").publish(bed.path("new")).unwrap();
    bed.holds_only("new", "all of it");
    assert_eq!(
        file.metadata().unwrap().ino(),
        bed.path("new").metadata().unwrap().ino(),
        "the inode"
    );
    assert_eq!(file.metadata().unwrap().nlink(), 1);
}

fn a_published_file_can_still_be_written(bed: &Bed) {
    let mut file = bed.file("first, ").publish(bed.path("new")).unwrap();
    file.write_all(b"second").unwrap();
    assert_eq!(bed.read("new"), "first, second");
}

fn publish_never_replaces(bed: &Bed) {
    fs::write(bed.path("file"), "old").unwrap();
    fs::create_dir(bed.path("dir")).unwrap();
    symlink("file", bed.path("link")).unwrap();
    symlink("nowhere", bed.path("dangling")).unwrap();
    symlink("loop", bed.path("loop")).unwrap();
    let mut file = bed.file("new");
    for taken in [
        "file", "dir", "dir/", "link", "dangling", "loop", ".", "..", "dir/.",
    ] {
        for durability in LEVELS {
            let mut options = PublishOptions::new();
            let outcome = options
                .durability(durability)
                .publish(file, bed.path(taken));
            file = refused(outcome, AlreadyExists, libc::EEXIST);
        }
    }
    assert_eq!(bed.read("file"), "old");
    assert!(!bed.path("nowhere").exists());
}

fn replace_overwrites_a_file(bed: &Bed) {
    fs::write(bed.path("file"), "old").unwrap();
    let before = File::open(bed.path("file")).unwrap();
    bed.file("new").replace(bed.path("file")).unwrap();
    bed.holds_only("file", "new");
    assert_eq!(
        contents(before),
        "old",
        "whoever had it open still has the old one"
    );
}

fn replace_creates_a_missing_file(bed: &Bed) {
    bed.file("new").replace(bed.path("file")).unwrap();
    bed.holds_only("file", "new");
}

fn replace_overwrites_a_symlink_and_does_not_follow_it(bed: &Bed) {
    fs::write(bed.path("file"), "old").unwrap();
    for target in ["file", "nowhere", "link"] {
        symlink(target, bed.path("link")).unwrap();
        bed.file("new").replace(bed.path("link")).unwrap();
        assert!(bed.path("link").symlink_metadata().unwrap().is_file());
        fs::remove_file(bed.path("link")).unwrap();
    }
    bed.holds_only("file", "old");
}

fn replace_never_overwrites_a_directory(bed: &Bed) {
    fs::create_dir(bed.path("dir")).unwrap();
    let file = bed.file("new");
    let file = refused(file.replace(bed.path("dir")), IsADirectory, libc::EISDIR);
    for directory in ["dir/", "dir/.", "dir/.."] {
        drop(refused(
            bed.open().replace(bed.path(directory)),
            IsADirectory,
            libc::ENOTDIR,
        ));
    }
    assert_eq!(contents(&file), "new");
    file.publish(bed.path("elsewhere")).unwrap();
    assert_eq!(bed.names(), ["dir", "elsewhere"]);
    assert_eq!(bed.read("elsewhere"), "new");
}

fn the_root_directory_is_never_a_target(bed: &Bed) {
    // Whether it is the directory or the other file system that is told depends on $TMPDIR.
    let kinds = [AlreadyExists, IsADirectory, CrossesDevices];
    for replace in [false, true] {
        let mut options = PublishOptions::new();
        let error = options
            .replace(replace)
            .publish(bed.file("kept"), "/")
            .unwrap_err();
        assert!(kinds.contains(&error.kind()), "{error:?}");
        let file = given_back(error);
        assert_eq!(contents(&file), "kept");
    }
}

fn a_path_without_a_parent_directory_is_not_found(bed: &Bed) {
    symlink("nowhere", bed.path("dangling")).unwrap();
    let mut file = bed.file("kept");
    for nowhere in ["missing/new", "dangling/new"] {
        file = refused(file.publish(bed.path(nowhere)), NotFound, libc::ENOENT);
        file = refused(file.replace(bed.path(nowhere)), NotFound, libc::ENOENT);
    }
    file = refused(file.publish(""), NotFound, libc::ENOENT);
    file = refused(file.replace(""), NotFound, libc::ENOENT);
    // linkat(2) and rename(2) differ in the errno.
    let slash = bed.path("new/");
    for outcome in [file.publish(&slash), bed.open().replace(&slash)] {
        assert_eq!(outcome.unwrap_err().kind(), NotFound);
    }
}

fn a_parent_that_is_no_directory_is_reported_with_its_errno(bed: &Bed) {
    fs::write(bed.path("file"), "").unwrap();
    symlink("loop", bed.path("loop")).unwrap();
    let file = refused(
        bed.open().publish(bed.path("file/new")),
        NotFound,
        libc::ENOTDIR,
    );
    let file = refused(file.publish(bed.path("loop/new")), Other, libc::ELOOP);
    file.publish(bed.path("new")).unwrap();
}

fn names_of_255_bytes_work_and_256_are_too_long(bed: &Bed) {
    let (longest, too_long) = ("n".repeat(255), "n".repeat(256));
    bed.file("a").publish(bed.path(&longest)).unwrap();
    bed.file("b").replace(bed.path(&longest)).unwrap();
    assert_eq!(bed.read(&longest), "b");
    let file = refused(
        bed.open().publish(bed.path(&too_long)),
        Other,
        libc::ENAMETOOLONG,
    );
    drop(refused(
        file.replace(bed.path(&too_long)),
        Other,
        libc::ENAMETOOLONG,
    ));
}

fn long_paths_work(bed: &Bed) {
    let deep: PathBuf = std::iter::repeat("d".repeat(200)).take(4).collect();
    let deep = bed.path(deep);
    fs::create_dir_all(&deep).unwrap();
    let file = OpenOptions::new().anonymous_in(&deep).unwrap();
    file.publish(deep.join("new")).unwrap();
    bed.file("newer").replace(deep.join("new")).unwrap();
    assert_eq!(fs::read_to_string(deep.join("new")).unwrap(), "newer");
}

/// A directory whose path has this many bytes.
fn directory_of_length(base: &Path, length: usize) -> PathBuf {
    let mut path = base.to_owned();
    loop {
        let left = length - path.as_os_str().len();
        // What is left for the last part may not be its slash alone.
        let part = if left > 202 { 200 } else { left - 1 };
        path.push("d".repeat(part));
        if left <= 202 {
            fs::create_dir_all(&path).unwrap();
            return path;
        }
    }
}

/// A path of 4,095 bytes is the longest. That of a temporary name is longer than that of the file.
const LONG: [usize; 3] = [4_064, 4_085, 4_090];

fn publishes_near_the_limit(base: &Path) {
    for length in LONG {
        let dir = directory_of_length(base, length);
        let path = dir.join("new");
        fs::write(&path, "by std").unwrap();
        linkable::write(&path, "written").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "written");
        publishes_and_replaces_at(&path, || OpenOptions::new().anonymous_in(&dir).unwrap());
        assert_eq!(names(&dir), ["new"]);
    }
}

/// In every way that there is.
fn publishes_and_replaces_at(path: &Path, open: impl Fn() -> LinkableFile) {
    for durability in LEVELS {
        let mut options = PublishOptions::new();
        options.durability(durability);
        fs::remove_file(path).unwrap();
        options.publish(open(), path).unwrap();
        let taken = options.publish(open(), path);
        drop(refused(taken, AlreadyExists, libc::EEXIST));
        let mut batch = PublishBatch::with_options(&options);
        batch.add_replacing(open(), path);
        batch.commit().into_result().unwrap();
        fs::remove_file(path).unwrap();
        let mut batch = PublishBatch::with_options(&options);
        batch.add(open(), path);
        batch.commit().into_result().unwrap();
        options.replace(true).publish(open(), path).unwrap();
    }
}

fn paths_near_the_limit_work(bed: &Bed) {
    publishes_near_the_limit(bed.dir());
}

fn paths_near_the_limit_work_where_a_temporary_name_comes_first(bed: &Bed) {
    on_disk(bed, Kind::Ext2, publishes_near_the_limit);
}

/// A file with a temporary name cannot be opened there, but published.
fn paths_near_the_limit_work_without_procfs(bed: &Bed) {
    // Not below one another, as some of that length can be.
    let base = |length: usize| bed.path(length.to_string());
    let directories = LONG.map(|length| directory_of_length(&base(length), length));
    testbed::own_mounts();
    testbed::without_procfs();
    for dir in directories {
        fs::write(dir.join("new"), "by std").unwrap();
        publishes_and_replaces_at(&dir.join("new"), || bed.open());
        assert_eq!(names(&dir), ["new"]);
    }
}

fn names_need_not_be_utf8(bed: &Bed) {
    let name = OsStr::from_bytes(b"\xff\xfe\x01");
    bed.file("a").publish(bed.path(name)).unwrap();
    bed.file("b").replace(bed.path(name)).unwrap();
    assert_eq!(bed.read(name), "b");
}

fn a_nul_byte_is_invalid_input_and_the_file_is_given_back(bed: &Bed) {
    let error = bed.file("kept").replace(bed.path("a\0b")).unwrap_err();
    assert_eq!(error.io_error().kind(), ErrorKind::InvalidInput);
    assert_eq!(error.kind(), Other);
    let file = given_back(error);
    file.publish(bed.path("new")).unwrap();
    assert_eq!(bed.read("new"), "kept");
}

fn a_relative_path_is_relative_to_the_current_directory(bed: &Bed) {
    testbed::own_fs();
    fs::create_dir(bed.path("cwd")).unwrap();
    std::env::set_current_dir(bed.path("cwd")).unwrap();
    for durability in LEVELS {
        let mut options = PublishOptions::new();
        options.durability(durability).replace(true);
        options.publish(bed.file("absent"), "new").unwrap();
        options.publish(bed.file("there"), "new").unwrap();
        options.publish(bed.file("up"), "../new").unwrap();
        assert_eq!(
            (bed.read("cwd/new"), bed.read("new")),
            ("there".into(), "up".into())
        );
        fs::remove_file("new").unwrap();
    }
}

fn a_file_can_be_opened_in_dot_and_published_under_a_bare_name(bed: &Bed) {
    testbed::own_fs();
    std::env::set_current_dir(bed.dir()).unwrap();
    let file = OpenOptions::new().anonymous_in(".").unwrap();
    file.publish("new").unwrap();
    linkable::write("new", "written").unwrap();
    bed.holds_only("new", "written");
}

fn a_removed_directory_is_not_found_and_the_file_is_given_back(bed: &Bed) {
    fs::create_dir(bed.path("gone")).unwrap();
    let mut file = OpenOptions::new()
        .read(true)
        .anonymous_in(bed.path("gone"))
        .unwrap();
    file.write_all(b"kept").unwrap();
    // With a temporary name in it, the directory cannot be removed, but that name can.
    let _ = fs::remove_dir_all(bed.path("gone"));
    let error = file.publish(bed.path("gone/new")).unwrap_err();
    assert_eq!(error.io_error().raw_os_error(), Some(libc::ENOENT));
    assert_eq!(error.kind(), NotFound);
    let file = given_back(error);
    assert_eq!(contents(&file), "kept");
    if bed.is_anonymous() {
        file.publish(bed.path("new")).unwrap();
        assert_eq!(bed.read("new"), "kept");
    } else {
        drop(refused(
            file.publish(bed.path("new")),
            NeverLinkable,
            libc::ENOENT,
        ));
    }
}

fn a_removed_current_directory_is_not_found(bed: &Bed) {
    testbed::own_fs();
    fs::create_dir(bed.path("gone")).unwrap();
    std::env::set_current_dir(bed.path("gone")).unwrap();
    fs::remove_dir(bed.path("gone")).unwrap();
    drop(refused(bed.open().publish("new"), NotFound, libc::ENOENT));
}

fn a_file_linked_by_hand_keeps_that_name(bed: &Bed) {
    let file = bed.file("linked");
    link_by_hand(&file, &bed.path("by hand")).unwrap();
    drop(file);
    bed.holds_only("by hand", "linked");
}

/// rename(2) does nothing to two names of one file, and says that it has worked.
fn a_replace_of_the_file_that_is_there_already_leaves_one_name(bed: &Bed) {
    let mut replace = PublishOptions::new();
    replace.replace(true);
    for durability in LEVELS {
        replace.durability(durability);
        let file = bed.file("linked");
        link_by_hand(&file, &bed.path("file")).unwrap();
        replace.publish(file, bed.path("file")).unwrap();
        bed.holds_only("file", "linked");

        // By another descriptor of the file.
        let file = bed.file("reopened");
        fs::remove_file(bed.path("file")).unwrap();
        link_by_hand(&file.reopen().unwrap(), &bed.path("file")).unwrap();
        replace.publish(file, bed.path("file")).unwrap();
        bed.holds_only("file", "reopened");

        // By its temporary name.
        let file = bed.file("hard link");
        fs::remove_file(bed.path("file")).unwrap();
        for name in bed.names() {
            fs::hard_link(bed.path(name), bed.path("file")).unwrap();
        }
        replace.publish(file, bed.path("file")).unwrap();
        bed.holds_only("file", "hard link");

        let file = bed.file("batch");
        fs::remove_file(bed.path("file")).unwrap();
        link_by_hand(&file, &bed.path("file")).unwrap();
        let mut batch = PublishBatch::with_options(&replace);
        batch.add_replacing(file, bed.path("file"));
        batch.commit().into_result().unwrap();
        bed.holds_only("file", "batch");
        fs::remove_file(bed.path("file")).unwrap();
    }
}

fn write_replaces_and_creates(bed: &Bed) {
    linkable::write(bed.path("file"), "one").unwrap();
    linkable::write(bed.path("file"), b"two").unwrap();
    bed.holds_only("file", "two");
    fs::create_dir(bed.path("dir")).unwrap();
    for (path, errno) in [("missing/file", libc::ENOENT), ("dir", libc::EISDIR)] {
        fails(linkable::write(bed.path(path), "x"), errno);
    }
    assert_eq!(bed.names(), ["dir", "file"]);
}

fn dropping_the_file_after_a_failed_replace_leaves_nothing(bed: &Bed) {
    fs::write(bed.path("file"), "old").unwrap();
    let mut file = bed.file("kept");
    for _ in 0..2 {
        let path = bed.path("file");
        let outcome = with_fault(libc::EIO, Rule::rename(), move || file.replace(path));
        file = refused(outcome, Other, libc::EIO);
        assert!(!file.is_anonymous());
        assert_eq!(
            bed.names().len(),
            2,
            "one temporary name, however often it is tried"
        );
    }
    drop(file);
    bed.holds_only("file", "old");
}
