//! Any path, any options: no panic, nothing written but what was asked for, and errors that agree
//! with themselves.
//!
//! Each input has a root directory of its own, out of which no path leads.
#![no_main]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, PublishError, PublishErrorKind,
    PublishOptions,
};
use rustix::process::{chdir, chroot, umask};

#[allow(clippy::struct_excessive_bools)]
#[derive(Arbitrary, Clone, Debug)]
struct Input {
    directory: Vec<Piece>,
    target: Vec<Piece>,
    by_name: bool,
    scratch: bool,
    try_again: bool,
    contents: Vec<u8>,
    mode: u32,
    /// By their places, so that more than a few go together.
    custom_flags: Vec<u8>,
    options: [bool; 6],
    replace: bool,
    durability: Option<bool>,
}

/// A piece of a path, so that more than a few of them lead somewhere.
#[derive(Arbitrary, Clone, Debug)]
enum Piece {
    Slash,
    Dot,
    File,
    Directory,
    Symlink,
    Dangling,
    Loop,
    Nul,
    /// As long as a name can be.
    Long,
    Bytes(Vec<u8>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Slash => b"/",
            Self::Dot => b".",
            Self::File => b"file",
            Self::Directory => b"dir",
            Self::Symlink => b"symlink",
            Self::Dangling => b"dangling",
            Self::Loop => b"loop",
            Self::Nul => b"\0",
            Self::Long => &[b'n'; 255],
            Self::Bytes(bytes) => bytes,
        }
    }
}

fn flags(bits: &[u8]) -> i32 {
    bits.iter().fold(0, |flags, bit| flags | 1 << (bit % 32))
}

fn path(pieces: &[Piece]) -> PathBuf {
    let bytes: Vec<u8> = pieces.iter().flat_map(Piece::bytes).copied().collect();
    OsStr::from_bytes(&bytes).into()
}

fuzz_target!(
    init: {
        // Before libFuzzer starts a thread: afterwards there is no way into a user namespace.
        testbed::own_users();
        testbed::own_mounts();
        testbed::mount_new("tmpfs", "/tmp".as_ref(), "");
    },
    |input: Input| {
        let root = tempfile::tempdir_in("/tmp").unwrap();
        furnish(root.path());
        let path = root.path().to_owned();
        testbed::in_thread(move || run(&path, &input));
        assert_eq!(fs::read_dir("/tmp").unwrap().count(), 1, "something is outside");
    }
);

/// Something of everything that a path can lead to.
fn furnish(root: &Path) {
    fs::create_dir(root.join("dir")).unwrap();
    for file in ["file", "dir/file"] {
        fs::write(root.join(file), "old").unwrap();
    }
    symlink("dir", root.join("symlink")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
}

fn run(root: &Path, input: &Input) {
    testbed::own_fs();
    chroot(root).unwrap();
    chdir("/dir").unwrap();
    umask(0o022.into());
    if input.by_name {
        testbed::deny(libc::EOPNOTSUPP, &testbed::Rule::open_with(libc::O_TMPFILE));
    }
    let before = tree();
    match open(input) {
        Ok(file) => publish(input, file, &before),
        Err(error) => assert!(is_explained(&error), "{error:?}"),
    }
    // Again, but for what was published, which `publish` has removed.
    assert_eq!(tree(), before, "something is left behind");
}

fn open(input: &Input) -> io::Result<LinkableFile> {
    let [read, write, append, create, create_new, truncate] = input.options;
    let mut options = OpenOptions::new();
    options
        .read(read)
        .write(write)
        .append(append)
        .create(create)
        .create_new(create_new)
        .truncate(truncate)
        .mode(input.mode)
        .custom_flags(flags(&input.custom_flags));
    let directory = path(&input.directory);
    if input.scratch {
        options.scratch_in(&directory)?;
    }
    options.anonymous_in(&directory)
}

/// Where an error comes from the system, it has an errno, and else a text that says what is wrong.
fn is_explained(error: &io::Error) -> bool {
    testbed::errno(error).is_some() || error.kind() == io::ErrorKind::InvalidInput
}

fn publish(input: &Input, mut file: LinkableFile, before: &Tree) {
    file.write_all(&input.contents).unwrap();
    let mut options = PublishOptions::new();
    options
        .replace(input.replace)
        .durability(match input.durability {
            None => Durability::None,
            Some(false) => Durability::Contents,
            Some(true) => Durability::Full,
        });
    let target = path(&input.target);
    match options.publish(file, &target) {
        Ok(file) => is_the_only_change(&file, &target, input, before),
        Err(error) => {
            assert!(agrees_with_itself(&error), "{error:?}");
            let PublishError::NotPublished { file, .. } = error else {
                panic!("{error:?}")
            };
            // It is as good as ever.
            if input.try_again {
                let target = Path::new("/dir/again");
                let file = file.publish(target).unwrap();
                is_the_only_change(&file, target, input, before);
            }
        }
    }
}

/// Takes the change back then.
fn is_the_only_change(file: &File, target: &Path, input: &Input, before: &Tree) {
    let metadata = file.metadata().unwrap();
    assert_eq!(metadata.mode() & 0o777, input.mode & 0o777 & !0o022);
    let is_it = |path: &Path| path.symlink_metadata().unwrap().ino() == metadata.ino();
    assert!(is_it(target), "{target:?} is another file");
    let mut now = tree();
    let path = now.keys().find(|path| is_it(path)).unwrap().clone();
    assert_eq!(now.remove(&path), Some(Entry::File(input.contents.clone())));
    fs::remove_file(&path).unwrap();
    if let Some(old) = before.get(&path) {
        assert!(input.replace, "{path:?} was taken");
        restore(&path, old);
        now.insert(path, old.clone());
    }
    assert_eq!(&now, before, "more has changed");
}

fn agrees_with_itself(error: &PublishError) -> bool {
    let errno = error.io_error().raw_os_error().unwrap_or(0);
    match error.kind() {
        PublishErrorKind::AlreadyExists => errno == libc::EEXIST,
        PublishErrorKind::NotFound => matches!(errno, libc::ENOENT | libc::ENOTDIR),
        PublishErrorKind::IsADirectory => {
            matches!(
                errno,
                libc::EISDIR | libc::ENOTDIR | libc::EBUSY | libc::ENOTEMPTY
            )
        }
        PublishErrorKind::Other => match errno {
            0 => error.io_error().kind() == io::ErrorKind::InvalidInput,
            errno => matches!(errno, libc::ENAMETOOLONG | libc::ELOOP | libc::ENOTDIR),
        },
        // There is nothing here that they could come from.
        _ => false,
    }
}

type Tree = BTreeMap<PathBuf, Entry>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    File(Vec<u8>),
    Symlink(PathBuf),
}

fn restore(path: &Path, entry: &Entry) {
    match entry {
        Entry::Directory => panic!("{path:?} was a directory"),
        Entry::File(contents) => fs::write(path, contents).unwrap(),
        Entry::Symlink(to) => symlink(to, path).unwrap(),
    }
}

/// All that is in the root directory.
fn tree() -> Tree {
    let mut tree = Tree::new();
    let mut directories = vec![PathBuf::from("/")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            let entry = if kind.is_dir() {
                directories.push(path.clone());
                Entry::Directory
            } else if kind.is_symlink() {
                Entry::Symlink(fs::read_link(&path).unwrap())
            } else {
                Entry::File(fs::read(&path).unwrap())
            };
            tree.insert(path, entry);
        }
    }
    tree
}
