//! How old the kernel is, where that decides what it can do.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::system::uname;

/// The release as one number, see [`number`]; 0 until asked. A kernel does not change.
static RELEASE: AtomicU32 = AtomicU32::new(0);

/// Stands for a release that does not begin with a version. It counts as the newest one.
const UNKNOWN: u32 = u32::MAX;

/// Whether the kernel is older than a version. Asks the kernel once in a process.
pub(super) fn is_before(major: u16, minor: u16) -> bool {
    let mut release = RELEASE.load(Ordering::Relaxed);
    if release == 0 {
        release = parse(uname().release().to_bytes());
        RELEASE.store(release, Ordering::Relaxed);
    }
    release < number(major, minor)
}

fn number(major: u16, minor: u16) -> u32 {
    u32::from(major) << 16 | u32::from(minor)
}

/// The version at the beginning of a release such as `6.1.0-18-amd64`.
fn parse(release: &[u8]) -> u32 {
    let mut numbers = release
        .split(|byte| !byte.is_ascii_digit())
        .map(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => number(major, minor),
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_its_version() {
        for old in ["2.6.32-754.el6", "3.10.0", "3.2"] {
            assert!(parse(old.as_bytes()) < number(3, 11), "{old}");
        }
        for new in ["3.11.0", "4.4.0", "6.18.44-fc", "10.0", "", "gvisor", "3"] {
            assert!(parse(new.as_bytes()) >= number(3, 11), "{new}");
        }
    }
}
