//! The power is cut: at every write, and with what a disk may make of the writes in its cache.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use linkable::Durability;

use crate::disk::Event;
use crate::judge::{judge, Known, Verdict};
use crate::kinds::Kind;
use crate::platter::Platter;
use crate::recording::Recording;
use crate::volume::{Mounted, Purpose};

/// The bytes that a disk writes all or none of.
const SECTOR: usize = 512;

/// A write that the disk may or may not have made.
#[derive(Clone, Copy)]
struct Pending<'a> {
    disk: usize,
    offset: usize,
    data: &'a [u8],
}

/// How the points are tried.
#[allow(clippy::struct_excessive_bools)] // Each is a question of its own.
pub(crate) struct Replay<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) level: Durability,
    pub(crate) named: bool,
    /// Where images of the disks are made, and mounted.
    pub(crate) images: &'a [PathBuf],
    pub(crate) at: &'a Path,
    /// How many random subsets of the pending writes are tried at each point.
    pub(crate) subsets: usize,
    /// One of so many points is tried, at random.
    pub(crate) stride: usize,
    /// Whether a bystander was there.
    pub(crate) disturbed: bool,
    /// Whether one finding is enough.
    pub(crate) until_found: bool,
    pub(crate) seed: u64,
    /// Whether each finding is told on standard error.
    pub(crate) told: bool,
}

impl Replay<'_> {
    /// Cuts the power at every point of `recording`.
    pub(crate) fn run(&self, recording: &Recording) -> Verdict {
        let mut random = Rng::with_seed(self.seed);
        let mut platters: Vec<_> = self.kind.sizes().into_iter().map(Platter::new).collect();
        for (platter, before) in platters.iter_mut().zip(&recording.before) {
            for (offset, bytes) in before {
                platter.write(*offset, bytes);
            }
        }
        let mut pending: Vec<Pending<'_>> = Vec::new();
        let mut known = Known::new(self.disturbed);
        let mut total = Verdict::default();
        for event in &recording.log {
            match event {
                Event::Note(note) => {
                    known.learn(note);
                    continue;
                }
                Event::Flush { disk } => pending.retain(|write| {
                    let flushed = write.disk == *disk;
                    if flushed {
                        platters[*disk].write(write.offset, write.data);
                    }
                    !flushed
                }),
                Event::Write { disk, offset, data } => pending.push(Pending {
                    disk: *disk,
                    offset: *offset,
                    data,
                }),
            }
            if random.usize(..self.stride) != 0 {
                continue;
            }
            total += self.cut(&platters, pending.iter().copied(), &known);
            for _ in 0..self.subsets.min(pending.len()) {
                let subset = some_of(&pending, self.kind.superblocks, &mut random);
                total += self.cut(&platters, subset.into_iter(), &known);
            }
            if self.until_found && total.bad() > 0 {
                break;
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

    /// Makes the images that are left, mounts them, which replays the journal, and judges.
    fn cut<'b>(
        &self,
        platters: &[Platter],
        written: impl Iterator<Item = Pending<'b>>,
        known: &Known,
    ) -> Verdict {
        let images = platters.iter().zip(self.images);
        let images: Vec<_> = images.map(|(platter, path)| platter.save(path)).collect();
        for write in written {
            images[write.disk]
                .write_all_at(write.data, write.offset as u64)
                .expect("room for the image");
        }
        drop(images);
        let mounted = match Mounted::new(self.kind, self.images, self.at, Purpose::Look) {
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
        let (verdict, texts) = judge(&mounted.root, known, self.level, self.named);
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
        let Pending { disk, offset, data } = chosen[torn];
        let sectors = random.usize(..=data.len().div_ceil(SECTOR));
        let range = offset..offset + data.len();
        let has_superblock = superblocks.iter().any(|place| range.contains(place));
        if disk > 0 || !has_superblock {
            chosen[torn].data = &data[..(sectors * SECTOR).min(data.len())];
        }
    }
    chosen
}
