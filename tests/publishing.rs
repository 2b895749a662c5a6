//! Publishing: in one step, to the right name, never over another file unless asked.

mod common;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use common::kernel::{self, Rule};
use common::{contents, deny, on, on_both_routes, refused, Bed, Route};
use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, PublishError,
    PublishErrorKind::{
        AlreadyExists, CrossesDevices, IsADirectory, NeverLinkable, NotFound, Other, Unsupported,
    },
    PublishOptions,
};

on_both_routes! {
    fn a_published_file_is_there_whole_and_under_its_name_only(bed: &Bed) {
        let file = bed.file("all of it").publish(bed.path("new")).unwrap();
        bed.holds_only("new", "all of it");
        assert_eq!(file.metadata().unwrap().ino(), bed.path("new").metadata().unwrap().ino(), "the inode");
        assert_eq!(file.metadata().unwrap().nlink(), 1);
    }

    fn a_published_file_can_be_written_on(bed: &Bed) {
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
        for taken in ["file", "dir", "dir/", "link", "dangling", "loop", ".", "..", "dir/."] {
            for durability in [Durability::None, Durability::Contents, Durability::Full] {
                let mut options = PublishOptions::new();
                let outcome = options.durability(durability).publish(file, bed.path(taken));
                file = refused(outcome, AlreadyExists, libc::EEXIST);
            }
        }
        assert_eq!(bed.read("file"), "old");
        assert!(!bed.path("nowhere").exists());
    }

    fn replace_takes_over_a_file(bed: &Bed) {
        fs::write(bed.path("file"), "old").unwrap();
        let before = File::open(bed.path("file")).unwrap();
        bed.file("new").replace(bed.path("file")).unwrap();
        bed.holds_only("file", "new");
        assert_eq!(contents(before), "old", "whoever had it open still has the old one");
    }

    fn replace_makes_a_file_where_there_was_none(bed: &Bed) {
        bed.file("new").replace(bed.path("file")).unwrap();
        bed.holds_only("file", "new");
    }

    fn replace_takes_over_a_symlink_and_does_not_follow_it(bed: &Bed) {
        fs::write(bed.path("file"), "old").unwrap();
        for target in ["file", "nowhere", "link"] {
            symlink(target, bed.path("link")).unwrap();
            bed.file("new").replace(bed.path("link")).unwrap();
            assert!(bed.path("link").symlink_metadata().unwrap().is_file());
            fs::remove_file(bed.path("link")).unwrap();
        }
        bed.holds_only("file", "old");
    }

    fn replace_never_takes_over_a_directory(bed: &Bed) {
        fs::create_dir(bed.path("dir")).unwrap();
        let file = bed.file("new");
        let file = refused(file.replace(bed.path("dir")), IsADirectory, libc::EISDIR);
        for (directory, errnos) in [
            ("dir/", [libc::ENOTDIR, libc::ENOTDIR]),
            ("dir/.", [libc::ENOTDIR, libc::EBUSY]),
            ("dir/..", [libc::ENOTDIR, libc::EBUSY]),
        ] {
            let errno = errnos[usize::from(!bed.is_anonymous())];
            drop(refused(bed.open().replace(bed.path(directory)), IsADirectory, errno));
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
            let error = options.replace(replace).publish(bed.file("kept"), "/").unwrap_err();
            assert!(kinds.contains(&error.kind()), "{error:?}");
            let PublishError::NotPublished { file, .. } = error else { panic!("{error:?}") };
            assert_eq!(contents(&file), "kept");
        }
    }

    fn a_name_with_no_place_is_not_found(bed: &Bed) {
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

    fn a_place_that_is_no_directory_is_told_by_its_errno(bed: &Bed) {
        fs::write(bed.path("file"), "").unwrap();
        symlink("loop", bed.path("loop")).unwrap();
        let file = refused(bed.open().publish(bed.path("file/new")), Other, libc::ENOTDIR);
        let file = refused(file.publish(bed.path("loop/new")), Other, libc::ELOOP);
        file.publish(bed.path("new")).unwrap();
    }

    fn names_of_255_bytes_serve_and_256_are_too_long(bed: &Bed) {
        let (longest, too_long) = ("n".repeat(255), "n".repeat(256));
        bed.file("a").publish(bed.path(&longest)).unwrap();
        bed.file("b").replace(bed.path(&longest)).unwrap();
        assert_eq!(bed.read(&longest), "b");
        let file = refused(bed.open().publish(bed.path(&too_long)), Other, libc::ENAMETOOLONG);
        drop(refused(file.replace(bed.path(&too_long)), Other, libc::ENAMETOOLONG));
    }

    fn paths_longer_than_the_stack_buffer_serve(bed: &Bed) {
        let deep: PathBuf = std::iter::repeat("d".repeat(200)).take(4).collect();
        let deep = bed.path(deep);
        fs::create_dir_all(&deep).unwrap();
        let file = OpenOptions::new().anonymous_in(&deep).unwrap();
        file.publish(deep.join("new")).unwrap();
        bed.file("newer").replace(deep.join("new")).unwrap();
        assert_eq!(fs::read_to_string(deep.join("new")).unwrap(), "newer");
    }

    fn names_need_not_be_utf8(bed: &Bed) {
        let name = OsStr::from_bytes(b"\xff\xfe\x01");
        bed.file("a").publish(bed.path(name)).unwrap();
        bed.file("b").replace(bed.path(name)).unwrap();
        assert_eq!(bed.read(name), "b");
    }

    fn a_nul_byte_is_bad_input_and_the_file_comes_back(bed: &Bed) {
        let error = bed.file("kept").replace(bed.path("a\0b")).unwrap_err();
        assert_eq!(error.io_error().kind(), ErrorKind::InvalidInput);
        assert_eq!(error.kind(), Other);
        let PublishError::NotPublished { file, .. } = error else { panic!("{error:?}") };
        file.publish(bed.path("new")).unwrap();
        assert_eq!(bed.read("new"), "kept");
    }

    fn a_relative_path_is_relative_to_the_current_directory(bed: &Bed) {
        kernel::own_fs();
        fs::create_dir(bed.path("cwd")).unwrap();
        std::env::set_current_dir(bed.path("cwd")).unwrap();
        for durability in [Durability::None, Durability::Contents, Durability::Full] {
            let mut options = PublishOptions::new();
            options.durability(durability).replace(true);
            options.publish(bed.file("absent"), "new").unwrap();
            options.publish(bed.file("there"), "new").unwrap();
            options.publish(bed.file("up"), "../new").unwrap();
            assert_eq!((bed.read("cwd/new"), bed.read("new")), ("there".into(), "up".into()));
            fs::remove_file("new").unwrap();
        }
    }

    fn a_file_can_be_opened_and_published_without_any_path(bed: &Bed) {
        kernel::own_fs();
        std::env::set_current_dir(bed.dir()).unwrap();
        let file = OpenOptions::new().anonymous_in(".").unwrap();
        file.publish("new").unwrap();
        linkable::write("new", "written").unwrap();
        bed.holds_only("new", "written");
    }

    fn another_directory_of_the_mount_serves_too(bed: &Bed) {
        fs::create_dir(bed.path("other")).unwrap();
        bed.file("a").publish(bed.path("other/new")).unwrap();
        bed.file("b").replace(bed.path("other/new")).unwrap();
        assert_eq!((bed.names(), bed.read("other/new")), (vec!["other".into()], "b".into()));
    }

    fn another_mount_is_told_as_such(bed: &Bed) {
        let here = bed.dir().metadata().unwrap().dev();
        let elsewhere = |dir: &&str| fs::metadata(dir).is_ok_and(|dir| dir.dev() != here);
        let other = ["/dev/shm", "/sys", "/dev"].into_iter().find(elsewhere).unwrap();
        let other = Path::new(other).join(format!("linkable-test-{}", std::process::id()));
        let file = refused(bed.file("kept").publish(&other), CrossesDevices, libc::EXDEV);
        let file = refused(file.replace(&other), CrossesDevices, libc::EXDEV);
        file.publish(bed.path("new")).unwrap();
        assert_eq!(bed.read("new"), "kept");
    }

    fn of_sixteen_racing_publishers_one_wins(bed: &Bed) {
        race(bed);
    }

    fn without_noreplace_one_wins_too(bed: &Bed) {
        deny(libc::EINVAL, &[Rule::call(libc::SYS_renameat2)]);
        race(bed);
    }

    fn readers_never_see_a_part_or_a_gap(bed: &Bed) {
        const SIZE: usize = 50_000;
        let target = bed.path("file");
        let text = |byte: u8| String::from_utf8(vec![byte; SIZE]).unwrap();
        bed.file(&text(b'z')).publish(&target).unwrap();
        thread::scope(|scope| {
            let read = || {
                for _ in 0..2_000 {
                    let text = fs::read(&target).expect("a gap");
                    assert_eq!(text.len(), SIZE, "a part");
                    assert!(text.iter().all(|byte| *byte == text[0]), "a mixture");
                }
            };
            let readers = [scope.spawn(read), scope.spawn(read)];
            let mut options = PublishOptions::new();
            options.replace(true).durability(Durability::None);
            for letter in (b'a'..=b'z').cycle() {
                options.publish(bed.file(&text(letter)), &target).unwrap();
                if readers.iter().all(thread::ScopedJoinHandle::is_finished) {
                    break;
                }
            }
        });
    }

    fn many_threads_can_replace_the_same_name(bed: &Bed) {
        thread::scope(|scope| {
            for i in 0..8 {
                scope.spawn(move || {
                    for _ in 0..50 {
                        bed.file(&format!("{i}")).replace(bed.path("file")).unwrap();
                    }
                });
            }
        });
        assert_eq!((bed.names(), bed.read("file").len()), (vec!["file".into()], 1));
    }

    fn the_directory_may_be_renamed_meanwhile(bed: &Bed) {
        fs::create_dir(bed.path("before")).unwrap();
        let open = || OpenOptions::new().anonymous_in(bed.path("before")).unwrap();
        let (published, dropped) = (open(), open());
        fs::rename(bed.path("before"), bed.path("after")).unwrap();
        published.publish(bed.path("after/new")).unwrap();
        drop(dropped);
        let names = fs::read_dir(bed.path("after")).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["new"]);
    }

    fn chdir_meanwhile_does_not_matter_to_the_clean_up(bed: &Bed) {
        kernel::own_fs();
        for dir in ["opened", "later"] {
            fs::create_dir(bed.path(dir)).unwrap();
        }
        std::env::set_current_dir(bed.path("opened")).unwrap();
        let file = OpenOptions::new().anonymous_in(".").unwrap();
        let failed = OpenOptions::new().anonymous_in(".").unwrap().replace("../later").unwrap_err();
        std::env::set_current_dir(bed.path("later")).unwrap();
        drop((file, failed));
        for dir in ["opened", "later", "."] {
            let hidden = fs::read_dir(bed.path(dir)).unwrap().map(|e| e.unwrap().file_name());
            assert!(!hidden.into_iter().any(|name| name.as_bytes().starts_with(b".linkable")));
        }
    }

    fn a_removed_directory_is_not_found_and_the_file_lives_on(bed: &Bed) {
        fs::create_dir(bed.path("gone")).unwrap();
        let mut file = OpenOptions::new().read(true).anonymous_in(bed.path("gone")).unwrap();
        file.write_all(b"kept").unwrap();
        // With a temporary name in it, the directory cannot be removed, but that name can.
        let _ = fs::remove_dir_all(bed.path("gone"));
        let error = file.publish(bed.path("gone/new")).unwrap_err();
        assert_eq!(error.io_error().raw_os_error(), Some(libc::ENOENT));
        assert_eq!(error.kind(), NotFound);
        let PublishError::NotPublished { file, .. } = error else { panic!("{error:?}") };
        assert_eq!(contents(&file), "kept");
        if bed.is_anonymous() {
            file.publish(bed.path("new")).unwrap();
            assert_eq!(bed.read("new"), "kept");
        } else {
            drop(refused(file.publish(bed.path("new")), NeverLinkable, libc::ENOENT));
        }
    }

    fn a_removed_current_directory_is_not_found(bed: &Bed) {
        kernel::own_fs();
        fs::create_dir(bed.path("gone")).unwrap();
        std::env::set_current_dir(bed.path("gone")).unwrap();
        fs::remove_dir(bed.path("gone")).unwrap();
        drop(refused(bed.open().publish("new"), NotFound, libc::ENOENT));
    }

    fn a_file_published_elsewhere_by_hand_keeps_that_name(bed: &Bed) {
        let file = bed.file("linked");
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
        rustix::fs::linkat(
            rustix::fs::CWD,
            format!("/proc/thread-self/fd/{descriptor}"),
            rustix::fs::CWD,
            bed.path("by hand"),
            rustix::fs::AtFlags::SYMLINK_FOLLOW,
        ).unwrap();
        drop(file);
        bed.holds_only("by hand", "linked");
    }

    fn write_replaces_and_creates(bed: &Bed) {
        linkable::write(bed.path("file"), "one").unwrap();
        linkable::write(bed.path("file"), b"two").unwrap();
        bed.holds_only("file", "two");
        fs::create_dir(bed.path("dir")).unwrap();
        for (path, errno) in [("missing/file", libc::ENOENT), ("dir", libc::EISDIR)] {
            let error = linkable::write(bed.path(path), "x").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno));
        }
        assert_eq!(bed.names(), ["dir", "file"]);
    }

    fn a_failed_replace_is_cleaned_up_with_the_handle(bed: &Bed) {
        fs::create_dir(bed.path("dir")).unwrap();
        let file = refused(bed.file("kept").replace(bed.path("dir")), IsADirectory, libc::EISDIR);
        assert!(!file.is_anonymous());
        assert_eq!(bed.names().len(), 2);
        let file = refused(file.replace(bed.path("dir")), IsADirectory, libc::EISDIR);
        assert_eq!(bed.names().len(), 2, "one temporary name, however often it is tried");
        drop(file);
        assert_eq!(bed.names(), ["dir"]);
    }
}

/// Sixteen at once, again and again.
fn race(bed: &Bed) {
    let mut options = PublishOptions::new();
    let options = options.durability(Durability::None);
    for round in 0..50 {
        let name = bed.path(format!("{round}"));
        let files: Vec<_> = (0..16).map(|i| bed.file(&format!("{i}"))).collect();
        let start = Barrier::new(files.len());
        let winners: Vec<bool> = thread::scope(|scope| {
            let race = |file: LinkableFile| {
                scope.spawn(|| {
                    start.wait();
                    match options.publish(file, &name) {
                        Ok(_) => true,
                        Err(error) => {
                            assert_eq!(error.kind(), AlreadyExists);
                            false
                        }
                    }
                })
            };
            let racers: Vec<_> = files.into_iter().map(race).collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .collect()
        });
        let winner = winners.iter().position(|&won| won).unwrap();
        assert_eq!(winners.iter().filter(|&&won| won).count(), 1);
        assert_eq!(fs::read_to_string(name).unwrap(), winner.to_string());
    }
}

/// Somebody else's file under the temporary name is not ours to remove.
#[test]
fn clean_up_removes_nothing_but_our_own_file() {
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

/// Whether the file has other links does not matter: it is by this one that it would be renamed.
#[test]
fn without_its_temporary_name_a_file_can_have_no_other() {
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
fn without_noreplace_a_hard_link_never_replaces_either() {
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
fn without_noreplace_and_hard_links_publish_says_so_and_replace_works() {
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
