//! Cuts the power at every write of a file system, and judges what linkable has promised.
//!
//!     power-cut [--one-in N] [--subsets N] [--only FILE-SYSTEM]
//!
//! A workload runs on a file system on a disk that logs every write and every flush. Then, for every
//! write, the disk is rebuilt as a power cut would have left it, in order and with random subsets of
//! the writes that were not flushed yet, mounted, and compared with what was promised at that
//! moment. Prints a table, and fails if a promise was broken, or if an order that is known to be wrong
//! was not found out. Needs root, and FUSE and loop devices.

mod disk;
mod judge;
mod replay;
mod volume;
mod workload;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs, thread};

use linkable::Durability;
use rustix::mount::{mount_change, MountPropagationFlags};
use rustix::thread::{unshare_unsafe, UnshareFlags};

use crate::disk::Disk;
use crate::judge::Verdict;
use crate::replay::Replay;
use crate::volume::{Kind, Mounted, KINDS};
use crate::workload::{without_o_tmpfile, Order, Plan};

/// One row of the table.
struct Case {
    kind: &'static Kind,
    named: bool,
    order: Order,
    plan: Plan,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let value = |option| {
        let position = arguments.iter().position(|argument| argument == option);
        position.and_then(|position| arguments.get(position + 1))
    };
    let number = |option, usual| value(option).map_or(usual, |n| n.parse().expect("a number"));
    let (stride, subsets) = (number("--one-in", 1), number("--subsets", 4));
    let only = value("--only");

    // Mounts are this process's own and gone with it.
    // SAFETY: there is one thread yet, and no descriptor is unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("root, to mount");
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .expect("root");

    let release = rustix::system::uname();
    println!("Linux {}", release.release().to_string_lossy());
    println!("| file system | route | order | threads | points | torn | lost | litter | unmountable | s | |");
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    // Two file systems of one kind on two devices confuse btrfs, so a kind has one thread.
    let kinds: Vec<_> = KINDS
        .iter()
        .filter(|kind| only.is_none_or(|only| kind.name == *only))
        .collect();
    let results = thread::scope(|scope| {
        let runs: Vec<_> = kinds
            .into_iter()
            .map(|kind| scope.spawn(move || all_of(kind, stride, subsets)))
            .collect();
        runs.into_iter()
            .map(|run| run.join().expect("a run"))
            .collect::<Vec<_>>()
    });
    let points: u32 = results.iter().map(|(points, _)| points).sum();
    let failed: u32 = results.iter().map(|(_, failed)| failed).sum();
    println!("\n{points} points, {failed} failures");
    ExitCode::from(u8::from(failed > 0))
}

/// All cases of one file system: how many points were tried, and how many rows are not as promised.
fn all_of(kind: &'static Kind, stride: usize, subsets: usize) -> (u32, u32) {
    use Durability::{Contents, Full, None};
    let mut cases = Vec::new();
    let one = Plan {
        threads: 1,
        files: 10,
    };
    let four = Plan {
        threads: 4,
        files: 4,
    };
    for named in [false, true] {
        for plan in [one, four] {
            for level in [None, Contents, Full] {
                let order = Order::Library(level);
                cases.push(Case {
                    kind,
                    named,
                    order,
                    plan,
                });
            }
        }
    }
    for order in [
        Order::NoFileSync,
        Order::NoDirectorySync,
        Order::DataSyncAfterLink,
        Order::SyncBeforeRename,
        Order::SyncTwice,
    ] {
        cases.push(Case {
            kind,
            named: false,
            order,
            plan: one,
        });
    }
    let mut total = (0, 0);
    for case in cases {
        let start = Instant::now();
        let verdict = case.run(stride, subsets);
        let opinion = case.opinion(verdict);
        total.0 += verdict.points;
        total.1 += u32::from(opinion.is_err());
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} | {} |",
            kind.name,
            if case.named { "named" } else { "anonymous" },
            case.order.name(),
            case.plan.threads,
            verdict.points,
            verdict.torn,
            verdict.lost,
            verdict.litter,
            verdict.unmountable,
            start.elapsed().as_secs_f64(),
            opinion.unwrap_or_else(|opinion| opinion),
        );
    }
    total
}

impl Case {
    fn run(&self, stride: usize, subsets: usize) -> Verdict {
        let name = self.kind.name.replace(' ', "-");
        // In memory: nothing here is to survive a power cut.
        let base = Path::new("/dev/shm").join(format!("power-cut-{}-{name}", std::process::id()));
        let [disk, live, left] = ["disk", "live", "left"].map(|name| base.join(name));
        for directory in [&disk, &live, &left] {
            fs::create_dir_all(directory).expect("room for directories");
        }
        let image = base.join("image");

        let (bytes, log) = {
            let disk = Disk::new(&disk, self.kind.size);
            self.kind.make(&disk.path);
            let mounted = Mounted::new(self.kind, &disk.path, &live).expect("a new file system");
            self.plan.prepare(&live).expect("room for files");
            let bytes = disk.log.start();
            let start = if self.named { without_o_tmpfile } else { || {} };
            self.plan.run(&live, self.order, &disk.log, start);
            let log = disk.log.stop();
            drop(mounted);
            (bytes, log)
        };
        let replay = Replay {
            kind: self.kind,
            level: self.order.level(),
            named: self.named || self.gets_temporary_names(),
            image: &image,
            at: &left,
            subsets,
            // Where something is to be found, every point may be the one.
            stride: if self.must_be_found() { 1 } else { stride },
            seed: 1,
            told: self.must_be_kept(),
        };
        let verdict = replay.run(bytes, &log);
        let _ = fs::remove_dir_all(base);
        verdict
    }

    /// Whether the library gives a file without a name a temporary one before it syncs it.
    fn gets_temporary_names(&self) -> bool {
        let release = rustix::system::uname();
        let release = release.release().to_string_lossy();
        let mut numbers = release
            .split('.')
            .map_while(|part| part.parse::<u32>().ok());
        let before_6_16 = (numbers.next(), numbers.next()) < (Some(6), Some(16));
        let by_library = matches!(self.order, Order::Library(_));
        self.kind.driver == "btrfs" && before_6_16 && by_library
    }

    /// Whether nothing may be found.
    fn must_be_kept(&self) -> bool {
        let right = match self.order {
            Order::Library(level) => level != Durability::None,
            // Known to be wrong on ext4 only.
            Order::DataSyncAfterLink => self.kind.driver != "ext4",
            Order::SyncTwice => true,
            _ => false,
        };
        right && self.kind.promised
    }

    /// Whether something has to be found, or else the harness is worth nothing.
    fn must_be_found(&self) -> bool {
        self.kind.promised && !self.must_be_kept()
    }

    /// Whether that is what was to be expected, in words.
    fn opinion(&self, verdict: Verdict) -> Result<&'static str, &'static str> {
        let bad = verdict.torn + verdict.lost + verdict.litter + verdict.unmountable;
        match (self.must_be_kept(), self.must_be_found()) {
            (true, _) if bad == 0 => Ok("kept"),
            (true, _) => Err("BROKEN"),
            (_, true) if bad == 0 => Err("NOT FOUND OUT"),
            (_, true) => Ok("found out"),
            _ => Ok("not promised"),
        }
    }
}
