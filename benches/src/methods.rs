//! The ways to save files, and what each one guarantees.

pub mod bare;
pub mod ours;
pub mod peers;

use std::fmt;
use std::io;

use crate::place::{Place, Target};

/// A way to save files: one after the other unless `S` says otherwise.
///
/// A table may hold several of the same crate. A variant is one more constant, and one more entry
/// in the list of a group.
#[derive(Clone, Copy, Debug)]
pub struct Method<S = Save> {
    /// The crate, and the call that is measured. Unique in a table.
    pub name: &'static str,
    /// Whose code does the work.
    pub role: Role,
    /// What is synced before it returns.
    pub syncs: Syncs,
    /// What happens to an existing file.
    pub taken: Taken,
    /// What a killed process leaves behind.
    pub litter: Litter,
    /// Does it.
    pub save: S,
}

/// Makes one file, writes it, gives it its name and closes it.
pub type Save = fn(&Place, &Target, &[u8]) -> io::Result<()>;

/// Saves all files together. Each target has the index of its place.
pub type SaveAll = fn(&[Place], &[(usize, Target)], &[u8]) -> io::Result<()>;

/// Copies the directories in one place, with the files in them, to another place.
pub type SaveTree = fn(&Place, &Place) -> io::Result<()>;

impl<S> Method<S> {
    /// Its name and what it guarantees, without the way to do it.
    #[must_use]
    pub const fn guarantee(&self) -> Method<()> {
        Method {
            name: self.name,
            role: self.role,
            syncs: self.syncs,
            taken: self.taken,
            litter: self.litter,
            save: (),
        }
    }

    /// The same method, which saves in another way.
    pub fn map<T>(self, other: impl FnOnce(S) -> T) -> Method<T> {
        Method {
            name: self.name,
            role: self.role,
            syncs: self.syncs,
            taken: self.taken,
            litter: self.litter,
            save: other(self.save),
        }
    }
}

/// Whose code does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// linkable.
    Ours,
    /// No crate: system calls, or tools of the system.
    SystemCalls,
    /// Another crate, all by itself.
    Peer,
    /// Another crate, and the caller, who does what the crate leaves to do.
    PeerAndCaller,
}

/// What is synced before the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// Nothing.
    Nothing,
    /// The file, before it gets its name.
    File,
    /// The file, before it gets its name, and then the directory.
    FileAndDirectory,
}

impl fmt::Display for Syncs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::File => "contents",
            Self::FileAndDirectory => "contents and name",
        })
    }
}

/// What happens to an existing file of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It stays, and the call fails.
    Kept,
    /// It is replaced in one step.
    Replaced,
    /// It is emptied and written again, which readers can see.
    Emptied,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Replaced => "replaced",
            Self::Emptied => "emptied",
        })
    }
}

/// What a killed process leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Litter {
    /// Nothing.
    Never,
    /// A temporary file, if it is killed between linkat(2) and rename(2).
    WhileReplacing,
    /// A temporary file, if it is killed at any time before the rename.
    Always,
    /// An incomplete file under the final name.
    TornFile,
}

impl fmt::Display for Litter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "nothing",
            Self::WhileReplacing => "a temporary file, between link and rename",
            Self::Always => "a temporary file, until the rename",
            Self::TornFile => "an incomplete file",
        })
    }
}
