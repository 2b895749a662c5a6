//! What is done to a system call of an operation, as the command line says it: `3:EIO`, `3:EIO+`,
//! `3:kill`.

use std::fmt;
use std::str::FromStr;

use crate::manual;

/// What happens instead of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It fails, and nothing is done.
    Errno(i32),
    /// The process is killed before it.
    Kill,
}

/// A harm, and the call that it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Which call of the operation, counted from 0.
    pub(crate) at: usize,
    pub(crate) harm: Harm,
    /// Whether all later calls of the same name fail, too.
    pub(crate) lasting: bool,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (at, harm) = text.split_once(':').ok_or("a fault is CALL:ERRNO")?;
        let at = at.parse().map_err(|_| format!("{at} is no number"))?;
        let once = harm.trim_end_matches('+');
        let harm = if once == "kill" {
            Harm::Kill
        } else {
            Harm::Errno(manual::number(once).ok_or_else(|| format!("{once} is no errno"))?)
        };
        let lasting = text.ends_with('+');
        Ok(Self { at, harm, lasting })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lasting = if self.lasting { "+" } else { "" };
        write!(f, "{}:{}{lasting}", self.at, self.harm)
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => f.write_str(&manual::errno_name(*errno)),
            Self::Kill => f.write_str("kill"),
        }
    }
}
