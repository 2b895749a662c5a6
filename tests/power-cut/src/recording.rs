//! What a disk was told, kept for a judge who may be on another kernel.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::disk::Event;
use crate::workload::Note;

#[derive(Serialize, Deserialize)]
pub(crate) struct Recording {
    /// The kernel that ran the workload, as procfs calls it.
    pub(crate) release: String,
    /// What was on each disk before: the offset and bytes of each block that is not all zero.
    pub(crate) before: Vec<Vec<(usize, ByteBuf)>>,
    pub(crate) log: Vec<Event<Note>>,
}

impl Recording {
    /// Whether btrfs forgot an fsync(2) of a file without a name, but for what was mended there.
    pub(crate) fn is_before_6_16(&self) -> bool {
        let mut numbers = self
            .release
            .split('.')
            .map_while(|part| part.parse::<u32>().ok());
        (numbers.next(), numbers.next()) < (Some(6), Some(16))
    }

    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        fs::write(path, bytes)
    }

    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        postcard::from_bytes(&fs::read(path)?).map_err(io::Error::other)
    }
}
