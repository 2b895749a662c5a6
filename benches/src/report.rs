//! The tables: what was measured, and what was aimed at.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::thread;

use rustix::system::uname;

use crate::methods::{Method, Role};
use crate::race::{Estimate, Times};
use crate::volume::beneath;

/// The crates whose versions make a difference.
const CRATES: [&str; 8] = [
    "atomic-write-file",
    "atomicwrites",
    "cap-std-ext",
    "cap-tempfile",
    "linkable",
    "rustix",
    "tempfile",
    "tempfile-fast",
];

/// What was aimed at, and what came of it, for the end of the report.
#[derive(Debug, Default)]
pub struct Report {
    goals: Vec<Goal>,
    /// What could not be measured, and why.
    missing: Vec<(String, io::Error)>,
}

/// A figure that is not to be exceeded.
#[derive(Debug)]
struct Goal {
    what: String,
    at_most: f64,
    measured: Estimate,
}

impl Report {
    /// Begins with what the figures depend on.
    pub fn begin() -> io::Result<Self> {
        let (system, processors) = (uname(), thread::available_parallelism()?);
        let release = system.release().to_string_lossy();
        let machine = system.machine().to_string_lossy();
        println!(
            "Linux {release}, {machine}, {} × {processors}",
            processor()?
        );
        println!("\n{}", versions()?);
        println!("\n`$TMPDIR`, and images of file systems: {}", beneath()?);
        println!(
            "\nTimes are medians with their quartiles. A ratio is that of linkable's median to the \
             other's, below 1 where linkable is faster, with the interval that holds it in 95 of 100 \
             cases (bootstrap over rounds). Files have 4 KiB unless it is said otherwise."
        );
        Ok(Self::default())
    }

    /// A table of methods, compared with linkable's, which is the first.
    pub fn methods(&self, title: &str, methods: &[Method], times: &Times) {
        println!("\n### {title}\n");
        println!("| | synced | a taken name is | litter if killed | per file | linkable takes |");
        println!("|---|---|---|---|--:|--:|");
        for (index, method) in methods.iter().enumerate() {
            let Method {
                name,
                syncs,
                taken,
                litter,
                ..
            } = method;
            let time = span(times.quartiles(index));
            let ratio = versus(method.role, times, index);
            println!("| {name} | {syncs} | {taken} | {litter} | {time} | {ratio} |");
        }
    }

    /// A table of cases by methods: of each row linkable is the first.
    pub fn grid(&self, title: &str, rows: &[String], methods: &[Method], times: &Times) {
        println!("\n### {title}\n");
        let names = methods.iter().map(|method| method.name);
        let others = methods.iter().skip(1).map(|method| method.name);
        let head: String = names
            .map(|name| format!(" {name} |"))
            .chain(others.map(|name| format!(" linkable to {name} |")))
            .collect();
        println!("| |{head}\n|---|{}", "--:|".repeat(2 * methods.len() - 1));
        for (row, name) in rows.iter().enumerate() {
            let first = row * methods.len();
            let all = first..first + methods.len();
            let ratio = |other: usize| times.estimate(|medians| medians[first] / medians[other]);
            let cells: String = all
                .clone()
                .map(|index| format!(" {} |", span(times.quartiles(index))))
                .chain(
                    all.skip(1)
                        .map(|index| format!(" {} |", interval(ratio(index)))),
                )
                .collect();
            println!("| {name} |{cells}");
        }
    }

    /// A table of what has a name only, compared with the first.
    pub fn list(&self, title: &str, names: &[&str], times: &Times) {
        println!("\n### {title}\n");
        println!("| | per file | the first takes |\n|---|--:|--:|");
        for (index, name) in names.iter().enumerate() {
            let time = span(times.quartiles(index));
            let ratio = times.estimate(|medians| medians[0] / medians[index]);
            println!("| {name} | {time} | {} |", interval(ratio));
        }
    }

    /// Notes a goal, to be shown at the end.
    pub fn goal(&mut self, what: String, at_most: f64, measured: Estimate) {
        self.goals.push(Goal {
            what,
            at_most,
            measured,
        });
    }

    /// Notes what could not be measured.
    pub fn missing(&mut self, what: String, error: io::Error) {
        self.missing.push((what, error));
    }

    /// Ends with the goals and what is missing; whether nothing is.
    #[must_use]
    pub fn end(self) -> bool {
        if !self.goals.is_empty() {
            println!(
                "\n## Goals\n\n| ratio of medians | at most | measured | |\n|---|--:|--:|---|"
            );
        }
        for goal in &self.goals {
            println!(
                "| {} | {:.2} | {} | {} |",
                goal.what,
                goal.at_most,
                interval(goal.measured),
                goal.verdict()
            );
        }
        if !self.missing.is_empty() {
            println!("\n## Not measured\n\n| | |\n|---|---|");
        }
        for (what, error) in &self.missing {
            println!("| {what} | {error} |");
        }
        self.missing.is_empty()
    }
}

impl Goal {
    fn verdict(&self) -> &'static str {
        match self.measured {
            Estimate { high, .. } if high <= self.at_most => "met",
            Estimate { value, .. } if value <= self.at_most => "met, within the spread",
            Estimate { low, .. } if low <= self.at_most => "not met, within the spread",
            _ => "not met",
        }
    }
}

/// What linkable takes compared with a method, if that is not linkable itself.
fn versus(role: Role, times: &Times, index: usize) -> String {
    match role {
        Role::Ours => String::new(),
        _ => interval(times.estimate(|medians| medians[0] / medians[index])),
    }
}

fn interval(ratio: Estimate) -> String {
    format!("{:.3} ({:.3}–{:.3})", ratio.value, ratio.low, ratio.high)
}

fn span(time: Estimate) -> String {
    let (scale, unit) = match time.value {
        seconds if seconds < 1e-3 => (1e6, "µs"),
        seconds if seconds < 1.0 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    let [value, low, high] = [time.value, time.low, time.high].map(|seconds| seconds * scale);
    format!("{value:.2} {unit} ({low:.2}–{high:.2})")
}

fn processor() -> io::Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let model = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    Ok(model.unwrap_or_else(|| "an unnamed processor".to_owned()))
}

/// The versions in Cargo.lock.
fn versions() -> io::Result<String> {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"))?;
    let mut versions = BTreeMap::<_, Vec<_>>::new();
    let mut name = "";
    for line in lock.lines() {
        let value = |key| Some(line.strip_prefix(key)?.trim_matches('"'));
        if let Some(value) = value("name = ") {
            name = value;
        } else if let Some(version) = value("version = ").filter(|_| CRATES.contains(&name)) {
            versions.entry(name).or_default().push(version);
        }
    }
    let list: Vec<_> = versions
        .iter()
        .map(|(name, versions)| format!("{name} {}", versions.join(" and ")))
        .collect();
    Ok(list.join(", "))
}
