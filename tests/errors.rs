//! Errors: the kind that is meant, the errno that was there, a text that helps, and the file.

mod common;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};

use common::kernel::{deny, in_thread, Rule};
use common::{contents, on_both_routes, Bed};
use linkable::{Durability, LinkableFile, PublishError, PublishErrorKind, PublishOptions};

/// Runs `body` where the calls fail with `errno`; the fault is gone when it returns.
fn with_fault<T: Send + 'static>(
    errno: i32,
    rules: Vec<Rule>,
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    in_thread(move || {
        deny(errno, &rules);
        body()
    })
}

fn given_back(error: PublishError) -> LinkableFile {
    match error {
        PublishError::NotPublished { file, .. } => file,
        error => panic!("{error:?}"),
    }
}

on_both_routes! {
    fn the_text_names_the_path_and_leaves_the_cause_to_the_source(bed: &Bed) {
        fs::write(bed.path("taken"), "").unwrap();
        let error = bed.open().publish(bed.path("taken")).unwrap_err();
        assert_eq!(error.path(), bed.path("taken"));
        let (text, cause) = (error.to_string(), error.source().unwrap().to_string());
        assert!(text.contains(bed.path("taken").to_str().unwrap()), "{text}");
        assert!(text.contains("replace"), "{text}");
        assert!(!text.contains(&cause), "{text}");
    }

    fn the_errno_survives_the_conversion(bed: &Bed) {
        let convert = || -> io::Result<File> { Ok(bed.open().publish(bed.path("missing/new"))?) };
        let error = convert().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    fn a_failed_content_sync_spoils_the_file_for_good(bed: &Bed) {
        let (file, path) = (bed.file("lost"), bed.path("new"));
        let error = with_fault(libc::EIO, vec![Rule::call(libc::SYS_fsync)], move || {
            file.publish(path).unwrap_err()
        });
        assert_eq!(error.kind(), PublishErrorKind::SyncFailed);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EIO));
        let mut file = given_back(error);
        assert!(!bed.path("new").exists());

        // Now fsync(2) works again, and would say that all is well.
        for durability in [Durability::None, Durability::Contents, Durability::Full] {
            let mut options = PublishOptions::new();
            options.durability(durability).replace(true);
            // Other errors in between do not make it sound again.
            file = given_back(options.publish(file, bed.path("a\0b")).unwrap_err());
            file = given_back(options.publish(file, bed.path("missing/new")).unwrap_err());
            let error = options.publish(file, bed.path("new")).unwrap_err();
            assert_eq!(error.kind(), PublishErrorKind::SyncFailed);
            assert_eq!(error.io_error().raw_os_error(), Some(libc::EIO));
            file = given_back(error);
        }
        assert_eq!(contents(&file), "lost");
        drop(file);
        assert_eq!(bed.names(), [""; 0]);
    }

    fn without_durability_nothing_is_synced(bed: &Bed) {
        let (file, path) = (bed.file("whole"), bed.path("new"));
        let syncs = [libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_sync, libc::SYS_syncfs];
        let syncs = syncs.map(Rule::call);
        with_fault(libc::EIO, syncs.to_vec(), move || {
            PublishOptions::new().durability(Durability::None).publish(file, path).unwrap()
        });
        assert_eq!(bed.read("new"), "whole");
    }

    fn any_errno_comes_through_and_a_second_publish_succeeds(bed: &Bed) {
        use libc::{EDQUOT, EIO, EMLINK, ENOMEM, ENOSPC, EROFS};
        for errno in [EIO, ENOMEM, ENOSPC, EDQUOT, EROFS, EMLINK] {
            let rules = [libc::SYS_linkat, libc::SYS_renameat2].map(Rule::call).to_vec();
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

    fn a_failed_rename_gives_the_file_back_and_leaves_the_old_one(bed: &Bed) {
        for errno in [libc::EIO, libc::EPERM, libc::ENOSPC, libc::EXDEV] {
            fs::write(bed.path("file"), "old").unwrap();
            let rules = Rule::rename();
            let (file, path) = (bed.file("new"), bed.path("file"));
            let error = with_fault(errno, rules, move || file.replace(path).unwrap_err());
            assert_eq!(error.io_error().raw_os_error(), Some(errno));
            assert_eq!(bed.read("file"), "old");
            assert_eq!(bed.names().len(), 2, "the old file and what the handle owns");
            given_back(error).replace(bed.path("file")).unwrap();
            bed.holds_only("file", "new");
        }
    }

    fn a_failed_write_loses_nothing(bed: &Bed) {
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
}

mod anonymous_only {
    use super::*;
    use common::{on, Route};

    /// A sandbox that lets the file be opened and not be linked.
    #[test]
    fn a_sandbox_without_link_is_link_forbidden() {
        for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
            on(Route::Anonymous, move |bed| {
                let (file, path) = (bed.file("intact"), bed.path("new"));
                let error = with_fault(errno, Rule::link_unnamed(), move || {
                    file.publish(path).unwrap_err()
                });
                assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
                assert_eq!(error.io_error().raw_os_error(), Some(errno));
                assert!(error.to_string().contains("sandbox"), "{error}");
                let file = given_back(error);
                assert_eq!(contents(&file), "intact");
                file.publish(bed.path("new")).unwrap();
            });
        }
    }

    /// `ENOENT`, the errno of a missing directory, is also what kernels before 6.10 say here.
    #[test]
    fn where_the_kernel_refuses_the_first_way_procfs_serves() {
        for errno in [libc::ENOENT, libc::EINVAL, libc::EPERM] {
            on(Route::Anonymous, move |bed| {
                deny(errno, &[Rule::link_empty_path()]);
                bed.file("new").publish(bed.path("new")).unwrap();
                bed.file("newer").replace(bed.path("new")).unwrap();
                bed.holds_only("new", "newer");
            });
        }
    }

    #[test]
    fn where_the_first_way_is_refused_a_missing_directory_still_is_not_found() {
        for errno in [libc::ENOENT, libc::EINVAL, libc::EPERM] {
            on(Route::Anonymous, move |bed| {
                deny(errno, &[Rule::link_empty_path()]);
                for name in ["new", "newer"] {
                    let error = bed.open().publish(bed.path("missing/new")).unwrap_err();
                    assert_eq!(error.kind(), PublishErrorKind::NotFound);
                    assert_eq!(error.io_error().raw_os_error(), Some(libc::ENOENT));
                    // From now on procfs comes first.
                    bed.open().publish(bed.path(name)).unwrap();
                }
            });
        }
    }

    #[test]
    fn where_procfs_does_not_serve_the_first_way_does() {
        on(Route::Anonymous, |bed| {
            deny(libc::ENOENT, &[Rule::link_by_procfs()]);
            bed.file("new").publish(bed.path("new")).unwrap();
            assert_eq!(bed.read("new"), "new");
        });
    }

    #[test]
    fn a_file_whose_names_are_all_gone_is_never_linkable() {
        on(Route::Anonymous, |bed| {
            let file = bed.file("kept");
            let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
            let (cwd, follow) = (rustix::fs::CWD, rustix::fs::AtFlags::SYMLINK_FOLLOW);
            let procfs = format!("/proc/thread-self/fd/{descriptor}");
            rustix::fs::linkat(cwd, procfs, cwd, bed.path("by hand"), follow).unwrap();
            fs::remove_file(bed.path("by hand")).unwrap();
            let error = file.publish(bed.path("new")).unwrap_err();
            assert_eq!(error.kind(), PublishErrorKind::NeverLinkable);
            assert_eq!(contents(given_back(error).as_file()), "kept");
        });
    }
}
