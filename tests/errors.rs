//! Errors: the kind that is meant, the errno that was there, a text that helps, and the file.

mod common;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};

use common::{contents, given_back, link_by_hand, on, on_both_routes, Bed, Route};
use linkable::PublishErrorKind;
use testbed::{with_fault, Rule};

on_both_routes! {
    the_message_names_the_path_and_the_source_has_the_cause,
    the_errno_survives_conversion_to_io_error,
    any_other_errno_is_returned_and_publishing_can_be_retried,
    a_failed_rename_gives_the_file_back_and_keeps_the_old_one,
    a_failed_write_keeps_the_old_file,
}

fn the_message_names_the_path_and_the_source_has_the_cause(bed: &Bed) {
    fs::write(bed.path("taken"), "").unwrap();
    let error = bed.open().publish(bed.path("taken")).unwrap_err();
    assert_eq!(error.path(), bed.path("taken"));
    let (text, cause) = (error.to_string(), error.source().unwrap().to_string());
    assert!(text.contains(bed.path("taken").to_str().unwrap()), "{text}");
    assert!(text.contains("replace"), "{text}");
    assert!(!text.contains(&cause), "{text}");
}

fn the_errno_survives_conversion_to_io_error(bed: &Bed) {
    let convert = || -> io::Result<File> { Ok(bed.open().publish(bed.path("missing/new"))?) };
    let error = convert().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

fn any_other_errno_is_returned_and_publishing_can_be_retried(bed: &Bed) {
    use libc::{EDQUOT, EIO, EMLINK, ENOMEM, ENOSPC, EROFS};
    for errno in [EIO, ENOMEM, ENOSPC, EDQUOT, EROFS, EMLINK] {
        let rules = [libc::SYS_linkat, libc::SYS_renameat2]
            .map(Rule::call)
            .to_vec();
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

fn a_failed_rename_gives_the_file_back_and_keeps_the_old_one(bed: &Bed) {
    for errno in [libc::EIO, libc::EPERM, libc::ENOSPC, libc::EXDEV] {
        fs::write(bed.path("file"), "old").unwrap();
        let rules = Rule::rename();
        let (file, path) = (bed.file("new"), bed.path("file"));
        let error = with_fault(errno, rules, move || file.replace(path).unwrap_err());
        assert_eq!(error.io_error().raw_os_error(), Some(errno));
        assert_eq!(bed.read("file"), "old");
        assert_eq!(
            bed.names().len(),
            2,
            "the old file and what the handle owns"
        );
        given_back(error).replace(bed.path("file")).unwrap();
        bed.holds_only("file", "new");
    }
}

fn a_failed_write_keeps_the_old_file(bed: &Bed) {
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

#[test]
fn a_file_whose_names_were_all_removed_is_never_linkable() {
    on(Route::Anonymous, |bed| {
        let file = bed.file("kept");
        link_by_hand(&file, &bed.path("by hand")).unwrap();
        fs::remove_file(bed.path("by hand")).unwrap();
        let error = file.publish(bed.path("new")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::NeverLinkable);
        assert_eq!(contents(given_back(error).as_file()), "kept");
    });
}
