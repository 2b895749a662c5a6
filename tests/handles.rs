//! Handles: opened in a directory that is held open; with space that is reserved; adopted from elsewhere.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;

use common::{
    contents, errno_in, fails, link_by_hand, on, on_both_routes, on_disk, path_of, Bed, Route,
};
use linkable::{LinkableFile, OpenOptionsAnonymousExt, PublishErrorKind};
use rustix::fs::{memfd_create, open, MemfdFlags, Mode, OFlags, CWD};
use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use testbed::{in_child, Kind, Mounted, Rule};

on_both_routes! {
    any_directory_handle_opens_a_file_in_its_directory,
    a_file_of_a_directory_handle_has_the_mode_of_a_plain_create,
    a_renamed_directory_is_still_the_one_of_its_handle,
    #[ignore = "needs root, to mount"]
    a_directory_that_is_mounted_over_is_still_the_one_of_its_handle,
    a_bad_directory_handle_is_reported_with_its_errno,
    reserved_space_changes_neither_length_nor_contents,
    #[ignore = "needs root and mkfs.ext4, to mount"]
    space_is_reserved_at_once,
    #[ignore = "needs root and mkfs.ext2, to mount"]
    where_no_space_can_be_reserved_that_is_unsupported_and_harmless,
    reserving_nothing_is_no_system_call,
    no_length_is_too_large_to_be_an_error,
}

fn directory(bed: &Bed, flags: OFlags) -> OwnedFd {
    open(bed.dir(), flags | OFlags::DIRECTORY, Mode::empty()).unwrap()
}

fn any_directory_handle_opens_a_file_in_its_directory(bed: &Bed) {
    testbed::own_fs();
    std::env::set_current_dir(bed.dir()).unwrap();
    let directory_by_path = directory(bed, OFlags::PATH);
    for file in [
        LinkableFile::new_at(File::open(bed.dir()).unwrap()),
        LinkableFile::new_at(&directory_by_path),
        LinkableFile::new_at(directory(bed, OFlags::RDONLY)),
        LinkableFile::new_at(CWD),
    ] {
        let mut file = file.unwrap();
        assert_eq!(file.is_anonymous(), bed.is_anonymous());
        file.write_all(b"read and written").unwrap();
        assert_eq!(contents(&file), "read and written");
    }
    assert_eq!(bed.names(), [""; 0]);
    let file = LinkableFile::new_at(&directory_by_path).unwrap();
    file.publish("new").unwrap();
    bed.holds_only("new", "");
}

fn a_file_of_a_directory_handle_has_the_mode_of_a_plain_create(bed: &Bed) {
    testbed::own_fs();
    for umask in [0, 0o022, 0o077, 0o777] {
        rustix::process::umask(Mode::from_bits_retain(umask));
        let plain = File::create(bed.path("plain")).unwrap();
        fs::remove_file(bed.path("plain")).unwrap();
        let file = LinkableFile::new_at(directory(bed, OFlags::PATH)).unwrap();
        let [expected, found] = [&plain, file.as_file()].map(|file| file.metadata().unwrap());
        assert_eq!(found.mode(), expected.mode(), "umask {umask:o}");
    }
}

fn a_renamed_directory_is_still_the_one_of_its_handle(bed: &Bed) {
    let [before, after] = ["before", "after"].map(|name| bed.path(name));
    fs::create_dir(&before).unwrap();
    let handle = File::open(&before).unwrap();
    fs::rename(&before, &after).unwrap();
    fs::create_dir(&before).unwrap();
    let dropped = LinkableFile::new_at(&handle).unwrap();
    let published = LinkableFile::new_at(&handle).unwrap();
    assert_eq!(common::names(&before), [""; 0]);
    drop(dropped);
    published.publish(after.join("new")).unwrap();
    assert_eq!(common::names(&after), ["new"]);
}

fn a_directory_that_is_mounted_over_is_still_the_one_of_its_handle(bed: &Bed) {
    testbed::own_mounts();
    let handle = File::open(bed.dir()).unwrap();
    let mounted = Mounted::new("tmpfs", bed.dir().to_owned(), "");
    let dropped = LinkableFile::new_at(&handle).unwrap();
    let published = LinkableFile::new_at(&handle).unwrap();
    assert_eq!(bed.names(), [""; 0]);
    drop(dropped);
    drop(mounted);
    published.publish(bed.path("new")).unwrap();
    bed.holds_only("new", "");
}

fn a_bad_directory_handle_is_reported_with_its_errno(bed: &Bed) {
    let file = File::create(bed.path("file")).unwrap();
    fails(LinkableFile::new_at(&file), libc::ENOTDIR);
    fs::create_dir(bed.path("removed")).unwrap();
    let handle = File::open(bed.path("removed")).unwrap();
    fs::remove_dir(bed.path("removed")).unwrap();
    // Some file systems still open an unnamed file there, which can be published elsewhere.
    if let Ok(file) = LinkableFile::new_at(handle) {
        assert!(file.is_anonymous());
        file.publish(bed.path("new")).unwrap();
    }
}

#[test]
fn a_directory_handle_falls_back_on_the_same_errnos_as_a_path() {
    for errno in [
        libc::EOPNOTSUPP,
        libc::EISDIR,
        libc::ENOSYS,
        libc::EINVAL,
        libc::EACCES,
        libc::EPERM,
        libc::ENOENT,
        libc::EIO,
    ] {
        on(Route::Named(errno), move |bed| {
            let by_path = OpenOptions::new().anonymous_in(bed.dir());
            let by_handle = LinkableFile::new_at(File::open(bed.dir()).unwrap());
            match (by_path, by_handle) {
                (Ok(by_path), Ok(by_handle)) => {
                    assert!(!by_path.is_anonymous() && !by_handle.is_anonymous());
                }
                (Err(_), by_handle) => fails(by_handle, errno),
                (by_path, by_handle) => panic!("{errno}: {by_path:?}, {by_handle:?}"),
            }
        });
    }
}

/// Whether the space was reserved. Not every file system can do that.
fn reserved(outcome: io::Result<()>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            false
        }
    }
}

fn reserved_space_changes_neither_length_nor_contents(bed: &Bed) {
    let file = bed.file("all");
    println!("reserved: {}", reserved(file.allocate(100_000)));
    assert_eq!(contents(&file), "all");
    file.publish(bed.path("new")).unwrap();
    bed.holds_only("new", "all");
}

fn space_is_reserved_at_once(bed: &Bed) {
    on_disk(bed, Kind::Ext4, |disk| {
        let file = common::file_in(disk, "some");
        file.allocate(1 << 20).unwrap();
        let metadata = file.as_file().metadata().unwrap();
        assert!(metadata.blocks() * 512 >= 1 << 20, "{metadata:?}");
        assert_eq!(metadata.len(), 4);
        file.as_file().set_len(4).unwrap();
        assert!(file.as_file().metadata().unwrap().blocks() * 512 < 1 << 20);
    });
}

fn where_no_space_can_be_reserved_that_is_unsupported_and_harmless(bed: &Bed) {
    on_disk(bed, Kind::Ext2, |disk| {
        let file = common::file_in(disk, "kept");
        let error = file.allocate(1 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(errno_in(&error), Some(libc::EOPNOTSUPP));
        assert!(error.to_string().contains("go on without"), "{error}");
        file.publish(disk.join("new")).unwrap();
        assert_eq!(fs::read_to_string(disk.join("new")).unwrap(), "kept");
    });
}

fn reserving_nothing_is_no_system_call(bed: &Bed) {
    let file = bed.file("");
    testbed::deny(libc::EIO, &[Rule::call(libc::SYS_fallocate)]);
    file.allocate(0).unwrap();
    let error = file.allocate(1).unwrap_err();
    assert_eq!(errno_in(&error), Some(libc::EIO));
}

fn no_length_is_too_large_to_be_an_error(bed: &Bed) {
    let file = bed.file("kept");
    for bytes in [u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 62] {
        let error = file.allocate(bytes).unwrap_err();
        let errno = errno_in(&error).unwrap();
        let expected = [libc::EFBIG, libc::ENOSPC, libc::EOPNOTSUPP];
        assert!(expected.contains(&errno), "{bytes}: {error}");
    }
    assert_eq!(contents(&file), "kept");
}

/// A file that something else has opened with `O_TMPFILE`.
fn unnamed(bed: &Bed, flags: i32) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
        .custom_flags(libc::O_TMPFILE | flags)
        .open(bed.dir())
        .unwrap()
}

fn adopt(file: File) -> LinkableFile {
    LinkableFile::try_from(file).unwrap()
}

/// The file must be given back unharmed.
#[track_caller]
fn is_refused(file: File, text: &str) {
    let id = file.metadata().unwrap().ino();
    let (file, error) = LinkableFile::try_from(file).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(file.metadata().unwrap().ino(), id);
}

#[test]
fn an_unnamed_file_from_elsewhere_can_be_published() {
    on(Route::Anonymous, |bed| {
        let mut file = unnamed(bed, 0);
        file.write_all(b"from elsewhere").unwrap();
        let read_only = File::open(path_of(&file)).unwrap();
        let write_only = OpenOptions::new().write(true).open(path_of(&file));
        assert!(adopt(write_only.unwrap()).is_anonymous());
        adopt(file).publish(bed.path("new")).unwrap();
        assert_eq!(bed.read("new"), "from elsewhere");
        // Once it has a name, no other descriptor of it is unnamed.
        is_refused(read_only, "already has a name");

        let file = unnamed(bed, 0);
        let read_only = File::open(path_of(&file)).unwrap();
        drop(file);
        adopt(read_only).replace(bed.path("new")).unwrap();
        bed.holds_only("new", "");
    });
}

#[test]
fn a_file_from_another_process_can_be_published() {
    on(Route::Anonymous, |bed| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(in_child(|| {
            let mut file = unnamed(bed, 0);
            file.write_all(b"the child's").unwrap();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let descriptors = [file.as_fd()];
            assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
            let data = [IoSlice::new(b"x")];
            sendmsg(&theirs, &data, &mut control, SendFlags::empty()).unwrap();
        }));
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let data = &mut [IoSliceMut::new(&mut byte)];
        recvmsg(&ours, data, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
        let received = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let file = adopt(received.unwrap().into());
        file.publish(bed.path("new")).unwrap();
        bed.holds_only("new", "the child's");
    });
}

#[test]
fn only_unnamed_regular_files_can_be_adopted() {
    on(Route::AnonymousFirst, |bed| {
        fs::write(bed.path("named"), "").unwrap();
        is_refused(File::open(bed.path("named")).unwrap(), "already has a name");
        is_refused(File::open(bed.dir()).unwrap(), "regular");
        is_refused(File::open("/dev/null").unwrap(), "regular");
        let (socket, _other) = UnixStream::pair().unwrap();
        is_refused(OwnedFd::from(socket).into(), "regular");
        let deleted = File::create(bed.path("deleted")).unwrap();
        fs::remove_file(bed.path("deleted")).unwrap();
        is_refused(deleted, "was deleted");
        let memory = memfd_create("memory", MemfdFlags::empty()).unwrap();
        is_refused(memory.into(), "was deleted");
        let file = unnamed(bed, 0);
        let by_path = open(path_of(&file), OFlags::PATH, Mode::empty()).unwrap();
        is_refused(by_path.into(), "O_PATH");
        fs::remove_file(bed.path("named")).unwrap();
    });
}

#[test]
fn an_adopted_file_that_can_never_get_a_name_is_given_back() {
    on(Route::AnonymousFirst, |bed| {
        let published_and_deleted = unnamed(bed, 0);
        link_by_hand(&published_and_deleted, &bed.path("deleted")).unwrap();
        fs::remove_file(bed.path("deleted")).unwrap();
        for file in [unnamed(bed, libc::O_EXCL), published_and_deleted] {
            let path = bed.path("new");
            let error = adopt(file).publish(&path).unwrap_err();
            assert_eq!(error.kind(), PublishErrorKind::NeverLinkable);
            assert!(error.into_file().is_some());
        }
        assert_eq!(bed.names(), [""; 0]);
    });
}

#[test]
#[ignore = "needs root, to unmount procfs"]
fn without_procfs_a_deleted_file_is_adopted_and_never_linkable() {
    on(Route::AnonymousFirst, |bed| {
        let deleted = File::create(bed.path("deleted")).unwrap();
        fs::remove_file(bed.path("deleted")).unwrap();
        testbed::own_mounts();
        testbed::without_procfs();
        adopt(unnamed(bed, 0)).publish(bed.path("new")).unwrap();
        let error = adopt(deleted).publish(bed.path("newer")).unwrap_err();
        assert!(error.into_file().is_some());
        bed.holds_only("new", "");
    });
}

#[test]
fn a_replace_by_an_adopted_file_that_is_there_already_leaves_one_name() {
    on(Route::Anonymous, |bed| {
        let file = unnamed(bed, 0);
        let adopted = adopt(file.try_clone().unwrap());
        link_by_hand(&file, &bed.path("new")).unwrap();
        adopted.replace(bed.path("new")).unwrap();
        bed.holds_only("new", "");
    });
}
