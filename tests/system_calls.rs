//! What operations cost, and in which order things happen: as seen by strace(1).

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::trace::{names, traced, Call, Strace};
use common::{
    given_back, needs_link_by_descriptor, needs_noreplace, needs_o_tmpfile, set_default_acl,
    Flagged,
};
use linkable::{
    Durability, OpenOptionsAnonymousExt, Preserve, PublishBatch, PublishError, PublishErrorKind,
    PublishOptions, Symlinks, SyncMethod,
};
use rustix::fs::IFlags;
use testbed::{deny, in_child, in_thread, FileSystem, Kind, Mounted, Rule};

traced! {
    publishing_a_new_file_costs_four_calls,
    replacing_an_absent_file_costs_five_calls,
    replacing_a_file_costs_six_calls,
    write_over_a_file_costs_eleven_calls,
    #[ignore = "needs root, to change owners"]
    write_gives_the_owner_before_the_mode,
    durability_contents_syncs_once_before_the_name,
    a_replace_syncs_nothing_between_link_and_rename,
    durability_full_syncs_once_before_and_once_after_the_name,
    durability_full_syncs_once_before_and_once_after_the_rename,
    a_named_publish_costs_ten_calls,
    nobody_asks_for_the_times_of_an_anonymous_file,
    nobody_asks_for_the_times_of_a_named_file,
    #[ignore = "needs root, to mount"]
    procfs_is_tried_first_where_only_procfs_has_worked,
    a_batch_syncs_all_contents_at_once_and_each_directory_once,
    #[ignore = "needs root and mkfs.btrfs"]
    on_old_btrfs_a_temporary_name_comes_before_the_sync,
    #[ignore = "needs root and mkfs.ext2"]
    without_a_journal_a_temporary_name_comes_before_the_sync,
    #[ignore = "needs root and mkfs.ext4"]
    with_a_journal_contents_are_written_out_before_the_name,
    #[ignore = "needs root and mkfs.xfs"]
    xfs_writes_contents_out_before_the_name,
    #[ignore = "needs root and mkfs.ext4"]
    where_contents_are_written_out_a_save_costs_one_flush_at_most,
    #[ignore = "needs root and mkfs.ext4"]
    a_batch_writes_contents_out_and_leaves_other_data_alone,
    #[ignore = "needs root and mkfs.ext4"]
    where_no_call_writes_out_contents_are_synced,
    #[ignore = "needs root and mkfs.ext4"]
    a_file_system_is_asked_for_its_journal_once,
    #[ignore = "needs root and mkfs.ext4"]
    an_interrupted_write_out_is_repeated,
    #[ignore = "needs root, mkfs.ext4 and mkfs.ext2"]
    another_file_system_at_the_same_path_is_asked_again,
    #[ignore = "needs root and mkfs.btrfs"]
    on_btrfs_the_names_of_a_large_batch_are_synced_together,
    #[ignore = "needs root, to mount"]
    a_kernel_without_o_tmpfile_is_asked_once,
    an_unreadable_directory_is_made_durable_through_the_file,
    if_the_directory_cannot_be_synced_the_file_is_published_but_not_durable,
    a_failed_sync_of_a_copy_leaves_the_file_publishable,
    a_copy_uses_copy_file_range,
    a_directory_exchanged_while_opening_gets_no_litter,
    #[ignore = "needs root, to mount"]
    an_error_of_one_directory_is_one_of_its_whole_file_system,
    an_error_of_one_chunk_is_one_of_the_next,
    #[ignore = "needs root, to mount"]
    on_an_overlay_a_temporary_name_comes_before_the_sync,
    #[ignore = "needs root, to mount"]
    on_an_overlay_an_append_only_directory_gets_no_temporary_name,
    durability_full_syncs_the_directory_that_a_file_leaves,
    an_unnamed_file_goes_on_after_eintr,
    an_unnamed_file_goes_on_after_eagain,
    a_named_file_goes_on_after_eintr,
    a_named_file_goes_on_after_eagain,
    if_the_temporary_name_cannot_be_removed_the_link_is_taken_back,
    #[ignore = "needs root, to mount"]
    a_copy_to_another_device_is_synced_once,
    #[ignore = "needs root, to mount"]
    the_copies_of_a_batch_are_synced_once,
    an_inherited_file_does_not_make_others_go_through_procfs,
    #[ignore = "needs root and mkfs.btrfs, to mount"]
    before_linux_6_0_a_forgotten_umask_is_applied,
    #[ignore = "needs root, to mount"]
    before_linux_6_0_a_default_acl_stays_as_it_is,
}

/// Opens a file in `dir`, writes to it, gives it the name `new` and closes it.
fn save(dir: &Path, replace: bool, durability: Durability) {
    let mut file = OpenOptions::new().anonymous_in(dir).unwrap();
    file.write_all(b"contents").unwrap();
    let mut options = PublishOptions::new();
    options.replace(replace).durability(durability);
    options.publish(file, dir.join("new")).unwrap();
}

/// The calls of an anonymous `save` in a directory where `new` is there or not.
fn calls_of_save(strace: &Strace, taken: bool, replace: bool, durability: Durability) -> Vec<Call> {
    needs_o_tmpfile(&std::env::temp_dir());
    needs_link_by_descriptor();
    calls_of_any_save(strace, taken, replace, durability)
}

fn calls_of_any_save(
    strace: &Strace,
    taken: bool,
    replace: bool,
    durability: Durability,
) -> Vec<Call> {
    let dir = tempfile::tempdir().unwrap();
    // The first sync asks how old the kernel is, and what kind of file system this is.
    save(dir.path(), false, durability);
    save(dir.path(), true, durability);
    if !taken {
        fs::remove_file(dir.path().join("new")).unwrap();
    }
    let mut calls = strace.calls(&[], || save(dir.path(), replace, durability));
    // Before Linux 6.8 it is asked every time.
    calls.retain(|call| call.name != "fstatfs");
    calls
}

fn publishing_a_new_file_costs_four_calls(strace: &Strace) {
    let calls = calls_of_save(strace, false, false, Durability::None);
    assert_eq!(names(&calls), ["openat", "write", "linkat", "close"]);
}

/// A look is cheaper than a link that fails.
fn replacing_an_absent_file_costs_five_calls(strace: &Strace) {
    let calls = calls_of_save(strace, false, true, Durability::None);
    assert_eq!(
        names(&calls),
        ["openat", "write", "statx", "linkat", "close"]
    );
}

fn replacing_a_file_costs_six_calls(strace: &Strace) {
    let calls = calls_of_save(strace, true, true, Durability::None);
    assert_eq!(
        names(&calls),
        ["openat", "write", "statx", "linkat", "renameat", "close"]
    );
}

/// Over a file that has no attributes and is the process's own.
fn write_over_a_file_costs_eleven_calls(strace: &Strace) {
    needs_link_by_descriptor();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let mut options = PublishOptions::unsynced();
    options
        .replace(true)
        .symlinks(Symlinks::Follow)
        .preserve(Preserve::ALL.where_possible());
    // The first file asks how old the kernel is.
    options.write(&path, "old").unwrap();
    let calls = strace.calls(&[], || options.write(path, "new").unwrap());
    let expected = [
        "statx",
        "openat",
        "write",
        "statx",
        "llistxattr",
        "statx",
        "fgetxattr",
        "fchmod",
        "linkat",
        "renameat",
        "close",
    ];
    assert_eq!(names(&calls), expected);
    assert!(calls[1].text.contains("0600"), "{}", calls[1].text);
}

/// So that the wrong owner never has the permissions of the right one.
fn write_gives_the_owner_before_the_mode(strace: &Strace) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "old").unwrap();
    std::os::unix::fs::chown(&path, Some(1234), Some(5678)).unwrap();
    let calls = strace.calls(&[], || linkable::write(path, "new").unwrap());
    let order = ["openat", "write", "fchown", "fchmod", "linkat"];
    let place = |name| names(&calls).iter().position(|call| *call == name);
    let places: Vec<_> = order.map(|name| place(name).expect(name)).into();
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{calls:?}");
    assert!(calls[places[0]].text.contains("0600"), "{calls:?}");
}

fn durability_contents_syncs_once_before_the_name(strace: &Strace) {
    let calls = calls_of_save(strace, false, false, Durability::Contents);
    assert_eq!(
        names(&calls),
        ["openat", "write", "statx", "fsync", "linkat", "close"]
    );
}

/// No sync between the temporary link and the rename: it would make the temporary name durable.
fn a_replace_syncs_nothing_between_link_and_rename(strace: &Strace) {
    let calls = calls_of_save(strace, true, true, Durability::Contents);
    let expected = [
        "openat", "write", "statx", "fsync", "statx", "linkat", "renameat", "close",
    ];
    assert_eq!(names(&calls), expected);
}

fn durability_full_syncs_once_before_and_once_after_the_name(strace: &Strace) {
    let calls = calls_of_save(strace, false, false, Durability::Full);
    let expected = [
        "openat", "write", "statx", "openat", "fsync", "linkat", "fsync", "close", "close",
    ];
    assert_eq!(names(&calls), expected);
    // What is synced is the very directory that has got the name.
    let directory = calls[6]
        .text
        .trim_start_matches("fsync(")
        .split(')')
        .next()
        .unwrap();
    assert!(calls[5].text.contains(&format!(", {directory}, \"new\"")));
}

fn durability_full_syncs_once_before_and_once_after_the_rename(strace: &Strace) {
    let calls = calls_of_save(strace, true, true, Durability::Full);
    let expected = [
        "openat", "write", "statx", "openat", "fsync", "statx", "linkat", "renameat", "fsync",
        "close", "close",
    ];
    assert_eq!(names(&calls), expected);
}

fn a_named_publish_costs_ten_calls(strace: &Strace) {
    needs_noreplace(tempfile::tempdir().unwrap().path());
    deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
    let calls = calls_of_any_save(strace, false, false, Durability::None);
    let open = if cfg!(target_arch = "x86_64") {
        "open"
    } else {
        "openat"
    };
    let opening = ["openat", open, "openat", "statx", "getpid", "statx"];
    assert_eq!(
        names(&calls),
        [&opening[..], &["write", "renameat2", "close", "close"]].concat()
    );
}

/// From Linux 6.13 on that makes the sync of a file dearer.
fn nobody_asks_for_the_times_of_an_anonymous_file(strace: &Strace) {
    let calls = calls_of_save(strace, true, true, Durability::Full);
    asks_for_identity_only(&calls);
}

fn nobody_asks_for_the_times_of_a_named_file(strace: &Strace) {
    deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
    let calls = calls_of_any_save(strace, true, true, Durability::Full);
    asks_for_identity_only(&calls);
}

#[track_caller]
fn asks_for_identity_only(calls: &[Call]) {
    let is_stat = |call: &&Call| call.name.contains("stat");
    assert!(calls.iter().any(|call| is_stat(&call)));
    for call in calls.iter().filter(is_stat) {
        let asked = call.text.split('{').next().unwrap();
        assert!(asked.contains("STATX_INO"), "{asked}");
        assert!(
            !asked.contains("TIME") && !asked.contains("STATS"),
            "{asked}"
        );
    }
}

/// What Linux before 6.10 does to ordinary users.
fn procfs_is_tried_first_where_only_procfs_has_worked(strace: &Strace) {
    testbed::as_kernel("6.9.12");
    deny(libc::ENOENT, &[Rule::link_empty_path()]);
    needs_o_tmpfile(&std::env::temp_dir());
    let calls = calls_of_any_save(strace, false, false, Durability::None);
    assert_eq!(
        names(&calls),
        ["openat", "write", "fstat", "linkat", "fstat", "close"]
    );
    assert!(
        calls[3].text.contains("/proc/thread-self/fd/"),
        "not another thread's table"
    );
}

/// Publishes so many files in each directory with one durable batch.
fn publish_in_batch(dirs: &[PathBuf], in_each: usize) {
    let mut options = PublishOptions::new();
    let mut batch = PublishBatch::with_options(options.durability(Durability::Full));
    for i in 0..in_each {
        for dir in dirs {
            let file = OpenOptions::new().anonymous_in(dir).unwrap();
            batch.add(file, dir.join(i.to_string()));
        }
    }
    assert_eq!(batch.commit().published(), dirs.len() * in_each);
}

/// All contents, with one flush; then all names; then each directory, once.
fn a_batch_syncs_all_contents_at_once_and_each_directory_once(strace: &Strace) {
    let base = tempfile::tempdir().unwrap();
    needs_link_by_descriptor();
    let dirs = ["a", "b"].map(|name| base.path().join(name));
    for dir in &dirs {
        fs::create_dir(dir).unwrap();
    }
    let calls = strace.calls(&[], || publish_in_batch(&dirs, 10));
    let order: Vec<_> = names(&calls)
        .into_iter()
        .filter(|name| ["fsync", "syncfs", "linkat", "renameat2"].contains(name))
        .collect();
    let expected = [&["syncfs"][..], &["linkat"; 20], &["fsync"; 2]].concat();
    assert_eq!(order, expected);
}

/// btrfs before 6.16 forgets an fsync(2) of a file that has no name.
fn on_old_btrfs_a_temporary_name_comes_before_the_sync(strace: &Strace) {
    testbed::as_kernel("6.15.9");
    let base = tempfile::tempdir().unwrap();
    let memory = Mounted::new("tmpfs", base.path().join("memory"), "");
    let at = memory.join("mounted");
    fs::create_dir(&at).unwrap();
    let disk = FileSystem::from(Kind::Btrfs).image_in(&memory);
    let mounted = disk.mount(&at).unwrap();
    let dir = at.clone();
    let calls = strace.calls(&[], move || {
        save(&dir, false, Durability::Contents);
        save(&dir, true, Durability::Contents);
        save(&dir, true, Durability::None);
    });
    let order: Vec<_> = names(&calls)
        .into_iter()
        .filter(|name| ["fsync", "linkat", "renameat", "renameat2"].contains(name))
        .collect();
    let publish = ["linkat", "fsync", "renameat2"];
    let replace = ["linkat", "fsync", "renameat"];
    // Without a sync there is nothing to prepare for.
    let unsynced = ["linkat", "renameat"];
    assert_eq!(order, [&publish[..], &replace, &unsynced].concat());

    let sub = mounted.join("sub");
    fs::create_dir(&sub).unwrap();
    let file = OpenOptions::new().anonymous_in(&mounted).unwrap();
    let error = file.replace(mounted.join("sub/")).unwrap_err();
    assert_eq!(
        fs::read_dir(&sub).unwrap().count(),
        0,
        "a name that nobody meant"
    );
    drop(error);
}

/// What is done in the directory of a new file system of the first of `kinds`, and then of the
/// next, which is mounted in its place.
fn calls_on(strace: &Strace, kinds: &[Kind], operation: fn(&Path)) -> Vec<Call> {
    calls_with(strace, &[], kinds, operation)
}

/// The same, with options for strace.
fn calls_with(
    strace: &Strace,
    options: &[&str],
    kinds: &[Kind],
    operation: fn(&Path),
) -> Vec<Call> {
    testbed::own_mounts();
    let base = tempfile::tempdir().unwrap();
    let memory = Mounted::new("tmpfs", base.path().join("memory"), "");
    let at = memory.join("mounted");
    fs::create_dir(&at).unwrap();
    let mount = |kind| {
        let disk = FileSystem::from(kind).image_in(&memory);
        Some(disk.mount(&at).unwrap())
    };
    let (first, others) = kinds.split_first().unwrap();
    let mut mounted = mount(*first);
    // An ext4 shows whether it has fast commits once somebody has called fsync(2).
    let other = fs::File::create(at.join("synced before")).unwrap();
    other.sync_all().unwrap();
    drop(other);
    strace.calls(options, || {
        operation(&at);
        for kind in others {
            drop(mounted.take());
            mounted = mount(*kind);
            operation(&at);
        }
    })
}

/// What syncs a new file and what names it, in order.
fn order_of_publish_on(strace: &Strace, kinds: &[Kind]) -> Vec<String> {
    let calls = calls_on(strace, kinds, |dir| save(dir, false, Durability::Contents));
    let order = calls.into_iter().map(|call| call.name);
    order
        .filter(|name| {
            let wanted = ["fsync", "sync_file_range", "linkat", "renameat2"];
            wanted.contains(&name.as_str())
        })
        .collect()
}

/// The directory can be on the disk before the inode that it names.
fn without_a_journal_a_temporary_name_comes_before_the_sync(strace: &Strace) {
    let order = order_of_publish_on(strace, &[Kind::Ext2]);
    assert_eq!(order, ["linkat", "fsync", "renameat2"]);
}

fn with_a_journal_contents_are_written_out_before_the_name(strace: &Strace) {
    let order = order_of_publish_on(strace, &[Kind::Ext4]);
    assert_eq!(order, ["sync_file_range", "linkat"]);
}

fn xfs_writes_contents_out_before_the_name(strace: &Strace) {
    let order = order_of_publish_on(strace, &[Kind::Xfs]);
    assert_eq!(order, ["sync_file_range", "linkat"]);
}

/// A flush of the disk is what takes the time.
fn where_contents_are_written_out_a_save_costs_one_flush_at_most(strace: &Strace) {
    let calls = calls_on(strace, &[Kind::Ext4], |dir| {
        save(dir, true, Durability::None);
        for level in [Durability::Contents, Durability::Full] {
            save(dir, true, level);
        }
    });
    let wanted = ["sync_file_range", "fsync", "linkat", "renameat"];
    let contents = ["sync_file_range", "linkat", "renameat"];
    let expected = [&["linkat"][..], &contents, &contents, &["fsync"]].concat();
    assert_eq!(only(&calls, &wanted), expected);
}

fn a_batch_writes_contents_out_and_leaves_other_data_alone(strace: &Strace) {
    let calls = calls_on(strace, &[Kind::Ext4], |dir| {
        publish_in_batch(&[dir.to_owned()], 10);
    });
    // All are started before one is waited for.
    let expected = [&["sync_file_range"; 20][..], &["linkat"; 10], &["fsync"]].concat();
    let wanted = ["fsync", "syncfs", "sync_file_range", "linkat"];
    assert_eq!(only(&calls, &wanted), expected);
    let written_out = calls.iter().filter(|call| call.name == "sync_file_range");
    let waits: Vec<_> = written_out.map(|call| call.text.contains("WAIT")).collect();
    assert_eq!(waits, [[false; 10], [true; 10]].concat());
}

fn where_no_call_writes_out_contents_are_synced(strace: &Strace) {
    deny(libc::ENOSYS, &[Rule::call(libc::SYS_sync_file_range)]);
    let calls = calls_on(strace, &[Kind::Ext4], |dir| {
        save(dir, false, Durability::Contents);
        save(dir, true, Durability::Contents);
    });
    // It is tried once.
    let expected = ["sync_file_range", "fsync", "fsync"];
    assert_eq!(only(&calls, &["fsync", "sync_file_range"]), expected);
}

/// The names of those calls that are wanted, in order.
fn only<'a>(calls: &'a [Call], wanted: &[&str]) -> Vec<&'a str> {
    let mut names = names(calls);
    names.retain(|name| wanted.contains(name));
    names
}

fn a_file_system_is_asked_for_its_journal_once(strace: &Strace) {
    let calls = calls_on(strace, &[Kind::Ext4], |dir| {
        save(dir, false, Durability::Full);
        save(dir, true, Durability::Full);
    });
    let asked = |call: &&Call| call.name == "fstatfs" || call.text.contains("/options\"");
    assert_eq!(calls.iter().filter(asked).count(), 2);
}

fn an_interrupted_write_out_is_repeated(strace: &Strace) {
    let options = [
        "-e",
        "trace=sync_file_range,fsync,?access,?faccessat",
        "-e",
        "inject=sync_file_range:error=EINTR:when=1",
    ];
    let calls = calls_with(strace, &options, &[Kind::Ext4], |dir| {
        save(dir, false, Durability::Contents);
    });
    assert_eq!(names(&calls), ["sync_file_range"; 2]);
}

fn another_file_system_at_the_same_path_is_asked_again(strace: &Strace) {
    let order = order_of_publish_on(strace, &[Kind::Ext4, Kind::Ext2]);
    // In between, mkfs syncs.
    assert_eq!(order[..2], ["sync_file_range", "linkat"]);
    assert_eq!(order[order.len() - 3..], ["linkat", "fsync", "renameat2"]);
}

/// fsync(2) of a directory is not enough after syncfs(2), and syncfs(2) not worth it for two files.
fn on_btrfs_the_names_of_a_large_batch_are_synced_together(strace: &Strace) {
    let calls = calls_on(strace, &[Kind::Btrfs], |dir| {
        publish_in_batch(&[dir.to_owned()], 10);
        fs::create_dir(dir.join("other")).unwrap();
        publish_in_batch(&[dir.join("other")], 2);
    });
    let syncs: Vec<_> = names(&calls)
        .into_iter()
        .filter(|name| ["fsync", "syncfs"].contains(name))
        .collect();
    let (ten, two) = (["syncfs"; 2], ["fsync"; 3]);
    assert_eq!(syncs, [&ten[..], &two].concat());
}

/// A kernel that calls itself 2.6 and returns `EISDIR` is from before `O_TMPFILE`.
fn a_kernel_without_o_tmpfile_is_asked_once(strace: &Strace) {
    testbed::as_kernel("2.6.60");
    deny(libc::EISDIR, &Rule::open_with(libc::O_TMPFILE));
    let dir = tempfile::tempdir().unwrap();
    let open = || drop(OpenOptions::new().anonymous_in(&dir).unwrap());
    let first = strace.calls(&[], || {
        open();
        open();
    });
    let asked = first.iter().filter(|call| call.text.contains("O_TMPFILE"));
    assert_eq!(asked.count(), 1);
}

/// `-wx` is enough to create a file, but fsync(2) of a directory needs it open.
fn an_unreadable_directory_is_made_durable_through_the_file(strace: &Strace) {
    let dir = tempfile::tempdir().unwrap();
    testbed::give_to_ordinary_user(dir.path());
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o333)).unwrap();
    let calls = strace.calls(&[], || {
        in_thread(move || {
            testbed::as_ordinary_user();
            save(dir.path(), false, Durability::Full);
            std::mem::forget(dir);
        });
    });
    let relevant = ["fsync", "fdatasync", "linkat", "renameat2"];
    let done: Vec<_> = calls
        .into_iter()
        .filter(|call| relevant.contains(&call.name.as_str()) && call.text.ends_with("= 0"))
        .collect();
    let order = names(&done);
    let named = matches!(order[..], ["fsync", "linkat" | "renameat2", "fsync"]);
    assert!(named, "{order:?}");
    assert_eq!(done[0].text, done[2].text, "the same file");
}

/// The order of the syncs is fixed, so the second one is the directory's.
fn with_a_failing_second_sync(strace: &Strace, errno: &str, check: fn(&Path, PublishError)) {
    let dir = tempfile::tempdir().unwrap();
    let inject = format!("inject=fsync:error={errno}:when=2");
    let calls = strace.calls(
        &["-e", "trace=fsync,?access,?faccessat", "-e", &inject],
        || {
            let file = OpenOptions::new().anonymous_in(&dir).unwrap();
            let mut options = PublishOptions::new();
            options.durability(Durability::Full);
            check(
                dir.path(),
                options.publish(file, dir.path().join("new")).unwrap_err(),
            );
        },
    );
    assert_eq!(names(&calls), ["fsync", "fsync"]);
}

/// `EINVAL` is what network file systems say that cannot sync a directory at all.
fn if_the_directory_cannot_be_synced_the_file_is_published_but_not_durable(strace: &Strace) {
    with_a_failing_second_sync(strace, "EINVAL", |dir, error| {
        assert_eq!(error.kind(), PublishErrorKind::NotDurable);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EINVAL));
        let PublishError::NotDurable { file, path, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(path, dir.join("new"));
        assert_eq!(
            file.metadata().unwrap().ino(),
            path.metadata().unwrap().ino(),
            "the inode"
        );
    });
}

/// The first sync is the file's own, the second its copy's.
fn a_failed_sync_of_a_copy_leaves_the_file_publishable(strace: &Strace) {
    let dir = tempfile::tempdir().unwrap();
    deny(libc::EPERM, &[Rule::call(libc::SYS_linkat)]);
    let inject = [
        "-e",
        "trace=fsync,?access,?faccessat",
        "-e",
        "inject=fsync:error=EIO:when=2",
    ];
    let calls = strace.calls(&inject, || {
        let mut file = OpenOptions::new().anonymous_in(&dir).unwrap();
        file.write_all(b"whole").unwrap();
        let mut options = PublishOptions::new();
        options.allow_copy(true);
        let error = options.publish(file, dir.path().join("new")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::Other);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EIO));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        let file = given_back(error);
        options.publish(file, dir.path().join("new")).unwrap();
        assert_eq!(fs::read(dir.path().join("new")).unwrap(), b"whole");
    });
    assert_eq!(names(&calls), ["fsync"; 4]);
}

/// Blocks are shared where the file system can share them.
fn a_copy_uses_copy_file_range(strace: &Strace) {
    let dir = tempfile::tempdir().unwrap();
    deny(libc::EPERM, &[Rule::call(libc::SYS_linkat)]);
    let calls = strace.calls(&[], || {
        let mut file = OpenOptions::new().anonymous_in(&dir).unwrap();
        file.write_all(b"whole").unwrap();
        let mut options = PublishOptions::new();
        options.allow_copy(true).durability(Durability::None);
        options.publish(file, dir.path().join("new")).unwrap();
    });
    let names = names(&calls);
    assert!(names.contains(&"copy_file_range"), "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "write").count(), 1);
}

/// Between open(2) of the directory and that of the file, its path is given to another one.
fn a_directory_exchanged_while_opening_gets_no_litter(strace: &Strace) {
    let base = tempfile::tempdir().unwrap();
    let (dir, moved) = (base.path().join("dir"), base.path().join("moved"));
    fs::create_dir(&dir).unwrap();
    deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
    // In its thread: O_TMPFILE, on aarch64 the directory, and the file, which has to wait.
    let nth = if cfg!(target_arch = "x86_64") { 2 } else { 3 };
    let delay = format!("inject=openat:delay_enter=500000:when={nth}");
    let calls = strace.calls(&["-e", "trace=%file,close", "-e", &delay], || {
        let opener = thread::spawn({
            let dir = dir.clone();
            move || OpenOptions::new().anonymous_in(dir).unwrap()
        });
        // It holds the directory, and waits. To open /proc/self/fd would have to wait, too.
        let link = |fd| fs::read_link(format!("/proc/self/fd/{fd}"));
        while !(3..100).any(|fd| link(fd).is_ok_and(|held| held == dir)) {
            thread::sleep(Duration::from_millis(1));
        }
        fs::rename(&dir, &moved).unwrap();
        fs::create_dir(&dir).unwrap();
        let file = opener.join().unwrap();
        let count = |dir| fs::read_dir(dir).unwrap().count();
        assert_eq!((count(&dir), count(&moved)), (1, 0));
        fs::rename(&dir, base.path().join("again")).unwrap();
        drop(file);
        assert_eq!(count(&base.path().join("again")), 0);
    });
    let missed =
        |call: &Call| call.text.contains(".linkable-") && call.text.contains("= -1 ENOENT");
    assert!(
        calls.iter().any(missed),
        "the directory was not exchanged in time"
    );
}

/// What becomes of a file in each of the directories, in a durable batch, if the nth fsync(2) fails.
fn kinds_of_batch(strace: &Strace, dirs: &[PathBuf], most_open: usize, nth: usize) {
    let inject = format!("inject=fsync:error=EIO:when={nth}");
    let filter = "trace=fsync,?access,?faccessat";
    let calls = strace.calls(&["-y", "-e", filter, "-e", &inject], || {
        let mut options = PublishOptions::new();
        options
            .durability(Durability::Full)
            .sync_method(SyncMethod::Fsync);
        let mut batch = PublishBatch::with_options(&options);
        batch.most_open(most_open);
        for dir in dirs {
            let file = OpenOptions::new().anonymous_in(dir).unwrap();
            batch.add(file, dir.join("new"));
        }
        let report = batch.commit();
        assert_eq!(report.published(), dirs.len());
        for (index, error) in report.failures() {
            assert_eq!(error.kind(), PublishErrorKind::NotDurable);
            assert_eq!(error.io_error().raw_os_error(), Some(libc::EIO));
            assert_eq!(error.path(), dirs[*index].join("new"));
        }
        let failed: Vec<_> = report.failures().iter().map(|(index, _)| *index).collect();
        assert_eq!(failed, [0, 1]);
    });
    let failed = calls.iter().find(|call| call.text.contains("EIO")).unwrap();
    assert!(
        failed.text.contains("/a>"),
        "not the first directory: {}",
        failed.text
    );
}

/// ext4 reports a failed commit of its journal to the first fsync(2) only.
fn an_error_of_one_directory_is_one_of_its_whole_file_system(strace: &Strace) {
    testbed::own_mounts();
    let base = tempfile::tempdir().unwrap();
    let other = Mounted::new("tmpfs", base.path().join("other"), "");
    let dirs = ["a", "b"].map(|name| base.path().join(name));
    for dir in &dirs {
        fs::create_dir(dir).unwrap();
    }
    // After the contents of all three.
    let [a, b] = dirs;
    kinds_of_batch(strace, &[a, b, other.to_path_buf()], 64, 4);
}

fn an_error_of_one_chunk_is_one_of_the_next(strace: &Strace) {
    let base = tempfile::tempdir().unwrap();
    let dirs = ["a", "b"].map(|name| base.path().join(name));
    for dir in &dirs {
        fs::create_dir(dir).unwrap();
    }
    kinds_of_batch(strace, &dirs, 2, 2);
}

/// What syncs and names a new file in `dir`, in order, and what they have worked upon.
fn order_of(calls: Vec<Call>) -> Vec<String> {
    let wanted = ["fsync", "linkat", "renameat", "renameat2"];
    let names = calls.into_iter().map(|call| call.name);
    names
        .filter(|name| wanted.contains(&name.as_str()))
        .collect()
}

fn overlay(base: &Path) -> Mounted {
    testbed::own_mounts();
    let at = base.join("overlay");
    fs::create_dir(&at).unwrap();
    FileSystem::from(Kind::Tmpfs).overlaid().mount(&at).unwrap()
}

/// It may be over a file system without a journal, and does not tell.
fn on_an_overlay_a_temporary_name_comes_before_the_sync(strace: &Strace) {
    let base = tempfile::tempdir().unwrap();
    let overlay = overlay(base.path());
    needs_o_tmpfile(&overlay);
    let calls = strace.calls(&[], || {
        save(&overlay, false, Durability::Contents);
        publish_in_batch(&[overlay.to_path_buf()], 1);
    });
    let expected = ["linkat", "fsync", "renameat2"];
    assert_eq!(
        order_of(calls),
        [&expected[..], &expected, &["fsync"]].concat()
    );
}

fn on_an_overlay_an_append_only_directory_gets_no_temporary_name(strace: &Strace) {
    let base = tempfile::tempdir().unwrap();
    let overlay = overlay(base.path());
    needs_o_tmpfile(&overlay);
    let dir = overlay.join("dir");
    fs::create_dir(&dir).unwrap();
    let _flagged = Flagged::new(&dir, IFlags::APPEND);
    let calls = strace.calls(&[], || save(&dir, false, Durability::Contents));
    assert_eq!(order_of(calls), ["fsync", "linkat"]);
}

/// Its temporary name could come back there.
fn durability_full_syncs_the_directory_that_a_file_leaves(strace: &Strace) {
    deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
    let base = tempfile::tempdir().unwrap();
    let [from, to] = ["from", "to"].map(|name| base.path().join(name));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    let calls = strace.calls(&["-y", "-e", "trace=fsync,?access,?faccessat"], || {
        let mut options = PublishOptions::new();
        options.durability(Durability::Full);
        let open = || OpenOptions::new().anonymous_in(&from).unwrap();
        options.publish(open(), to.join("one")).unwrap();
        options
            .replace(true)
            .publish(open(), to.join("one"))
            .unwrap();
        let mut batch = PublishBatch::with_options(&options);
        batch.add(open(), to.join("two"));
        batch.commit().into_result().unwrap();
    });
    let synced = |dir: &str| calls.iter().filter(|call| call.text.contains(dir)).count();
    assert_eq!((synced("/from>"), synced("/to>")), (3, 3));
}

/// Publishes and replaces, while each of the calls fails three times before it works.
fn goes_on_after(strace: &Strace, errno: &str) {
    let dir = tempfile::tempdir().unwrap();
    let inject = format!("inject=linkat,renameat,renameat2,unlinkat:error={errno}:when=1..3");
    let calls = strace.calls(&["-e", &inject], || {
        save(dir.path(), false, Durability::None);
        save(dir.path(), true, Durability::None);
        let left: Vec<_> = fs::read_dir(&dir).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    });
    let failed = calls.iter().filter(|call| call.text.contains(errno));
    assert_eq!(failed.count(), 6, "two calls, three times each");
}

/// By linkat(2), and by renameat(2) for the second time.
fn an_unnamed_file_goes_on_after_eintr(strace: &Strace) {
    goes_on_after(strace, "EINTR");
}

fn an_unnamed_file_goes_on_after_eagain(strace: &Strace) {
    goes_on_after(strace, "EAGAIN");
}

/// By renameat2(2), and by renameat(2) for the second time.
fn a_named_file_goes_on_after_eintr(strace: &Strace) {
    deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
    goes_on_after(strace, "EINTR");
}

fn a_named_file_goes_on_after_eagain(strace: &Strace) {
    deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
    goes_on_after(strace, "EAGAIN");
}

/// Without `RENAME_NOREPLACE`. The first unlinkat(2) is that of the temporary name.
fn if_the_temporary_name_cannot_be_removed_the_link_is_taken_back(strace: &Strace) {
    deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
    deny(libc::EINVAL, &[Rule::call(libc::SYS_renameat2)]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new");
    strace.calls(&["-e", "inject=unlinkat:error=EIO:when=1"], || {
        let file = OpenOptions::new().anonymous_in(&dir).unwrap();
        let error = file.publish(&path).unwrap_err();
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EIO));
        assert!(!path.exists());
        given_back(error).publish(&path).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    });
}

/// Counts the syncs of files that are published as copies on another tmpfs.
fn syncs_of_copies(strace: &Strace, operation: fn(&PublishOptions, &Path, &Path)) -> usize {
    testbed::own_mounts();
    let base = tempfile::tempdir().unwrap();
    let other = Mounted::new("tmpfs", base.path().join("other"), "");
    let calls = strace.calls(&[], || {
        let mut options = PublishOptions::new();
        operation(options.allow_copy(true), base.path(), &other);
    });
    let is_sync = |call: &&Call| ["fsync", "syncfs", "sync_file_range"].contains(&&*call.name);
    calls.iter().filter(is_sync).count()
}

fn a_copy_to_another_device_is_synced_once(strace: &Strace) {
    let syncs = syncs_of_copies(strace, |options, here, there| {
        let file = OpenOptions::new().anonymous_in(here).unwrap();
        options.publish(file, there.join("new")).unwrap();
    });
    assert_eq!(syncs, 1);
}

fn the_copies_of_a_batch_are_synced_once(strace: &Strace) {
    let syncs = syncs_of_copies(strace, |options, here, there| {
        let mut batch = PublishBatch::with_options(options);
        for name in ["one", "two", "three"] {
            let file = OpenOptions::new().anonymous_in(here).unwrap();
            batch.add(file, there.join(name));
        }
        batch.commit().into_result().unwrap();
    });
    assert_eq!(syncs, 3);
}

/// Since Linux 6.10 only that one has to.
fn an_inherited_file_does_not_make_others_go_through_procfs(strace: &Strace) {
    needs_o_tmpfile(&std::env::temp_dir());
    let dir = tempfile::tempdir().unwrap();
    testbed::give_to_ordinary_user(dir.path());
    let path = dir.path().to_owned();
    let calls = strace.calls(&[], move || {
        in_thread(move || {
            testbed::as_ordinary_user();
            needs_link_by_descriptor();
            let inherited = OpenOptions::new().anonymous_in(&path).unwrap();
            assert!(in_child(|| {
                inherited.publish(path.join("inherited")).unwrap();
                let own = OpenOptions::new().anonymous_in(&path).unwrap();
                own.publish(path.join("own")).unwrap();
            }));
        });
    });
    let links: Vec<_> = calls.iter().filter(|call| call.name == "linkat").collect();
    let is_last_of = |name: &str| links.iter().rfind(|call| call.text.contains(name)).unwrap();
    assert!(is_last_of("inherited").text.contains("AT_SYMLINK_FOLLOW"));
    let own: Vec<_> = links
        .iter()
        .filter(|call| call.text.contains("own"))
        .collect();
    assert_eq!(own.len(), 1, "{own:?}");
    assert!(own[0].text.contains("AT_EMPTY_PATH"), "{own:?}");
}

/// What procfs tells of an old kernel and of a umask that the kernel does not have, and so forgets.
fn on_an_old_kernel_with_umask_077(base: &Path) {
    testbed::as_kernel("5.10.0");
    testbed::own_fs();
    rustix::process::umask(rustix::fs::Mode::empty());
    let status = base.join("status");
    fs::write(&status, "Name:\ttest\nUmask:\t0077\n").unwrap();
    testbed::bind(&status, "/proc/thread-self/status".as_ref());
}

/// On file systems without access control lists.
fn before_linux_6_0_a_forgotten_umask_is_applied(strace: &Strace) {
    testbed::own_mounts();
    let base = tempfile::tempdir().unwrap();
    let memory = Mounted::new("tmpfs", base.path().join("memory"), "");
    let at = memory.join("mounted");
    fs::create_dir(&at).unwrap();
    let disk = FileSystem::from(Kind::Btrfs)
        .options("noacl")
        .image_in(&memory);
    let disk = disk.mount(&at).unwrap();
    strace.calls(&[], || {
        on_an_old_kernel_with_umask_077(base.path());
        for (mode, expected) in [(0o666, 0o600), (0o777, 0o700), (0o600, 0o600), (0o077, 0)] {
            let mut options = OpenOptions::new();
            options.mode(mode);
            let file = options.anonymous_in(&disk).unwrap();
            assert!(file.is_anonymous());
            let scratch = options.scratch_in(&disk).unwrap();
            for file in [file.as_file(), &scratch] {
                assert_eq!(
                    file.metadata().unwrap().mode() & 0o7777,
                    expected,
                    "{mode:o}"
                );
            }
        }
    });
}

/// With a default ACL there is no umask.
fn before_linux_6_0_a_default_acl_stays_as_it_is(strace: &Strace) {
    testbed::own_mounts();
    let base = tempfile::tempdir().unwrap();
    set_default_acl(base.path());
    strace.calls(&[], || {
        on_an_old_kernel_with_umask_077(base.path());
        let plain = fs::File::create(base.path().join("plain")).unwrap();
        let file = OpenOptions::new().anonymous_in(base.path()).unwrap();
        let mode = |file: &fs::File| file.metadata().unwrap().mode();
        assert_eq!(mode(file.as_file()), mode(&plain));
        assert_ne!(mode(&plain) & 0o077, 0, "the list gives others something");
    });
}
