//! Errors: the kind that is meant, the errno that was there, a text that helps, and the file.

mod common;

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use common::{
    contents, fails, file_in, given_back, link_by_hand, names, on, on_both_routes, on_disk,
    refused, Bed, Flagged, Route,
};
use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, PublishBatch, PublishError,
    PublishErrorKind, PublishOptions,
};
use rustix::fs::IFlags;
use testbed::{deny, in_thread, with_fault, Kind, Rule};

on_both_routes! {
    the_message_names_the_path_and_the_source_has_the_cause,
    an_io_error_names_what_was_tried_the_path_and_the_remedy,
    an_io_error_keeps_its_kind_and_its_errno_as_the_source,
    an_invalid_argument_is_explained_once,
    the_debug_text_of_an_io_error_is_its_text,
    an_error_of_opening_says_what_to_do,
    an_error_of_write_says_what_to_do,
    a_file_that_cannot_be_reopened_says_why,
    any_other_errno_is_returned_and_publishing_can_be_retried,
    a_failed_rename_gives_the_file_back_and_keeps_the_old_one,
    a_failed_write_keeps_the_old_file,
    only_a_file_that_is_not_published_comes_back,
    the_debug_text_of_an_error_shows_only_what_helps,
    the_debug_text_of_a_file_says_whether_it_is_anonymous,
    an_impossible_path_says_whether_something_is_there,
    a_full_or_read_only_disk_is_called_by_its_name,
    a_file_that_is_in_use_is_not_called_a_mount_point,
    #[ignore = "needs root, to be somebody else"]
    a_missing_permission_and_a_sticky_directory_are_told_apart,
    #[ignore = "needs root, for chattr"]
    an_immutable_or_append_only_file_is_called_so,
    #[ignore = "needs root and mkfs.ext4, to swap"]
    a_file_in_use_as_swap_space_is_called_so,
}

fn the_message_names_the_path_and_the_source_has_the_cause(bed: &Bed) {
    fs::write(bed.path("taken"), "").unwrap();
    let error = bed.open().publish(bed.path("taken")).unwrap_err();
    assert_eq!(error.path(), bed.path("taken"));
    let (text, cause) = (error.to_string(), error.source().unwrap().to_string());
    assert!(text.contains(bed.path("taken").to_str().unwrap()), "{text}");
    assert!(text.contains("replace"), "{text}");
    assert!(!text.contains(&cause), "{text}");
}

/// The errors of calls that fail, each with its whole text and its errno.
fn io_errors(bed: &Bed) -> Vec<(io::Error, String, i32)> {
    use libc::{EISDIR, ENOENT, ENOSPC};

    let [missing, below, dir] = ["missing", "missing/new", "dir"].map(|name| bed.path(name));
    fs::create_dir(&dir).unwrap();
    let full = bed.path("full");
    let out_of_space = with_fault(ENOSPC, vec![Rule::call(libc::SYS_write)], {
        let full = full.clone();
        move || linkable::write(full, "x")
    });
    let converted = || -> io::Result<File> { Ok(bed.open().publish(&below)?) };

    let options = OpenOptions::new();
    let create = "the directory does not exist; create it: No such file or directory (os error 2)";
    let no_space = "the disk is full; free some space, and try again: No space left on device (os \
                    error 28)";
    let directory = "the path is a directory, which a file cannot replace; choose another path: \
                     Is a directory (os error 21)";
    let no_parent = "its directory does not exist, or the path is empty or ends in a slash; \
                     create the directory or correct the path: No such file or directory (os error 2)";
    let in_missing = || format!("cannot create a file in {}: {create}", missing.display());
    // With the slash that the path of the file has there.
    let beside = in_missing();
    let for_full = format!("cannot write a file for {}: {no_space}", full.display());
    let at_dir = format!("cannot publish {}: {directory}", dir.display());
    let at_below = format!("cannot publish {}: {no_parent}", below.display());
    vec![
        (
            options.anonymous_in(&missing).unwrap_err(),
            in_missing(),
            ENOENT,
        ),
        (
            options.scratch_in(&missing).unwrap_err(),
            in_missing(),
            ENOENT,
        ),
        (linkable::write(&below, "x").unwrap_err(), beside, ENOENT),
        (out_of_space.unwrap_err(), for_full, ENOSPC),
        (linkable::write(&dir, "x").unwrap_err(), at_dir, EISDIR),
        (converted().unwrap_err(), at_below, ENOENT),
    ]
}

fn an_io_error_names_what_was_tried_the_path_and_the_remedy(bed: &Bed) {
    for (error, text, _) in io_errors(bed) {
        assert_eq!(error.to_string(), text);
    }
}

fn an_io_error_keeps_its_kind_and_its_errno_as_the_source(bed: &Bed) {
    for (error, text, errno) in io_errors(bed) {
        let cause: &io::Error = error.source().unwrap().downcast_ref().unwrap();
        assert_eq!(cause.raw_os_error(), Some(errno));
        assert_eq!(cause.kind(), error.kind());
        assert!(text.ends_with(&format!(": {cause}")), "{text}");
        assert!(cause.source().is_none(), "{text}");
    }
}

/// Neither the flags nor the path come from the system, so there is no errno.
fn an_invalid_argument_is_explained_once(bed: &Bed) {
    let o_path = OpenOptions::new().custom_flags(libc::O_PATH).clone();
    let options = OpenOptions::new();
    let nul = bed.path("a\0b");
    for (error, tried, path) in [
        (
            o_path.anonymous_in(bed.dir()).unwrap_err(),
            "cannot create a file in",
            bed.dir(),
        ),
        (
            o_path.scratch_in(bed.dir()).unwrap_err(),
            "cannot create a file in",
            bed.dir(),
        ),
        (
            options.anonymous_in(&nul).unwrap_err(),
            "cannot create a file in",
            &nul,
        ),
        (
            options.scratch_in(&nul).unwrap_err(),
            "cannot create a file in",
            &nul,
        ),
        (
            linkable::write(&nul, "x").unwrap_err(),
            "cannot publish",
            &nul,
        ),
    ] {
        let cause: &io::Error = error.source().unwrap().downcast_ref().unwrap();
        assert_eq!(
            error.to_string(),
            format!("{tried} {}: {cause}", path.display())
        );
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(cause.kind(), io::ErrorKind::InvalidInput);
    }
}

/// It is what a `main` prints that returns the error.
fn the_debug_text_of_an_io_error_is_its_text(bed: &Bed) {
    for (error, text, _) in io_errors(bed) {
        let expected = format!("Custom {{ kind: {:?}, error: {text:?} }}", error.kind());
        assert_eq!(format!("{error:?}"), expected);
    }
}

fn an_error_of_opening_says_what_to_do(bed: &Bed) {
    for (errno, words) in [
        // The directory is there.
        (libc::ENOENT, "takes no new files"),
        (libc::ENOTDIR, "choose another path"),
        (libc::EACCES, "get write and search permission"),
        (libc::EPERM, "run chattr -i"),
        (libc::EROFS, "make it writable"),
        (libc::ENOSPC, "free some space"),
        (libc::EDQUOT, "free some space"),
        (libc::EMFILE, "ulimit -n"),
        (libc::ENFILE, "close some"),
        (libc::ENAMETOOLONG, "choose a shorter one"),
        (libc::ELOOP, "correct them"),
    ] {
        let dir = bed.dir().to_owned();
        // Each route opens the file with a flag of its own.
        let rules = [libc::O_TMPFILE, libc::O_CREAT | libc::O_EXCL].map(Rule::open_with);
        let outcome = with_fault(errno, rules.concat(), move || {
            OpenOptions::new().anonymous_in(dir)
        });
        let text = outcome.as_ref().unwrap_err().to_string();
        assert!(text.contains(words), "{text:?} does not say {words:?}");
        fails(outcome, errno);
    }
}

fn an_error_of_write_says_what_to_do(bed: &Bed) {
    for (errno, words) in [
        (libc::ENOSPC, "free some space"),
        (libc::EDQUOT, "free some space"),
        (libc::EFBIG, "ulimit -f"),
    ] {
        let path = bed.path("file");
        let rules = vec![Rule::call(libc::SYS_write)];
        let outcome = with_fault(errno, rules, move || linkable::write(path, "x"));
        let text = outcome.as_ref().unwrap_err().to_string();
        assert!(text.contains(words), "{text:?} does not say {words:?}");
        fails(outcome, errno);
    }
}

fn a_file_that_cannot_be_reopened_says_why(bed: &Bed) {
    for (errno, words) in [(libc::ENOENT, "mount procfs"), (libc::EACCES, "the mode")] {
        let file = bed.open();
        let path = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
        let rules = Rule::open_with(libc::O_CLOEXEC);
        let outcome = with_fault(errno, rules, move || file.reopen());
        let text = outcome.as_ref().unwrap_err().to_string();
        assert!(
            text.starts_with(&format!("cannot reopen {path}: ")),
            "{text}"
        );
        assert!(text.contains(words), "{text:?} does not say {words:?}");
        fails(outcome, errno);
    }
}

fn any_other_errno_is_returned_and_publishing_can_be_retried(bed: &Bed) {
    use libc::{EDQUOT, EIO, EMLINK, ENOMEM, ENOSPC, EROFS};
    for errno in [EIO, ENOMEM, ENOSPC, EDQUOT, EROFS, EMLINK] {
        let rules = [libc::SYS_linkat, libc::SYS_renameat2]
            .map(Rule::call)
            .to_vec();
        let (file, path) = (bed.file("whole"), bed.path("new"));
        let error = with_fault(errno, rules, move || file.publish(path).unwrap_err());
        assert_eq!(error.kind(), PublishErrorKind::Other);
        assert_eq!(error.io_error().raw_os_error(), Some(errno));
        assert!(!bed.path("new").exists());
        given_back(error).publish(bed.path("new")).unwrap();
        bed.holds_only("new", "whole");
        fs::remove_file(bed.path("new")).unwrap();
    }
}

fn a_failed_rename_gives_the_file_back_and_keeps_the_old_one(bed: &Bed) {
    for errno in [libc::EIO, libc::EPERM, libc::ENOSPC, libc::EXDEV] {
        fs::write(bed.path("file"), "old").unwrap();
        let rules = Rule::rename();
        let (file, path) = (bed.file("new"), bed.path("file"));
        let error = with_fault(errno, rules, move || file.replace(path).unwrap_err());
        assert_eq!(error.io_error().raw_os_error(), Some(errno));
        assert_eq!(bed.read("file"), "old");
        assert_eq!(
            bed.names().len(),
            2,
            "the old file and what the handle owns"
        );
        given_back(error).replace(bed.path("file")).unwrap();
        bed.holds_only("file", "new");
    }
}

fn a_failed_write_keeps_the_old_file(bed: &Bed) {
    linkable::write(bed.path("file"), "old").unwrap();
    let mut file = bed.file("half of ");
    let (file, error) = with_fault(libc::ENOSPC, vec![Rule::call(libc::SYS_write)], move || {
        let error = file.write_all(b"it").unwrap_err();
        (file, error)
    });
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    drop(file);
    bed.holds_only("file", "old");
}

/// The error is of this kind and errno, and its text says so in these words.
#[track_caller]
fn says(
    outcome: Result<File, PublishError>,
    kind: PublishErrorKind,
    errno: i32,
    words: &str,
) -> LinkableFile {
    let error = outcome.expect_err("published");
    let text = error.to_string();
    assert!(text.contains(words), "{text:?} does not say {words:?}");
    refused(Err(error), kind, errno)
}

fn publish(file: LinkableFile, path: &Path, replace: bool) -> Result<File, PublishError> {
    let mut options = PublishOptions::new();
    options.replace(replace).durability(Durability::None);
    options.publish(file, path)
}

fn only_a_file_that_is_not_published_comes_back(bed: &Bed) {
    let missing = bed.file("kept").publish(bed.path("missing/new"));
    let file = missing.unwrap_err().into_file().unwrap();
    assert_eq!(contents(&file), "kept");

    let path = bed.path("new");
    let error = with_fault(libc::EIO, vec![Rule::call(libc::SYS_fsync)], move || {
        let mut options = PublishOptions::new();
        // Only the directory is synced by fsync(2), or nothing is.
        options.durability(Durability::Full);
        options.publish(file, path).unwrap_err()
    });
    match error.kind() {
        PublishErrorKind::NotDurable => assert!(error.into_file().is_none()),
        kind => {
            assert_eq!(kind, PublishErrorKind::SyncFailed);
            assert!(error.into_file().is_some());
        }
    }
}

/// It is what a `main` prints that returns the error.
fn the_debug_text_of_an_error_shows_only_what_helps(bed: &Bed) {
    let path = bed.path("taken");
    fs::write(&path, "old").unwrap();
    let error = bed.open().publish(&path).unwrap_err();
    let expected = format!(
        "NotPublished {{ kind: AlreadyExists, path: {path:?}, source: Os {{ code: 17, kind: \
         AlreadyExists, message: \"File exists\" }}, .. }}"
    );
    assert_eq!(format!("{error:?}"), expected);

    let mut batch = PublishBatch::new();
    batch.add(bed.open(), &path).most_open(0);
    assert_eq!(
        format!("{batch:?}"),
        "PublishBatch { len: 1, failed: 0, .. }"
    );
    batch.add(bed.open(), &path);
    assert_eq!(
        format!("{batch:?}"),
        "PublishBatch { len: 1, failed: 1, .. }"
    );

    assert_eq!(
        format!("{:?}", PublishOptions::new()),
        "PublishOptions { replace: false, durability: Contents, sync_method: Automatic, \
         symlinks: Replace, preserve: Preserve(NONE), any_file_type: false, by_rename: false, \
         allow_copy: false }"
    );
}

fn the_debug_text_of_a_file_says_whether_it_is_anonymous(bed: &Bed) {
    let file = bed.open();
    let (number, anonymous) = (file.as_raw_fd(), bed.is_anonymous());
    let expected = format!("LinkableFile {{ fd: {number}, anonymous: {anonymous}, .. }}");
    assert_eq!(format!("{file:?}"), expected);
}

fn an_impossible_path_says_whether_something_is_there(bed: &Bed) {
    use libc::{EEXIST, EISDIR, ENOENT, ENOTDIR};
    use PublishErrorKind::{AlreadyExists, IsADirectory, NotFound};

    fs::write(bed.path("afile"), "").unwrap();
    fs::create_dir_all(bed.path("dir/below")).unwrap();
    let (missing, directory) = ("create the directory", "choose another path");
    for (path, replace, kind, errno, words) in [
        ("afile/x", false, NotFound, ENOTDIR, missing),
        ("afile/x", true, NotFound, ENOTDIR, missing),
        ("afile/", false, NotFound, ENOTDIR, missing),
        ("afile/", true, NotFound, ENOTDIR, missing),
        ("afile/x/", false, NotFound, ENOTDIR, missing),
        ("afile/x/", true, NotFound, ENOTDIR, missing),
        ("missing/", false, NotFound, ENOENT, missing),
        ("missing/", true, NotFound, ENOENT, missing),
        ("missing/x/", false, NotFound, ENOENT, missing),
        ("missing/x/", true, NotFound, ENOENT, missing),
        ("dir/missing/", false, NotFound, ENOENT, missing),
        ("dir/missing/", true, NotFound, ENOENT, missing),
        ("dir", false, AlreadyExists, EEXIST, directory),
        ("dir", true, IsADirectory, EISDIR, directory),
        ("dir/", false, AlreadyExists, EEXIST, directory),
        ("dir/", true, IsADirectory, ENOTDIR, directory),
        ("dir/below/", false, AlreadyExists, EEXIST, directory),
        ("dir/below/", true, IsADirectory, ENOTDIR, directory),
    ] {
        println!("{path} {replace}");
        let outcome = publish(bed.open(), &bed.path(path), replace);
        let text = outcome.as_ref().unwrap_err().to_string();
        assert!(!text.contains("`replace`"), "{text}");
        drop(says(outcome, kind, errno, words));
    }
    let taken = publish(bed.open(), &bed.path("afile"), false);
    drop(says(taken, AlreadyExists, EEXIST, "use `replace`"));
}

fn a_full_or_read_only_disk_is_called_by_its_name(bed: &Bed) {
    for (errno, words) in [
        (libc::EROFS, "read-only"),
        (libc::ENOSPC, "the disk is full"),
        (libc::EDQUOT, "quota"),
    ] {
        for replace in [false, true] {
            let rules = [&[Rule::call(libc::SYS_linkat)][..], &Rule::rename()].concat();
            let (file, path) = (bed.open(), bed.path("new"));
            let outcome = with_fault(errno, rules, move || publish(file, &path, replace));
            drop(says(outcome, PublishErrorKind::Other, errno, words));
        }
    }
}

/// What SMB and some FUSE say of a file that somebody has open.
fn a_file_that_is_in_use_is_not_called_a_mount_point(bed: &Bed) {
    fs::write(bed.path("file"), "old").unwrap();
    let (file, path) = (bed.open(), bed.path("file"));
    let outcome = with_fault(libc::EBUSY, Rule::rename(), move || file.replace(path));
    drop(says(
        outcome,
        PublishErrorKind::Other,
        libc::EBUSY,
        "in use",
    ));
    bed.holds_only("file", "old");
}

fn a_missing_permission_and_a_sticky_directory_are_told_apart(bed: &Bed) {
    for (mode, errno, words) in [
        (0o755, libc::EACCES, "write and search permission"),
        (0o1777, libc::EPERM, "the directory is sticky"),
    ] {
        let [ours, theirs] = [format!("ours{mode:o}"), format!("theirs{mode:o}")];
        let [ours, theirs] = [ours, theirs].map(|name| bed.path(name));
        fs::create_dir(&ours).unwrap();
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(bed.dir(), fs::Permissions::from_mode(0o755)).unwrap();
        testbed::give_to_ordinary_user(&ours);
        fs::write(theirs.join("file"), "root's").unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(mode)).unwrap();
        in_thread({
            let theirs = theirs.clone();
            move || {
                testbed::as_ordinary_user();
                let outcome = publish(file_in(&ours, "x"), &theirs.join("file"), true);
                drop(says(outcome, PublishErrorKind::Other, errno, words));
            }
        });
        assert_eq!(names(&theirs), ["file"]);
    }
}

fn an_immutable_or_append_only_file_is_called_so(bed: &Bed) {
    use PublishErrorKind::{LinkForbidden, Other};

    for flag in [IFlags::IMMUTABLE, IFlags::APPEND] {
        fs::write(bed.path("file"), "old").unwrap();
        let flagged = Flagged::new(&bed.path("file"), flag);
        let outcome = publish(bed.open(), &bed.path("file"), true);
        drop(says(
            outcome,
            Other,
            libc::EPERM,
            "the existing file is immutable or append-only",
        ));
        drop(flagged);

        let file = bed.open();
        let path = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
        let flagged = Flagged::new(path.as_ref(), flag);
        let outcome = publish(file, &bed.path("new"), false);
        let words = "the new file is immutable or append-only";
        let file = says(outcome, LinkForbidden, libc::EPERM, words);
        drop(flagged);
        publish(file, &bed.path("new"), false).unwrap();
        fs::remove_file(bed.path("new")).unwrap();
    }
    for (flag, words) in [
        (IFlags::IMMUTABLE, "the directory is immutable"),
        (IFlags::APPEND, "the directory is append-only"),
    ] {
        let dir = bed.path("dir");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("file"), "old").unwrap();
        let file = bed.open();
        let flagged = Flagged::new(&dir, flag);
        let file = says(
            publish(file, &dir.join("file"), true),
            Other,
            libc::EPERM,
            words,
        );
        drop(flagged);
        drop(file);
        assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "old");
        fs::remove_dir_all(dir).unwrap();
    }
}

fn a_file_in_use_as_swap_space_is_called_so(bed: &Bed) {
    on_disk(bed, Kind::Ext4, |disk| {
        let swap = disk.join("swap");
        fs::write(&swap, vec![0; 1 << 20]).unwrap();
        fs::set_permissions(&swap, fs::Permissions::from_mode(0o600)).unwrap();
        File::open(&swap).unwrap().sync_all().unwrap();
        testbed::run(Command::new("mkswap").arg(&swap)).unwrap();
        testbed::run(Command::new("swapon").arg(&swap)).unwrap();
        let outcome = publish(file_in(disk, "new"), &swap, true);
        testbed::run(Command::new("swapoff").arg(&swap)).unwrap();
        drop(says(
            outcome,
            PublishErrorKind::Other,
            libc::EPERM,
            "swap space",
        ));
    });
}

/// To replace is what was tried.
#[test]
fn a_replace_that_is_not_supported_does_not_recommend_itself() {
    for errno in [libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP] {
        on(Route::Named(libc::EOPNOTSUPP), move |bed| {
            let (file, path) = (bed.open(), bed.path("new"));
            let outcome = with_fault(errno, Rule::rename(), move || file.replace(path));
            let text = outcome.as_ref().unwrap_err().to_string();
            assert!(!text.contains("`replace`"), "{text}");
            drop(says(
                outcome,
                PublishErrorKind::Unsupported,
                errno,
                "the file system",
            ));
        });
    }
}

/// A copy would have to be renamed, too.
#[test]
fn a_refused_rename_does_not_recommend_a_copy() {
    for replace in [false, true] {
        on(Route::Named(libc::EOPNOTSUPP), move |bed| {
            let (file, path) = (bed.open(), bed.path("new"));
            let outcome = with_fault(libc::EACCES, Rule::rename(), move || {
                publish(file, &path, replace)
            });
            let text = outcome.as_ref().unwrap_err().to_string();
            assert!(!text.contains("allow_copy"), "{text}");
            let kind = PublishErrorKind::LinkForbidden;
            drop(says(outcome, kind, libc::EACCES, "forbids renaming"));
        });
    }
}

/// What it means that the copy fails is less than why the file itself has no name.
#[test]
#[ignore = "needs root, to unmount /proc"]
fn a_copy_that_cannot_be_made_does_not_hide_the_first_error() {
    on(Route::AnonymousFirst, |bed| {
        let write_only = OpenOptions::new().anonymous_in(bed.dir()).unwrap();
        let path = bed.path("new");
        let outcome = in_thread(move || {
            testbed::own_mounts();
            testbed::without_procfs();
            deny(libc::ENOENT, &[Rule::link_empty_path()]);
            PublishOptions::new()
                .allow_copy(true)
                .publish(write_only, path)
        });
        let kind = PublishErrorKind::ProcUnavailable;
        drop(says(outcome, kind, libc::ENOENT, "mount procfs"));
    });
}

/// `EIO` is what rclone says of a hard link.
#[test]
#[ignore = "needs root and bindfs"]
fn an_eio_of_a_link_on_fuse_recommends_replace() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        testbed::own_mounts();
        let [below, at] = ["below", "at"].map(|name| bed.path(name));
        fs::create_dir(&below).unwrap();
        fs::create_dir(&at).unwrap();
        testbed::run(Command::new("bindfs").args([&below, &at])).unwrap();
        let file = file_in(&at, "whole");
        let path = at.join("new");
        let outcome = in_thread(move || {
            deny(libc::EINVAL, &[Rule::call(libc::SYS_renameat2)]);
            deny(libc::EIO, &[Rule::call(libc::SYS_linkat)]);
            publish(file, &path, false)
        });
        let file = says(
            outcome,
            PublishErrorKind::Unsupported,
            libc::EIO,
            "use `replace`",
        );
        publish(file, &at.join("new"), true).unwrap();
        testbed::unmount_at(&at);
    });
}

#[test]
fn a_file_whose_names_were_all_removed_is_never_linkable() {
    on(Route::Anonymous, |bed| {
        let file = bed.file("kept");
        link_by_hand(&file, &bed.path("by hand")).unwrap();
        fs::remove_file(bed.path("by hand")).unwrap();
        let error = file.publish(bed.path("new")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::NeverLinkable);
        assert_eq!(contents(given_back(error).as_file()), "kept");
    });
}
