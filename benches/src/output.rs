//! Where the results go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::charts;
use crate::machine::Machine;
use crate::markdown;
use crate::results::Measured;
use crate::summary;

/// A directory for results, and the page that has the summary in it.
#[derive(Debug)]
pub struct Output {
    directory: PathBuf,
    page: PathBuf,
}

/// The page in the repository.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../BENCHMARKS.md");

impl Output {
    /// The files in the repository, for results that are complete.
    #[must_use]
    pub fn repository() -> Self {
        Self {
            directory: concat!(env!("CARGO_MANIFEST_DIR"), "/results").into(),
            page: PAGE.into(),
        }
    }

    /// Files that git ignores, for all others.
    pub fn scratch() -> io::Result<Self> {
        let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/compare"));
        fs::create_dir_all(&directory)?;
        Ok(Self {
            page: directory.join("BENCHMARKS.md"),
            directory,
        })
    }

    /// Where the results go.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes the tables of one file system.
    pub fn tables(&self, measured: &Measured, machine: &Machine) -> io::Result<()> {
        let text = markdown::page(measured, machine);
        self.write(&format!("{}.md", measured.file_system), &text)
    }

    /// Writes what is made from all file systems: the charts, and the summary on the page.
    pub fn summary(&self, results: &[Measured], machine: &Machine) -> io::Result<()> {
        self.write("batch.svg", &charts::batch(results, machine)?)?;
        self.write("latency.svg", &charts::latency(results, machine)?)?;
        let page = fs::read_to_string(PAGE)?;
        let page = summary::put_into(&page, &summary::table(results, machine)?)?;
        linkable::write(&self.page, page)
    }

    /// Writes a file of this name.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        linkable::write(self.directory.join(name), text)
    }
}
