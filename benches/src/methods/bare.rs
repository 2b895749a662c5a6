//! The same system calls without a crate, and [`std::fs::write`].

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    fsync, linkat, open, renameat, renameat_with, statx, syncfs, AtFlags, Mode, OFlags,
    RenameFlags, StatxFlags, CWD,
};
use rustix::io::Errno;
use rustix::path::Arg;
use testbed::run;

use super::{Litter, Method, Role, SaveAll, SaveTree, Syncs, Taken};
use crate::place::{Place, Target};

const MODE: Mode = Mode::from_raw_mode(0o666);
const UNNAMED: OFlags = OFlags::WRONLY.union(OFlags::TMPFILE).union(OFlags::CLOEXEC);

/// What linkable does for a new file.
pub const PUBLISH: Method = Method {
    name: "system calls alone",
    role: Role::SystemCalls,
    syncs: Syncs::Nothing,
    taken: Taken::Kept,
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

/// What linkable does to replace a file, which may be missing: a look, and if there is a file, a link
/// to a temporary name and a rename.
pub const REPLACE: Method = Method {
    name: "system calls alone",
    role: Role::SystemCalls,
    syncs: Syncs::Nothing,
    taken: Taken::Replaced,
    litter: Litter::WhileReplacing,
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        look_and_replace(&file, CWD, (&place.temporary, &target.path))
    },
};

/// The same at the level `Contents`.
pub const REPLACE_SYNCED: Method = Method {
    syncs: Syncs::File,
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        fsync(&file)?;
        look_and_replace(&file, CWD, (&place.temporary, &target.path))
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
        let temporary = place.temporary.file_name().unwrap_or_default();
        look_and_replace(&file, &directory, (temporary, target.name.as_os_str()))?;
        Ok(fsync(&directory)?)
    },
    ..REPLACE
};

/// With a link that fails in place of the look.
pub const REPLACE_BY_LINK: Method = Method {
    name: "system calls alone, with a link that fails first",
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        match link(&file, CWD, &target.path) {
            Err(Errno::EXIST) => link_and_rename(&file, CWD, (&place.temporary, &target.path)),
            linked => Ok(linked?),
        }
    },
    ..REPLACE
};

/// Without the look, for callers who know that there is a file.
pub const REPLACE_ONLY: Method = Method {
    name: "system calls alone, without a look",
    save: |place, target, contents| {
        let file = unnamed(place.path(), contents)?;
        link_and_rename(&file, CWD, (&place.temporary, &target.path))
    },
    ..REPLACE
};

/// Only opens a file, which is closed without a name.
pub const OPEN: Method = Method {
    save: |place, _, _| {
        drop(open(place.path(), UNNAMED, MODE)?);
        Ok(())
    },
    ..PUBLISH
};

/// The same with another flag.
pub const OPEN_CUSTOM: Method = Method {
    save: |place, _, _| {
        drop(open(place.path(), UNNAMED | OFlags::SYNC, MODE)?);
        Ok(())
    },
    ..PUBLISH
};

/// The least that a named temporary file takes: create, write, rename.
pub const PUBLISH_NAMED: Method = Method {
    name: "system calls alone, named file",
    role: Role::SystemCalls,
    syncs: Syncs::Nothing,
    taken: Taken::Kept,
    litter: Litter::Always,
    save: |place, target, contents| {
        let _file = named(&place.temporary, contents)?;
        let (from, to) = (&place.temporary, &target.path);
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    },
};

/// The same, but it replaces an existing file.
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
    role: Role::SystemCalls,
    syncs: Syncs::Nothing,
    taken: Taken::Emptied,
    litter: Litter::TornFile,
    save: |_, target, contents| fs::write(&target.path, contents),
};

/// Many files with as few flushes as possible: write a chunk of them, sync the file system once,
/// link them; at the end, sync each directory once.
pub const BATCH: Method<SaveAll> = Method {
    name: "system calls alone, one `syncfs` for 750 files",
    role: Role::SystemCalls,
    syncs: Syncs::FileAndDirectory,
    taken: Taken::Replaced,
    litter: Litter::WhileReplacing,
    save: save_all,
};

/// A tree, by the tools that everybody has.
pub const TREE: Method<SaveTree> = Method {
    name: "`cp -r` and `sync -f` (not atomic)",
    role: Role::SystemCalls,
    syncs: Syncs::FileAndDirectory,
    taken: Taken::Emptied,
    litter: Litter::TornFile,
    save: |source, target| {
        let contents = source.path().join(".");
        run(Command::new("cp")
            .arg("-r")
            .arg(contents)
            .arg(target.path()))?;
        run(Command::new("sync").arg("-f").arg(target.path()))?;
        Ok(())
    },
};

/// How many files are open at once: with 100 directories, this stays within the usual limit of
/// 1,024 descriptors.
const CHUNK: usize = 750;

fn save_all(places: &[Place], targets: &[(usize, Target)], contents: &[u8]) -> io::Result<()> {
    let directories = places
        .iter()
        .map(|place| directory(place.path()))
        .collect::<Result<Vec<_>, _>>()?;
    for targets in targets.chunks(CHUNK) {
        let files = targets
            .iter()
            .map(|(at, _)| unnamed(places[*at].path(), contents))
            .collect::<io::Result<Vec<_>>>()?;
        syncfs(&directories[0])?;
        for ((at, target), file) in targets.iter().zip(&files) {
            look_and_replace(file, CWD, (&places[*at].temporary, &target.path))?;
        }
    }
    for directory in &directories {
        fsync(directory)?;
    }
    Ok(())
}

fn unnamed(directory: &Path, contents: &[u8]) -> io::Result<File> {
    written(open(directory, UNNAMED, MODE)?, contents)
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

/// The names are a temporary one and the final one.
fn look_and_replace<N: AsRef<Path>>(
    file: &File,
    directory: impl AsFd,
    (temporary, name): (N, N),
) -> io::Result<()> {
    let no_follow = AtFlags::SYMLINK_NOFOLLOW;
    match statx(&directory, name.as_ref(), no_follow, StatxFlags::INO) {
        Err(Errno::NOENT) => Ok(link(file, directory, name.as_ref())?),
        looked => {
            looked?;
            link_and_rename(file, directory, (temporary, name))
        }
    }
}

fn link_and_rename<N: AsRef<Path>>(
    file: &File,
    directory: impl AsFd,
    (temporary, name): (N, N),
) -> io::Result<()> {
    let (temporary, name) = (temporary.as_ref(), name.as_ref());
    link(file, &directory, temporary)?;
    Ok(renameat(&directory, temporary, &directory, name)?)
}
