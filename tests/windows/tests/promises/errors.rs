use std::error::Error;
use std::fs::OpenOptions;
use std::io;

use linkable::{OpenOptionsAnonymousExt, PublishErrorKind};
use windows_tests::Bed;

use crate::file;

#[test]
fn an_error_names_the_path_and_the_remedy_and_has_the_code_in_its_source() {
    let bed = Bed::new();
    let missing = bed.path("missing");
    let error = OpenOptions::new().anonymous_in(&missing).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let text = error.to_string();
    let said = "the directory does not exist; create it";
    let expected = format!("cannot create a file in {}: {}", missing.display(), said);
    assert!(text.starts_with(&expected), "{}", text);
    let source = error.source().and_then(|source| source.downcast_ref());
    let code = source.and_then(io::Error::raw_os_error);
    assert!([Some(2), Some(3)].contains(&code), "{:?}", code);
}

#[test]
fn a_missing_directory_is_told_and_the_file_comes_back() {
    let bed = Bed::new();
    std::fs::write(bed.path("file"), "").unwrap();
    for path in ["missing\\new", "file\\new"] {
        for replace in [false, true] {
            let file = file(&bed, "new");
            let published = if replace {
                file.replace(bed.path(path))
            } else {
                file.publish(bed.path(path))
            };
            let error = published.unwrap_err();
            assert_eq!(error.kind(), PublishErrorKind::NotFound, "{}", error);
            let kind = error.io_error().kind();
            assert!(kind == io::ErrorKind::NotFound, "{}", error);
            let file = error.into_file().unwrap();
            drop(file.replace(bed.path("kept")).unwrap());
        }
    }
    assert_eq!(bed.names(), ["file", "kept"]);
}

#[test]
fn a_temporary_name_that_was_removed_is_told() {
    let bed = Bed::new();
    let moved = file(&bed, "new");
    std::fs::rename(bed.path(&bed.names()[0]), bed.path("moved")).unwrap();
    let error = moved.publish(bed.path("file")).unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::NeverLinkable, "{}", error);
    drop(error);
    bed.holds_only("moved", "new");
}
