//! The ways to save a file, and what each one promises.

pub mod bare;
pub mod ours;
pub mod peers;

use std::fmt;
use std::io;

use crate::place::{Place, Target};

/// A way to save a file.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Whose, and which call of theirs.
    pub name: &'static str,
    /// What it is measured for.
    pub role: Role,
    /// What a power cut cannot take.
    pub syncs: Syncs,
    /// What becomes of a file that has the name already.
    pub taken: Taken,
    /// What a killed process leaves.
    pub litter: Litter,
    /// Makes the file, writes it, names and closes it.
    pub save: fn(&Place, &Target, &[u8]) -> io::Result<()>,
}

/// What a method is measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is linkable.
    Ours,
    /// The system calls that linkable makes, and nothing else: the limit.
    Bare,
    /// Not atomic: what it costs to have a file at all.
    Floor,
    /// What another crate does by itself.
    Peer,
    /// What can be done by hand: other system calls, or another crate and what it leaves to do.
    ByHand,
}

/// What is synced before the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// Nothing.
    Nothing,
    /// The contents, before the name.
    File,
    /// The contents, before the name, and then the name.
    FileAndDirectory,
}

impl fmt::Display for Syncs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::File => "file",
            Self::FileAndDirectory => "file, directory",
        })
    }
}

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It stays, and the call fails.
    Refused,
    /// It is replaced in one step.
    Replaced,
    /// It is emptied and written again, and readers see that.
    Emptied,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Replaced => "replaced",
            Self::Emptied => "emptied",
        })
    }
}

/// What a killed process leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Litter {
    /// Nothing.
    Never,
    /// A temporary name, if it was killed between linkat(2) and rename(2).
    WhileReplacing,
    /// A temporary name, at any time before the last one is given.
    Always,
    /// A part of the file, under its name.
    TornFile,
}

impl fmt::Display for Litter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "none",
            Self::WhileReplacing => "between link and rename",
            Self::Always => "until named",
            Self::TornFile => "a torn file",
        })
    }
}
