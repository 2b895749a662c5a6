//! [`io::Error`]s that say what was tried and what can be done.

use std::io;

#[derive(Debug, thiserror::Error)]
#[error("{text}: {source}")]
struct Explained {
    text: String,
    source: io::Error,
}

/// An error that prints `text`, then the system's words, and has `source` as its source.
pub(crate) fn explained(kind: io::ErrorKind, text: String, source: io::Error) -> io::Error {
    io::Error::new(kind, Explained { text, source })
}
