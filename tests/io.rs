//! The handle as a file: every std trait, for the handle and for a reference to it.

mod common;

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};

use common::{contents, on_both_routes, Bed};
use linkable::LinkableFile;
use testbed::in_thread;

on_both_routes! {
    it_reads_writes_and_seeks,
    the_borrowed_file_is_the_same_file,
    it_converts_into_a_file_or_a_descriptor,
    it_converts_into_a_raw_descriptor,
    it_reads_and_writes_at_an_offset,
    reopen_has_its_own_offset,
    reopen_respects_the_mode,
    the_descriptor_is_closed_on_exec,
    it_can_be_sent_shared_and_published_by_another_thread,
    attributes_set_before_publishing_are_kept,
}

/// The same with the handle itself and with a reference to it.
fn read_write_seek(mut file: impl Read + Write + Seek) {
    file.write_all(b"one ").unwrap();
    assert_eq!(file.write(b"two ").unwrap(), 4);
    write!(file, "three ").unwrap();
    let four = [IoSlice::new(b"fo"), IoSlice::new(b"ur")];
    assert_eq!(file.write_vectored(&four).unwrap(), 4);
    file.flush().unwrap();
    assert_eq!(file.stream_position().unwrap(), 18);

    let (mut one, mut two, mut rest, mut all) = ([0; 4], [0; 2], Vec::new(), String::new());
    file.rewind().unwrap();
    file.read_exact(&mut one).unwrap();
    assert_eq!(file.read(&mut two).unwrap(), 2);
    file.read_to_end(&mut rest).unwrap();
    assert_eq!(
        (&one, &two, &rest[..]),
        (b"one ", b"tw", &b"o three four"[..])
    );
    assert_eq!(file.seek(SeekFrom::End(-4)).unwrap(), 14);
    let mut four = [IoSliceMut::new(&mut two), IoSliceMut::new(&mut one)];
    assert_eq!(file.read_vectored(&mut four).unwrap(), 4);
    assert_eq!((&two, &one[..2]), (b"fo", &b"ur"[..]));
    file.seek(SeekFrom::Start(8)).unwrap();
    file.read_to_string(&mut all).unwrap();
    assert_eq!(all, "three four");
}

fn it_reads_writes_and_seeks(bed: &Bed) {
    read_write_seek(bed.open());
    read_write_seek(&bed.open());
}

fn the_borrowed_file_is_the_same_file(bed: &Bed) {
    let mut file = bed.file("same");
    assert_eq!(file.as_fd().as_raw_fd(), file.as_raw_fd());
    assert_eq!(file.as_file().as_raw_fd(), file.as_raw_fd());
    file.as_file_mut().set_len(2).unwrap();
    assert_eq!(contents(&file), "sa");
}

fn it_converts_into_a_file_or_a_descriptor(bed: &Bed) {
    let number = |file: &LinkableFile| file.as_raw_fd();
    let (file, descriptor) = (bed.open(), bed.open());
    let numbers = (number(&file), number(&descriptor));
    let (file, descriptor) = (File::from(file), OwnedFd::from(descriptor));
    assert_eq!((file.as_raw_fd(), descriptor.as_raw_fd()), numbers);
    assert_eq!(bed.names(), [""; 0]);
}

fn it_converts_into_a_raw_descriptor(bed: &Bed) {
    let file = bed.file("still here");
    let number = file.as_raw_fd();
    let raw = file.into_raw_fd();
    assert_eq!(raw, number);
    assert_eq!(bed.names(), [""; 0]);
    // SAFETY: it was just given to us.
    let file = unsafe { File::from_raw_fd(raw) };
    assert_eq!(contents(file), "still here");
}

/// The position stays where it is.
fn it_reads_and_writes_at_an_offset(bed: &Bed) {
    let mut file = bed.file("one two");
    file.write_all_at(b"six", 4).unwrap();
    assert_eq!(file.write_at(b"S", 4).unwrap(), 1);
    let (mut three, mut one) = ([0; 3], [0]);
    file.read_exact_at(&mut three, 4).unwrap();
    assert_eq!((&three, file.read_at(&mut one, 0).unwrap()), (b"Six", 1));
    assert_eq!((one, file.stream_position().unwrap()), (*b"o", 7));
}

fn reopen_has_its_own_offset(bed: &Bed) {
    let file = bed.file("from the start");
    let mut again = file.reopen().unwrap();
    assert_eq!(contents(&again), "from the start");
    again.write_all(b"!").unwrap();
    (&file).write_all(b"?").unwrap();
    assert_eq!(contents(&file), "from the start?");
}

fn reopen_respects_the_mode(bed: &Bed) {
    testbed::give_to_ordinary_user(bed.dir());
    let dir = bed.dir().to_owned();
    in_thread(move || {
        testbed::as_ordinary_user();
        for (mode, readable, writable) in [
            (0o600, true, true),
            (0o400, true, false),
            (0o200, false, true),
        ] {
            let mut options = std::fs::OpenOptions::new();
            options.read(true).mode(mode);
            let file = linkable::OpenOptionsAnonymousExt::anonymous_in(&options, &dir).unwrap();
            let mut again = file.reopen().unwrap();
            assert_eq!(again.read(&mut [0]).is_ok(), readable, "{mode:o}");
            assert_eq!(again.write(b"x").is_ok(), writable, "{mode:o}");
        }
    });
}

fn the_descriptor_is_closed_on_exec(bed: &Bed) {
    let file = bed.open();
    let flags = rustix::io::fcntl_getfd(&file).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    let flags = rustix::io::fcntl_getfd(file.reopen().unwrap()).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

fn it_can_be_sent_shared_and_published_by_another_thread(bed: &Bed) {
    fn send_and_sync<T: Send + Sync>(value: T) -> T {
        value
    }
    let (file, path) = (send_and_sync(bed.file("sent")), bed.path("new"));
    let file = std::thread::spawn(move || file.publish(path).unwrap())
        .join()
        .unwrap();
    assert_eq!(
        file.metadata().unwrap().ino(),
        bed.path("new").metadata().unwrap().ino(),
        "the inode"
    );
    assert_eq!(bed.read("new"), "sent");
}

fn attributes_set_before_publishing_are_kept(bed: &Bed) {
    let file = bed.open();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4711);
    file.as_file().set_permissions(mode).unwrap();
    file.as_file().set_modified(std::time::UNIX_EPOCH).unwrap();
    file.publish(bed.path("new")).unwrap();
    let new = bed.path("new").metadata().unwrap();
    assert_eq!((new.mode() & 0o7777, new.mtime()), (0o4711, 0));
}
