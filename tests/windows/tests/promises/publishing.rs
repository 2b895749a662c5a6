use std::fs;
use std::io::Write;

use linkable::{Durability, PublishErrorKind, PublishOptions};
use windows_tests::Bed;

use crate::file;

#[test]
fn a_published_file_is_complete_at_every_level() {
    for level in [Durability::None, Durability::Contents, Durability::Full] {
        for replace in [false, true] {
            let bed = Bed::new();
            let mut options = PublishOptions::new();
            options.durability(level).replace(replace);
            let published = options.publish(file(&bed, "all"), bed.path("file"));
            drop(published.unwrap());
            bed.holds_only("file", "all");
        }
    }
}

#[test]
fn the_published_file_stays_open() {
    let bed = Bed::new();
    let mut published = file(&bed, "one").publish(bed.path("file")).unwrap();
    published.write_all(b", two").unwrap();
    drop(published);
    bed.holds_only("file", "one, two");
}

#[test]
fn publish_never_replaces() {
    let bed = Bed::new();
    fs::write(bed.path("taken"), "old").unwrap();
    let error = file(&bed, "new").publish(bed.path("taken")).unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::AlreadyExists);
    let file = error.into_file().unwrap();
    file.publish(bed.path("free")).unwrap();
    assert_eq!(bed.names(), ["free", "taken"]);
    assert_eq!(bed.read("taken") + &bed.read("free"), "oldnew");
}

#[test]
fn another_directory_is_fine() {
    let bed = Bed::new();
    fs::create_dir(bed.path("sub")).unwrap();
    file(&bed, "new").publish(bed.path("sub/one")).unwrap();
    file(&bed, "new").replace(bed.path("sub\\two")).unwrap();
    assert_eq!(bed.names(), ["sub"]);
    assert_eq!(bed.read("sub/one") + &bed.read("sub/two"), "newnew");
}
