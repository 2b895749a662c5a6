//! What was measured, as tables.

use std::io;

use crate::methods::Method;
use crate::race::{Estimate, OnDisk, Times};

/// The tables of one file system.
#[derive(Debug)]
pub struct Measured {
    /// Its name.
    pub file_system: String,
    /// In the order in which they were measured.
    pub tables: Vec<Table>,
}

/// Methods that were compared with each other. linkable is always the first.
#[derive(Debug)]
pub struct Table {
    /// What they did. Unique for a file system.
    pub title: &'static str,
    /// How often, with how many files, and how large those were.
    pub effort: String,
    /// Their names, and what they guarantee.
    pub methods: Vec<Method<()>>,
    /// One, or several that differ in the number of files, say.
    pub cases: Vec<Case>,
    /// Whether each run saved one file, and the slow ones are of interest.
    pub shows_tail: bool,
}

/// One case of a table.
#[derive(Debug)]
pub struct Case {
    /// What is special about it. Empty if the table has one case only.
    pub name: String,
    /// One for each method.
    pub figures: Vec<Figure>,
}

/// What a method took for each file.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// In seconds: the median and the quartiles.
    pub time: Estimate,
    /// In seconds: what 99 of 100 files did not exceed.
    pub tail: f64,
    /// What reached the disk until the method returned, if that was counted.
    pub disk: Option<OnDisk>,
    /// linkable's time divided by this one: none for the method that is compared with the others.
    pub ratio: Option<Estimate>,
}

impl Table {
    /// A table without cases yet.
    pub fn new<S>(title: &'static str, effort: String, methods: &[Method<S>]) -> Self {
        Self {
            title,
            effort,
            methods: methods.iter().map(Method::guarantee).collect(),
            cases: Vec::new(),
            shows_tail: false,
        }
    }

    /// The same table, which also shows how slow the slow runs are.
    #[must_use]
    pub fn showing_tail(mut self) -> Self {
        self.shows_tail = true;
        self
    }

    /// The same table with one more case. Its methods are in `times` from `first` on.
    #[must_use]
    pub fn with(mut self, name: String, times: &Times, first: usize) -> Self {
        let figure = |index| Figure {
            time: times.quartiles(index),
            tail: times.tail(index),
            disk: times.disk(index),
            ratio: (index != first)
                .then(|| times.estimate(|medians| medians[first] / medians[index])),
        };
        let figures = (first..first + self.methods.len()).map(figure).collect();
        self.cases.push(Case { name, figures });
        self
    }

    fn figures(&self, method: &str) -> Option<Vec<Figure>> {
        let index = self.methods.iter().position(|known| known.name == method)?;
        let cases = self.cases.iter();
        Some(cases.map(|case| case.figures[index]).collect())
    }
}

/// The figures of a method, one for each case of a table, which must have been measured.
pub fn figures(
    results: &[Measured],
    file_system: &str,
    title: &str,
    method: &str,
) -> io::Result<Vec<Figure>> {
    let measured = results
        .iter()
        .find(|measured| measured.file_system == file_system);
    measured
        .and_then(|measured| measured.tables.iter().find(|table| table.title == title))
        .and_then(|table| table.figures(method))
        .ok_or_else(|| io::Error::other(format!("not measured: {file_system}, {title}, {method}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{bare, ours};

    #[test]
    fn a_ratio_below_one_means_that_linkable_is_faster() {
        let times = Times::from(vec![vec![1.0; 3], vec![4.0; 3]]);
        let table = Table::new("", String::new(), &[ours::PUBLISH, bare::PUBLISH]);
        let table = table.with(String::new(), &times, 0);
        let figures = &table.cases[0].figures;
        assert!(figures[0].ratio.is_none());
        assert!((figures[1].ratio.unwrap().value - 0.25).abs() < 1e-9);
    }
}
