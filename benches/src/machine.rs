//! What the results depend on besides the code.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::process::Command;
use std::thread;

use rustix::system::uname;
use testbed::run;

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

/// The machine, the day, and how far the figures can be relied on.
#[derive(Debug)]
pub struct Machine {
    /// As YYYY-MM-DD, in UTC.
    pub date: String,
    /// Kernel, architecture and processor.
    pub system: String,
    /// The kind of file system in `$TMPDIR`, which holds the images of file systems: the cost of a
    /// flush depends on it.
    pub images_on: String,
    /// The versions of the crates that are compared.
    pub crates: String,
    /// What is special about the run. Usually empty.
    pub remark: String,
}

impl Machine {
    /// This one, today.
    pub fn this() -> io::Result<Self> {
        let (system, processors) = (uname(), thread::available_parallelism()?);
        let release = system.release().to_string_lossy();
        let machine = system.machine().to_string_lossy();
        let find = ["-n", "-o", "FSTYPE", "-T"];
        Ok(Self {
            date: line_of(Command::new("date").args(["-u", "+%F"]))?,
            system: format!(
                "Linux {release}, {machine}, {} × {processors}",
                processor()?
            ),
            images_on: line_of(Command::new("findmnt").args(find).arg(env::temp_dir()))?,
            crates: versions()?,
            remark: String::new(),
        })
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Self {
            date,
            system,
            images_on,
            remark,
            ..
        } = self;
        format!("{system}, images of file systems on {images_on}, {date}{remark}")
    }
}

/// The line that a program prints.
fn line_of(command: &mut Command) -> io::Result<String> {
    Ok(run(command)?.trim().to_owned())
}

fn processor() -> io::Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let model = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    Ok(model.unwrap_or_else(|| "an unknown processor".to_owned()))
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
