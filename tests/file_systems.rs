//! File systems: what the one in `$TMPDIR` offers by itself, and borders, limits and oddities of
//! others, mounted for the purpose.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use common::kernel::{self, Mounted};
use common::{contents, in_thread, on_both_routes, refused, Bed};
use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt,
    PublishErrorKind::{AlreadyExists, CrossesDevices, Other},
    PublishOptions,
};
use rustix::fs::{ioctl_getflags, ioctl_setflags, IFlags};

/// A new file in `dir`, which is not the bed's own.
fn file_in(dir: &Path, contents: &str) -> LinkableFile {
    let mut file = OpenOptions::new().read(true).anonymous_in(dir).unwrap();
    file.write_all(contents.as_bytes()).unwrap();
    file
}

#[track_caller]
fn fails<T>(outcome: io::Result<T>, errno: i32) {
    assert_eq!(
        outcome.err().and_then(|error| error.raw_os_error()),
        Some(errno)
    );
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

/// Runs `promise` in a new file system, made with `mkfs` options.
fn on_disk(bed: &Bed, kind: &str, options: &[&str], size: u64, promise: impl FnOnce(&Path)) {
    kernel::own_mounts();
    // What $TMPDIR is on may not be fit to hold a disk.
    let memory = Mounted::new("tmpfs", bed.path("memory"), "");
    let at = memory.0.join("disk");
    fs::create_dir(&at).unwrap();
    kernel::mount_made(kind, options, &memory.0.join("image"), size, &at);
    let disk = Mounted(at);
    promise(&disk.0);
}

/// Writes to a new file as long as there is room, a piece at a time.
fn fill(path: &Path, piece: usize) -> io::Error {
    let mut file = File::create(path).unwrap();
    loop {
        if let Err(error) = file
            .write_all(&vec![b'x'; piece])
            .and_then(|()| file.sync_all())
        {
            return error;
        }
    }
}

/// A directory that has a flag of chattr(1) until this is dropped.
struct Flagged(File, IFlags);

impl Flagged {
    fn new(path: &Path, flag: IFlags) -> Self {
        let dir = File::open(path).unwrap();
        let before = ioctl_getflags(&dir).unwrap();
        ioctl_setflags(&dir, before | flag).unwrap();
        Self(dir, before)
    }
}

impl Drop for Flagged {
    fn drop(&mut self) {
        ioctl_setflags(&self.0, self.1).unwrap();
    }
}

/// Both routes are forced elsewhere; here it is what there is.
#[test]
fn publish_goes_the_way_that_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("new");
    for durability in [Durability::None, Durability::Contents, Durability::Full] {
        let mut options = PublishOptions::new();
        let outcome = options
            .durability(durability)
            .publish(file_in(dir.path(), "new"), &new);
        if let Err(error) = outcome {
            panic!("{:?}: {}", error.kind(), error.io_error());
        }
        assert_eq!(fs::read_to_string(&new).unwrap(), "new");
        drop(refused(
            file_in(dir.path(), "newer").publish(&new),
            AlreadyExists,
            libc::EEXIST,
        ));
        fs::remove_file(&new).unwrap();
    }
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn replace_goes_the_way_that_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for durability in [Durability::None, Durability::Contents, Durability::Full] {
        let mut options = PublishOptions::new();
        options.replace(true).durability(durability);
        for text in ["absent", "there"] {
            options.publish(file_in(dir.path(), text), &path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::remove_file(&path).unwrap();
    }
    linkable::write(&path, "written").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "written");
    assert_eq!(names(dir.path()), ["file"]);
}

/// A message queue can be created and unlinked, and that is all.
#[test]
#[ignore = "needs root, to mount"]
fn where_nothing_can_be_renamed_nothing_is_left() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("queues");
    in_thread(move || {
        kernel::own_mounts();
        let queues = Mounted::new("mqueue", dir, "");
        let mut file = OpenOptions::new().anonymous_in(&queues.0).unwrap();
        assert!(!file.is_anonymous());
        for replace in [false, true] {
            let mut options = PublishOptions::new();
            options.replace(replace).durability(Durability::None);
            file = refused(
                options.publish(file, queues.0.join("new")),
                Other,
                libc::EPERM,
            );
        }
        drop(file);
        assert_eq!(names(&queues.0), [""; 0]);
    });
}

on_both_routes! {
    #[ignore = "needs root and mkfs.btrfs, to mount"]
    fn another_btrfs_subvolume_crosses_devices(bed: &Bed) {
        on_disk(bed, "btrfs", &[], 112 << 20, |disk| {
            let volume = disk.join("volume");
            kernel::run(Command::new("btrfs").args(["subvolume", "create"]).arg(&volume));
            crosses_devices(disk, &volume);
        });
    }

    #[ignore = "needs root, mkfs.xfs and xfs_io, to mount"]
    fn another_xfs_project_crosses_devices(bed: &Bed) {
        on_disk(bed, "xfs", &[], 300 << 20, |disk| {
            let project = disk.join("project");
            fs::create_dir(&project).unwrap();
            let commands = ["-c", "chproj 42", "-c", "chattr +P"];
            kernel::run(Command::new("xfs_io").args(commands).arg(&project));
            crosses_devices(disk, &project);
        });
    }

    #[ignore = "needs root and mkfs.ext4, to mount"]
    fn a_disk_without_blocks_leaves_the_old_file_and_can_still_name_a_new_one(bed: &Bed) {
        on_disk(bed, "ext4", &[], 8 << 20, |disk| {
            let path = disk.join("file");
            fs::write(&path, "old").unwrap();
            let mut file = file_in(disk, "new");
            file.as_file().sync_all().unwrap();
            assert_eq!(fill(&disk.join("rest"), 4096).raw_os_error(), Some(libc::ENOSPC));
            fails(file.write_all(&vec![b'x'; 100_000]), libc::ENOSPC);
            fails(linkable::write(&path, "x"), libc::ENOSPC);
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            file.as_file().set_len(3).unwrap();
            file.replace(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            assert_eq!(names(disk), ["file", "lost+found", "rest"]);
        });
    }

    #[ignore = "needs root and mkfs.ext4, to mount"]
    fn a_disk_that_has_run_out_of_inodes_is_the_callers_error(bed: &Bed) {
        on_disk(bed, "ext4", &["-N", "16"], 8 << 20, |disk| {
            let file = file_in(disk, "the last");
            let full = (0..).find_map(|i| File::create(disk.join(format!("{i}"))).err());
            assert_eq!(full.unwrap().raw_os_error(), Some(libc::ENOSPC));
            fails(OpenOptions::new().anonymous_in(disk), libc::ENOSPC);
            fails(linkable::write(disk.join("0"), "x"), libc::ENOSPC);
            file.replace(disk.join("0")).unwrap();
            assert_eq!(fs::read_to_string(disk.join("0")).unwrap(), "the last");
            assert!(!names(disk).iter().any(|name| name.contains("linkable")));
        });
    }

    /// Names can be made there, but neither removed nor changed.
    #[ignore = "needs root, for chattr"]
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
        let outcome = options.replace(true).publish(file_in(&dir, "kept"), dir.join("taken"));
        let file = refused(outcome, Other, libc::EPERM);
        assert_eq!(contents(file.as_file()), "kept");
        drop((file, flagged));
        assert_eq!(fs::read_to_string(dir.join("taken")).unwrap(), "old");
        let temporary = names(&dir).into_iter().filter(|name| name.starts_with(".linkable-"));
        assert_eq!(temporary.count(), if bed.is_anonymous() { 1 } else { 2 });
    }

    /// A name takes room, too.
    #[ignore = "needs root and mkfs.btrfs, to mount"]
    fn a_quota_is_told_and_the_file_comes_back(bed: &Bed) {
        on_disk(bed, "btrfs", &[], 112 << 20, |disk| {
            let quota = |words: &[&str]| kernel::run(Command::new("btrfs").args(words).arg(disk));
            quota(&["quota", "enable"]);
            quota(&["qgroup", "limit", "1M"]);
            let mut file = file_in(disk, "kept");
            file.as_file().sync_all().unwrap();
            assert_eq!(fill(&disk.join("rest"), 4096).raw_os_error(), Some(libc::EDQUOT));
            fails(file.write_all(&vec![b'x'; 100_000]), libc::EDQUOT);
            let file = refused(file.publish(disk.join("new")), Other, libc::EDQUOT);
            quota(&["qgroup", "limit", "none"]);
            file.as_file().set_len(4).unwrap();
            file.publish(disk.join("new")).unwrap();
            assert_eq!(fs::read_to_string(disk.join("new")).unwrap(), "kept");
            assert_eq!(names(disk), ["new", "rest"]);
        });
    }

    #[ignore = "needs root, to mount"]
    fn an_overlay_takes_over_files_of_its_lower_layer(bed: &Bed) {
        kernel::own_mounts();
        overlaid(bed, "", |lower, merged| {
            let dir = merged.join("dir");
            file_in(&dir, "new").publish(dir.join("new")).unwrap();
            file_in(&dir, "newer").replace(dir.join("file")).unwrap();
            let file = file_in(&dir, "kept").publish(dir.join("file"));
            drop(refused(file, AlreadyExists, libc::EEXIST));
            assert_eq!(names(&dir), ["file", "new"]);
            assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "newer");
            assert_eq!(fs::read_to_string(lower.join("dir/file")).unwrap(), "old");
        });
    }

    #[ignore = "needs root, to mount"]
    fn an_overlay_whose_upper_layer_is_full_leaves_the_old_file(bed: &Bed) {
        kernel::own_mounts();
        overlaid(bed, "size=64k", |_, merged| {
            let path = merged.join("dir/file");
            let mut file = file_in(merged, "new");
            fails(file.write_all(&vec![b'x'; 100_000]), libc::ENOSPC);
            fails(linkable::write(&path, "x"), libc::ENOSPC);
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            file.as_file().set_len(3).unwrap();
            file.replace(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            assert_eq!(names(&merged.join("dir")), ["file"]);
        });
    }
}

/// A file is published on its own side of the border only.
fn crosses_devices(here: &Path, there: &Path) {
    let file = file_in(here, "kept");
    let file = refused(file.publish(there.join("new")), CrossesDevices, libc::EXDEV);
    let file = refused(file.replace(there.join("new")), CrossesDevices, libc::EXDEV);
    file.publish(here.join("new")).unwrap();
    assert_eq!(fs::read_to_string(here.join("new")).unwrap(), "kept");
    file_in(there, "within").publish(there.join("new")).unwrap();
    assert_eq!((names(here).len(), names(there)), (2, vec!["new".into()]));
}

/// Runs `promise` with the lower layer, where `dir/file` is, and the merged one. The upper layer is
/// a tmpfs with these options.
fn overlaid(bed: &Bed, upper: &str, promise: impl FnOnce(&Path, &Path)) {
    let lower = bed.path("lower");
    fs::create_dir_all(lower.join("dir")).unwrap();
    fs::write(lower.join("dir/file"), "old").unwrap();
    let upper = Mounted::new("tmpfs", bed.path("upper"), upper);
    let [data, work] = ["data", "work"].map(|name| upper.0.join(name));
    fs::create_dir(&data).unwrap();
    fs::create_dir(&work).unwrap();
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        data.display(),
        work.display()
    );
    let merged = Mounted::new("overlay", bed.path("merged"), &layers);
    promise(&lower, &merged.0);
}
