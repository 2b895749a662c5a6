//! File systems without `O_TMPFILE` or `RENAME_NOREPLACE`: when a named file steps in, and its
//! temporary name.

mod common;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use common::{
    fails, file_in, names, needs_o_tmpfile, on, on_both_routes, on_disk, refused, Bed, Route,
    LEVELS,
};
use linkable::{
    Durability, OpenOptionsAnonymousExt, PublishBatch,
    PublishErrorKind::{AlreadyExists, NeverLinkable, Other, Unsupported},
    PublishOptions,
};
use rustix::fs::{major, minor};
use testbed::{deny, in_thread, with_fault, FileSystem, Kind, Mounted, Rule};

on_both_routes! {
    the_temporary_name_is_short_and_recognisable,
}

/// Both routes are forced elsewhere; here it is what there is.
#[test]
fn publish_works_on_this_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("new");
    for durability in LEVELS {
        let mut options = PublishOptions::new();
        let outcome = options
            .durability(durability)
            .publish(file_in(dir.path(), "new"), &new);
        if let Err(error) = outcome {
            panic!("{:?}: {}", error.kind(), error.io_error());
        }
        assert_eq!(fs::read_to_string(&new).unwrap(), "new");
        drop(refused(
            file_in(dir.path(), "newer").publish(&new),
            AlreadyExists,
            libc::EEXIST,
        ));
        fs::remove_file(&new).unwrap();
    }
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn replace_works_on_this_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for durability in LEVELS {
        let mut options = PublishOptions::new();
        options.replace(true).durability(durability);
        for text in ["absent", "there"] {
            options.publish(file_in(dir.path(), text), &path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::remove_file(&path).unwrap();
    }
    linkable::write(&path, "written").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "written");
    assert_eq!(names(dir.path()), ["file"]);
}

/// Each errno that says "unsupported" makes a named file, and everything else goes on as before.
#[test]
fn four_errnos_fall_back_to_a_named_file() {
    for errno in [libc::EOPNOTSUPP, libc::EISDIR, libc::ENOSYS, libc::EINVAL] {
        on(Route::Named(errno), |bed| {
            bed.file("whole").publish(bed.path("new")).unwrap();
            bed.file("newer").replace(bed.path("new")).unwrap();
            OpenOptions::new().scratch_in(bed.dir()).unwrap();
            bed.holds_only("new", "newer");
        });
    }
}

#[test]
fn no_other_errno_falls_back() {
    for errno in [
        libc::EPERM,
        libc::ENOENT,
        libc::EIO,
        libc::ENOMEM,
        libc::EACCES,
        libc::EBUSY,
        libc::ENOTDIR,
        libc::ENFILE,
        libc::EMFILE,
        libc::ENOSPC,
        libc::EROFS,
        libc::ELOOP,
        libc::EDQUOT,
    ] {
        on(Route::Named(errno), move |bed| {
            let Route::Named(errno) = bed.route else {
                unreachable!()
            };
            fails(OpenOptions::new().anonymous_in(bed.dir()), errno);
            assert_eq!(bed.names(), [""; 0]);
        });
    }
}

/// `EISDIR` may come from the file system; only uname(2) says that it was the kernel.
#[test]
fn support_is_not_remembered_from_one_directory_to_the_next() {
    on(Route::Named(libc::EISDIR), |bed| drop(bed.open()));
    on(Route::Anonymous, |bed| drop(bed.open()));
}

#[test]
fn an_explicit_o_tmpfile_never_falls_back() {
    needs_o_tmpfile(&std::env::temp_dir());
    for flags in [libc::O_TMPFILE, libc::O_TMPFILE & !libc::O_DIRECTORY] {
        let mut options = OpenOptions::new();
        options.custom_flags(flags);
        let anonymous = options.clone();
        in_thread(move || {
            assert!(anonymous
                .anonymous_in(std::env::temp_dir())
                .unwrap()
                .is_anonymous());
        });
        in_thread(move || {
            deny(libc::EOPNOTSUPP, &Rule::open_with(libc::O_TMPFILE));
            fails(options.anonymous_in(std::env::temp_dir()), libc::EOPNOTSUPP);
        });
    }
}

/// ramfs has no `O_DIRECT`. open(2) finds that out after it has made a named file.
#[test]
#[ignore = "needs root, to mount"]
fn a_flag_refused_after_the_file_was_made_leaves_no_litter() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        testbed::own_mounts();
        let _mounted = Mounted::new("ramfs", bed.dir().to_owned(), "");
        let mut options = OpenOptions::new();
        options.custom_flags(libc::O_DIRECT);
        fails(options.anonymous_in(bed.dir()), libc::EINVAL);
        assert_eq!(bed.names(), [""; 0]);
    });
}

fn the_temporary_name_is_short_and_recognisable(bed: &Bed) {
    let _file = bed.open();
    for name in bed.names() {
        let random = name
            .strip_prefix(".linkable-")
            .and_then(|n| n.strip_suffix(".tmp"));
        assert!(random.is_some_and(|r| r.len() == 16), "{name}");
    }
}

/// Somebody else's file under the temporary name is not ours to remove.
#[test]
fn clean_up_removes_only_our_own_file() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        let file = bed.file("ours");
        let name = bed.names().remove(0);
        fs::remove_file(bed.path(&name)).unwrap();
        fs::write(bed.path(&name), "theirs").unwrap();
        drop(file);
        assert_eq!(bed.read(&name), "theirs");
        fs::remove_file(bed.path(&name)).unwrap();
    });
}

#[test]
fn a_file_that_replaces_its_own_temporary_name_keeps_it() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        let file = bed.file("kept");
        let path = bed.path(bed.names().remove(0));
        file.replace(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
        fs::remove_file(path).unwrap();
    });
}

/// Whether the file has other links does not matter: it is by this one that it would be renamed.
#[test]
fn a_file_whose_temporary_name_was_removed_is_never_linkable() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        let file = bed.file("kept");
        let name = bed.path(bed.names().remove(0));
        fs::hard_link(&name, bed.path("other")).unwrap();
        fs::remove_file(name).unwrap();
        drop(refused(
            file.publish(bed.path("new")),
            NeverLinkable,
            libc::ENOENT,
        ));
        bed.holds_only("other", "kept");
    });
}

/// Without RENAME_NOREPLACE the temporary name is linked to the final one and removed.
#[test]
fn publish_never_replaces_without_noreplace() {
    for errno in [libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP] {
        on(Route::Named(libc::EOPNOTSUPP), move |bed| {
            deny(errno, &[Rule::call(libc::SYS_renameat2)]);
            bed.file("whole").publish(bed.path("new")).unwrap();
            bed.holds_only("new", "whole");
            let outcome = bed.open().publish(bed.path("new"));
            drop(refused(outcome, AlreadyExists, libc::EEXIST));
            bed.file("newer").replace(bed.path("new")).unwrap();
            bed.holds_only("new", "newer");
        });
    }
}

#[test]
fn without_noreplace_and_hard_links_publish_is_unsupported_and_replace_works() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        deny(libc::EINVAL, &[Rule::call(libc::SYS_renameat2)]);
        deny(libc::EPERM, &[Rule::call(libc::SYS_linkat)]);
        let file = refused(
            bed.file("whole").publish(bed.path("new")),
            Unsupported,
            libc::EINVAL,
        );
        file.replace(bed.path("new")).unwrap();
        bed.holds_only("new", "whole");
    });
}

/// The link is there, and the temporary name cannot be removed: neither can the link. All is as it was
/// but for the second name, and another attempt removes that.
#[test]
fn a_temporary_name_that_cannot_be_removed_is_an_error() {
    for errno in [libc::EPERM, libc::EAGAIN, libc::EIO] {
        for durability in LEVELS {
            on(Route::Named(libc::EOPNOTSUPP), move |bed| {
                deny(libc::EINVAL, &[Rule::call(libc::SYS_renameat2)]);
                let (file, path) = (bed.file("whole"), bed.path("new"));
                let mut options = PublishOptions::new();
                options.durability(durability);
                let again = options.clone();
                let unlink = vec![Rule::call(libc::SYS_unlinkat)];
                let outcome = with_fault(errno, unlink, move || options.publish(file, path));
                let file = refused(outcome, Other, errno);
                again.publish(file, bed.path("new")).unwrap();
                bed.holds_only("new", "whole");
            });
        }
    }
}

#[test]
fn a_batch_reports_a_temporary_name_that_cannot_be_removed() {
    on(Route::Named(libc::EOPNOTSUPP), |bed| {
        deny(libc::EINVAL, &[Rule::call(libc::SYS_renameat2)]);
        let (file, path) = (bed.file("whole"), bed.path("new"));
        let unlink = vec![Rule::call(libc::SYS_unlinkat)];
        let report = with_fault(libc::EPERM, unlink, move || {
            let mut batch = PublishBatch::new();
            batch.add(file, path);
            batch.commit()
        });
        assert_eq!((report.published(), report.failures().len()), (0, 1));
        drop(report);
        bed.holds_only("new", "whole");
    });
}

/// While an unnamed file is open, the kernel writes logs there that it cannot replay.
#[test]
#[ignore = "needs root and mkfs.ext4, to mount"]
fn where_fast_commits_are_known_files_have_temporary_names() {
    on(Route::AnonymousFirst, |bed| {
        let disk = FileSystem::from(Kind::Ext4).mkfs(&["-O", "fast_commit"]);
        on_disk(bed, disk, |disk| {
            let options = hide_fc_debug_force(disk, &bed.path("options"));
            // Somebody makes the kernel write a fast commit.
            for contents in ["one", "two"] {
                fs::write(disk.join("other"), contents).unwrap();
                fs::File::open(disk.join("other"))
                    .unwrap()
                    .sync_all()
                    .unwrap();
            }
            linkable::write(disk.join("file"), "old").unwrap();

            let file = file_in(disk, "new");
            assert!(!file.is_anonymous());
            let scratch = OpenOptions::new().scratch_in(disk).unwrap();
            assert_eq!(
                unnamed_files_of(disk),
                [""; 0],
                "open and unnamed from the start"
            );
            file.replace(disk.join("file")).unwrap();
            drop(scratch);
            assert_eq!(names(disk), ["file", "lost+found", "other"]);
            testbed::unmount_at(&options);
            // Elsewhere nothing has changed.
            assert!(bed.open().is_anonymous());
        });
    });
}

/// Only kernels that are made for debugging have this option, and show by it what is to be found out by
/// what the kernel counts.
fn hide_fc_debug_force(disk: &Path, without: &Path) -> PathBuf {
    let device = disk.metadata().unwrap().dev();
    let number = format!("{}:{}", major(device), minor(device));
    let device = fs::read_link(format!("/sys/dev/block/{number}")).unwrap();
    let options = Path::new("/proc/fs/ext4").join(device.file_name().unwrap());
    let options = options.join("options");
    let text = fs::read_to_string(&options).unwrap();
    fs::write(without, text.replace("fc_debug_force\n", "")).unwrap();
    testbed::bind(without, &options);
    options
}

/// The open files of this process on a disk that never had a name. Linux calls those `#INODE`.
fn unnamed_files_of(disk: &Path) -> Vec<String> {
    let open = fs::read_dir("/proc/thread-self/fd").unwrap();
    open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|path| Some(path.strip_prefix(disk).ok()?.to_string_lossy().into_owned()))
        .filter(|name| name.starts_with('#'))
        .collect()
}

/// A message queue can be created and unlinked, and that is all.
#[test]
#[ignore = "needs root, to mount"]
fn where_nothing_can_be_renamed_no_litter_is_left() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("queues");
    in_thread(move || {
        testbed::own_mounts();
        let queues = Mounted::new("mqueue", dir, "");
        let mut file = OpenOptions::new().anonymous_in(&queues).unwrap();
        assert!(!file.is_anonymous());
        for replace in [false, true] {
            let mut options = PublishOptions::new();
            options.replace(replace).durability(Durability::None);
            file = refused(
                options.publish(file, queues.join("new")),
                Other,
                libc::EPERM,
            );
        }
        drop(file);
        assert_eq!(names(&queues), [""; 0]);
    });
}
