//! One row of the table: a workload in one order of calls, on one kind of file system.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use linkable::Durability;

use crate::disk::Disks;
use crate::judge::Verdict;
use crate::kinds::{Holds, Kind, Rows, Top};
use crate::library::Way;
use crate::order::{Order, BY_HAND};
use crate::recording::Recording;
use crate::replay::Replay;
use crate::volume::{Mounted, Purpose};
use crate::workload::{without_o_tmpfile, Plan};

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
    /// Only as much as shows that a promise is broken, or that something is found out.
    pub(crate) sample: bool,
}

impl Case {
    /// Every row of one kind of file system.
    pub(crate) fn all(kind: &'static Kind) -> Vec<Self> {
        let plans = [Plan::ALONE, Plan::DISTURBED, Plan::FOUR];
        let by_library = Way::all().map(Order::Library);
        let by_hand = BY_HAND.into_iter().map(Order::ByHand);
        let mut cases = Vec::new();
        let by_hand = by_hand.filter(|order| kind.driver == "btrfs" || !order.name().contains('C'));
        for order in by_library.chain(by_hand) {
            let routes: &[bool] = match order {
                Order::Library(_) => &[false, true],
                Order::ByHand(_) => &[false],
            };
            for &named in routes {
                cases.extend(plans.map(|plan| Self {
                    kind,
                    named,
                    order,
                    plan,
                }));
            }
        }
        cases
    }

    /// Whether this row is worth its time where only a sample is tried: it can fail, and no other one
    /// is much the same. The whole table is one command.
    pub(crate) fn is_of_sample(&self) -> bool {
        let is_variant = self.kind.rows == Rows::Variant;
        match self.order {
            Order::Library(way) => {
                self.is_promised()
                    && way.is_automatic()
                    && if is_variant {
                        self.plan == Plan::FOUR && !way.batch
                    } else {
                        self.plan != Plan::DISTURBED
                    }
            }
            Order::ByHand(_) => self.must_be_found() && !is_variant && self.plan == Plan::ALONE,
        }
    }

    /// Whether this row is one of the table.
    pub(crate) fn is_of_table(&self) -> bool {
        let can_fail = match self.order {
            Order::Library(way) => {
                way.is_automatic() && self.kind.promised.holds(way) != Holds::Never
            }
            Order::ByHand(_) => self.is_right() || self.must_be_found(),
        };
        self.kind.rows == Rows::All || !self.named && can_fail
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
        let name = format!(
            "{} {} {} {}",
            self.kind.name,
            self.route(),
            self.order.name(),
            self.plan.name()
        );
        directory.join(name.replace(' ', "-"))
    }

    /// Does the work on new disks, and keeps what they were told.
    pub(crate) fn record(&self) -> Recording {
        let room = Room::new(self.kind);
        let disks = Disks::new(&room.disks, &self.kind.sizes());
        self.kind.make(&disks.paths);
        let mounted = Mounted::new(self.kind, &disks.paths, &room.mounted, Purpose::Work);
        let mounted = mounted.expect("a new file system");
        let prepared = self.plan.prepare(&mounted.root, self.kind.tight);
        prepared.expect("room for files");
        let before = disks.log.start();
        let start = if self.named { without_o_tmpfile } else { || {} };
        let done = self.plan.run(&mounted.root, self.order, &disks.log, start);
        match done {
            Err(error) if self.may_be_impossible(&error) => drop(disks.log.start()),
            Err(error) => panic!("{}, {}: {error}", self.kind.name, self.order.name()),
            Ok(()) => {}
        }
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
        Recording {
            release: release.trim().to_owned(),
            before,
            log: disks.log.stop(),
        }
    }

    /// Whether no more than this is to be had: before 6.10, overlayfs has no `O_TMPFILE`.
    fn may_be_impossible(&self, error: &io::Error) -> bool {
        let by_hand = matches!(self.order, Order::ByHand(_));
        by_hand && self.kind.top == Top::Overlay && error.raw_os_error() == Some(libc::EOPNOTSUPP)
    }

    /// Cuts the power at every point that `thoroughness` asks for.
    pub(crate) fn judge(&self, recording: &Recording, thoroughness: Thoroughness) -> Verdict {
        let room = Room::new(self.kind);
        let until_found = thoroughness.sample && self.must_be_found();
        let replay = Replay {
            kind: self.kind,
            level: self.order.level(),
            named: self.named || self.gets_temporary_names(recording),
            images: &room.images()[..self.kind.sizes().len()],
            at: &room.mounted,
            subsets: match self.holds() {
                Holds::InOrder => 0,
                _ => thoroughness.subsets,
            },
            // Where something is to be found, every point may be the one, and one is enough.
            stride: if until_found { 1 } else { thoroughness.stride },
            disturbed: self.plan.disturbed,
            until_found,
            seed: 1,
            told: self.must_be_kept(recording),
        };
        replay.run(recording)
    }

    /// Whether the library gives a file without a name a temporary one before it syncs it.
    fn gets_temporary_names(&self, recording: &Recording) -> bool {
        let looks_unsafe = self.kind.top == Top::Overlay || self.kind.name == "ext4 fast_commit";
        matches!(self.order, Order::Library(_)) && (looks_unsafe || self.forgets_unnamed(recording))
    }

    /// Whether an fsync(2) of a file without a name is worth nothing.
    fn forgets_unnamed(&self, recording: &Recording) -> bool {
        self.kind.promised.full == Holds::InOrder
            || self.kind.driver == "btrfs" && recording.is_before_6_16()
    }

    /// When the library's promise holds; an order by hand is for file systems with a journal.
    fn holds(&self) -> Holds {
        match self.order {
            Order::Library(way) => self.kind.promised.holds(way),
            Order::ByHand(_) if self.kind.promised.full == Holds::InOrder => Holds::InOrder,
            Order::ByHand(_) => Holds::Always,
        }
    }

    /// Whether the library promises this.
    pub(crate) fn is_promised(&self) -> bool {
        matches!(self.order, Order::Library(_)) && self.holds().with(self.plan)
    }

    /// Whether nothing may be found.
    fn must_be_kept(&self, recording: &Recording) -> bool {
        let forgotten = self.order.name() == "T w f L D" && self.forgets_unnamed(recording);
        self.is_promised() && !self.may_lose_rename(recording) || self.is_right() && !forgotten
    }

    /// Whether `Durability` says that a rename may be lost: on btrfs, while somebody else syncs.
    fn may_lose_rename(&self, recording: &Recording) -> bool {
        let is_renamed = self.named || self.gets_temporary_names(recording);
        let is_btrfs = self.kind.driver == "btrfs";
        is_btrfs && is_renamed && self.plan.disturbed && self.order.level() == Durability::Full
    }

    /// Whether this is an order by hand that is right.
    fn is_right(&self) -> bool {
        self.kind.right.contains(&self.order.name().as_str()) && self.holds().with(self.plan)
    }

    /// Whether something has to be found, or else the harness is worth nothing.
    fn must_be_found(&self) -> bool {
        match self.order {
            Order::Library(way) => {
                let has_journal = self.kind.promised.contents == Holds::Always;
                has_journal && way.level == Durability::None
            }
            // What it leaves is what any replace may, if somebody else syncs half way.
            Order::ByHand(order) if order.steps == "T w l f r" && self.plan.disturbed => false,
            Order::ByHand(order) => self.kind.wrong.contains(&order.steps),
        }
    }

    /// Whether that is what was to be expected, in words.
    pub(crate) fn opinion(
        &self,
        recording: &Recording,
        verdict: Verdict,
    ) -> Result<&'static str, &'static str> {
        let bad = verdict.bad();
        if recording.log.is_empty() {
            let by_hand = matches!(self.order, Order::ByHand(_));
            return if by_hand && self.kind.top == Top::Overlay {
                Ok("impossible there")
            } else {
                Err("NOTHING WAS RECORDED")
            };
        }
        match (self.must_be_kept(recording), self.must_be_found()) {
            (true, _) if bad == 0 => Ok("kept"),
            (true, _) => Err("BROKEN"),
            (_, true) if bad == 0 => Err("NOT FOUND OUT"),
            (_, true) => Ok("found out"),
            _ => Ok("not promised"),
        }
    }
}

/// Directories for one kind's disks and mounts, in memory: nothing here is to survive a power cut.
pub(crate) struct Room {
    base: PathBuf,
    pub(crate) disks: PathBuf,
    pub(crate) mounted: PathBuf,
}

impl Room {
    pub(crate) fn new(kind: &Kind) -> Self {
        let name = kind.name.replace(' ', "-");
        let base = PathBuf::from(format!("/dev/shm/power-cut-{}-{name}", process::id()));
        let [disks, mounted] = ["disks", "mounted"].map(|name| base.join(name));
        for directory in [&disks, &mounted] {
            fs::create_dir_all(directory).expect("room for directories");
        }
        Self {
            base,
            disks,
            mounted,
        }
    }

    /// Where images of the disks go.
    fn images(&self) -> [PathBuf; 2] {
        ["image", "image-of-journal"].map(|name| self.base.join(name))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.base);
    }
}
