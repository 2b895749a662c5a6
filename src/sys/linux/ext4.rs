//! What an ext2, ext3 or ext4 tells about its journal.
//!
//! All of it is in procfs and open to everybody: `/proc/fs/ext4/DEVICE` and `/proc/fs/jbd2/DEVICE-8`.
//! sysfs is asked for the name of the device only; not every sandbox shows more of it.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{major, minor};

/// The journal of a file system; `None` is what cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Journal {
    /// Whether there is one.
    pub(super) exists: Option<bool>,
    /// Whether a commit flushes what was written out before it: the journal is on the same device, its
    /// barriers are on, and data are written before the metadata that refers to them.
    pub(super) orders_data: bool,
    /// Whether fast commits are known to be written to it. The kernel tells that from the first
    /// commit on.
    pub(super) fast_commit: bool,
}

/// Asks for the journal of the file system on this block device.
pub(super) fn journal(device: u64) -> Journal {
    let name = match device_name(device) {
        Some(name) => name,
        None => return Journal::default(),
    };
    let folder = Path::new("/proc/fs/ext4").join(&name);
    match fs::read_to_string(folder.join("options")) {
        Ok(options) => {
            let fast_commits = fs::read_to_string(folder.join("fc_info")).unwrap_or_default();
            // Linux calls a journal on another device by the name of that device.
            let is_internal = || Path::new("/proc/fs/jbd2").join(name + "-8").exists();
            Journal::parse(&options, &fast_commits, is_internal)
        }
        // The driver of ext2 alone has no folder there, and never a journal. It is taken for that one
        // where a sandbox hides the folder: that is the safe side.
        Err(error) if error.kind() == io::ErrorKind::NotFound && Path::new("/proc/fs").exists() => {
            Journal {
                exists: Some(false),
                ..Journal::default()
            }
        }
        Err(_) => Journal::default(),
    }
}

impl Journal {
    fn parse(options: &str, fast_commits: &str, is_internal: impl FnOnce() -> bool) -> Self {
        let has = |option: &str| options.lines().any(|line| line == option);
        let exists = options.lines().any(|line| line.starts_with("data="));
        let orders = (has("data=ordered") || has("data=journal"))
            && has("barrier")
            && !has("journal_async_commit");
        Self {
            exists: Some(exists),
            orders_data: orders && is_internal(),
            fast_commit: has("fc_debug_force") || counts_fast_commits(fast_commits),
        }
    }
}

/// Whether `fc_info` counts a commit: its second line reads `N commits`.
///
/// The next one, `N ineligible`, counts without the feature, too (5.10).
fn counts_fast_commits(info: &str) -> bool {
    let commits = info.lines().find_map(|line| line.strip_suffix(" commits"));
    commits.map_or(false, |count| count.trim() != "0")
}

/// What procfs calls a block device: the last part of its path in sysfs, such as `sda1`.
fn device_name(device: u64) -> Option<String> {
    let number = format!("{}:{}", major(device), minor(device));
    let from_sysfs = || {
        let path = fs::read_link(format!("/sys/dev/block/{number}")).ok()?;
        Some(path.file_name()?.to_str()?.to_owned())
    };
    // Without sysfs. Each line has a major and a minor number, blocks, and the name.
    let from_procfs = || {
        let partitions = fs::read_to_string("/proc/partitions").ok()?;
        let mut fields = partitions.lines().map(|line| line.split_whitespace());
        fields.find_map(|mut fields| {
            let found = format!("{}:{}", fields.next()?, fields.next()?);
            (found == number).then(|| fields.nth(1).map(str::to_owned))?
        })
    };
    from_sysfs().or_else(from_procfs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(options: &str, fast_commits: &str, is_internal: bool) -> Journal {
        let options = format!("rw\nbarrier\n{options}\ncommit=5\n");
        Journal::parse(&options, fast_commits, || is_internal)
    }

    #[test]
    fn a_journal_is_told_by_what_it_does_with_data() {
        for data in ["data=ordered", "data=journal", "data=writeback"] {
            assert_eq!(journal(data, "", true).exists, Some(true), "{data}");
        }
        assert_eq!(journal("delalloc", "", true).exists, Some(false));
    }

    #[test]
    fn data_come_before_a_commit_only_with_an_internal_journal_that_orders_them() {
        for data in ["data=ordered", "data=journal"] {
            assert!(journal(data, "", true).orders_data, "{data}");
            assert!(!journal(data, "", false).orders_data, "{data}");
        }
        for other in [
            "data=writeback",
            "delalloc",
            "data=ordered\njournal_async_commit",
        ] {
            assert!(!journal(other, "", true).orders_data, "{other}");
        }
        let no_barrier = Journal::parse("rw\nnobarrier\ndata=ordered\n", "", || true);
        assert!(!no_barrier.orders_data);
    }

    #[test]
    fn fast_commits_are_known_from_the_first_one_on() {
        let fast_commit = |info| journal("data=ordered", info, true).fast_commit;
        assert!(fast_commit("fc stats:\n3 commits\n0 ineligible\n"));
        assert!(!fast_commit("fc stats:\n0 commits\n7 ineligible\n"));
        assert!(!fast_commit(""));
        assert!(journal("data=ordered\nfc_debug_force", "", true).fast_commit);
    }
}
