use std::env;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process;

use linkable::{PublishErrorKind, PublishOptions};
use windows_tests::Bed;

use crate::file;

/// A directory on another drive, which `run` has made: one that is empty, if `name` is unique.
fn other_drive(name: &str) -> PathBuf {
    let drive = PathBuf::from(env::var_os("LINKABLE_OTHER_DRIVE").unwrap());
    let dir = drive.join(format!("{}-{}", name, process::id()));
    fs::create_dir(&dir).unwrap();
    dir
}

#[test]
fn another_drive_is_told_and_the_file_comes_back() {
    let (bed, other) = (Bed::new(), other_drive("told"));
    let mut file = file(&bed, "new");
    for replace in [false, true] {
        let mut options = PublishOptions::new();
        let published = options.replace(replace).publish(file, other.join("file"));
        let error = published.unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::CrossesDevices, "{}", error);
        file = error.into_file().unwrap();
    }
    file.publish(bed.path("file")).unwrap();
    bed.holds_only("file", "new");
    assert_eq!(fs::read_dir(other).unwrap().count(), 0);
}

#[test]
fn a_copy_is_published_on_another_drive() {
    let (bed, other) = (Bed::new(), other_drive("copied"));
    let path = other.join("file");
    for replace in [false, true] {
        let mut file = file(&bed, "0123456789");
        file.seek(SeekFrom::Start(3)).unwrap();
        let mut options = PublishOptions::new();
        options.allow_copy(true).replace(replace);
        let mut published = options.publish(file, &path).unwrap();
        published.write_all(b"abc").unwrap();
        drop(published);
        assert_eq!(fs::read_to_string(&path).unwrap(), "012abc6789");
        assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
        assert_eq!(bed.names(), [""; 0]);
    }
}
