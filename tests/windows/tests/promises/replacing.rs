use std::fs;

use linkable::{Preserve, PublishErrorKind, PublishOptions};
use windows_tests::Bed;

use crate::file;

#[test]
fn replace_takes_the_place_of_a_file_or_of_none() {
    let bed = Bed::new();
    for contents in ["first", "second", "third"] {
        drop(file(&bed, contents).replace(bed.path("file")).unwrap());
        bed.holds_only("file", contents);
    }
}

#[test]
fn a_file_that_is_open_is_replaced_once_it_is_closed() {
    let bed = Bed::new();
    let path = bed.path("file");
    let first = file(&bed, "first").replace(&path).unwrap();
    // This depends on the version of std, and on the file system.
    if let Err(error) = file(&bed, "second").replace(&path) {
        assert_eq!(error.kind(), PublishErrorKind::InUseOrForbidden);
        let text = error.to_string();
        assert!(text.contains("`File` that an earlier save"), "{}", text);
        let second = error.into_file().unwrap();
        drop(first);
        drop(second.replace(&path).unwrap());
    }
    bed.holds_only("file", "second");
}

#[test]
fn hard_links_keep_the_old_contents() {
    let bed = Bed::new();
    fs::write(bed.path("file"), "old").unwrap();
    fs::hard_link(bed.path("file"), bed.path("link")).unwrap();
    file(&bed, "new").replace(bed.path("file")).unwrap();
    assert_eq!(bed.names(), ["file", "link"]);
    assert_eq!(bed.read("file") + &bed.read("link"), "newold");
}

#[test]
fn a_directory_is_never_replaced() {
    let bed = Bed::new();
    let path = bed.path("dir");
    fs::create_dir(&path).unwrap();
    let error = file(&bed, "new").replace(&path).unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::IsADirectory);
    let error = error.into_file().unwrap().publish(&path).unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::AlreadyExists);
    drop(error);
    assert_eq!(bed.names(), ["dir"]);
    assert!(path.is_dir());
}

#[test]
fn what_cannot_be_preserved_is_an_error_unless_it_may_be_left_out() {
    let bed = Bed::new();
    let mut options = PublishOptions::new();
    options.replace(true);
    for what in [Preserve::MODE, Preserve::OWNER, Preserve::ATTRIBUTES] {
        fs::write(bed.path("file"), "old").unwrap();
        let options = options.preserve(what);
        let published = options.publish(file(&bed, "new"), bed.path("file"));
        drop(published.unwrap_err());
        bed.holds_only("file", "old");
        let options = options.preserve(what.where_possible());
        let published = options.publish(file(&bed, "new"), bed.path("file"));
        drop(published.unwrap());
        bed.holds_only("file", "new");
    }
}
