//! The version of the kernel, for what depends on it.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};

/// The release as one number, see [`number`]; 0 until it is found out. A kernel does not change.
static RELEASE: AtomicU32 = AtomicU32::new(0);

/// Whether the kernel is older than a version; `None` if its version is unknown. Reads it once in a
/// process.
pub(super) fn is_before(major: u16, minor: u16) -> Option<bool> {
    let mut release = RELEASE.load(Ordering::Relaxed);
    if release == 0 {
        release = read()?;
        RELEASE.store(release, Ordering::Relaxed);
    }
    Some(release < number(major, minor))
}

/// Not with uname(2): a sandbox may deny it, and rustix assumes that it cannot fail.
fn read() -> Option<u32> {
    let mut text = [0; 64];
    let length = File::open("/proc/sys/kernel/osrelease")
        .and_then(|mut file| file.read(&mut text))
        .ok()?;
    parse(&text[..length])
}

fn number(major: u16, minor: u16) -> u32 {
    u32::from(major) << 16 | u32::from(minor)
}

/// The version at the beginning of a release such as `6.1.0-18-amd64`.
fn parse(release: &[u8]) -> Option<u32> {
    let mut numbers = release
        .split(|byte| !byte.is_ascii_digit())
        .map(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    Some(number(numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_its_version() {
        for (release, version) in [
            ("2.6.32-754.el6", (2, 6)),
            ("3.2\n", (3, 2)),
            ("6.18.44-fc", (6, 18)),
            ("10.0", (10, 0)),
        ] {
            let expected = Some(number(version.0, version.1));
            assert_eq!(parse(release.as_bytes()), expected, "{release}");
        }
        for unknown in ["", "gvisor", "3", "3.x", "99999.0"] {
            assert_eq!(parse(unknown.as_bytes()), None, "{unknown}");
        }
        assert!(number(3, 2) < number(3, 11) && number(3, 11) < number(4, 0));
    }
}
