//! Many files at once: all contents before any name, and nothing lost on the way.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex};

use common::{contents, given_back, on, on_both_routes, Bed, Route, LEVELS};
use linkable::{
    Durability, OpenOptionsAnonymousExt, PublishBatch, PublishError, PublishErrorKind,
    PublishOptions, SyncMethod,
};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use testbed::{deny, in_thread, Rule};

on_both_routes! {
    all_files_are_published_and_none_before_the_commit,
    a_dropped_batch_publishes_nothing,
    a_batch_replaces_only_when_asked,
    one_failure_does_not_stop_the_others,
    stop_at_first_error_cancels_the_rest,
    the_result_is_the_failure_that_stopped_the_batch,
    huge_sparse_files_are_published,
    a_failed_sync_is_reported_for_each_file,
    if_syncfs_fails_each_file_is_synced,
    a_file_whose_sync_failed_cannot_be_published_by_a_batch,
    progress_is_reported,
    a_batch_makes_an_unreadable_directory_durable,
    the_queue_is_counted_until_it_is_committed,
    failures_can_be_taken_out_of_a_batch,
    a_stopped_batch_shows_that_it_has_failed,
    files_that_failed_count_as_open_ones,
    a_panic_of_the_callback_loses_no_file,
    a_panic_of_the_callback_leaves_the_batch_usable,
    #[serial_test::serial]
    a_batch_larger_than_the_limit_of_descriptors_is_committed_in_chunks,
}

fn batch_of(level: Durability) -> PublishBatch {
    PublishBatch::with_options(PublishOptions::new().durability(level))
}

fn all_files_are_published_and_none_before_the_commit(bed: &Bed) {
    for method in [
        SyncMethod::Automatic,
        SyncMethod::Fsync,
        SyncMethod::WriteOut,
        SyncMethod::FileSystem,
    ] {
        for level in LEVELS {
            let mut options = PublishOptions::new();
            let options = options.durability(level).sync_method(method);
            let mut batch = PublishBatch::with_options(options);
            for i in 0..20 {
                batch.add(bed.file(&format!("{i}")), bed.path(format!("{i}")));
            }
            assert!(!bed.names().iter().any(|name| !name.starts_with('.')));
            assert_eq!(batch.commit().into_result().unwrap(), 20);
            for i in 0..20 {
                assert_eq!(bed.read(i.to_string()), i.to_string());
                fs::remove_file(bed.path(i.to_string())).unwrap();
            }
            assert_eq!(bed.names(), [""; 0]);
        }
    }
}

fn a_dropped_batch_publishes_nothing(bed: &Bed) {
    let mut batch = PublishBatch::new();
    batch.add(bed.file("new"), bed.path("new"));
    drop(batch);
    assert_eq!(bed.names(), [""; 0]);
}

fn a_batch_replaces_only_when_asked(bed: &Bed) {
    fs::write(bed.path("taken"), "old").unwrap();
    let mut batch = PublishBatch::new();
    batch.add(bed.file("refused"), bed.path("taken"));
    batch.add_replacing(bed.file("new"), bed.path("taken"));
    let report = batch.commit();
    assert_eq!(report.published(), 1);
    let (index, error) = report.into_failures().remove(0);
    assert_eq!((index, error.kind()), (0, PublishErrorKind::AlreadyExists));
    assert_eq!(contents(given_back(error)), "refused");
    bed.holds_only("taken", "new");
}

fn one_failure_does_not_stop_the_others(bed: &Bed) {
    fs::create_dir(bed.path("dir")).unwrap();
    for level in LEVELS {
        let mut batch = batch_of(level);
        batch.add(bed.file("first"), bed.path("first"));
        batch.add(bed.file("kept"), bed.path("missing/file"));
        batch.add_replacing(bed.file("kept"), bed.path("dir"));
        batch.add(bed.file("kept"), bed.path("a\0b"));
        batch.add(bed.file("last"), bed.path("last"));
        let report = batch.commit();
        assert_eq!(report.published(), 2);
        let failed: Vec<_> = report
            .failures()
            .iter()
            .map(|(i, e)| (*i, e.kind()))
            .collect();
        assert_eq!(
            failed,
            [
                (1, PublishErrorKind::NotFound),
                (2, PublishErrorKind::IsADirectory),
                (3, PublishErrorKind::Other),
            ]
        );
        for (_, error) in report.into_failures() {
            assert_eq!(contents(given_back(error)), "kept");
        }
        for name in ["first", "last"] {
            assert_eq!(bed.read(name), name);
            fs::remove_file(bed.path(name)).unwrap();
        }
        assert_eq!(bed.names(), ["dir"]);
    }
}

fn stop_at_first_error_cancels_the_rest(bed: &Bed) {
    let mut batch = PublishBatch::new();
    fs::write(bed.path("taken"), "old").unwrap();
    batch.stop_at_first_error(true);
    batch.add(bed.file("first"), bed.path("first"));
    batch.add(bed.file("kept"), bed.path("taken"));
    batch.add(bed.file("kept"), bed.path("third"));
    let report = batch.commit();
    assert_eq!(report.published(), 1);
    let [(1, taken), (2, cancelled)] = report.failures() else {
        panic!("{report:?}")
    };
    assert_eq!(taken.kind(), PublishErrorKind::AlreadyExists);
    assert_eq!(cancelled.kind(), PublishErrorKind::Cancelled);
    assert_eq!(cancelled.io_error().raw_os_error(), Some(libc::ECANCELED));
    drop(report);
    assert_eq!(bed.names(), ["first", "taken"]);
}

/// What was cancelled because of it may have been queued before it.
fn the_result_is_the_failure_that_stopped_the_batch(bed: &Bed) {
    fs::create_dir(bed.path("dir")).unwrap();
    let (first, spoilt) = (bed.file("first"), bed.file("spoilt"));
    let path = bed.path("spoilt");
    let error = in_thread(move || {
        deny(libc::EIO, &Rule::sync_contents());
        spoilt.publish(path).unwrap_err()
    });
    let mut batch = PublishBatch::new();
    batch.stop_at_first_error(true);
    batch.add(first, bed.path("first"));
    batch.add(given_back(error), bed.path("spoilt"));
    let error = batch.commit().into_result().unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::SyncFailed);
    drop(error);
    assert_eq!(bed.names(), ["dir"]);
}

fn huge_sparse_files_are_published(bed: &Bed) {
    let largest = (30..63)
        .rev()
        .map(|bits| 1 << bits)
        .find(|&size| bed.open().as_file().set_len(size).is_ok());
    let mut batch = batch_of(Durability::Contents);
    for i in 0..20 {
        let file = bed.open();
        file.as_file().set_len(largest.unwrap()).unwrap();
        batch.add(file, bed.path(i.to_string()));
    }
    assert_eq!(batch.commit().into_result().unwrap(), 20);
    (0..20).for_each(|i| fs::remove_file(bed.path(i.to_string())).unwrap());
}

fn a_failed_sync_is_reported_for_each_file(bed: &Bed) {
    for (stop, published) in [(false, 0), (true, 0)] {
        let files: Vec<_> = (0..20).map(|i| bed.file(&format!("{i}"))).collect();
        let dir = bed.dir().to_owned();
        let report = in_thread(move || {
            deny(libc::EIO, &Rule::sync_contents());
            deny(libc::EIO, &[Rule::call(libc::SYS_syncfs)]);
            let mut batch = PublishBatch::new();
            batch.stop_at_first_error(stop);
            for (i, file) in files.into_iter().enumerate() {
                batch.add(file, dir.join(i.to_string()));
            }
            batch.commit()
        });
        assert_eq!(
            (report.published(), report.failures().len()),
            (published, 20)
        );
        let spoilt =
            |(_, error): &&(usize, PublishError)| error.kind() == PublishErrorKind::SyncFailed;
        let expected = if stop { 1 } else { 20 };
        assert_eq!(report.failures().iter().filter(spoilt).count(), expected);
        let (_, error) = report.into_failures().remove(0);
        let again = given_back(error).publish(bed.path("again")).unwrap_err();
        assert_eq!(again.kind(), PublishErrorKind::SyncFailed);
    }
    assert_eq!(bed.names(), [""; 0]);
}

/// syncfs(2) does not tell which file it was.
fn if_syncfs_fails_each_file_is_synced(bed: &Bed) {
    let files: Vec<_> = (0..20).map(|i| bed.file(&format!("{i}"))).collect();
    let dir = bed.dir().to_owned();
    let report = in_thread(move || {
        deny(libc::EIO, &[Rule::call(libc::SYS_syncfs)]);
        let mut batch = batch_of(Durability::Full);
        for (i, file) in files.into_iter().enumerate() {
            batch.add(file, dir.join(i.to_string()));
        }
        batch.commit()
    });
    assert_eq!(report.into_result().unwrap(), 20);
    (0..20).for_each(|i| fs::remove_file(bed.path(i.to_string())).unwrap());
}

fn a_file_whose_sync_failed_cannot_be_published_by_a_batch(bed: &Bed) {
    let (file, path) = (bed.file("lost"), bed.path("new"));
    let error = in_thread(move || {
        deny(libc::EIO, &Rule::sync_contents());
        file.publish(path).unwrap_err()
    });
    for level in LEVELS {
        let mut batch = batch_of(level);
        batch.add(bed.file("sound"), bed.path("sound"));
        assert_eq!(batch.commit().published(), 1);
        fs::remove_file(bed.path("sound")).unwrap();
    }
    let mut batch = batch_of(Durability::None);
    batch.add(given_back(error), bed.path("new"));
    let report = batch.commit();
    assert_eq!(report.failures()[0].1.kind(), PublishErrorKind::SyncFailed);
    assert!(!bed.path("new").exists());
}

fn progress_is_reported(bed: &Bed) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut batch = PublishBatch::new();
    let log = Arc::clone(&told);
    batch.on_progress(move |progress| log.lock().unwrap().push(progress));
    for i in 0..10 {
        batch.add(bed.file("12345"), bed.path(i.to_string()));
    }
    batch.commit().into_result().unwrap();
    let told = told.lock().unwrap();
    let last = told.last().unwrap();
    assert_eq!((last.queued, last.synced_bytes, last.named), (10, 50, 10));
    let grows = |pair: &[linkable::BatchProgress]| {
        pair[0].named <= pair[1].named && pair[0].synced_bytes <= pair[1].synced_bytes
    };
    assert!(told.windows(2).all(grows) && told[0].named == 0);
    (0..10).for_each(|i| fs::remove_file(bed.path(i.to_string())).unwrap());
}

fn a_batch_makes_an_unreadable_directory_durable(bed: &Bed) {
    fs::set_permissions(bed.dir(), fs::Permissions::from_mode(0o333)).unwrap();
    testbed::give_to_ordinary_user(bed.dir());
    let dir = bed.dir().to_owned();
    in_thread(move || {
        testbed::as_ordinary_user();
        let mut batch = batch_of(Durability::Full);
        for name in ["one", "two"] {
            batch.add(
                OpenOptions::new().anonymous_in(&dir).unwrap(),
                dir.join(name),
            );
        }
        assert_eq!(batch.commit().into_result().unwrap(), 2);
    });
    fs::set_permissions(bed.dir(), fs::Permissions::from_mode(0o777)).unwrap();
}

fn a_batch_larger_than_the_limit_of_descriptors_is_committed_in_chunks(bed: &Bed) {
    const FILES: usize = 1_000;
    let before = getrlimit(Resource::Nofile);
    let (current, maximum) = (Some(256), before.maximum);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    let mut batch = batch_of(Durability::Full);
    let open = |i: usize| {
        let dir = bed.path(format!("{}", i % 7));
        let _ = fs::create_dir(&dir);
        let file = OpenOptions::new().anonymous_in(&dir);
        file.map(|file| (file, dir.join(i.to_string())))
    };
    let outcome = (0..FILES).try_for_each(|i| {
        let (mut file, path) = open(i)?;
        write!(file, "{i}")?;
        batch.add(file, path);
        std::io::Result::Ok(())
    });
    let report = batch.commit();
    setrlimit(Resource::Nofile, before).unwrap();
    outcome.unwrap();
    assert_eq!(report.into_result().unwrap(), FILES);
    for i in 0..FILES {
        assert_eq!(bed.read(format!("{}/{i}", i % 7)), i.to_string());
    }
}

fn the_queue_is_counted_until_it_is_committed(bed: &Bed) {
    let mut batch = PublishBatch::new();
    assert!(batch.is_empty());
    batch.add(bed.file("new"), bed.path("new"));
    batch.add_replacing(bed.file("newer"), bed.path("new"));
    assert_eq!((batch.len(), batch.is_empty()), (2, false));
    // No room for another one.
    batch.most_open(0);
    batch.add(bed.file("last"), bed.path("last"));
    assert_eq!((batch.len(), batch.failed()), (1, 0));
    assert_eq!(bed.read("new"), "newer");
    assert_eq!(batch.commit().published(), 3);
    assert_eq!(bed.read("last"), "last");
}

fn failures_can_be_taken_out_of_a_batch(bed: &Bed) {
    fs::write(bed.path("taken"), "old").unwrap();
    let mut batch = PublishBatch::new();
    batch.most_open(0);
    batch.add(bed.file("kept"), bed.path("taken"));
    batch.add(bed.file("new"), bed.path("new"));
    assert_eq!(batch.failed(), 1);
    let (index, error) = batch.take_failures().remove(0);
    assert_eq!((index, error.kind()), (0, PublishErrorKind::AlreadyExists));
    assert_eq!(contents(given_back(error)), "kept");
    // It has failed all the same.
    assert_eq!((batch.failed(), batch.take_failures().len()), (1, 0));
    let report = batch.commit();
    assert_eq!((report.published(), report.failures().len()), (1, 0));
    assert_eq!(bed.names(), ["new", "taken"]);
}

/// Also if its failures were taken out.
fn a_stopped_batch_shows_that_it_has_failed(bed: &Bed) {
    fs::write(bed.path("taken"), "old").unwrap();
    let mut batch = PublishBatch::new();
    batch.stop_at_first_error(true).most_open(0);
    batch.add(bed.file("refused"), bed.path("taken"));
    batch.add(bed.file("second"), bed.path("second"));
    assert_eq!(batch.failed(), 1);
    drop(batch.take_failures());
    batch.add(bed.file("third"), bed.path("third"));
    let report = batch.commit();
    assert_eq!(report.published(), 0);
    let kinds = report.failures().iter().map(|(_, error)| error.kind());
    assert!(kinds.eq([PublishErrorKind::Cancelled; 2]));
    drop(report);
    bed.holds_only("taken", "old");
}

fn files_that_failed_count_as_open_ones(bed: &Bed) {
    fs::write(bed.path("taken"), "old").unwrap();
    let mut batch = batch_of(Durability::None);
    // A file with a temporary name also holds its directory.
    let each = if bed.is_anonymous() { 1 } else { 2 };
    batch.most_open(4 * each);
    let mut most_held = 0;
    for i in 0..8 {
        let path = if i < 2 { "taken".into() } else { i.to_string() };
        batch.add(bed.file("new"), bed.path(path));
        most_held = most_held.max(batch.len() + batch.failed());
    }
    assert_eq!((batch.failed(), most_held), (2, 4));
    let report = batch.commit();
    assert_eq!((report.published(), report.failures().len()), (6, 2));
    (2..8).for_each(|i| fs::remove_file(bed.path(i.to_string())).unwrap());
}

/// A callback that panics at the fifth file.
fn panic_at_the_fifth(batch: &mut PublishBatch) {
    batch.on_progress(|progress| {
        if progress.named == 5 {
            resume_unwind(Box::new("a panic"));
        }
    });
}

fn a_panic_of_the_callback_loses_no_file(bed: &Bed) {
    let mut batch = PublishBatch::new();
    panic_at_the_fifth(&mut batch);
    for i in 0..12 {
        batch.add(bed.file("new"), bed.path(i.to_string()));
    }
    catch_unwind(AssertUnwindSafe(|| batch.commit())).unwrap_err();
    // Some FUSE file systems keep names of their own, which begin with a dot.
    let published = bed
        .names()
        .into_iter()
        .filter(|name| !name.starts_with('.'));
    assert_eq!(published.count(), 12);
    (0..12).for_each(|i| fs::remove_file(bed.path(i.to_string())).unwrap());
}

/// The call that commits a chunk panics, and has queued its own file all the same.
fn a_panic_of_the_callback_leaves_the_batch_usable(bed: &Bed) {
    let mut batch = batch_of(Durability::None);
    panic_at_the_fifth(&mut batch);
    batch.most_open(if bed.is_anonymous() { 8 } else { 16 });
    let panicked = (0..12).filter(|i| {
        let (file, path) = (bed.file("new"), bed.path(i.to_string()));
        let add = || {
            batch.add(file, path);
        };
        catch_unwind(AssertUnwindSafe(add)).is_err()
    });
    assert_eq!(panicked.collect::<Vec<_>>(), [8]);
    assert_eq!(batch.commit().into_result().unwrap(), 12);
    (0..12).for_each(|i| fs::remove_file(bed.path(i.to_string())).unwrap());
}

/// Each by itself, as a file that is published alone is.
#[test]
fn a_batch_publishes_copies_where_links_are_forbidden() {
    on(Route::AnonymousFirst, |bed| {
        let (one, two) = (bed.file("one"), bed.file("two"));
        deny(libc::EPERM, &[Rule::call(libc::SYS_linkat)]);
        let mut options = PublishOptions::new();
        options.allow_copy(true).durability(Durability::None);
        let mut batch = PublishBatch::with_options(&options);
        batch.add(one, bed.path("one"));
        batch.add(two, bed.path("two"));
        assert_eq!(batch.commit().into_result().unwrap(), 2);
        assert_eq!(
            (bed.read("one"), bed.read("two")),
            ("one".into(), "two".into())
        );
    });
}
