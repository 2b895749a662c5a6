//! System calls that fail, by a seccomp filter.

use std::collections::BTreeMap;
use std::ffi::c_long;

use seccompiler::{
    apply_filter, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// A system call, or only those calls of it that have all of some flags set.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    number: c_long,
    flags: Option<(u8, i32)>,
}

impl Rule {
    /// All calls of this number.
    #[must_use]
    pub fn call(number: c_long) -> Self {
        Self {
            number,
            flags: None,
        }
    }

    /// Calls whose argument `index`, counted from 0, has all of `flags` set.
    #[must_use]
    pub fn with_flags(number: c_long, index: u8, flags: i32) -> Self {
        Self {
            number,
            flags: Some((index, flags)),
        }
    }

    /// All ways to open a file with these flags.
    #[must_use]
    pub fn open_with(flags: i32) -> Vec<Self> {
        vec![
            Self::with_flags(libc::SYS_openat, 2, flags),
            #[cfg(target_arch = "x86_64")]
            Self::with_flags(libc::SYS_open, 1, flags),
        ]
    }

    /// All ways to rename a file.
    #[must_use]
    pub fn rename() -> Vec<Self> {
        vec![
            Self::call(libc::SYS_renameat2),
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            Self::call(libc::SYS_renameat),
        ]
    }

    /// Both ways to bring the contents of a single file to its disk.
    #[must_use]
    pub fn sync_contents() -> Vec<Self> {
        [libc::SYS_fsync, libc::SYS_sync_file_range]
            .map(Self::call)
            .to_vec()
    }

    /// Both ways to link an unnamed file.
    #[must_use]
    pub fn link_unnamed() -> Vec<Self> {
        vec![Self::link_empty_path(), Self::link_by_procfs()]
    }

    /// Linking a descriptor, with `AT_EMPTY_PATH`.
    #[must_use]
    pub fn link_empty_path() -> Self {
        Self::with_flags(libc::SYS_linkat, 4, libc::AT_EMPTY_PATH)
    }

    /// Linking a descriptor through `/proc/self/fd`.
    #[must_use]
    pub fn link_by_procfs() -> Self {
        Self::with_flags(libc::SYS_linkat, 4, libc::AT_SYMLINK_FOLLOW)
    }

    fn condition(self) -> Option<SeccompRule> {
        let (index, flags) = self.flags?;
        let flags = u64::from(flags.unsigned_abs());
        let all_set = SeccompCmpOp::MaskedEq(flags);
        let condition =
            SeccompCondition::new(index, SeccompCmpArgLen::Dword, all_set, flags).unwrap();
        Some(SeccompRule::new(vec![condition]).unwrap())
    }
}

/// From now on these calls fail with `errno`, in this thread and in those that it starts.
pub fn deny(errno: i32, rules: &[Rule]) {
    let mut calls = BTreeMap::<_, Vec<_>>::new();
    for rule in rules {
        // A call is denied if any of its conditions holds, or if it has none.
        calls
            .entry(rule.number)
            .or_default()
            .extend(rule.condition());
    }
    let filter = SeccompFilter::new(
        calls,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}
