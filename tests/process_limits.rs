//! Limits of the process: descriptors, file size, and that nothing of either is used up.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;

use common::{fails, file_in, given_back, names, on, on_both_routes, on_disk, Bed, Route, LEVELS};
use linkable::{Durability, OpenOptionsAnonymousExt, PublishErrorKind, PublishOptions};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use testbed::{deny, in_thread, with_fault, Kind, Rule};

on_both_routes! {
    #[serial_test::serial]
    without_free_descriptors_opening_fails_and_leaves_nothing,
    #[serial_test::serial]
    publishing_needs_no_free_descriptor,
    #[serial_test::serial]
    if_the_directory_cannot_be_opened_for_its_sync_nothing_is_published,
    #[serial_test::serial]
    a_failed_replace_is_cleaned_up_without_free_descriptors,
    #[serial_test::serial]
    a_file_at_the_size_limit_can_be_published,
    #[serial_test::serial]
    no_descriptor_is_leaked,
}

/// Runs `body` with a lower limit, which is the whole process's.
fn with_limit<T>(resource: Resource, limit: u64, body: impl FnOnce() -> T) -> T {
    /// Raises the limit again even if `body` panics.
    struct Restore(Resource, Rlimit);
    impl Drop for Restore {
        fn drop(&mut self) {
            setrlimit(self.0, self.1).unwrap();
        }
    }
    let before = getrlimit(resource);
    let maximum = before.maximum;
    let _restore = Restore(resource, before);
    let current = Some(limit);
    setrlimit(resource, Rlimit { current, maximum }).unwrap();
    body()
}

/// Runs `body` with no descriptor left to open.
fn without_descriptors<T>(body: impl FnOnce() -> T) -> T {
    with_descriptors(0, body)
}

/// Runs `body` with so many descriptors left to open.
fn with_descriptors<T>(left: usize, body: impl FnOnce() -> T) -> T {
    // The limit is a number, and the next one to be free is the lowest.
    let open = |_| fs::File::open("/dev/null").unwrap();
    let opened: Vec<_> = (0..=left).map(open).collect();
    let next = std::os::fd::AsRawFd::as_raw_fd(&opened[left]);
    drop(opened);
    with_limit(Resource::Nofile, u64::try_from(next).unwrap(), body)
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn without_free_descriptors_opening_fails_and_leaves_nothing(bed: &Bed) {
    let opened = without_descriptors(|| OpenOptions::new().anonymous_in(bed.dir()));
    fails(opened, libc::EMFILE);
    assert_eq!(bed.names(), [""; 0]);
}

fn publishing_needs_no_free_descriptor(bed: &Bed) {
    let (one, two) = (bed.file("one"), bed.file("two"));
    without_descriptors(|| {
        let _one = one.publish(bed.path("new")).unwrap();
        let _two = two.replace(bed.path("new")).unwrap();
    });
    bed.holds_only("new", "two");
}

fn if_the_directory_cannot_be_opened_for_its_sync_nothing_is_published(bed: &Bed) {
    let file = bed.file("kept");
    let mut options = PublishOptions::new();
    options.durability(Durability::Full);
    let error = without_descriptors(|| options.publish(file, bed.path("new")).unwrap_err());
    assert_eq!(error.io_error().raw_os_error(), Some(libc::EMFILE));
    assert_eq!(error.kind(), PublishErrorKind::Other);
    assert!(!bed.path("new").exists());
    let file = given_back(error);
    options.publish(file, bed.path("new")).unwrap();
    assert_eq!(bed.read("new"), "kept");
}

/// A temporary name in another directory could come back if that directory were not synced.
#[test]
#[serial_test::serial]
fn if_the_directory_that_a_file_leaves_cannot_be_opened_nothing_is_published() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let new = to.path().join("new");
    let dir = from.path().to_owned();
    let file = with_fault(
        libc::EOPNOTSUPP,
        Rule::open_with(libc::O_TMPFILE),
        move || OpenOptions::new().anonymous_in(dir).unwrap(),
    );
    let mut options = PublishOptions::new();
    options.durability(Durability::Full);
    let error = with_descriptors(1, || options.publish(file, &new).unwrap_err());
    assert_eq!(error.io_error().raw_os_error(), Some(libc::EMFILE));
    assert!(!new.exists());
    let file = given_back(error);
    with_descriptors(2, || drop(options.publish(file, &new).unwrap()));
}

fn a_failed_replace_is_cleaned_up_without_free_descriptors(bed: &Bed) {
    fs::create_dir(bed.path("dir")).unwrap();
    for durability in [Durability::Contents, Durability::None] {
        let file = bed.open();
        let mut options = PublishOptions::new();
        options.replace(true).durability(durability);
        without_descriptors(|| {
            let error = options.publish(file, bed.path("dir")).unwrap_err();
            assert_eq!(error.kind(), PublishErrorKind::IsADirectory);
        });
        assert_eq!(bed.names(), ["dir"]);
    }
}

fn a_file_at_the_size_limit_can_be_published(bed: &Bed) {
    // SAFETY: ignoring a signal has no handler to be unsafe.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let mut file = bed.open();
    let write = || file.write_all(&[b'x'; 2000]).unwrap_err();
    let error = with_limit(Resource::Fsize, 1000, write);
    assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
    file.publish(bed.path("new")).unwrap();
    assert_eq!(bed.read("new").len(), 1000);
}

fn no_descriptor_is_leaked(bed: &Bed) {
    fs::create_dir(bed.path("dir")).unwrap();
    fs::write(bed.path("taken"), "").unwrap();
    let before = open_descriptors();
    for durability in LEVELS {
        let mut options = PublishOptions::new();
        options.durability(durability);
        options.publish(bed.open(), bed.path("new")).unwrap();
        options.publish(bed.open(), bed.path("taken")).unwrap_err();
        options
            .publish(bed.open(), bed.path("missing/new"))
            .unwrap_err();
        options.replace(true);
        options.publish(bed.open(), bed.path("new")).unwrap();
        options.publish(bed.open(), bed.path("dir")).unwrap_err();
        drop(bed.open().reopen().unwrap());
        drop(std::fs::File::from(bed.open()));
        drop(OpenOptions::new().scratch_in(bed.dir()).unwrap());
        OpenOptions::new()
            .anonymous_in(bed.path("missing"))
            .unwrap_err();
        fs::remove_file(bed.path("new")).unwrap();
    }
    assert_eq!(open_descriptors(), before);
}

/// Its journal cannot be asked for then. That is not remembered.
#[test]
#[serial_test::serial]
#[ignore = "needs root and mkfs.ext4, to mount"]
fn without_free_descriptors_a_file_is_named_before_its_sync() {
    on(Route::Anonymous, |bed| {
        on_disk(bed, Kind::Ext4, |disk| {
            let (first, second) = (file_in(disk, "first"), file_in(disk, "second"));
            deny(libc::EIO, &Rule::rename());
            let error = without_descriptors(|| first.publish(disk.join("new")).unwrap_err());
            assert_eq!(error.io_error().raw_os_error(), Some(libc::EIO));
            assert!(!given_back(error).is_anonymous());
            second.publish(disk.join("new")).unwrap();
            assert_eq!(names(disk), ["lost+found", "new"]);
        });
    });
}

/// What the counting itself is worth.
#[test]
#[serial_test::serial]
fn the_counter_sees_a_leaked_descriptor() {
    in_thread(|| {
        let before = open_descriptors();
        let _leak = fs::File::open("/dev/null").unwrap();
        assert_eq!(open_descriptors(), before + 1);
    });
}
