//! The bytes of a disk that is mostly zero.

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_bytes::ByteBuf;

/// The grain in which the disk is kept.
const BLOCK: usize = 4096;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// What is on a disk. Blocks that nobody has written take no memory.
pub(crate) struct Platter {
    pub(crate) bytes: Vec<u8>,
    /// Which blocks may be other than all zero; most are not.
    used: Vec<bool>,
}

impl Platter {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            bytes: vec![0; size],
            used: vec![false; size.div_ceil(BLOCK)],
        }
    }

    pub(crate) fn write(&mut self, offset: usize, data: &[u8]) {
        self.bytes[offset..offset + data.len()].copy_from_slice(data);
        self.used[offset / BLOCK..=(offset + data.len() - 1) / BLOCK].fill(true);
    }

    /// The offset and bytes of each block that is not all zero.
    pub(crate) fn contents(&self) -> Vec<(usize, ByteBuf)> {
        let blocks = self.bytes.chunks(BLOCK).enumerate();
        blocks
            .filter(|&(number, block)| self.used[number] && *block != ZEROS[..block.len()])
            .map(|(number, block)| (number * BLOCK, ByteBuf::from(block)))
            .collect()
    }

    pub(crate) fn save(&self, path: &Path) -> File {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path);
        let file = file.expect("the image");
        file.set_len(self.bytes.len() as u64)
            .expect("room for the image");
        let mut start = 0;
        while let Some(Range { start: from, end }) = self.next_used(start) {
            let end_byte = (end * BLOCK).min(self.bytes.len());
            let bytes = &self.bytes[from * BLOCK..end_byte];
            file.write_all_at(bytes, (from * BLOCK) as u64)
                .expect("room for the image");
            start = end;
        }
        file
    }

    /// The next run of used blocks from `start` on.
    fn next_used(&self, start: usize) -> Option<Range<usize>> {
        let from = start + self.used[start..].iter().position(|&used| used)?;
        let length = self.used[from..].iter().take_while(|&&used| used).count();
        Some(from..from + length)
    }
}
