//! linkable, at each level of durability.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use linkable::{
    Durability, OpenOptionsAnonymousExt, Preserve, PublishBatch, PublishOptions, Symlinks,
    SyncMethod,
};

use super::{Litter, Method, Role, SaveAll, SaveTree, Syncs, Taken};
use crate::place::{Place, Target};

/// A new file, not synced.
pub const PUBLISH: Method = Method {
    name: "**linkable**, `publish`",
    role: Role::Ours,
    syncs: Syncs::Nothing,
    taken: Taken::Kept,
    litter: Litter::Never,
    save: |place, target, contents| save(place, target, contents, false, Durability::None),
};

/// A new file at the level `Contents`.
pub const PUBLISH_SYNCED: Method = Method {
    syncs: Syncs::File,
    save: |place, target, contents| save(place, target, contents, false, Durability::Contents),
    ..PUBLISH
};

/// The same with a flush for the file.
pub const PUBLISH_SYNCED_FSYNC: Method = Method {
    name: "**linkable**, `publish`, `Fsync`",
    save: |place, target, contents| {
        save_by_fsync(place, target, contents, false, Durability::Contents)
    },
    ..PUBLISH_SYNCED
};

/// A new file at the level `Full`.
pub const PUBLISH_DURABLE: Method = Method {
    syncs: Syncs::FileAndDirectory,
    save: |place, target, contents| save(place, target, contents, false, Durability::Full),
    ..PUBLISH
};

/// The same with one flush for the file and one for the directory.
pub const PUBLISH_DURABLE_FSYNC: Method = Method {
    name: PUBLISH_SYNCED_FSYNC.name,
    save: |place, target, contents| save_by_fsync(place, target, contents, false, Durability::Full),
    ..PUBLISH_DURABLE
};

/// A new file or a replaced one, not synced.
pub const REPLACE: Method = Method {
    name: "**linkable**, `replace`",
    role: Role::Ours,
    syncs: Syncs::Nothing,
    taken: Taken::Replaced,
    litter: Litter::WhileReplacing,
    save: |place, target, contents| save(place, target, contents, true, Durability::None),
};

/// The same, with what [`linkable::write`] keeps of the replaced one.
pub const REPLACE_KEEPING: Method = Method {
    name: "**linkable**, `write`, which keeps mode, owner and attributes",
    save: |_, target, contents| {
        PublishOptions::unsynced()
            .replace(true)
            .symlinks(Symlinks::Follow)
            .preserve(Preserve::ALL.where_possible())
            .write(&target.path, contents)
    },
    ..REPLACE
};

/// A new file or a replaced one at the level `Contents`.
pub const REPLACE_SYNCED: Method = Method {
    syncs: Syncs::File,
    save: |place, target, contents| save(place, target, contents, true, Durability::Contents),
    ..REPLACE
};

/// The same with a flush for the file.
pub const REPLACE_SYNCED_FSYNC: Method = Method {
    name: "**linkable**, `replace`, `Fsync`",
    save: |place, target, contents| {
        save_by_fsync(place, target, contents, true, Durability::Contents)
    },
    ..REPLACE_SYNCED
};

/// A new file or a replaced one at the level `Full`.
pub const REPLACE_DURABLE: Method = Method {
    syncs: Syncs::FileAndDirectory,
    save: |place, target, contents| save(place, target, contents, true, Durability::Full),
    ..REPLACE
};

/// The same with one flush for the file and one for the directory.
pub const REPLACE_DURABLE_FSYNC: Method = Method {
    name: REPLACE_SYNCED_FSYNC.name,
    save: |place, target, contents| save_by_fsync(place, target, contents, true, Durability::Full),
    ..REPLACE_DURABLE
};

/// Only opens a file, which is dropped without a name.
pub const OPEN: Method = Method {
    name: "**linkable**, `anonymous_in`",
    save: |place, _, _| {
        drop(OpenOptions::new().anonymous_in(place.path())?);
        Ok(())
    },
    ..PUBLISH
};

/// The same with a flag that linkable reads from the options.
pub const OPEN_CUSTOM: Method = Method {
    name: "**linkable**, `anonymous_in` with `custom_flags`",
    save: |place, _, _| {
        let mut options = OpenOptions::new();
        options.custom_flags(libc::O_SYNC);
        drop(options.anonymous_in(place.path())?);
        Ok(())
    },
    ..PUBLISH
};

/// [`PUBLISH`] where `O_TMPFILE` is not supported.
pub const PUBLISH_NAMED: Method = Method {
    litter: Litter::Always,
    ..PUBLISH
};

/// [`REPLACE`] where `O_TMPFILE` is not supported.
pub const REPLACE_NAMED: Method = Method {
    litter: Litter::Always,
    ..REPLACE
};

/// All files in one [`PublishBatch`] at the level `Full`.
pub const BATCH: Method<SaveAll> = Method {
    name: "**linkable**, `PublishBatch`",
    role: Role::Ours,
    syncs: Syncs::FileAndDirectory,
    taken: Taken::Replaced,
    litter: Litter::WhileReplacing,
    save: |places, targets, contents| save_all(places, targets, contents, SyncMethod::Automatic),
};

/// The same with one flush for all files.
pub const BATCH_FILE_SYSTEM: Method<SaveAll> = Method {
    name: "**linkable**, `PublishBatch`, `FileSystem`",
    save: |places, targets, contents| save_all(places, targets, contents, SyncMethod::FileSystem),
    ..BATCH
};

/// The same with one flush for each file.
pub const BATCH_FSYNC: Method<SaveAll> = Method {
    name: "**linkable**, `PublishBatch`, `Fsync`",
    save: |places, targets, contents| save_all(places, targets, contents, SyncMethod::Fsync),
    ..BATCH
};

/// A whole tree in one batch.
pub const TREE: Method<SaveTree> = Method {
    name: BATCH.name,
    role: BATCH.role,
    syncs: BATCH.syncs,
    taken: BATCH.taken,
    litter: BATCH.litter,
    save: |source, target| {
        let mut batch = batch(SyncMethod::Automatic);
        for directory in fs::read_dir(source.path())? {
            let directory = directory?;
            let target = target.path().join(directory.file_name());
            fs::create_dir(&target)?;
            for file in fs::read_dir(directory.path())? {
                let file = file?;
                let mut copy = OpenOptions::new().anonymous_in(&target)?;
                io::copy(&mut File::open(file.path())?, copy.as_file_mut())?;
                batch.add_replacing(copy, target.join(file.file_name()));
            }
        }
        batch.commit().into_result()?;
        // The batch syncs the directories that hold files. Their own names are in this one.
        File::open(target.path())?.sync_all()
    },
};

fn save_all(
    places: &[Place],
    targets: &[(usize, Target)],
    contents: &[u8],
    method: SyncMethod,
) -> io::Result<()> {
    let mut batch = batch(method);
    for (at, target) in targets {
        let mut file = OpenOptions::new().anonymous_in(places[*at].path())?;
        file.write_all(contents)?;
        batch.add_replacing(file, &target.path);
    }
    batch.commit().into_result()?;
    Ok(())
}

fn batch(method: SyncMethod) -> PublishBatch {
    let mut options = PublishOptions::new();
    options.durability(Durability::Full).sync_method(method);
    PublishBatch::with_options(&options)
}

fn save(
    place: &Place,
    target: &Target,
    contents: &[u8],
    replace: bool,
    durability: Durability,
) -> io::Result<()> {
    save_with(&options(replace, durability), place, target, contents)
}

fn save_by_fsync(
    place: &Place,
    target: &Target,
    contents: &[u8],
    replace: bool,
    durability: Durability,
) -> io::Result<()> {
    let mut options = options(replace, durability);
    save_with(
        options.sync_method(SyncMethod::Fsync),
        place,
        target,
        contents,
    )
}

fn save_with(
    options: &PublishOptions,
    place: &Place,
    target: &Target,
    contents: &[u8],
) -> io::Result<()> {
    let mut file = OpenOptions::new().anonymous_in(place.path())?;
    file.write_all(contents)?;
    options.publish(file, &target.path)?;
    Ok(())
}

fn options(replace: bool, durability: Durability) -> PublishOptions {
    let mut options = PublishOptions::new();
    options.replace(replace).durability(durability);
    options
}
