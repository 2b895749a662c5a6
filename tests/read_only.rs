//! `into_read_only`: no descriptor for writing is left, so that a program can be executed.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use common::{contents, errno_in, on_both_routes, path_of, Bed};
use linkable::{Durability, LinkableFile, PublishOptions};
use testbed::in_child;

on_both_routes! {
    a_read_only_file_keeps_its_contents_and_its_position,
    a_program_can_be_executed_at_once_while_other_threads_fork,
    a_copy_in_a_child_is_waited_for,
    a_clone_that_stays_open_is_an_error,
    a_reopened_file_that_can_be_written_is_an_error,
    descriptors_that_can_only_read_do_no_harm,
    a_file_without_read_permission_stays_writable,
    #[ignore = "needs root, to unmount procfs"]
    without_procfs_the_file_stays_writable,
    a_lock_of_another_descriptor_is_reported,
    a_read_only_file_is_cleaned_up,
}

fn read_only(file: LinkableFile) -> LinkableFile {
    file.into_read_only().unwrap()
}

#[track_caller]
fn fails_with(
    outcome: Result<LinkableFile, (LinkableFile, io::Error)>,
    errno: i32,
) -> LinkableFile {
    let (file, error) = outcome.unwrap_err();
    assert_eq!(errno_in(&error), Some(errno), "{error}");
    file
}

fn a_read_only_file_keeps_its_contents_and_its_position(bed: &Bed) {
    let mut file = bed.file("0123456789");
    file.seek(SeekFrom::Start(3)).unwrap();
    let mut file = read_only(file);
    assert_eq!(file.is_anonymous(), bed.is_anonymous());
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "3456789");
    let error = file.write_all(b"x").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    // Once more changes nothing.
    let file = read_only(file);
    file.publish(bed.path("new")).unwrap();
    read_only(bed.file("newer"))
        .replace(bed.path("new"))
        .unwrap();
    bed.holds_only("new", "newer");
}

/// Keeps forking until this is dropped. Each child holds copies of all descriptors for a moment.
fn while_others_fork(body: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _done = Done(&done);
        for number in 0..4 {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    if number == 0 {
                        assert!(in_child(|| sleep(Duration::from_millis(2))));
                    } else {
                        assert!(Command::new("true").status().unwrap().success());
                    }
                }
            });
        }
        body();
    });
}

fn a_program_can_be_executed_at_once_while_other_threads_fork(bed: &Bed) {
    let program = fs::read("/bin/true").unwrap();
    let path = bed.path("program");
    let mut options = PublishOptions::new();
    options.replace(true).durability(Durability::None);
    while_others_fork(|| {
        for round in 0..200 {
            let mut file = bed.open_with(OpenOptions::new().mode(0o755));
            file.write_all(&program).unwrap();
            let published = options.publish(read_only(file), &path).unwrap();
            let status = Command::new(&path).status();
            assert!(status.expect("executed").success(), "round {round}");
            drop(published);
        }
    });
}

fn a_copy_in_a_child_is_waited_for(bed: &Bed) {
    let file = bed.file("");
    let (mut is_ready, ready) = io::pipe().unwrap();
    let (may_end, end) = io::pipe().unwrap();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        // This thread owns the end of the pipe, so that nobody waits for a child that has failed.
        scope.spawn(move || {
            in_child(|| {
                (&ready).write_all(b"x").unwrap();
                (&may_end).read_exact(&mut [0]).unwrap();
            })
        });
        is_ready.read_exact(&mut [0]).unwrap();
        scope.spawn(|| {
            sleep(Duration::from_millis(50));
            ended.store(true, Ordering::Relaxed);
            (&end).write_all(b"x").unwrap();
        });
        let file = read_only(file);
        assert!(ended.load(Ordering::Relaxed));
        drop(file);
    });
}

fn a_clone_that_stays_open_is_an_error(bed: &Bed) {
    let file = bed.file("all");
    let mut clone = file.as_file().try_clone().unwrap();
    let (file, error) = file.into_read_only().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ExecutableFileBusy);
    assert_eq!(errno_in(&error), Some(libc::ETXTBSY));
    assert!(error.to_string().contains("close it"), "{error}");
    assert_eq!(contents(&file), "all");
    clone.write_all(b", and more").unwrap();
    drop(clone);
    read_only(file).publish(bed.path("new")).unwrap();
    bed.holds_only("new", "all, and more");
}

fn a_reopened_file_that_can_be_written_is_an_error(bed: &Bed) {
    let file = bed.file("all");
    let reopened = file.reopen().unwrap();
    let file = fails_with(file.into_read_only(), libc::ETXTBSY);
    drop(reopened);
    read_only(file).publish(bed.path("new")).unwrap();
    bed.holds_only("new", "all");
}

fn descriptors_that_can_only_read_do_no_harm(bed: &Bed) {
    let file = bed.file("all");
    let _reader = File::open(path_of(&file)).unwrap();
    assert_eq!(contents(&read_only(file)), "all");
}

fn a_file_without_read_permission_stays_writable(bed: &Bed) {
    testbed::give_to_ordinary_user(bed.dir());
    testbed::as_ordinary_user();
    let file = bed.open_with(OpenOptions::new().mode(0o200));
    let mut file = fails_with(file.into_read_only(), libc::EACCES);
    file.write_all(b"still").unwrap();
    file.publish(bed.path("new")).unwrap();
}

fn without_procfs_the_file_stays_writable(bed: &Bed) {
    testbed::own_mounts();
    let file = bed.file("still ");
    testbed::without_procfs();
    let mut file = fails_with(file.into_read_only(), libc::ENOENT);
    file.write_all(b"written").unwrap();
    file.publish(bed.path("new")).unwrap();
    bed.holds_only("new", "still written");
}

fn a_lock_of_another_descriptor_is_reported(bed: &Bed) {
    let file = bed.file("still ");
    let other = file.reopen().unwrap();
    other.lock_shared().unwrap();
    let mut file = fails_with(file.into_read_only(), libc::EWOULDBLOCK);
    file.write_all(b"written").unwrap();
    drop(other);
    read_only(file).publish(bed.path("new")).unwrap();
    bed.holds_only("new", "still written");
}

fn a_read_only_file_is_cleaned_up(bed: &Bed) {
    drop(read_only(bed.file("")));
    assert_eq!(bed.names(), [""; 0]);
}
