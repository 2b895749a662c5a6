//! What procfs shows of the journal of an ext2, ext3 or ext4.
//!
//! Everyone may read `/proc/fs/ext4/DEVICE` and `/proc/fs/jbd2/DEVICE-8`. sysfs is needed only for
//! the name of the device, because many sandboxes hide the rest of it.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{major, minor};

use super::kernel;
use super::procfs::read_small;

/// The journal of a file system. By default, nothing is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Journal {
    /// Whether there is one.
    pub(super) exists: Option<bool>,
    /// Whether a commit flushes contents that were written out before it. The journal must be on
    /// the same device, its barriers on, and data written before the metadata that refers to them.
    pub(super) orders_data: bool,
    /// Whether the file system writes fast commits, if that is known. The kernel shows it from the
    /// first one on.
    pub(super) fast_commit: Option<bool>,
}

/// Looks up the journal of the file system on this block device.
pub(super) fn journal(device: u64) -> Journal {
    let name = match device_name(device) {
        Some(name) => name,
        None => return Journal::default(),
    };
    let folder = Path::new("/proc/fs/ext4").join(&name);
    match read_small(&folder.join("options")) {
        Ok(options) => {
            let fast_commits = match read_small(&folder.join("fc_info")) {
                Ok(info) => info,
                // Linux before 5.10 has no fast commits.
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                Err(_) => return Journal::default(),
            };
            // A journal on another device has the name of that device there.
            let journal = Path::new("/proc/fs/jbd2").join(name + "-8");
            let journal = read_small(&journal.join("info")).ok();
            let before_6_1 = kernel::is_before(6, 1) != Some(false);
            Journal::parse(&options, &fast_commits, before_6_1, journal.as_deref())
        }
        // The ext2 driver has no folder there, and never a journal. If a sandbox hides only this
        // folder, the file system counts as one without a journal, which is safe.
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
    fn parse(options: &str, fast_commits: &str, before_6_1: bool, internal: Option<&str>) -> Self {
        let has = |option: &str| options.lines().any(|line| line == option);
        let exists = options.lines().any(|line| line.starts_with("data="));
        let orders = (has("data=ordered") || has("data=journal"))
            && has("barrier")
            && !has("journal_async_commit");
        Self {
            exists: Some(exists),
            orders_data: orders && internal.is_some(),
            fast_commit: if has("fc_debug_force") || counts_fast_commits(fast_commits, before_6_1) {
                Some(true)
            } else if fast_commits.is_empty() || internal.map_or(false, counts_requests) {
                Some(false)
            } else {
                None
            },
        }
    }
}

/// Whether the journal has committed for an fsync(2), which would have been a fast commit or an
/// ineligible one: `info` begins with `N transactions (M requested)`.
fn counts_requests(info: &str) -> bool {
    let requested = info.split_once('(').map(|(_, rest)| rest);
    let requested = requested.and_then(|rest| rest.split(' ').next());
    requested.map_or(false, |count| count != "0")
}

/// Whether `fc_info` counts fast commits (`N commits`), or commits that could not be fast ones (`N
/// ineligible`).
///
/// 5.10 counts the latter even without the feature. 6.1 and newer kernels do not.
fn counts_fast_commits(info: &str, before_6_1: bool) -> bool {
    let counts = |what: &str| {
        let count = info.lines().find_map(|line| line.strip_suffix(what));
        count.map_or(false, |count| count.trim() != "0")
    };
    counts(" commits") || !before_6_1 && counts(" ineligible")
}

/// The name of a block device in procfs, such as `sda1`: the last part of its path in sysfs.
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
        let internal =
            is_internal.then_some("7 transactions (3 requested), each up to 1024 blocks");
        Journal::parse(&options, fast_commits, true, internal)
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
        let no_barrier = Journal::parse("rw\nnobarrier\ndata=ordered\n", "", true, Some(""));
        assert!(!no_barrier.orders_data);
    }

    #[test]
    fn fast_commits_are_known_from_the_first_one_on() {
        let fast_commit = |info| journal("data=ordered", info, true).fast_commit;
        assert_eq!(
            fast_commit("fc stats:\n3 commits\n0 ineligible\n"),
            Some(true)
        );
        let ineligible = "fc stats:\n0 commits\n7 ineligible\n";
        assert_eq!(fast_commit(ineligible), Some(false));
        assert!(counts_fast_commits(ineligible, false));
        assert_eq!(fast_commit(""), Some(false));
        let forced = journal("data=ordered\nfc_debug_force", "", true).fast_commit;
        assert_eq!(forced, Some(true));
    }

    #[test]
    fn fast_commits_are_not_known_before_anybody_has_called_fsync() {
        let none = "fc stats:\n0 commits\n0 ineligible\n";
        let after = |requests| Journal::parse("", none, false, Some(requests)).fast_commit;
        assert_eq!(after("2 transactions (0 requested), each"), None);
        assert_eq!(after("2 transactions (1 requested), each"), Some(false));
        assert_eq!(after("unknown"), None);
        assert_eq!(Journal::parse("", none, false, None).fast_commit, None);
    }
}
