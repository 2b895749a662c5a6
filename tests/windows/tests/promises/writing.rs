use std::fs;
use std::io::{self, Write};
use std::os::windows::fs::symlink_file;

use linkable::{write, PublishOptions};
use windows_tests::Bed;

#[test]
fn write_saves_again_and_again() {
    let bed = Bed::new();
    // It keeps no file open, so the next one is not in the way.
    for number in 0..20 {
        let contents = number.to_string();
        write(bed.path("file"), &contents).unwrap();
        bed.holds_only("file", &contents);
    }
}

#[test]
fn a_directory_is_not_written() {
    let bed = Bed::new();
    fs::create_dir(bed.path("dir")).unwrap();
    assert!(write(bed.path("dir"), "new").is_err());
    assert_eq!(bed.names(), ["dir"]);
}

#[test]
fn an_error_while_writing_leaves_the_old_file() {
    let bed = Bed::new();
    fs::write(bed.path("file"), "old").unwrap();
    let mut options = PublishOptions::new();
    let written = options.replace(true).write_with(bed.path("file"), |file| {
        file.write_all(b"half of it")?;
        Err::<(), _>(io::Error::new(io::ErrorKind::Other, "no more"))
    });
    assert_eq!(written.unwrap_err().to_string(), "no more");
    bed.holds_only("file", "old");
}

#[test]
fn a_symlink_is_followed() {
    let bed = Bed::new();
    // wine 8 only says that it has made one, and Windows allows them only to some.
    let _ = symlink_file("file", bed.path("link"));
    if bed.path("link").is_symlink() {
        for contents in ["one", "two"] {
            write(bed.path("link"), contents).unwrap();
            assert_eq!(bed.read("file"), contents);
            assert!(bed.path("link").is_symlink());
        }
    }
}
