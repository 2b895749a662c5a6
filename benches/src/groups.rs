//! What is compared, with what, and what is aimed at.

mod batch;
mod crowds;
mod single;

use std::io;

use crate::methods::Method;
use crate::race::{Estimate, Times};
use crate::report::Report;
use crate::volume::Volume;

/// Comparisons that are asked for together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// As said on the command line.
    pub name: &'static str,
    /// Whether it is only for file systems where a sync costs anything.
    pub on_disk: bool,
    /// Measures it all, on one file system.
    pub run: fn(&Volume, Effort, &mut Report) -> io::Result<()>,
}

/// All of them, in the order of the report.
pub const GROUPS: [Group; 9] = [
    everywhere("new", single::new),
    everywhere("replace", single::replace),
    on_disk("contents", single::contents),
    on_disk("full", single::full),
    everywhere("fallback", single::fallback),
    everywhere("large", single::large),
    everywhere("directories", crowds::directories),
    everywhere("threads", crowds::threads),
    on_disk("batch", batch::batch),
];

type Measure = fn(&Volume, Effort, &mut Report) -> io::Result<()>;

const fn everywhere(name: &'static str, run: Measure) -> Group {
    Group {
        name,
        on_disk: false,
        run,
    }
}

const fn on_disk(name: &'static str, run: Measure) -> Group {
    Group {
        name,
        on_disk: true,
        run,
    }
}

/// How much time to spend.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many rounds, if not as many as usual.
    pub rounds: Option<usize>,
    /// Whether it is only to be seen that everything works.
    pub smoke: bool,
}

impl Effort {
    fn rounds(self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.smoke { 2 } else { usual })
    }

    /// For what is dear where there is a disk.
    fn rounds_on(self, volume: &Volume, in_memory: usize, on_disk: usize) -> usize {
        self.rounds(if volume.on_disk { on_disk } else { in_memory })
    }

    fn files(self, usual: usize) -> usize {
        if self.smoke {
            usual.div_ceil(50)
        } else {
            usual
        }
    }
}

/// What linkable, which is the first of `methods`, takes compared with the fastest of some others.
fn ours_to_fastest(methods: &[Method], times: &Times, among: fn(&Method) -> bool) -> Estimate {
    let others = methods.iter().enumerate().skip(1);
    let others: Vec<_> = others.filter(|(_, method)| among(method)).collect();
    assert!(!others.is_empty(), "nobody to be compared with");
    times.estimate(|medians| {
        let fastest = others.iter().map(|&(index, _)| medians[index]);
        medians[0] / fastest.fold(f64::INFINITY, f64::min)
    })
}
