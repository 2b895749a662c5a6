//! All the runs of one operation on one route.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::AddAssign;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use tempfile::TempDir;

use crate::call::IN_DROP;
use crate::directory::Found;
use crate::fault::{Fault, Harm};
use crate::judge::{after_kill, Broken};
use crate::manual::errnos;
use crate::operation::Operation;
use crate::route::Route;
use crate::worker::Afterwards;

/// How many runs there were, and how many of them have broken a promise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// System calls of the operation when nothing fails.
    pub(crate) calls: usize,
    pub(crate) runs: usize,
    pub(crate) faults: usize,
    pub(crate) kills: usize,
    pub(crate) broken: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.runs += other.runs;
        self.faults += other.faults;
        self.kills += other.kills;
        self.broken += other.broken;
    }
}

/// Which of the second faults are made: one in so many, chosen by the seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) one_in: u64,
    pub(crate) seed: u64,
}

/// Does all runs in a new directory in `scratch`.
pub(crate) fn sweep(
    operation: Operation,
    route: Route,
    scratch: &Path,
    sample: Sample,
    verbose: bool,
) -> Tally {
    let mut row = Row {
        operation,
        route,
        sample,
        scratch: tempfile::tempdir_in(scratch).expect("room for a directory"),
        tally: Tally::default(),
        broken: BTreeMap::new(),
    };
    let usual = row.run(&[], Afterwards::Publish);
    row.tally.calls = usual.calls.len();
    if verbose {
        println!("{} {}: {:#?}", operation.name(), route.name(), usual.calls);
    }
    row.sweep_after(&[], &usual, Afterwards::Publish);
    row.tell(verbose);
    row.tally
}

/// What a run has printed.
#[derive(Default)]
struct Report {
    /// The calls, in words.
    calls: Vec<String>,
    /// Whether the operation has left a handle behind.
    handle: bool,
    broken: Broken,
}

struct Row {
    operation: Operation,
    route: Route,
    sample: Sample,
    scratch: TempDir,
    tally: Tally,
    /// What was broken, and the runs that have broken it.
    broken: BTreeMap<String, Vec<String>>,
}

impl Row {
    /// Harms each call of `before` that comes after `faults`, which that run has met.
    fn sweep_after(&mut self, faults: &[Fault], before: &Report, afterwards: Afterwards) {
        let mut seen = BTreeSet::new();
        let first = faults.last().map_or(0, |fault| fault.at + 1);
        for at in first..=before.calls.len() {
            let killed = and(faults, at, Harm::Kill);
            if self.is_in_sample(&killed) {
                self.run(&killed, afterwards);
            }
            let Some(call) = before.calls.get(at) else {
                break;
            };
            for (_, errno) in errnos(name(call)) {
                let faults = and(faults, at, Harm::Errno(errno));
                if !self.is_in_sample(&faults) {
                    continue;
                }
                let (report, afterwards) = self.fail(&faults, call);
                let later = report.calls.get(at + 1..).unwrap_or_default();
                // What comes after a fault, the clean-up among it, can fail, too.
                let is_new = !before.calls.ends_with(later) && seen.insert(later.to_vec());
                if is_new && faults.len() == 1 {
                    self.sweep_after(&faults, &report, afterwards);
                }
            }
        }
    }

    fn is_in_sample(&self, faults: &[Fault]) -> bool {
        faults.len() < 2 || self.is_chosen(faults)
    }

    /// By the words for them, so that each run of the sweep with this seed makes the same ones.
    fn is_chosen(&self, faults: &[Fault]) -> bool {
        let Sample { one_in, seed } = self.sample;
        let mut hasher = DefaultHasher::new();
        let arguments = self.arguments(faults, Afterwards::Publish);
        (seed, arguments).hash(&mut hasher);
        hasher.finish().is_multiple_of(one_in)
    }

    /// The runs that end with this fault, met by `call`; if it is the only one, also those in which
    /// it lasts. Returns the report of the longest in which it comes once.
    fn fail(&mut self, faults: &[Fault], call: &str) -> (Report, Afterwards) {
        let once = self.run_and_drop(faults, call);
        let &[fault] = faults else {
            return once;
        };
        let later = once.0.calls.get(fault.at + 1..).unwrap_or_default();
        let comes_again = later.iter().any(|later| name(later) == name(call));
        // No call is interrupted for ever.
        if comes_again && fault.harm != Harm::Errno(libc::EINTR) {
            let lasting = [Fault {
                lasting: true,
                ..fault
            }];
            // With it, every temporary name that is tried is taken, which takes seconds.
            let is_dear = fault.harm == Harm::Errno(libc::EEXIST);
            if !is_dear || self.is_chosen(&lasting) {
                self.run_and_drop(&lasting, call);
            }
        }
        once
    }

    /// The run with the handle published, and if there is one, that with the handle dropped.
    fn run_and_drop(&mut self, faults: &[Fault], call: &str) -> (Report, Afterwards) {
        if !call.ends_with(IN_DROP) {
            let report = self.run(faults, Afterwards::Publish);
            if !report.handle {
                return (report, Afterwards::Publish);
            }
        }
        (self.run(faults, Afterwards::Drop), Afterwards::Drop)
    }

    fn run(&mut self, faults: &[Fault], afterwards: Afterwards) -> Report {
        let dir = self.scratch.path().join("dir");
        fs::create_dir(&dir).expect("room for a directory");
        let arguments = self.arguments(faults, afterwards);
        let mut command = Command::new(env::current_exe().expect("procfs"));
        command
            .args(&arguments[..4])
            .arg(&dir)
            .args(&arguments[4..]);
        let output = command.output().expect("a process");
        let mut report = Report::of(&output);
        if faults.last().is_some_and(|fault| fault.harm == Harm::Kill) {
            self.tally.kills += 1;
            report.broken = self.judge_killed(&output, faults, &dir);
        } else {
            self.tally.faults += faults.len().min(1);
        }
        fs::remove_dir_all(&dir).expect("nothing is in use");

        self.tally.runs += 1;
        self.tally.broken += usize::from(!report.broken.is_empty());
        for broken in &report.broken {
            let last = faults.last().and_then(|fault| report.calls.get(fault.at));
            let last = last.map_or("", |call| without_errno(call));
            let what = format!("{broken} [{last}]");
            self.broken
                .entry(what)
                .or_default()
                .push(arguments.join(" "));
        }
        report
    }

    /// The command line of a run, but for its directory.
    fn arguments(&self, faults: &[Fault], afterwards: Afterwards) -> Vec<String> {
        let afterwards = match afterwards {
            Afterwards::Publish => "publish",
            Afterwards::Drop => "drop",
        };
        let operation = self.operation.name();
        let what = ["run", &operation, self.route.name(), afterwards].map(str::to_owned);
        what.into_iter()
            .chain(faults.iter().map(Fault::to_string))
            .collect()
    }

    fn judge_killed(&self, output: &Output, faults: &[Fault], dir: &Path) -> Broken {
        if output.status.signal() != Some(libc::SIGKILL) {
            return vec![format!("not killed: {output:?}")];
        }
        let found = Found::in_directory(dir).expect("a directory");
        after_kill(self.operation, self.route, faults, &found)
    }

    /// Prints what was broken, and how to see it again.
    fn tell(&self, verbose: bool) {
        let shown = if verbose { usize::MAX } else { 1 };
        for (what, runs) in &self.broken {
            println!("BROKEN, {} times: {what}", runs.len());
            for run in runs.iter().take(shown) {
                println!("    sweep {run}");
            }
        }
    }
}

/// The same faults and one more.
fn and(faults: &[Fault], at: usize, harm: Harm) -> Vec<Fault> {
    let lasting = false;
    [faults, &[Fault { at, harm, lasting }]].concat()
}

fn name(call: &str) -> &str {
    call.split(' ').next().unwrap_or(call)
}

fn without_errno(call: &str) -> &str {
    call.split(" = ").next().unwrap_or(call)
}

impl Report {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let all = |key: &str| {
            let lines = text.lines();
            lines
                .filter_map(|line| line.strip_prefix(key))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut report = Self {
            calls: all("call "),
            handle: !all("handle").is_empty(),
            broken: all("broken "),
        };
        if output.status.signal() == Some(libc::SIGALRM) {
            report.broken.push("does not end".to_owned());
        } else if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            let error = error.trim().replace('\n', " ");
            report.broken.push(format!("{}: {error}", output.status));
        }
        report
    }
}
