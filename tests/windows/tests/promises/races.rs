use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use linkable::PublishErrorKind;
use windows_tests::Bed;

use crate::file;

#[test]
fn of_eight_racing_publishers_one_wins() {
    for _ in 0..25 {
        let bed = &Bed::new();
        let winners: usize = thread::scope(|scope| {
            let publishers: Vec<_> = (0..8)
                .map(|number: u8| {
                    scope.spawn(move || {
                        let file = file(bed, &number.to_string());
                        match file.publish(bed.path("file")) {
                            Ok(_) => 1,
                            Err(error) => {
                                assert_eq!(error.kind(), PublishErrorKind::AlreadyExists);
                                0
                            }
                        }
                    })
                })
                .collect();
            publishers.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(winners, 1);
        assert_eq!(bed.names(), ["file"]);
    }
}

#[test]
fn of_eight_racing_replacers_each_wins_or_gets_its_file_back() {
    let bed = &Bed::new();
    fs::write(bed.path("file"), "old").unwrap();
    thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                for _ in 0..25 {
                    if let Err(error) = file(bed, &number.to_string()).replace(bed.path("file")) {
                        assert_eq!(error.kind(), PublishErrorKind::InUseOrForbidden);
                        assert!(error.into_file().is_some());
                    }
                }
            });
        }
    });
    assert_eq!(bed.names(), ["file"]);
    let contents = bed.read("file");
    // Nobody had the old file open, so one has won.
    assert!(contents.parse::<u8>().is_ok(), "{:?}", contents);
}

#[test]
fn readers_never_see_a_part_of_a_file() {
    const LENGTH: usize = 100_000;
    let bed = &Bed::new();
    let path = bed.path("file");
    fs::write(&path, "0".repeat(LENGTH)).unwrap();
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                match fs::read(&path) {
                    Ok(contents) => {
                        assert_eq!(contents.len(), LENGTH);
                        assert!(contents.iter().all(|byte| *byte == contents[0]));
                        reads += 1;
                    }
                    // While it is being replaced.
                    Err(error) => assert_ne!(error.kind(), ErrorKind::NotFound),
                }
            }
            reads
        });
        // Nothing here panics before the reader is told to end.
        let (mut replaced, mut failures) = (0, Vec::new());
        for number in 0..100 {
            let text = (number % 10).to_string().repeat(LENGTH);
            match file(bed, &text).replace(&path) {
                Ok(_) => replaced += 1,
                Err(error) => failures.push(error.kind()),
            }
        }
        done.store(true, Ordering::Relaxed);
        let reads = reader.join().unwrap();
        println!("{} of 100 replaced, {} reads", replaced, reads);
        assert!(reads > 0);
        let in_use = |kind: &PublishErrorKind| *kind == PublishErrorKind::InUseOrForbidden;
        assert!(failures.iter().all(in_use), "{:?}", failures);
    });
    assert_eq!(bed.names(), ["file"]);
}
