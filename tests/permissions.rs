//! Who may do what: permissions and flags of directories, read-only mounts, dropped privileges.

mod common;

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;

use common::{
    contents, fails, file_in, given_back, names, on, on_both_routes, refused, Bed, Flagged, Route,
};
use linkable::{
    Durability, OpenOptionsAnonymousExt,
    PublishErrorKind::{self, Other},
    PublishOptions,
};
use rustix::fs::IFlags;
use testbed::{deny, in_thread, Mounted, Rule};

on_both_routes! {
    a_directory_need_not_be_readable,
    a_directory_must_be_writable_and_searchable,
    #[ignore = "needs root, for chattr"]
    an_append_only_directory_keeps_the_old_file_and_every_temporary_name,
    #[ignore = "needs root, for chattr"]
    an_immutable_directory_is_not_link_forbidden,
}

fn a_directory_need_not_be_readable(bed: &Bed) {
    fs::set_permissions(bed.dir(), Permissions::from_mode(0o333)).unwrap();
    testbed::give_to_ordinary_user(bed.dir());
    let dir = bed.dir().to_owned();
    in_thread(move || {
        testbed::as_ordinary_user();
        let file = OpenOptions::new().anonymous_in(&dir).unwrap();
        file.publish(dir.join("new")).unwrap();
    });
    fs::set_permissions(bed.dir(), Permissions::from_mode(0o777)).unwrap();
}

fn a_directory_must_be_writable_and_searchable(bed: &Bed) {
    let sub = bed.path("sub");
    fs::create_dir(&sub).unwrap();
    testbed::give_to_ordinary_user(&sub);
    testbed::give_to_ordinary_user(bed.dir());
    for mode in [0o555, 0o666] {
        fs::set_permissions(&sub, Permissions::from_mode(mode)).unwrap();
        let sub = sub.clone();
        in_thread(move || {
            testbed::as_ordinary_user();
            fails(OpenOptions::new().anonymous_in(&sub), libc::EACCES);
        });
    }
}

/// Names can be made there, but neither removed nor changed.
fn an_append_only_directory_keeps_the_old_file_and_every_temporary_name(bed: &Bed) {
    let dir = bed.path("dir");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("taken"), "old").unwrap();
    let flagged = Flagged::new(&dir, IFlags::APPEND);
    // Before a sync some file systems need a temporary name.
    let mut options = PublishOptions::new();
    options.durability(Durability::None);
    let published = options.publish(file_in(&dir, "new"), dir.join("new"));
    if bed.is_anonymous() {
        published.unwrap();
        assert_eq!(names(&dir), ["new", "taken"]);
    } else {
        drop(refused(published, Other, libc::EPERM));
    }
    let outcome = options
        .replace(true)
        .publish(file_in(&dir, "kept"), dir.join("taken"));
    let file = refused(outcome, Other, libc::EPERM);
    assert_eq!(contents(file.as_file()), "kept");
    drop((file, flagged));
    assert_eq!(fs::read_to_string(dir.join("taken")).unwrap(), "old");
    let temporary = names(&dir)
        .into_iter()
        .filter(|name| name.starts_with(".linkable-"));
    assert_eq!(temporary.count(), if bed.is_anonymous() { 1 } else { 2 });
}

fn an_immutable_directory_is_not_link_forbidden(bed: &Bed) {
    let immutable = rustix::fs::IFlags::IMMUTABLE;
    fs::create_dir(bed.path("dir")).unwrap();
    let dir = File::open(bed.path("dir")).unwrap();
    let flags = rustix::fs::ioctl_getflags(&dir).unwrap();
    rustix::fs::ioctl_setflags(&dir, flags | immutable).unwrap();
    let refused = OpenOptions::new().anonymous_in(bed.path("dir"));
    let by_rename = bed.file("kept").publish(bed.path("dir/new"));
    deny(libc::EINVAL, &[Rule::call(libc::SYS_renameat2)]);
    let by_link = bed.file("kept").publish(bed.path("dir/new"));
    rustix::fs::ioctl_setflags(&dir, flags).unwrap();
    fails(refused, libc::EPERM);
    for error in [by_rename.unwrap_err(), by_link.unwrap_err()] {
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EPERM));
        assert_eq!(error.kind(), PublishErrorKind::Other);
    }
}

#[test]
#[ignore = "needs root, to mount"]
fn a_read_only_mount_is_erofs() {
    for route in [Route::Anonymous, Route::Named(libc::EOPNOTSUPP)] {
        on(route, |bed| {
            testbed::own_mounts();
            let mounted = Mounted::bind(bed.dir(), bed.dir().to_owned());
            testbed::make_read_only(&mounted);
            fails(OpenOptions::new().anonymous_in(bed.dir()), libc::EROFS);
        });
    }
}

/// `protected_hardlinks` is on in every distribution.
#[test]
#[ignore = "needs root, to drop it"]
fn a_file_opened_before_privileges_were_dropped_is_link_forbidden() {
    assert_eq!(
        fs::read_to_string("/proc/sys/fs/protected_hardlinks")
            .unwrap()
            .trim(),
        "1"
    );
    on(Route::Anonymous, |bed| {
        testbed::give_to_ordinary_user(bed.dir());
        let (file, path) = (bed.file("root's"), bed.path("new"));
        let error = in_thread(move || {
            testbed::as_ordinary_user();
            file.publish(path).unwrap_err()
        });
        assert_eq!(error.kind(), PublishErrorKind::LinkForbidden);
        assert_eq!(error.io_error().raw_os_error(), Some(libc::EPERM));
        let file = given_back(error);
        assert_eq!(contents(&file), "root's");
        file.publish(bed.path("new")).unwrap();
    });
}
