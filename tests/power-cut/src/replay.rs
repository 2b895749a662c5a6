//! The power is cut: at every write, and with what a disk may make of the writes in its cache.

use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fastrand::Rng;
use linkable::Durability;

use crate::disk::Event;
use crate::judge::{judge, Known, Verdict};
use crate::recording::{Recording, BLOCK};
use crate::volume::{Kind, Mounted};

/// The bytes that a disk writes all or none of.
const SECTOR: usize = 512;

/// A write that the disk may or may not have made.
type Pending<'a> = (usize, &'a [u8]);

/// How the points are tried.
pub(crate) struct Replay<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) level: Durability,
    pub(crate) named: bool,
    /// Where images are made and mounted.
    pub(crate) image: &'a Path,
    pub(crate) at: &'a Path,
    /// How many random subsets of the pending writes are tried at each point.
    pub(crate) subsets: usize,
    /// One of so many points is tried, at random.
    pub(crate) stride: usize,
    pub(crate) seed: u64,
    /// Whether each finding is told on standard error.
    pub(crate) told: bool,
}

impl Replay<'_> {
    /// Cuts the power at every point of `recording`.
    pub(crate) fn run(&self, recording: &Recording) -> Verdict {
        let mut random = Rng::with_seed(self.seed);
        let mut platter = Platter::new(self.kind.size);
        for (offset, bytes) in &recording.before {
            platter.write(*offset, bytes);
        }
        let mut pending: Vec<Pending<'_>> = Vec::new();
        let mut known = Known::default();
        let mut total = Verdict::default();
        for event in &recording.log {
            match event {
                Event::Note(note) => {
                    known.learn(note);
                    continue;
                }
                Event::Flush => {
                    for (offset, data) in pending.drain(..) {
                        platter.write(offset, data);
                    }
                }
                Event::Write { offset, data } => pending.push((*offset, data)),
            }
            if random.usize(..self.stride) != 0 {
                continue;
            }
            total += self.cut(&platter, pending.iter().copied(), &known);
            for _ in 0..self.subsets.min(pending.len()) {
                let subset = some_of(&pending, self.kind.superblocks, &mut random);
                total += self.cut(&platter, subset.into_iter(), &known);
            }
        }
        total
    }

    /// Says what was found, where that is not to be found.
    fn tell(&self, text: &str) {
        if self.told {
            eprintln!("{}: {text}", self.kind.name);
        }
    }

    /// Makes the image that is left, mounts it, which replays its journal, and judges it.
    fn cut<'b>(
        &self,
        platter: &Platter,
        written: impl Iterator<Item = Pending<'b>>,
        known: &Known,
    ) -> Verdict {
        platter.save(self.image);
        let image = OpenOptions::new()
            .write(true)
            .open(self.image)
            .expect("the image");
        for (offset, data) in written {
            image
                .write_all_at(data, offset as u64)
                .expect("room for the image");
        }
        drop(image);
        let mounted = match Mounted::new(self.kind, self.image, self.at) {
            Ok(mounted) => mounted,
            Err(error) => {
                self.tell(&format!("cannot be mounted: {error}"));
                return Verdict {
                    points: 1,
                    unmountable: 1,
                    ..Verdict::default()
                };
            }
        };
        let (verdict, texts) = judge(self.at, known, self.level, self.named);
        for text in texts {
            self.tell(&text);
        }
        drop(mounted);
        verdict
    }
}

/// Any of the pending writes, in any number; one of them torn at a sector.
fn some_of<'a>(
    pending: &[Pending<'a>],
    superblocks: &[usize],
    random: &mut Rng,
) -> Vec<Pending<'a>> {
    let mut chosen: Vec<_> = pending.iter().copied().filter(|_| random.bool()).collect();
    if !chosen.is_empty() {
        let torn = random.usize(..chosen.len());
        let (offset, data) = chosen[torn];
        let sectors = random.usize(..=data.len().div_ceil(SECTOR));
        let range = offset..offset + data.len();
        if !superblocks
            .iter()
            .any(|superblock| range.contains(superblock))
        {
            chosen[torn] = (offset, &data[..(sectors * SECTOR).min(data.len())]);
        }
    }
    chosen
}

/// What is certainly on the disk.
struct Platter {
    bytes: Vec<u8>,
    /// Which blocks may be other than all zero; most are not.
    used: Vec<bool>,
}

impl Platter {
    fn new(size: usize) -> Self {
        Self {
            bytes: vec![0; size],
            used: vec![false; size.div_ceil(BLOCK)],
        }
    }

    fn write(&mut self, offset: usize, data: &[u8]) {
        self.bytes[offset..offset + data.len()].copy_from_slice(data);
        self.used[offset / BLOCK..=(offset + data.len() - 1) / BLOCK].fill(true);
    }

    fn save(&self, path: &Path) {
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
    }

    /// The next run of used blocks from `start` on.
    fn next_used(&self, start: usize) -> Option<Range<usize>> {
        let from = start + self.used[start..].iter().position(|&used| used)?;
        let length = self.used[from..].iter().take_while(|&&used| used).count();
        Some(from..from + length)
    }
}
