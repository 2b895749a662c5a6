//! Others at work at the same time: publishers, readers, and those who rename directories.

mod common;

use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::sync::Barrier;
use std::thread;

use common::{on_both_routes, Bed};
use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, PublishErrorKind::AlreadyExists,
    PublishOptions,
};
use testbed::{deny, Rule};

on_both_routes! {
    of_sixteen_racing_publishers_one_wins,
    of_sixteen_racing_publishers_one_wins_without_noreplace,
    readers_never_see_a_partial_or_missing_file,
    many_threads_can_replace_the_same_name,
    the_directory_may_be_renamed_before_publishing,
    clean_up_works_after_chdir,
}

fn of_sixteen_racing_publishers_one_wins(bed: &Bed) {
    race(bed);
}

fn of_sixteen_racing_publishers_one_wins_without_noreplace(bed: &Bed) {
    deny(libc::EINVAL, &[Rule::call(libc::SYS_renameat2)]);
    race(bed);
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

fn readers_never_see_a_partial_or_missing_file(bed: &Bed) {
    const SIZE: usize = 50_000;
    let target = bed.path("file");
    let text = |byte: u8| String::from_utf8(vec![byte; SIZE]).unwrap();
    bed.file(&text(b'z')).publish(&target).unwrap();
    thread::scope(|scope| {
        let read = || {
            for _ in 0..2_000 {
                let text = fs::read(&target).expect("a gap");
                assert_eq!(text.len(), SIZE, "a part");
                // Byte by byte it would take seconds, unoptimised as this is.
                assert!(text == vec![text[0]; SIZE], "a mixture");
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
    assert_eq!(
        (bed.names(), bed.read("file").len()),
        (vec!["file".into()], 1)
    );
}

fn the_directory_may_be_renamed_before_publishing(bed: &Bed) {
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

fn clean_up_works_after_chdir(bed: &Bed) {
    testbed::own_fs();
    for dir in ["opened", "later"] {
        fs::create_dir(bed.path(dir)).unwrap();
    }
    std::env::set_current_dir(bed.path("opened")).unwrap();
    let file = OpenOptions::new().anonymous_in(".").unwrap();
    let failed = OpenOptions::new()
        .anonymous_in(".")
        .unwrap()
        .replace("../later")
        .unwrap_err();
    std::env::set_current_dir(bed.path("later")).unwrap();
    drop((file, failed));
    for dir in ["opened", "later", "."] {
        let hidden = fs::read_dir(bed.path(dir))
            .unwrap()
            .map(|e| e.unwrap().file_name());
        assert!(!hidden
            .into_iter()
            .any(|name| name.as_bytes().starts_with(b".linkable")));
    }
}
