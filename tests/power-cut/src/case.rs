//! One row of the table: a workload in one order of calls, on one kind of file system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use linkable::Durability;

use crate::disk::Disk;
use crate::judge::Verdict;
use crate::recording::Recording;
use crate::replay::Replay;
use crate::volume::{Kind, Mounted, Promised};
use crate::workload::{without_o_tmpfile, Order, Plan};

pub(crate) struct Case {
    pub(crate) kind: &'static Kind,
    pub(crate) named: bool,
    pub(crate) order: Order,
    pub(crate) plan: Plan,
}

/// How many points are tried.
#[derive(Clone, Copy)]
pub(crate) struct Thoroughness {
    /// One in so many, at random.
    pub(crate) stride: usize,
    /// And how many random subsets of the pending writes at each.
    pub(crate) subsets: usize,
}

impl Case {
    /// Every row of one kind of file system.
    pub(crate) fn all(kind: &'static Kind) -> Vec<Self> {
        use Durability::{Contents, Full, None};
        let [one, four] = [(1, 10), (4, 4)].map(|(threads, files)| Plan { threads, files });
        let mut cases = Vec::new();
        let mut add = |named, order, plan| {
            cases.push(Self {
                kind,
                named,
                order,
                plan,
            });
        };
        for named in [false, true] {
            for plan in [one, four] {
                for level in [None, Contents, Full] {
                    add(named, Order::Library(level), plan);
                }
                for level in [Contents, Full] {
                    add(named, Order::Batch(level), plan);
                }
            }
        }
        for order in Order::BY_HAND {
            add(false, order, one);
        }
        cases
    }

    pub(crate) fn route(&self) -> &'static str {
        if self.named {
            "named"
        } else {
            "anonymous"
        }
    }

    /// Where a recording of this case is kept.
    pub(crate) fn path(&self, directory: &Path) -> PathBuf {
        let order = self.order.name();
        let name = format!(
            "{} {} {order} {}",
            self.kind.name,
            self.route(),
            self.plan.threads
        );
        directory.join(name.replace(' ', "-"))
    }

    /// Does the work on a new disk, and keeps what the disk was told.
    pub(crate) fn record(&self) -> Recording {
        let room = Room::new(self.kind);
        let disk = Disk::new(&room.disk, self.kind.size);
        self.kind.make(&disk.path);
        let mounted = Mounted::new(self.kind, &disk.path, &room.mounted);
        let _mounted = mounted.expect("a new file system");
        self.plan.prepare(&room.mounted).expect("room for files");
        let before = disk.log.start();
        let start = if self.named { without_o_tmpfile } else { || {} };
        self.plan.run(&room.mounted, self.order, &disk.log, start);
        let release = rustix::system::uname().release().to_string_lossy().into();
        Recording::new(release, &before, disk.log.stop())
    }

    /// Cuts the power at every point that `thoroughness` asks for.
    pub(crate) fn judge(&self, recording: &Recording, thoroughness: Thoroughness) -> Verdict {
        let room = Room::new(self.kind);
        let replay = Replay {
            kind: self.kind,
            level: self.order.level(),
            named: self.named || self.gets_temporary_names(recording),
            image: &room.base.join("image"),
            at: &room.mounted,
            subsets: match self.kind.promised {
                Promised::FullInOrder => 0,
                _ => thoroughness.subsets,
            },
            // Where something is to be found, every point may be the one.
            stride: if self.must_be_found(recording) {
                1
            } else {
                thoroughness.stride
            },
            seed: 1,
            told: self.must_be_kept(recording),
        };
        replay.run(recording)
    }

    /// Whether the library gives a file without a name a temporary one before it syncs it.
    fn gets_temporary_names(&self, recording: &Recording) -> bool {
        matches!(self.order, Order::Library(_) | Order::Batch(_)) && self.forgets_unnamed(recording)
    }

    /// Whether an fsync(2) of a file without a name is worth nothing.
    fn forgets_unnamed(&self, recording: &Recording) -> bool {
        match self.kind.promised {
            Promised::FullInOrder => true,
            _ => self.kind.driver == "btrfs" && recording.is_before_6_16(),
        }
    }

    /// Whether the library promises this: without a journal, only as long as nobody else writes.
    pub(crate) fn is_promised(&self) -> bool {
        match self.kind.promised {
            Promised::Everything => self.order.is_promised(),
            Promised::FullInOrder => {
                self.order == Order::Library(Durability::Full) && self.plan.threads == 1
            }
            Promised::Nothing => false,
        }
    }

    /// Whether nothing may be found.
    fn must_be_kept(&self, recording: &Recording) -> bool {
        let right = match self.order {
            // Known to be wrong on ext4 only.
            Order::DataSyncAfterLink => self.kind.driver != "ext4",
            Order::SyncOnce => !self.forgets_unnamed(recording),
            order => order == Order::SyncTwice,
        };
        self.is_promised() || right && self.kind.promised == Promised::Everything
    }

    /// Whether something has to be found, or else the harness is worth nothing.
    fn must_be_found(&self, recording: &Recording) -> bool {
        self.kind.promised == Promised::Everything
            && !self.must_be_kept(recording)
            // Some releases before 6.16 have its mending.
            && self.order != Order::SyncOnce
    }

    /// Whether that is what was to be expected, in words.
    pub(crate) fn opinion(
        &self,
        recording: &Recording,
        verdict: Verdict,
    ) -> Result<&'static str, &'static str> {
        let bad = verdict.torn + verdict.lost + verdict.litter + verdict.unmountable;
        match (self.must_be_kept(recording), self.must_be_found(recording)) {
            (true, _) if bad == 0 => Ok("kept"),
            (true, _) => Err("BROKEN"),
            (_, true) if bad == 0 => Err("NOT FOUND OUT"),
            (_, true) => Ok("found out"),
            _ => Ok("not promised"),
        }
    }
}

/// Directories for one kind's disk and mounts, in memory: nothing here is to survive a power cut.
pub(crate) struct Room {
    pub(crate) base: PathBuf,
    pub(crate) disk: PathBuf,
    pub(crate) mounted: PathBuf,
}

impl Room {
    pub(crate) fn new(kind: &Kind) -> Self {
        let name = kind.name.replace(' ', "-");
        let base = PathBuf::from(format!("/dev/shm/power-cut-{}-{name}", process::id()));
        let [disk, mounted] = ["disk", "mounted"].map(|name| base.join(name));
        for directory in [&disk, &mounted] {
            fs::create_dir_all(directory).expect("room for directories");
        }
        Self {
            base,
            disk,
            mounted,
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.base);
    }
}
