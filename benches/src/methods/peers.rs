//! Other crates, each called as its documentation says.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use atomic_write_file_named::AtomicWriteFile as AtomicWriteFileNamed;
use atomicwrites::{AllowOverwrite, AtomicFile, DisallowOverwrite, OverwriteBehavior};
use cap_std_ext::dirext::CapStdExtDirExt;
use cap_tempfile::TempFile;
use tempfile::NamedTempFile;
use tempfile_fast::PersistableTempFile;

use super::{Litter, Method, Role, Syncs, Taken};
use crate::place::{Place, Target};

/// tempfile, for a new file.
pub const TEMPFILE_NOCLOBBER: Method = Method {
    name: "tempfile, `persist_noclobber`",
    role: Role::Peer,
    syncs: Syncs::Nothing,
    taken: Taken::Kept,
    litter: Litter::Always,
    save: |place, target, contents| {
        let file = tempfile(place, contents)?;
        file.persist_noclobber(&target.path)?;
        Ok(())
    },
};

/// tempfile, for a new file or a replaced one.
pub const TEMPFILE: Method = Method {
    name: "tempfile, `persist`",
    taken: Taken::Replaced,
    save: |place, target, contents| {
        let file = tempfile(place, contents)?;
        file.persist(&target.path)?;
        Ok(())
    },
    ..TEMPFILE_NOCLOBBER
};

/// tempfile, for a new file that the caller syncs.
pub const TEMPFILE_NOCLOBBER_SYNCED: Method = Method {
    name: "tempfile, `sync_all`, `persist_noclobber`",
    role: Role::PeerAndCaller,
    syncs: Syncs::File,
    save: |place, target, contents| {
        let file = tempfile(place, contents)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(&target.path)?;
        Ok(())
    },
    ..TEMPFILE_NOCLOBBER
};

/// tempfile, for a new file or a replaced one that the caller syncs.
pub const TEMPFILE_SYNCED: Method = Method {
    name: "tempfile, `sync_all`, `persist`",
    role: Role::PeerAndCaller,
    syncs: Syncs::File,
    save: |place, target, contents| {
        let file = tempfile(place, contents)?;
        file.as_file().sync_all()?;
        file.persist(&target.path)?;
        Ok(())
    },
    ..TEMPFILE
};

/// [`TEMPFILE_NOCLOBBER_SYNCED`], and the caller syncs the directory, too.
pub const TEMPFILE_NOCLOBBER_DURABLE: Method = Method {
    name: "tempfile, `persist_noclobber`, file and directory synced by the caller",
    syncs: Syncs::FileAndDirectory,
    save: |place, target, contents| {
        (TEMPFILE_NOCLOBBER_SYNCED.save)(place, target, contents)?;
        sync_directory(place.path())
    },
    ..TEMPFILE_NOCLOBBER_SYNCED
};

/// [`TEMPFILE_SYNCED`], and the caller syncs the directory, too.
pub const TEMPFILE_DURABLE: Method = Method {
    name: "tempfile, `persist`, file and directory synced by the caller",
    syncs: Syncs::FileAndDirectory,
    save: |place, target, contents| {
        (TEMPFILE_SYNCED.save)(place, target, contents)?;
        sync_directory(place.path())
    },
    ..TEMPFILE_SYNCED
};

/// tempfile-fast, for a new file.
pub const TEMPFILE_FAST_NOCLOBBER: Method = Method {
    name: "tempfile-fast, `persist_noclobber`",
    litter: Litter::Never,
    save: |place, target, contents| {
        let file = tempfile_fast(place, contents)?;
        file.persist_noclobber(&target.path)
            .map_err(|failure| failure.error)
    },
    ..TEMPFILE_NOCLOBBER
};

/// tempfile-fast, for a new file or a replaced one.
pub const TEMPFILE_FAST: Method = Method {
    name: "tempfile-fast, `persist_by_rename`",
    litter: Litter::WhileReplacing,
    save: |place, target, contents| {
        let file = tempfile_fast(place, contents)?;
        file.persist_by_rename(&target.path)
            .map_err(|failure| failure.error)
    },
    ..TEMPFILE
};

/// tempfile-fast, for a new file that the caller syncs.
pub const TEMPFILE_FAST_NOCLOBBER_SYNCED: Method = Method {
    name: "tempfile-fast, `sync_all`, `persist_noclobber`",
    role: Role::PeerAndCaller,
    syncs: Syncs::File,
    save: |place, target, contents| {
        let file = tempfile_fast(place, contents)?;
        file.sync_all()?;
        file.persist_noclobber(&target.path)
            .map_err(|failure| failure.error)
    },
    ..TEMPFILE_FAST_NOCLOBBER
};

/// tempfile-fast, for a new file or a replaced one that the caller syncs.
pub const TEMPFILE_FAST_SYNCED: Method = Method {
    name: "tempfile-fast, `sync_all`, `persist_by_rename`",
    role: Role::PeerAndCaller,
    syncs: Syncs::File,
    save: |place, target, contents| {
        let file = tempfile_fast(place, contents)?;
        file.sync_all()?;
        file.persist_by_rename(&target.path)
            .map_err(|failure| failure.error)
    },
    ..TEMPFILE_FAST
};

/// cap-tempfile, in an open directory.
pub const CAP_TEMPFILE: Method = Method {
    name: "cap-tempfile, `replace`",
    role: Role::Peer,
    syncs: Syncs::Nothing,
    taken: Taken::Replaced,
    litter: Litter::WhileReplacing,
    save: |place, target, contents| {
        let mut file = TempFile::new(&place.dir)?;
        file.write_all(contents)?;
        file.replace(&target.name)
    },
};

/// cap-tempfile, for a file that the caller syncs.
pub const CAP_TEMPFILE_SYNCED: Method = Method {
    name: "cap-tempfile, `sync_all`, `replace`",
    role: Role::PeerAndCaller,
    syncs: Syncs::File,
    save: |place, target, contents| {
        let mut file = TempFile::new(&place.dir)?;
        file.write_all(contents)?;
        file.as_file().sync_all()?;
        file.replace(&target.name)
    },
    ..CAP_TEMPFILE
};

/// cap-std-ext, which builds on cap-tempfile, in an open directory.
pub const CAP_STD_EXT: Method = Method {
    name: "cap-std-ext, `atomic_write`",
    role: Role::Peer,
    syncs: Syncs::FileAndDirectory,
    taken: Taken::Replaced,
    litter: Litter::WhileReplacing,
    save: |place, target, contents| place.dir.atomic_write(&target.name, contents),
};

/// atomic-write-file by default: a named temporary file.
pub const ATOMIC_WRITE_FILE: Method = Method {
    name: "atomic-write-file",
    role: Role::Peer,
    syncs: Syncs::FileAndDirectory,
    taken: Taken::Replaced,
    litter: Litter::Always,
    save: |_, target, contents| {
        let mut file = AtomicWriteFileNamed::open(&target.path)?;
        file.write_all(contents)?;
        file.commit()
    },
};

/// atomic-write-file with its feature `unnamed-tmpfile`.
pub const ATOMIC_WRITE_FILE_UNNAMED: Method = Method {
    name: "atomic-write-file, `unnamed-tmpfile`",
    litter: Litter::WhileReplacing,
    save: |_, target, contents| {
        let mut file = AtomicWriteFile::open(&target.path)?;
        file.write_all(contents)?;
        file.commit()
    },
    ..ATOMIC_WRITE_FILE
};

/// atomicwrites, for a new file or a replaced one.
pub const ATOMICWRITES: Method = Method {
    name: "atomicwrites, `AllowOverwrite`",
    role: Role::Peer,
    syncs: Syncs::FileAndDirectory,
    taken: Taken::Replaced,
    litter: Litter::Always,
    save: |_, target, contents| atomicwrites(target, contents, AllowOverwrite),
};

/// atomicwrites, for a new file.
pub const ATOMICWRITES_NOCLOBBER: Method = Method {
    name: "atomicwrites, `DisallowOverwrite`",
    taken: Taken::Kept,
    save: |_, target, contents| atomicwrites(target, contents, DisallowOverwrite),
    ..ATOMICWRITES
};

fn tempfile(place: &Place, contents: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(place.path())?;
    file.write_all(contents)?;
    Ok(file)
}

fn tempfile_fast(place: &Place, contents: &[u8]) -> io::Result<PersistableTempFile> {
    let mut file = PersistableTempFile::new_in(place.path())?;
    file.write_all(contents)?;
    Ok(file)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn atomicwrites(target: &Target, contents: &[u8], overwrite: OverwriteBehavior) -> io::Result<()> {
    let file = AtomicFile::new(&target.path, overwrite);
    Ok(file.write(|file| file.write_all(contents))?)
}
