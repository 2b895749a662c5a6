//! Landlock, a sandbox that an ordinary user can enter.

use landlock::{
    Access, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, ABI,
};

pub use landlock::{AccessFs, BitFlags};

/// From now on Landlock allows this thread everything except `denied`. Needs no privilege.
pub fn landlock_without(denied: BitFlags<AccessFs>) {
    // The ABI of Linux 6.2, without ioctl(2) and sockets.
    let all = AccessFs::from_all(ABI::V3);
    let root = PathFd::new("/").unwrap();
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(all)
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rule(PathBeneath::new(root, all & !denied)))
        .and_then(RulesetCreated::restrict_self);
    let enforced = status.expect("Landlock of Linux 6.2").ruleset;
    assert_eq!(enforced, RulesetStatus::FullyEnforced);
}
