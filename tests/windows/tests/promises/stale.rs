use std::fs;
use std::time::Duration;

use linkable::{is_temporary_name, remove_stale};
use windows_tests::Bed;

use crate::file;

#[test]
fn stale_names_are_removed_unless_somebody_holds_them() {
    let bed = Bed::new();
    let stale = ".linkable-0123456789abcdef.tmp";
    for name in [stale, ".linkable-0.tmp", "other.tmp"] {
        fs::write(bed.path(name), "stale").unwrap();
    }
    let held = file(&bed, "held");
    assert_eq!(bed.names().len(), 4);
    let hour = Duration::from_secs(3600);
    assert!(remove_stale(bed.dir(), hour).unwrap().is_empty());
    let removed = remove_stale(bed.dir(), Duration::ZERO).unwrap();
    assert_eq!(removed, [bed.path(stale)]);
    assert_eq!(bed.names().len(), 3);
    assert!(bed.names().iter().any(is_temporary_name));
    held.publish(bed.path("file")).unwrap();
    assert_eq!(bed.names(), [".linkable-0.tmp", "file", "other.tmp"]);
    assert!(remove_stale(bed.path("missing"), hour).is_err());
}
