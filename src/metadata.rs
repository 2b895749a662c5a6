//! Owner, mode, times and attributes: read from one file, given to another.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{BitOr, BitOrAssign};

use crate::sys::{self, set_mode, set_owner, Acl, Errno, Status, Xattrs, MODE_AND_OWNER};
use crate::target::Target;

// See inode(7).
const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;
/// The bits of owner, group and others.
const PERMISSIONS: u32 = 0o777;
/// These, and the three special bits.
const ALL_PERMISSIONS: u32 = 0o7777;

/// What a new file takes over from the file that it replaces.
///
/// This is a set: combine its members with `|`. If something cannot be kept, publishing fails, and
/// the existing file stays. With [`where_possible`](Self::where_possible), publishing continues
/// without it.
///
/// See [`platforms`](crate::platforms#mode-owner-and-attributes) for what depends on the system. On
/// Windows nothing can be kept, so each member makes publishing fail without `where_possible`.
///
/// # Examples
///
/// ```
/// use std::fs::{self, Permissions};
/// use std::os::unix::fs::PermissionsExt;
/// use linkable::{Preserve, PublishOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let key = dir.path().join("key");
/// # fs::write(&key, "old")?;
/// fs::set_permissions(&key, Permissions::from_mode(0o600))?;
/// PublishOptions::new()
///     .replace(true)
///     .preserve(Preserve::MODE | Preserve::OWNER)
///     .write(&key, "new")?;
/// assert_eq!(fs::metadata(&key)?.permissions().mode() & 0o777, 0o600);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[doc(alias = "copy_permissions")]
pub struct Preserve(u8);

impl Preserve {
    /// Nothing: the new file has its own mode, owner and attributes.
    pub const NONE: Self = Self(0);
    /// The permissions, with the set-user-ID, set-group-ID and sticky bits: chmod(2).
    ///
    /// The set-user-ID bit is dropped if the new file has another owner, and the set-group-ID bit
    /// if it has another group. Without [`ATTRIBUTES`](Self::ATTRIBUTES) the new file has no access
    /// control list: its group then gets what the list of the existing file gave to the group.
    pub const MODE: Self = Self(1);
    /// The owner and the group: chown(2).
    ///
    /// Only a process with `CAP_CHOWN` may give a file away. Anybody may choose a group that they
    /// are in.
    pub const OWNER: Self = Self(2);
    /// The extended attributes, with the access control list and the security label: xattr(7),
    /// acl(5). An access control list brings its permissions of owner, group and others with it.
    ///
    /// File capabilities and the hashes of IMA and EVM are left out, because they belong to the old
    /// contents. The kernel also removes capabilities when a file is written. The flags of
    /// chattr(1) are not attributes in this sense.
    ///
    /// On other systems than Linux and Android they are never kept, which is no error.
    pub const ATTRIBUTES: Self = Self(4);
    /// All of these.
    pub const ALL: Self = Self(Self::MODE.0 | Self::OWNER.0 | Self::ATTRIBUTES.0);

    const WHERE_POSSIBLE: u8 = 0x80;

    /// Returns the same set, which leaves out what the system does not let the process keep.
    ///
    /// Nobody gets more access by that. If the group cannot be kept, the new group and all others
    /// get only what both the old group and all others had. If the owner cannot be kept, they get
    /// nothing that the old owner did not have.
    ///
    /// Any other failure is still an error, such as a full disk.
    #[must_use]
    pub const fn where_possible(self) -> Self {
        Self(self.0 | Self::WHERE_POSSIBLE)
    }

    /// Returns `true` if everything in `other` is also in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 & Self::ALL.0 == 0
    }

    /// The error of a call that keeps something, unless that may be left out.
    fn tolerate(self, outcome: sys::Result<()>) -> sys::Result<()> {
        match outcome {
            Err(errno) if self.0 & Self::WHERE_POSSIBLE != 0 && is_refusal(errno) => Ok(()),
            outcome => outcome,
        }
    }
}

impl BitOr for Preserve {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Preserve {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl fmt::Debug for Preserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("Preserve(NONE)");
        }
        let names = [
            (Self::MODE, "MODE"),
            (Self::OWNER, "OWNER"),
            (Self::ATTRIBUTES, "ATTRIBUTES"),
            (Self(Self::WHERE_POSSIBLE), "where_possible"),
        ];
        let members = names.iter().filter(|(member, _)| self.contains(*member));
        f.write_str("Preserve(")?;
        for (number, (_, name)) in members.enumerate() {
            f.write_str(if number == 0 { "" } else { " | " })?;
            f.write_str(name)?;
        }
        f.write_str(")")
    }
}

/// What could not be kept, and why.
#[derive(Debug)]
pub(crate) struct Unkept {
    pub(crate) what: Preserve,
    pub(crate) error: io::Error,
}

/// Makes an error say what could not be kept.
fn keeping<E: Into<io::Error>>(what: Preserve) -> impl Fn(E) -> Unkept {
    move |error| Unkept {
        what,
        error: error.into(),
    }
}

/// Whether the system does not let the process do this, or knows no such thing.
fn is_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        // EINVAL: the owner does not exist in this user namespace. ENOSYS: a sandbox.
        Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP
    )
}

/// Gives `file` what the file at the target has, which was seen as `there`.
///
/// At no moment does anybody get more access than they have to that file.
pub(crate) fn preserve(
    target: &Target<'_>,
    there: &Status,
    file: &File,
    what: Preserve,
) -> Result<(), Unkept> {
    if let Err(errno) = sys::can_preserve() {
        return what.tolerate(Err(errno)).map_err(keeping(what));
    }
    let path = target.whole_path();
    let mut access = Access::of(there);
    if let Some(theirs) = Xattrs::at(&path) {
        let attributes = Preserve::ATTRIBUTES;
        if what.contains(attributes) {
            let wanted = |name: &[u8]| !is_of_contents(name);
            let kept = theirs.copy_to(file, wanted, |_, outcome| what.tolerate(outcome));
            kept.map_err(keeping(attributes))?;
        }
        access.acl = match theirs.acl() {
            Ok(acl) => acl,
            Err(errno) => {
                what.tolerate(Err(errno)).map_err(keeping(attributes))?;
                // The list may give the group less than the mode shows.
                access.mode &= !0o070;
                None
            }
        };
    }
    access.give(file, what)
}

/// Whether an attribute says something about the contents, and not about the file.
fn is_of_contents(name: &[u8]) -> bool {
    is_capability(name) || name == b"security.ima" || name == b"security.evm"
}

fn is_capability(name: &[u8]) -> bool {
    name == b"security.capability"
}

/// Copies owner, mode, times and attributes. Nobody but the caller may have access to `copy` yet.
///
/// Leaves out what the file system of the copy does not have, and what the caller may not set.
pub(crate) fn copy(original: &File, copy: &File) -> io::Result<()> {
    let attributes = Xattrs::of(original);
    // First, while the caller still owns the copy, and may read and write it.
    copy_xattrs(original, &attributes, copy)?;
    sys::copy_times(original, copy)?;
    let mut access = Access::of(&Status::of(original, MODE_AND_OWNER)?);
    access.acl = attributes.acl()?;
    let given = access.give(copy, Preserve::ALL.where_possible());
    given.map_err(|unkept| unkept.error)?;
    // A change of owner clears the capabilities.
    Ok(attributes.copy_to(copy, is_capability, |_, _| Ok(()))?)
}

fn copy_xattrs(original: &File, attributes: &Xattrs<'_>, copy: &File) -> io::Result<()> {
    // An attribute that a user has set must be copied, unless the file system of the copy has none
    // at all. Others are labels, or mean something to one file system only.
    let tolerate = |name: &[u8], outcome: sys::Result<()>| match outcome {
        Err(Errno::OPNOTSUPP) => Ok(()),
        Err(errno) if name.is_empty() || name.starts_with(b"user.") => Err(errno),
        _ => Ok(()),
    };
    let copy_them = || attributes.copy_to(copy, |name| !is_capability(name), tolerate);
    match copy_them() {
        // The mode forbids even the owner to read attributes.
        Err(Errno::ACCESS) => {
            let mode = Status::of(original, MODE_AND_OWNER)?.mode & ALL_PERMISSIONS;
            set_mode(original, mode | 0o600)?;
            let copied = copy_them();
            set_mode(original, mode)?;
            Ok(copied?)
        }
        copied => Ok(copied?),
    }
}

/// Who may do what with a file.
struct Access {
    uid: u32,
    gid: u32,
    mode: u32,
    /// The access control list, if there is one.
    acl: Option<Acl>,
}

impl Access {
    fn of(status: &Status) -> Self {
        Self {
            uid: status.uid,
            gid: status.gid,
            mode: status.mode & ALL_PERMISSIONS,
            acl: None,
        }
    }

    /// Gives this to a file, as far as it is wanted: the owner before the permissions, so that the
    /// wrong one never has them.
    fn give(mut self, file: &File, what: Preserve) -> Result<(), Unkept> {
        let before = Status::of(file, MODE_AND_OWNER).map_err(keeping(what))?;
        let ours = self.give_owner(file, &before, what)?;
        let lost = Lost {
            owner: ours.uid != self.uid,
            group: ours.gid != self.gid,
        };
        if what.contains(Preserve::OWNER) {
            self.reduce(lost);
        }
        self.mode = lost.without_set_ids(self.mode);

        let is_given_away = ours.uid != before.uid;
        match self.give_permissions(file, &ours, what, is_given_away) {
            // CAP_CHOWN alone does not allow this for the file of somebody else. It allows to take
            // the file back for a moment.
            Err(Unkept { error, .. }) if is_given_away && errno_is(&error, Errno::PERM) => {
                let owner = |uid| set_owner(file, Some(uid), None);
                owner(before.uid).map_err(keeping(Preserve::OWNER))?;
                let given = self.give_permissions(file, &before, what, false);
                owner(self.uid).map_err(keeping(Preserve::OWNER))?;
                given
            }
            given => given,
        }
    }

    /// Gives the owner and the group, and returns what the file has then.
    fn give_owner(&self, file: &File, before: &Status, what: Preserve) -> Result<Status, Unkept> {
        let owner = Preserve::OWNER;
        if !what.contains(owner) || (before.uid, before.gid) == (self.uid, self.gid) {
            return Ok(*before);
        }
        if what.contains(Preserve::MODE) && before.mode & 0o077 != 0 {
            // What the old group may do is not for the new one.
            set_mode(file, before.mode & 0o700).map_err(keeping(Preserve::MODE))?;
        }
        let (uid, gid) = (Some(self.uid), Some(self.gid));
        let both = set_owner(file, uid, gid);
        if both.is_err() {
            what.tolerate(both).map_err(keeping(owner))?;
            // Anybody may choose among their own groups.
            what.tolerate(set_owner(file, None, gid))
                .map_err(keeping(owner))?;
        }
        Status::of(file, MODE_AND_OWNER).map_err(keeping(owner))
    }

    /// Takes away what nobody had who now has the place of a lost owner or group.
    fn reduce(&mut self, lost: Lost) {
        if let Some(acl) = &mut self.acl {
            let [owner, group, others] = acl.classes();
            acl.set_classes(lost.reduce([owner, group, others]));
            if lost.owner {
                acl.limit_named(owner);
            }
            self.mode = self.mode & !PERMISSIONS | acl.mode();
        } else {
            let mode = self.mode;
            let classes = [mode >> 6 & 0o7, mode >> 3 & 0o7, mode & 0o7];
            let [owner, group, others] = lost.reduce(classes);
            self.mode = mode & !PERMISSIONS | owner << 6 | group << 3 | others;
        }
    }

    /// Gives the access control list and the mode. With `is_given_away`, `EPERM` is an error.
    fn give_permissions(
        &self,
        file: &File,
        ours: &Status,
        what: Preserve,
        is_given_away: bool,
    ) -> Result<(), Unkept> {
        let tolerate = |outcome| match outcome {
            Err(Errno::PERM) if is_given_away => outcome,
            outcome => what.tolerate(outcome),
        };
        let mut mode = self.mode;
        let mut has_list = false;
        if let Some(acl) = &self.acl {
            if what.contains(Preserve::ATTRIBUTES) {
                let set = acl.set(file);
                has_list = set.is_ok();
                tolerate(set).map_err(keeping(Preserve::ATTRIBUTES))?;
            }
            if !has_list {
                // Without the list, the group bits of the mode would give the group what the list
                // gave to others.
                mode = mode & !0o070 | acl.group_permissions() << 3;
            }
        }
        if !what.contains(Preserve::MODE) {
            return Ok(());
        }
        if !has_list {
            // The directory may have given it one, which the mode would put into force.
            tolerate(Acl::remove(file)).map_err(keeping(Preserve::MODE))?;
        }
        if has_list || mode != ours.mode & ALL_PERMISSIONS {
            let set = set_mode(file, mode).or_else(|errno| match errno {
                // The special bits may be refused alone.
                Errno::PERM if mode & !PERMISSIONS != 0 => set_mode(file, mode & PERMISSIONS),
                errno => Err(errno),
            });
            tolerate(set).map_err(keeping(Preserve::MODE))?;
        }
        Ok(())
    }
}

/// Whether the new file has another owner or another group than the existing one.
#[derive(Clone, Copy)]
struct Lost {
    owner: bool,
    group: bool,
}

impl Lost {
    /// The permissions of owner, group and others that give nobody more than they had.
    ///
    /// The lost owner is now one of the group or of the others. The members of the lost group are
    /// now others, and those of the new group were others.
    fn reduce(self, [owner, mut group, mut others]: [u32; 3]) -> [u32; 3] {
        if self.group {
            group &= others;
            others = group;
        }
        if self.owner {
            group &= owner;
            others &= owner;
        }
        [owner, group, others]
    }

    fn without_set_ids(self, mut mode: u32) -> u32 {
        if self.owner {
            mode &= !SET_USER_ID;
        }
        if self.group {
            mode &= !SET_GROUP_ID;
        }
        mode
    }
}

fn errno_is(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_takes_the_place_of_a_lost_owner_or_group_gets_no_more_than_they_had() {
        let reduce = |owner, group, mode: u32| {
            let mut access = Access {
                uid: 0,
                gid: 0,
                mode,
                acl: None,
            };
            access.reduce(Lost { owner, group });
            access.mode
        };
        assert_eq!(reduce(false, false, 0o6754), 0o6754);
        assert_eq!(reduce(false, true, 0o644), 0o644);
        assert_eq!(reduce(false, true, 0o660), 0o600);
        assert_eq!(reduce(false, true, 0o664), 0o644);
        assert_eq!(reduce(false, true, 0o604), 0o600);
        assert_eq!(reduce(true, false, 0o660), 0o660);
        assert_eq!(reduce(true, false, 0o466), 0o444);
        assert_eq!(reduce(true, true, 0o077), 0);
    }

    #[test]
    fn a_set_shows_its_members() {
        let text = |what: Preserve| format!("{what:?}");
        assert_eq!(text(Preserve::NONE), "Preserve(NONE)");
        assert_eq!(
            text(Preserve::MODE | Preserve::OWNER),
            "Preserve(MODE | OWNER)"
        );
        let all = Preserve::ALL.where_possible();
        assert_eq!(
            text(all),
            "Preserve(MODE | OWNER | ATTRIBUTES | where_possible)"
        );
        assert!(all.contains(Preserve::ALL) && !Preserve::ALL.contains(all));
    }
}
