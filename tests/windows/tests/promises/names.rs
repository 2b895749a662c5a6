use std::fs;
use std::io::ErrorKind;

use linkable::{write, PublishErrorKind};
use windows_tests::Bed;

use crate::file;

#[test]
fn long_paths_work() {
    let bed = Bed::new();
    let mut dir = bed.path("");
    while dir.as_os_str().len() < 400 {
        dir.push("a directory with a name of some length");
    }
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("file");
    write(&path, "one").unwrap();
    write(&path, "two").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    let other = dir.join("other");
    file(&bed, "three").publish(&other).unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "three");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
}

#[test]
fn a_path_from_the_root_of_the_drive_works() {
    let bed = Bed::new();
    let dir = fs::canonicalize(bed.dir()).unwrap();
    write(dir.join("verbatim"), "contents").unwrap();
    bed.holds_only("verbatim", "contents");
}

#[test]
fn names_of_any_language_work() {
    let bed = Bed::new();
    for name in ["Prüfung", "試験", "проверка", "one two"] {
        write(bed.path(name), name).unwrap();
        assert_eq!(bed.read(name), name);
    }
    let longest = "x".repeat(255);
    write(bed.path(&longest), "long").unwrap();
    assert_eq!(bed.read(&longest), "long");
    assert!(write(bed.path("x".repeat(256)), "long").is_err());
    assert_eq!(bed.names().len(), 5);
}

#[test]
fn a_stream_is_refused() {
    let bed = Bed::new();
    fs::write(bed.path("file"), "old").unwrap();
    for name in ["file:stream", "file::$DATA", "new:stream"] {
        let path = bed.path("").join(".").with_file_name(name);
        let error = file(&bed, "new").replace(path).unwrap_err();
        assert!(error.to_string().contains("stream"), "{}", error);
        assert!(error.into_file().is_some());
    }
    bed.holds_only("file", "old");
}

#[test]
fn a_device_is_refused() {
    let bed = Bed::new();
    for name in ["NUL", "nul", "con", "AUX", "prn", "COM1", "lpt9", "NUL."] {
        for path in [bed.path(name), name.into()] {
            let error = file(&bed, "new").publish(&path).unwrap_err();
            assert_eq!(error.kind(), PublishErrorKind::NotARegularFile, "{}", name);
        }
        assert!(write(bed.path(name), "new").is_err());
    }
    // A device before Windows 11, and then the rename fails.
    drop(file(&bed, "new").replace(bed.path("aux.rs")));
    for name in ["null", "com", "COM0", "comb", "LPT10"] {
        file(&bed, "new").publish(bed.path(name)).unwrap();
        fs::remove_file(bed.path(name)).unwrap();
    }
    assert!(bed.names().iter().all(|name| name == "aux.rs"));
}

#[test]
fn a_dot_or_a_space_at_the_end_is_not_part_of_the_name() {
    let bed = Bed::new();
    for name in ["file", "file.", "file "] {
        write(bed.path(name), name).unwrap();
        bed.holds_only("file", name);
    }
}

#[test]
fn a_path_that_can_only_be_a_directory_is_refused() {
    let bed = Bed::new();
    fs::create_dir(bed.path("dir")).unwrap();
    for name in ["dir\\", "dir/", "dir\\.", "dir\\..", "", ".", "new\\"] {
        let path = bed.dir().to_string_lossy().into_owned() + "\\" + name;
        let error = file(&bed, "new").replace(&path).unwrap_err();
        let kind = error.kind();
        let is_told = [PublishErrorKind::IsADirectory, PublishErrorKind::NotFound].contains(&kind);
        assert!(is_told, "{}: {}", path, error);
    }
    assert_eq!(bed.names(), ["dir"]);
}

#[test]
fn other_names_that_cannot_be_are_errors() {
    let bed = Bed::new();
    for name in ["a?b", "a*b", "a<b", "a|b", "a\"b"] {
        let error = write(bed.path(name), "new").unwrap_err();
        assert!(error.to_string().contains("Windows allows no"), "{}", error);
    }
    let error = write(bed.path("a\0b"), "new").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(bed.names(), [""; 0]);
}
