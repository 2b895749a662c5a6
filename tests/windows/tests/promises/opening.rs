use std::env;
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, Stdio};

use linkable::{LinkableFile, OpenOptionsAnonymousExt};
use windows_tests::Bed;

use crate::file;

const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
const FILE_FLAG_WRITE_THROUGH: u32 = 0x8000_0000;

#[test]
fn a_file_has_a_temporary_name() {
    let bed = Bed::new();
    let file = file(&bed, "");
    assert!(!file.is_anonymous());
    let names = bed.names();
    assert_eq!(names.len(), 1);
    assert!(names[0].starts_with(".linkable-") && names[0].ends_with(".tmp"));
}

#[test]
fn a_dropped_file_leaves_nothing() {
    let bed = Bed::new();
    drop(file(&bed, "dropped"));
    assert_eq!(bed.names(), [""; 0]);
}

#[test]
fn a_panic_leaves_nothing() {
    let bed = Bed::new();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let _file = file(&bed, "never published");
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(bed.names(), [""; 0]);
}

#[test]
fn a_file_that_becomes_a_plain_one_leaves_nothing() {
    let bed = Bed::new();
    drop(fs::File::from(file(&bed, "")));
    drop(OwnedHandle::from(file(&bed, "")));
    assert_eq!(bed.names(), [""; 0]);
}

#[test]
fn options_are_honoured() {
    let bed = Bed::new();
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true);
    options.custom_flags(FILE_FLAG_WRITE_THROUGH);
    let mut file = options.anonymous_in(bed.dir()).unwrap();
    file.write_all(b"one ").unwrap();
    file.rewind().unwrap();
    file.write_all(b"two").unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one two");
}

#[test]
fn delete_on_close_is_refused() {
    let bed = Bed::new();
    let mut options = OpenOptions::new();
    options.custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    let error = options.anonymous_in(bed.dir()).unwrap_err();
    assert!(error.to_string().contains("use scratch_in"), "{}", error);
    assert!(options.scratch_in(bed.dir()).is_ok());
    assert_eq!(bed.names(), [""; 0]);
}

#[test]
fn a_scratch_file_is_gone_when_it_is_closed() {
    let bed = Bed::new();
    let mut options = OpenOptions::new();
    let mut scratch = options.read(true).scratch_in(bed.dir()).unwrap();
    scratch.write_all(b"for now").unwrap();
    scratch.rewind().unwrap();
    let mut text = String::new();
    scratch.read_to_string(&mut text).unwrap();
    assert_eq!(text, "for now");
    drop(scratch);
    assert_eq!(bed.names(), [""; 0]);
}

const KILLED: &str = "LINKABLE_KILLED_IN";

#[test]
fn a_killed_process_leaves_its_temporary_name_and_no_scratch_file() {
    if let Some(dir) = env::var_os(KILLED) {
        let _scratch = OpenOptions::new().scratch_in(&dir).unwrap();
        let _file = OpenOptions::new().anonymous_in(&dir).unwrap();
        println!("ready");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let bed = Bed::new();
    let name = "opening::a_killed_process_leaves_its_temporary_name_and_no_scratch_file";
    let mut child = Command::new(env::current_exe().unwrap())
        .args(&["--exact", "--nocapture", name])
        .env(KILLED, bed.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let stdout = child.stdout.as_mut().unwrap();
    while !said.ends_with(b"ready") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    assert_eq!(bed.names().len(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bed.names().len(), 1);
}

#[test]
fn the_current_directory_may_change() {
    let (here, there) = (Bed::new(), Bed::new());
    let before = env::current_dir().unwrap();
    env::set_current_dir(here.dir()).unwrap();
    let dropped = OpenOptions::new().anonymous_in("").unwrap();
    let published = OpenOptions::new().anonymous_in(".").unwrap();
    assert_eq!(here.names().len(), 2);
    env::set_current_dir(there.dir()).unwrap();
    drop(dropped);
    published.publish("file").unwrap();
    env::set_current_dir(before).unwrap();
    assert_eq!(here.names(), [""; 0]);
    there.holds_only("file", "");
}

#[test]
fn a_file_can_be_opened_again() {
    let bed = Bed::new();
    let file = file(&bed, "seen from the start");
    let mut text = String::new();
    file.reopen().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "seen from the start");
    file.publish(bed.path("file")).unwrap();
    bed.holds_only("file", "seen from the start");
}

#[test]
fn a_file_has_what_std_offers_for_files_of_windows() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<LinkableFile>();
    let bed = Bed::new();
    let mut options = OpenOptions::new();
    let file = options.read(true).anonymous_in(bed.dir()).unwrap();
    assert_eq!(file.seek_write(b"text", 2).unwrap(), 4);
    let mut text = [0; 4];
    assert_eq!(file.seek_read(&mut text, 2).unwrap(), 4);
    assert_eq!(&text, b"text");
    assert_eq!(file.as_handle().as_raw_handle(), file.as_raw_handle());
}
