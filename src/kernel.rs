//! How old the kernel is, where that decides what it can do.

use std::sync::atomic::{AtomicU8, Ordering};

use rustix::system::uname;

/// Whether `open` knows `O_TMPFILE`.
pub(crate) static BEFORE_3_11: KernelBefore = KernelBefore::new(3, 11);

/// Whether syncfs(2) keeps errors to itself: those of contents before 5.8, those of the file
/// system's own sync before 5.17.
pub(crate) static BEFORE_5_17: KernelBefore = KernelBefore::new(5, 17);

/// Whether btrfs is one that forgets an fsync(2) of a file without a name.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) static BEFORE_6_16: KernelBefore = KernelBefore::new(6, 16);

/// Whether the kernel is older than a version; asked once, as a kernel does not change.
pub(crate) struct KernelBefore {
    version: (u32, u32),
    /// 0 until asked, 1 for no, 2 for yes.
    answer: AtomicU8,
}

impl KernelBefore {
    const fn new(major: u32, minor: u32) -> Self {
        Self {
            version: (major, minor),
            answer: AtomicU8::new(0),
        }
    }

    /// Whether [`Self::get`] has said yes.
    pub(crate) fn is_known(&self) -> bool {
        self.answer.load(Ordering::Relaxed) == 2
    }

    pub(crate) fn get(&self) -> bool {
        let mut answer = self.answer.load(Ordering::Relaxed);
        if answer == 0 {
            let (major, minor) = self.version;
            answer = 1 + u8::from(is_before(uname().release().to_bytes(), major, minor));
            self.answer.store(answer, Ordering::Relaxed);
        }
        answer == 2
    }
}

/// Whether a release such as `6.1.0-18-amd64` is older than a version. One that says nothing is
/// not.
fn is_before(release: &[u8], major: u32, minor: u32) -> bool {
    let mut numbers = release
        .split(|byte| !byte.is_ascii_digit())
        .map(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(this_major), Some(this_minor)) => (this_major, this_minor) < (major, minor),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_before;

    #[test]
    fn the_release_tells_an_old_kernel() {
        for old in ["2.6.32-754.el6", "3.10.0", "3.2"] {
            assert!(is_before(old.as_bytes(), 3, 11), "{old}");
        }
        for new in ["3.11.0", "4.4.0", "6.18.44-fc", "10.0", "", "gvisor", "3"] {
            assert!(!is_before(new.as_bytes(), 3, 11), "{new}");
        }
    }
}
