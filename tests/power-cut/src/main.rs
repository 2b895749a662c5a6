//! Cuts the power at every write of a file system, and judges what linkable has promised.
//!
//!     power-cut [--one-in N] [--subsets N] [--only FILE-SYSTEM]... [--order ORDER]...
//!               [--threads THREADS]... [--promised] [--record DIR | --judge DIR]
//!
//! A workload runs on a file system on a disk that logs every write and every flush. Then, for
//! every write, the disk is rebuilt as a power cut would have left it, in order and with random
//! subsets of the writes that were not flushed yet, mounted, and compared with what was promised at
//! that moment. Prints a table, and fails if a promise was broken, or if an order that is known to
//! be wrong was not found out.
//!
//! One kernel can `--record` into a directory what another is to `--judge`: a slow one, that of an
//! emulator say, need not mount thousands of images. `--promised` leaves out what is only to be
//! found out. With `--one-in`, one in so many points is tried, and fewer rows, see
//! [`Case::is_of_sample`]. `--only`, `--order` and `--threads` name the file systems, the orders and the
//! plans of interest, as the table calls them.
//!
//! After that the disk fails at every one of its writes, see [`failing`].
//!
//! Needs root, and FUSE and loop devices.

mod case;
mod disk;
mod failing;
mod judge;
mod kinds;
mod library;
mod order;
mod platter;
mod recording;
mod replay;
mod volume;
mod workload;

use std::num::NonZero;
use std::ops::AddAssign;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{fs, thread};

use pico_args::Arguments;
use rustix::mount::{mount_change, MountPropagationFlags};
use rustix::thread::{unshare_unsafe, UnshareFlags};

use crate::case::{Case, Thoroughness};
use crate::kinds::{Kind, KINDS};
use crate::recording::Recording;
use crate::workload::{write_mapped, WRITE_MAPPED};

/// What was asked for.
struct Job {
    thoroughness: Thoroughness,
    /// Of these file systems, or of all if empty.
    only: Vec<String>,
    /// In these orders, or in all if empty.
    orders: Vec<String>,
    /// By these plans, or by all if empty.
    threads: Vec<String>,
    /// Only what must be kept.
    promised: bool,
    place: Place,
}

/// Where recordings are.
enum Place {
    /// In memory, from the workload to the judge.
    Here,
    Record(PathBuf),
    Judge(PathBuf),
}

/// How many points were tried, and how many rows are as expected, and are not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    points: u32,
    passed: u32,
    failed: u32,
}

impl Tally {
    pub(crate) fn of_row(points: u32, passed: bool) -> Self {
        Self {
            points,
            passed: u32::from(passed),
            failed: u32::from(!passed),
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.points += other.points;
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(WRITE_MAPPED) {
        return match write_mapped() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("power-cut: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let job = match Job::from_arguments() {
        Ok(job) => job,
        Err(error) => {
            eprintln!("power-cut: {error}");
            return ExitCode::from(2);
        }
    };
    own_mounts();
    let mut total = job.cut_power();
    if matches!(job.place, Place::Here) && job.orders.is_empty() && job.threads.is_empty() {
        total += job.fail_disks();
    }
    println!("\n{} points", total.points);
    println!("{} passed, {} failed", total.passed, total.failed);
    ExitCode::from(u8::from(total.failed > 0))
}

/// Whether `name` is one of `names`, or there are none.
fn is_among(name: &str, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

/// Mounts are this process's own and gone with it.
fn own_mounts() {
    // SAFETY: there is one thread yet, and no descriptor is unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("root, to mount");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("root");
}

impl Job {
    fn from_arguments() -> Result<Self, Box<dyn std::error::Error>> {
        let mut arguments = Arguments::from_env();
        let mut path = |option| {
            arguments.opt_value_from_os_str(option, |path| {
                Ok::<_, std::convert::Infallible>(PathBuf::from(path))
            })
        };
        let place = match (path("--record")?, path("--judge")?) {
            (None, None) => Place::Here,
            (Some(directory), None) => Place::Record(directory),
            (None, Some(directory)) => Place::Judge(directory),
            _ => return Err("--record or --judge, not both".into()),
        };
        let stride = arguments.opt_value_from_str("--one-in")?.unwrap_or(1);
        let orders: Vec<_> = arguments.values_from_str("--order")?;
        let job = Self {
            thoroughness: Thoroughness {
                stride,
                subsets: arguments.opt_value_from_str("--subsets")?.unwrap_or(4),
                sample: stride > 1 && orders.is_empty(),
            },
            only: arguments.values_from_str("--only")?,
            orders,
            threads: arguments.values_from_str("--threads")?,
            promised: arguments.contains("--promised"),
            place,
        };
        match arguments.finish().first() {
            Some(word) => Err(format!("what is {word:?}?").into()),
            None if job.kinds().next().is_none() => Err("no such file system".into()),
            None => Ok(job),
        }
    }

    fn kinds(&self) -> impl Iterator<Item = &'static Kind> + '_ {
        let wanted = |kind: &&Kind| is_among(kind.name, &self.only);
        KINDS.iter().filter(wanted)
    }

    /// Runs `check` on the kinds of file systems, some at once: they wait for the disk much.
    ///
    /// Two file systems of one kind on two devices confuse btrfs, so a kind has one thread.
    fn on_each_kind(&self, check: impl Fn(&'static Kind) -> Tally + Sync) -> Tally {
        let kinds = Mutex::new(self.kinds());
        let next = || kinds.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let mut total = Tally::default();
            while let Some(kind) = next() {
                total += check(kind);
            }
            total
        };
        let workers = thread::available_parallelism().map_or(1, NonZero::get) * 2;
        thread::scope(|scope| {
            let runs: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let mut total = Tally::default();
            for run in runs {
                total += run.join().expect("a run");
            }
            total
        })
    }

    fn cut_power(&self) -> Tally {
        let release = rustix::system::uname();
        let release = release.release().to_string_lossy();
        println!("Mounted by Linux {release}\n");
        println!("| Linux | file system | route | order | threads | points | torn | lost | litter | unmountable | s | |");
        println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
        self.on_each_kind(|kind| {
            let cases = Case::all(kind).into_iter();
            let wanted = |case: &Case| {
                let asked_for = match &self.orders[..] {
                    [] => case.is_of_table(),
                    orders => is_among(&case.order.name(), orders),
                };
                asked_for
                    && is_among(&case.plan.name(), &self.threads)
                    && (!self.promised || case.is_promised())
                    && (!self.thoroughness.sample || case.is_of_sample())
            };
            let mut total = Tally::default();
            for case in cases.filter(wanted) {
                total += self.row(&case);
            }
            total
        })
    }

    /// Does one case, and prints its row.
    fn row(&self, case: &Case) -> Tally {
        let start = Instant::now();
        let recording = match &self.place {
            Place::Here => case.record(),
            Place::Judge(directory) => {
                Recording::load(&case.path(directory)).expect("a recording of this case")
            }
            Place::Record(directory) => {
                fs::create_dir_all(directory).expect("room for recordings");
                let recording = case.record();
                recording
                    .save(&case.path(directory))
                    .expect("room for recordings");
                return Tally::of_row(0, true);
            }
        };
        let verdict = case.judge(&recording, self.thoroughness);
        let opinion = case.opinion(&recording, verdict);
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} | {} |",
            recording.release,
            case.kind.name,
            case.route(),
            case.order.name(),
            case.plan.name(),
            verdict.points,
            verdict.torn,
            verdict.lost,
            verdict.litter,
            verdict.unmountable,
            start.elapsed().as_secs_f64(),
            opinion.unwrap_or_else(|opinion| opinion),
        );
        Tally::of_row(verdict.points, opinion.is_ok())
    }

    fn fail_disks(&self) -> Tally {
        println!("\n| file system | files | route | name | writes | saved | not published | not durable | broken | s |");
        println!("|---|---|---|---|---|---|---|---|---|---|");
        self.on_each_kind(failing::rows)
    }
}
