use std::fs;

use linkable::{Durability, PublishBatch, PublishErrorKind, PublishOptions};
use windows_tests::Bed;

use crate::file;

#[test]
fn all_files_are_published_and_none_before_the_commit() {
    for level in [Durability::None, Durability::Contents, Durability::Full] {
        let bed = Bed::new();
        let mut options = PublishOptions::new();
        let mut batch = PublishBatch::with_options(options.durability(level));
        for number in 0..50 {
            let name = format!("file {}", number);
            batch.add(file(&bed, &name), bed.path(name));
        }
        assert!(bed.names().iter().all(|name| name.starts_with('.')));
        assert_eq!(batch.commit().into_result().unwrap(), 50);
        let names = bed.names();
        assert_eq!(names.len(), 50);
        assert!(names.iter().all(|name| bed.read(name) == *name));
    }
}

#[test]
fn a_dropped_batch_publishes_nothing() {
    let bed = Bed::new();
    let mut batch = PublishBatch::new();
    batch.add(file(&bed, "new"), bed.path("file"));
    drop(batch);
    assert_eq!(bed.names(), [""; 0]);
}

#[test]
fn one_failure_does_not_stop_the_others() {
    let bed = Bed::new();
    fs::write(bed.path("taken"), "old").unwrap();
    fs::write(bed.path("replaced"), "old").unwrap();
    let mut batch = PublishBatch::new();
    batch.add(file(&bed, "new"), bed.path("taken"));
    batch.add_replacing(file(&bed, "new"), bed.path("replaced"));
    batch.add(file(&bed, "new"), bed.path("free"));
    let report = batch.commit();
    assert_eq!(report.published(), 2);
    let failures = report.into_failures();
    assert_eq!(failures.len(), 1);
    let (index, error) = &failures[0];
    assert_eq!((*index, error.kind()), (0, PublishErrorKind::AlreadyExists));
    drop(failures);
    assert_eq!(bed.names(), ["free", "replaced", "taken"]);
    assert_eq!(bed.read("taken") + &bed.read("replaced"), "oldnew");
}
