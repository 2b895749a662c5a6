//! `remove_stale`: what killed processes have left is removed, and nothing else.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use common::{errno_in, given_back, make_socket, on, on_both_routes, Bed, Route};
use linkable::{is_temporary_name, remove_stale, Durability, LinkableFile, PublishOptions};
use rustix::fs::{mkfifoat, Mode, CWD};
use rustix::process::{getpid, kill_process, Signal};
use testbed::{in_child, in_thread};

const HOUR: Duration = Duration::from_secs(3600);

on_both_routes! {
    what_killed_processes_have_left_is_removed,
    what_is_young_is_kept,
    a_handle_of_this_process_keeps_its_temporary_name,
    a_handle_of_a_thread_with_its_own_descriptors_keeps_its_temporary_name,
    a_handle_of_another_process_keeps_its_temporary_name,
    a_file_that_only_a_child_of_a_killed_process_holds_is_kept,
    removing_never_harms_others_who_create_and_publish,
    #[ignore = "needs root, to unmount procfs"]
    without_procfs_the_age_alone_decides,
}

/// A file with a temporary name, in its place in the directory of the bed.
///
/// An anonymous one has such a name after a rename that failed.
fn with_temporary_name(bed: &Bed) -> LinkableFile {
    let file = bed.file("unfinished");
    if !file.is_anonymous() {
        return file;
    }
    let taken = bed.path("taken");
    fs::write(&taken, "").unwrap();
    let mut options = PublishOptions::unsynced();
    let file = given_back(options.by_rename(true).publish(file, &taken).unwrap_err());
    fs::remove_file(taken).unwrap();
    assert!(!file.is_anonymous());
    file
}

fn without_sync() -> PublishOptions {
    let mut options = PublishOptions::new();
    options.replace(true).durability(Durability::None);
    options
}

/// Leaves a temporary name, as a process does that is killed.
fn leave_one(bed: &Bed) -> PathBuf {
    let before = bed.names();
    assert!(!in_child(|| {
        let _file = with_temporary_name(bed);
        die();
    }));
    let left = bed.names().into_iter().find(|name| !before.contains(name));
    bed.path(left.unwrap())
}

fn die() {
    kill_process(getpid(), Signal::KILL).unwrap();
}

fn sorted(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths
}

fn what_killed_processes_have_left_is_removed(bed: &Bed) {
    let left = sorted((0..3).map(|_| leave_one(bed)).collect());
    assert!(left.iter().all(is_temporary_name));
    fs::write(bed.path("other"), "").unwrap();
    let removed = remove_stale(bed.dir(), Duration::ZERO).unwrap();
    assert_eq!(sorted(removed), left);
    assert_eq!(bed.names(), ["other"]);
    assert_eq!(
        remove_stale(bed.dir(), Duration::ZERO).unwrap(),
        [""; 0].map(PathBuf::from)
    );
}

fn what_is_young_is_kept(bed: &Bed) {
    let left = leave_one(bed);
    // Not even if its contents are old.
    let old = std::time::UNIX_EPOCH;
    File::options()
        .write(true)
        .open(&left)
        .unwrap()
        .set_modified(old)
        .unwrap();
    keeps(bed, HOUR);
    keeps(bed, Duration::MAX);
    assert_eq!(remove_stale(bed.dir(), Duration::ZERO).unwrap(), [left]);
}

/// Nothing is removed.
#[track_caller]
fn keeps(bed: &Bed, older_than: Duration) {
    let before = bed.names();
    let removed = remove_stale(bed.dir(), older_than).unwrap();
    assert_eq!(removed, Vec::<PathBuf>::new());
    assert_eq!(bed.names(), before);
}

fn a_handle_of_this_process_keeps_its_temporary_name(bed: &Bed) {
    let [published, read_only, dropped] = [0; 3].map(|_| with_temporary_name(bed));
    let read_only = read_only.into_read_only().unwrap();
    keeps(bed, Duration::ZERO);
    published.publish(bed.path("new")).unwrap();
    read_only.replace(bed.path("new")).unwrap();
    drop(dropped);
    bed.holds_only("new", "unfinished");
}

fn a_handle_of_a_thread_with_its_own_descriptors_keeps_its_temporary_name(bed: &Bed) {
    let (ready, is_ready) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    thread::scope(|scope| {
        // Dropped if this fails, which ends the thread.
        let go_on = go_on;
        scope.spawn(move || {
            testbed::own_descriptors();
            let file = with_temporary_name(bed);
            ready.send(()).unwrap();
            may_go_on.recv().unwrap();
            file.publish(bed.path("new")).unwrap();
        });
        is_ready.recv().unwrap();
        keeps(bed, Duration::ZERO);
        go_on.send(()).unwrap();
    });
    bed.holds_only("new", "unfinished");
}

fn a_handle_of_another_process_keeps_its_temporary_name(bed: &Bed) {
    let (is_ready, ready) = io::pipe().unwrap();
    let (may_go_on, go_on) = io::pipe().unwrap();
    // A child that waits in vain ends by itself, see `in_child`.
    thread::scope(|scope| {
        // This thread owns the end of the pipe, so that nobody waits for a child that has failed.
        let child = scope.spawn(move || {
            in_child(|| {
                let file = with_temporary_name(bed);
                (&ready).write_all(b"x").unwrap();
                (&may_go_on).read_exact(&mut [0]).unwrap();
                file.publish(bed.path("new")).unwrap();
            })
        });
        (&is_ready).read_exact(&mut [0]).unwrap();
        keeps(bed, Duration::ZERO);
        (&go_on).write_all(b"x").unwrap();
        assert!(child.join().unwrap());
    });
    bed.holds_only("new", "unfinished");
}

fn a_file_that_only_a_child_of_a_killed_process_holds_is_kept(bed: &Bed) {
    let (input, hold) = io::pipe().unwrap();
    assert!(!in_child(|| {
        let file = with_temporary_name(bed);
        let descriptor = file.as_file().try_clone().unwrap();
        // cat(1) holds it until its input ends.
        let mut cat = Command::new("cat")
            .stdin(input.try_clone().unwrap())
            .stdout(descriptor)
            .spawn()
            .unwrap();
        die();
        cat.wait().unwrap();
    }));
    keeps(bed, Duration::ZERO);
    drop(hold);
    let begin = Instant::now();
    while remove_stale(bed.dir(), Duration::ZERO).unwrap().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(5));
    }
    assert_eq!(bed.names(), [""; 0]);
}

fn removing_never_harms_others_who_create_and_publish(bed: &Bed) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let removed = remove_stale(bed.dir(), Duration::ZERO).unwrap();
                    assert_eq!(removed, Vec::<PathBuf>::new());
                }
            });
        }
        let writers = [0, 1].map(|writer| {
            scope.spawn(move || {
                for round in 0..150 {
                    let path = bed.path(format!("{writer}"));
                    without_sync().publish(bed.file("replaced"), &path).unwrap();
                    without_sync().publish(bed.file("again"), &path).unwrap();
                    let file = with_temporary_name_beside(bed, writer);
                    without_sync().publish(file, &path).unwrap();
                    let file = bed.file("published").into_read_only().unwrap();
                    without_sync()
                        .replace(false)
                        .publish(file, bed.path(format!("{writer}-{round}")))
                        .unwrap();
                }
            })
        });
        let outcomes = writers.map(thread::ScopedJoinHandle::join);
        done.store(true, Ordering::Relaxed);
        assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
    });
    assert_eq!(bed.names().len(), 2 + 2 * 150);
}

/// The same as [`with_temporary_name`], for several threads at once.
fn with_temporary_name_beside(bed: &Bed, number: usize) -> LinkableFile {
    let directory = bed.path(format!("{number}-directory"));
    fs::create_dir(&directory).unwrap();
    let error = without_sync().publish(bed.file("named"), &directory);
    fs::remove_dir(&directory).unwrap();
    given_back(error.unwrap_err())
}

fn without_procfs_the_age_alone_decides(bed: &Bed) {
    let file = with_temporary_name(bed);
    testbed::own_mounts();
    testbed::without_procfs();
    keeps(bed, HOUR);
    assert_eq!(remove_stale(bed.dir(), Duration::ZERO).unwrap().len(), 1);
    drop(file);
}

const NAMES: [&str; 4] = [
    ".linkable-0000000000000000.tmp",
    ".linkable-1111111111111111.tmp",
    ".linkable-2222222222222222.tmp",
    ".linkable-3333333333333333.tmp",
];

#[test]
fn only_regular_files_with_a_temporary_name_are_removed() {
    on(Route::AnonymousFirst, |bed| {
        let [directory, link, fifo, socket] = NAMES.map(|name| bed.path(name));
        fs::create_dir(&directory).unwrap();
        fs::write(bed.path("file"), "x").unwrap();
        symlink("file", &link).unwrap();
        mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
        make_socket(&socket);
        for name in [
            ".linkable-0123456789abcde.tmp",
            ".linkable-0123456789ABCDEF.tmp",
            ".linkable-0123456789abcdef.tmp~",
            "linkable-0123456789abcdef.tmp",
        ] {
            fs::write(bed.path(name), "x").unwrap();
        }
        // Below the directory, too.
        fs::create_dir(bed.path("sub")).unwrap();
        fs::write(bed.path("sub").join(NAMES[0]), "x").unwrap();
        keeps(bed, Duration::ZERO);
        fs::remove_dir_all(bed.dir()).unwrap();
        fs::create_dir(bed.dir()).unwrap();
    });
}

#[test]
fn an_empty_file_is_given_time_to_be_opened() {
    on(Route::AnonymousFirst, |bed| {
        fs::write(bed.path(NAMES[0]), "").unwrap();
        keeps(bed, Duration::ZERO);
        fs::remove_file(bed.path(NAMES[0])).unwrap();
    });
}

#[test]
fn an_empty_path_is_searched_in_the_current_directory() {
    on(Route::AnonymousFirst, |bed| {
        testbed::own_fs();
        std::env::set_current_dir(bed.dir()).unwrap();
        fs::write(NAMES[0], "x").unwrap();
        assert_eq!(
            remove_stale("", Duration::ZERO).unwrap(),
            [Path::new(NAMES[0])]
        );
    });
}

#[test]
fn a_bad_directory_of_stale_files_is_named_in_the_error() {
    on(Route::AnonymousFirst, |bed| {
        testbed::give_to_ordinary_user(bed.dir());
        testbed::as_ordinary_user();
        fs::write(bed.path("file"), "").unwrap();
        let fails = |path: PathBuf, errno: i32| {
            let error = remove_stale(&path, Duration::ZERO).unwrap_err();
            assert_eq!(errno_in(&error), Some(errno), "{error}");
            assert!(
                error.to_string().contains(&*path.to_string_lossy()),
                "{error}"
            );
            error.kind()
        };
        assert_eq!(
            fails(bed.path("missing"), libc::ENOENT),
            ErrorKind::NotFound
        );
        fails(bed.path("file"), libc::ENOTDIR);
        let closed = bed.path("closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join(NAMES[0]), "x").unwrap();
        // Neither without permission to read it, nor without that to search it.
        for mode in [0o300, 0o600] {
            fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(
                fails(closed.clone(), libc::EACCES),
                ErrorKind::PermissionDenied
            );
        }
        // Without permission to write to it, nothing in it may be removed.
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        assert!(remove_stale(&closed, Duration::ZERO).unwrap().is_empty());
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(remove_stale(&closed, Duration::ZERO).unwrap().len(), 1);
    });
}

#[test]
#[ignore = "needs root, to have two users"]
fn another_users_file_in_a_sticky_directory_stays() {
    on(Route::AnonymousFirst, |bed| {
        let sticky = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(bed.dir(), sticky).unwrap();
        fs::write(bed.path(NAMES[0]), "root's").unwrap();
        let dir = bed.dir().to_owned();
        in_thread(move || {
            testbed::as_ordinary_user();
            fs::write(dir.join(NAMES[1]), "own").unwrap();
            let removed = remove_stale(&dir, Duration::ZERO).unwrap();
            assert_eq!(removed, [dir.join(NAMES[1])]);
        });
        assert_eq!(remove_stale(bed.dir(), Duration::ZERO).unwrap().len(), 1);
    });
}

#[test]
fn the_names_of_new_files_are_temporary_names() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        let _file = bed.open_with(&OpenOptions::new());
        assert!(bed.names().iter().all(is_temporary_name));
    });
}
