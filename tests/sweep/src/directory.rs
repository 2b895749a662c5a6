//! What is in the directory, by name and contents.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::operation::{new_contents, MODE, OLD, TARGET};

/// A second name, for a file that is kept from the first.
pub(crate) const SECOND: &str = "second";

/// Another directory, in which a file may be opened.
pub(crate) const LEFT: &str = "left";

/// The state of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Old,
    /// Whole, with the mode that was asked for and no other name.
    New,
    /// The same, but only for its owner.
    Private,
    /// None of these.
    Torn(String),
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) target: State,
    pub(crate) second: State,
    /// How many temporary names there are.
    pub(crate) temporary: usize,
    /// Names that nobody ever asked for.
    pub(crate) strange: Vec<String>,
}

impl Found {
    pub(crate) fn in_directory(dir: &Path) -> io::Result<Self> {
        let mut found = Self {
            target: State::Absent,
            second: State::Absent,
            temporary: 0,
            strange: Vec::new(),
        };
        for name in names(dir)? {
            match name.as_str() {
                TARGET => found.target = State::of(&dir.join(TARGET))?,
                SECOND => found.second = State::of(&dir.join(SECOND))?,
                LEFT => {
                    for name in names(&dir.join(LEFT))? {
                        found.other(name);
                    }
                }
                _ => found.other(name),
            }
        }
        Ok(found)
    }

    fn other(&mut self, name: String) {
        if is_temporary(&name) {
            self.temporary += 1;
        } else {
            self.strange.push(name);
        }
    }
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let name =
        |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    fs::read_dir(dir)?.map(name).collect()
}

/// The form that the documentation gives to temporary names.
fn is_temporary(name: &str) -> bool {
    let random = name.strip_prefix(".linkable-");
    random.and_then(|rest| rest.strip_suffix(".tmp")).is_some()
}

impl State {
    fn of(path: &Path) -> io::Result<Self> {
        let contents = fs::read(path)?;
        let metadata = fs::metadata(path)?;
        let mode = metadata.permissions().mode() & 0o7777;
        Ok(if contents == OLD {
            Self::Old
        } else if contents == new_contents() && mode == MODE {
            Self::New
        } else if contents == new_contents() && mode == MODE & 0o700 {
            Self::Private
        } else {
            Self::Torn(format!("{} bytes, mode {mode:o}", metadata.size()))
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Old => f.write_str("old"),
            Self::New => f.write_str("new"),
            Self::Private => f.write_str("new, for its owner only"),
            Self::Torn(what) => write!(f, "neither old nor new ({what})"),
        }
    }
}
