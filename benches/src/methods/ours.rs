//! linkable, at each of its levels.

use std::fs::OpenOptions;
use std::io::{self, Write};

use linkable::{BatchSync, Durability, OpenOptionsAnonymousExt, PublishBatch, PublishOptions};

use super::{Litter, Method, Role, Syncs, Taken};
use crate::place::{Place, Target};

/// A new name, nothing synced.
pub const PUBLISH: Method = Method {
    name: "**linkable**, `publish`",
    role: Role::Ours,
    syncs: Syncs::Nothing,
    taken: Taken::Refused,
    litter: Litter::Never,
    save: |place, target, contents| save(place, target, contents, false, Durability::None),
};

/// A new name at the level `Contents`.
pub const PUBLISH_SYNCED: Method = Method {
    syncs: Syncs::File,
    save: |place, target, contents| save(place, target, contents, false, Durability::Contents),
    ..PUBLISH
};

/// A new name at the level `Full`.
pub const PUBLISH_DURABLE: Method = Method {
    syncs: Syncs::FileAndDirectory,
    save: |place, target, contents| save(place, target, contents, false, Durability::Full),
    ..PUBLISH
};

/// Any name, nothing synced.
pub const REPLACE: Method = Method {
    name: "**linkable**, `replace`",
    role: Role::Ours,
    syncs: Syncs::Nothing,
    taken: Taken::Replaced,
    litter: Litter::WhileReplacing,
    save: |place, target, contents| save(place, target, contents, true, Durability::None),
};

/// Any name at the level `Contents`.
pub const REPLACE_SYNCED: Method = Method {
    syncs: Syncs::File,
    save: |place, target, contents| save(place, target, contents, true, Durability::Contents),
    ..REPLACE
};

/// Any name at the level `Full`.
pub const REPLACE_DURABLE: Method = Method {
    syncs: Syncs::FileAndDirectory,
    save: |place, target, contents| save(place, target, contents, true, Durability::Full),
    ..REPLACE
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

/// All files in one [`PublishBatch`] at the level `Full`; `targets` have the place that they are
/// in.
///
/// # Errors
///
/// Those of the system calls.
pub fn save_all(
    places: &[Place],
    targets: &[(usize, Target)],
    contents: &[u8],
    sync: BatchSync,
) -> io::Result<()> {
    let mut options = PublishOptions::new();
    let mut batch = PublishBatch::with_options(options.durability(Durability::Full));
    batch.sync(sync);
    for (at, target) in targets {
        let mut file = OpenOptions::new().anonymous_in(places[*at].path())?;
        file.write_all(contents)?;
        batch.add(file, &target.path);
    }
    batch.commit().into_result()?;
    Ok(())
}

fn save(
    place: &Place,
    target: &Target,
    contents: &[u8],
    replace: bool,
    durability: Durability,
) -> io::Result<()> {
    let mut file = OpenOptions::new().anonymous_in(place.path())?;
    file.write_all(contents)?;
    PublishOptions::new()
        .replace(replace)
        .durability(durability)
        .publish(file, &target.path)?;
    Ok(())
}
