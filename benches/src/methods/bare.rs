//! The system calls written out by hand, with nothing between them, and [`std::fs::write`].

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    fsync, linkat, open, renameat, renameat_with, syncfs, AtFlags, Mode, OFlags, RenameFlags, CWD,
};
use rustix::io::Errno;
use rustix::path::Arg;

use super::{Litter, Method, Role, Syncs, Taken};
use crate::place::{Place, Target};

const MODE: Mode = Mode::from_raw_mode(0o666);

/// What linkable does for a new name.
pub const PUBLISH: Method = Method {
    name: "bare calls",
    role: Role::Bare,
    syncs: Syncs::Nothing,
    taken: Taken::Refused,
    litter: Litter::Never,
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        Ok(link(&file, CWD, &target.path)?)
    },
};

/// The same at the level `Contents`.
pub const PUBLISH_SYNCED: Method = Method {
    syncs: Syncs::File,
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        fsync(&file)?;
        Ok(link(&file, CWD, &target.path)?)
    },
    ..PUBLISH
};

/// The same at the level `Full`.
pub const PUBLISH_DURABLE: Method = Method {
    syncs: Syncs::FileAndDirectory,
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        let directory = directory(place.path())?;
        fsync(&file)?;
        link(&file, &directory, &target.name)?;
        Ok(fsync(&directory)?)
    },
    ..PUBLISH
};

/// What linkable does for a name that is taken: a link that fails, a link beside, a rename.
pub const REPLACE: Method = Method {
    name: "bare calls",
    role: Role::Bare,
    syncs: Syncs::Nothing,
    taken: Taken::Replaced,
    litter: Litter::WhileReplacing,
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        link_or_replace(&file, place, target)
    },
};

/// The same at the level `Contents`.
pub const REPLACE_SYNCED: Method = Method {
    syncs: Syncs::File,
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        fsync(&file)?;
        link_or_replace(&file, place, target)
    },
    ..REPLACE
};

/// The same at the level `Full`.
pub const REPLACE_DURABLE: Method = Method {
    syncs: Syncs::FileAndDirectory,
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        let directory = directory(place.path())?;
        fsync(&file)?;
        link_or_replace(&file, place, target)?;
        Ok(fsync(&directory)?)
    },
    ..REPLACE
};

/// Without the link that fails, for those who know that the name is taken.
pub const REPLACE_ONLY: Method = Method {
    name: "bare calls, link beside and rename",
    role: Role::ByHand,
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        link(&file, CWD, &place.temporary)?;
        Ok(renameat(CWD, &place.temporary, CWD, &target.path)?)
    },
    ..REPLACE
};

/// The least that a named file takes: create, write, rename.
pub const PUBLISH_NAMED: Method = Method {
    name: "bare calls, named file",
    role: Role::Bare,
    syncs: Syncs::Nothing,
    taken: Taken::Refused,
    litter: Litter::Always,
    save: |place, target, contents| {
        let _file = named(&place.temporary, contents)?;
        let (from, to) = (&place.temporary, &target.path);
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    },
};

/// The same for any name.
pub const REPLACE_NAMED: Method = Method {
    taken: Taken::Replaced,
    save: |place, target, contents| {
        let _file = named(&place.temporary, contents)?;
        Ok(renameat(CWD, &place.temporary, CWD, &target.path)?)
    },
    ..PUBLISH_NAMED
};

/// [`std::fs::write`]: no temporary file, no atomicity.
pub const WRITE: Method = Method {
    name: "`std::fs::write` (not atomic)",
    role: Role::Floor,
    syncs: Syncs::Nothing,
    taken: Taken::Emptied,
    litter: Litter::TornFile,
    save: |_, target, contents| fs::write(&target.path, contents),
};

/// Saves all of `targets` with as few flushes as there can be: the files of a chunk are written,
/// the file system is synced once, they are linked; last, their directories are synced once each.
pub fn save_all(
    directories: &[Place],
    targets: &[(usize, Target)],
    contents: &[u8],
    chunk: usize,
) -> io::Result<()> {
    let opened = directories
        .iter()
        .map(|place| directory(place.path()))
        .collect::<Result<Vec<_>, _>>()?;
    for targets in targets.chunks(chunk) {
        let files = targets
            .iter()
            .map(|(at, _)| unnamed(directories[*at].path(), contents))
            .collect::<io::Result<Vec<_>>>()?;
        syncfs(&opened[0])?;
        for ((at, target), file) in targets.iter().zip(&files) {
            link(file, &opened[*at], &target.name)?;
        }
    }
    for directory in &opened {
        fsync(directory)?;
    }
    Ok(())
}

fn unnamed(directory: &Path, contents: &[u8]) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    written(open(directory, flags, MODE)?, contents)
}

fn named(path: &Path, contents: &[u8]) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    written(open(path, flags, MODE)?, contents)
}

fn written(file: OwnedFd, contents: &[u8]) -> io::Result<File> {
    let mut file = File::from(file);
    file.write_all(contents)?;
    Ok(file)
}

fn directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(path, flags, Mode::empty())
}

fn link(file: &File, directory: impl AsFd, name: impl Arg) -> rustix::io::Result<()> {
    linkat(file, "", directory, name, AtFlags::EMPTY_PATH)
}

fn link_or_replace(file: &File, place: &Place, target: &Target) -> io::Result<()> {
    match link(file, CWD, &target.path) {
        Err(Errno::EXIST) => {
            link(file, CWD, &place.temporary)?;
            Ok(renameat(CWD, &place.temporary, CWD, &target.path)?)
        }
        linked => Ok(linked?),
    }
}
