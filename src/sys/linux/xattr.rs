//! Extended attributes, and the access control list, which is one of them: xattr(7), acl(5).

use std::ffi::CStr;
use std::fs::File;

use rustix::fs::{
    fgetxattr, flistxattr, fremovexattr, fsetxattr, lgetxattr, llistxattr, XattrFlags,
};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

const ACL: &str = "system.posix_acl_access";

/// No list and no value is longer, see xattr(7).
const LONGEST: usize = 1 << 16;

/// The extended attributes of a file.
#[derive(Debug)]
pub(crate) enum Xattrs<'a> {
    Open(&'a File),
    /// The file is not opened, which would take permission to read it, and might break a lease.
    At(&'a CStr),
}

impl<'a> Xattrs<'a> {
    /// Those of an open file.
    pub(crate) fn of(file: &'a File) -> Self {
        Self::Open(file)
    }

    /// Those of the file at `path`, without following a symlink; `None` if it has none.
    pub(crate) fn at(path: &'a CStr) -> Option<Self> {
        let attributes = Self::At(path);
        // No list of one byte exists, so the answer to any list is ERANGE.
        let has_none = matches!(attributes.list(&mut [0]), Ok(0) | Err(Errno::OPNOTSUPP));
        (!has_none).then_some(attributes)
    }

    /// Writes the names into `list`, and returns their length.
    fn list(&self, list: &mut [u8]) -> Result<usize> {
        match self {
            Self::Open(file) => flistxattr(file, list),
            Self::At(path) => llistxattr(*path, list),
        }
    }

    fn get<N: Arg>(&self, name: N, value: &mut [u8]) -> Result<usize> {
        match self {
            Self::Open(file) => fgetxattr(file, name, value),
            Self::At(path) => lgetxattr(*path, name, value),
        }
    }

    /// Copies the attributes that are `wanted` to another file. `tolerate` gets the outcome of each,
    /// or of the list without a name, and decides whether to go on.
    ///
    /// The access control list is not among them.
    pub(crate) fn copy_to(
        &self,
        copy: &File,
        wanted: impl Fn(&[u8]) -> bool,
        tolerate: impl Fn(&[u8], Result<()>) -> Result<()>,
    ) -> Result<()> {
        let (mut list, mut value) = (vec![0; LONGEST], vec![0; LONGEST]);
        let length = match self.list(&mut list) {
            Err(Errno::OPNOTSUPP) => 0,
            Err(errno) => {
                tolerate(b"", Err(errno))?;
                0
            }
            Ok(length) => length,
        };
        let names = list[..length].split(|&byte| byte == 0);
        for name in names.filter(|name| !name.is_empty() && *name != ACL.as_bytes()) {
            if wanted(name) {
                let copied = match self.get(name, &mut value) {
                    Ok(length) => fsetxattr(copy, name, &value[..length], XattrFlags::empty()),
                    // It has gone since.
                    Err(Errno::NODATA) => Ok(()),
                    Err(errno) => Err(errno),
                };
                tolerate(name, copied)?;
            }
        }
        Ok(())
    }

    /// The access control list, if the file has more than a mode.
    pub(crate) fn acl(&self) -> Result<Option<Acl>> {
        let mut value = vec![0; LONGEST];
        match self.get(ACL, &mut value) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(Acl(value)))
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// An access control list: four bytes of version, then entries of tag, permissions and id, as in
/// linux/posix_acl_xattr.h.
#[derive(Debug)]
pub(crate) struct Acl(Vec<u8>);

// The tags of entries.
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP: u16 = 0x04;
const NAMED_GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;

impl Acl {
    /// Fails with `EOPNOTSUPP` if the file system has no lists.
    pub(crate) fn set(&self, file: &File) -> Result<()> {
        fsetxattr(file, ACL, &self.0, XattrFlags::empty())
    }

    /// Removes the list that a file has inherited from its directory.
    pub(crate) fn remove(file: &File) -> Result<()> {
        // A look is cheaper than a removal, which ext4 and others begin a transaction for.
        let mut no_room: [u8; 0] = [];
        match fgetxattr(file, ACL, &mut no_room[..]) {
            Ok(_) => fremovexattr(file, ACL),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// The permissions of owner, group and others, each as three bits. Those of the group are not
    /// limited by the mask.
    pub(crate) fn classes(&self) -> [u32; 3] {
        [OWNER, GROUP, OTHERS].map(|tag| self.permissions(tag).unwrap_or(0))
    }

    pub(crate) fn set_classes(&mut self, [owner, group, others]: [u32; 3]) {
        self.change(|tag, permissions| match tag {
            OWNER => owner,
            GROUP => group,
            OTHERS => others,
            _ => permissions,
        });
    }

    /// Takes away from users and groups that have an entry what is not in `most`.
    pub(crate) fn limit_named(&mut self, most: u32) {
        self.change(|tag, permissions| match tag {
            USER | NAMED_GROUP => permissions & most,
            _ => permissions,
        });
    }

    /// The mode of a file with this list: its group bits are the mask.
    pub(crate) fn mode(&self) -> u32 {
        let [owner, group, others] = self.classes();
        owner << 6 | self.permissions(MASK).unwrap_or(group) << 3 | others
    }

    /// What the owning group may do, as three bits.
    pub(crate) fn group_permissions(&self) -> u32 {
        let [_, group, _] = self.classes();
        group & self.permissions(MASK).unwrap_or(0o7)
    }

    fn permissions(&self, wanted: u16) -> Option<u32> {
        let mut entries = self.0.get(4..).unwrap_or_default().chunks_exact(8);
        let entry = entries.find(|entry| tag(entry) == wanted)?;
        Some(u32::from(entry[2]) & 0o7)
    }

    fn change(&mut self, permissions: impl Fn(u16, u32) -> u32) {
        let entries = self.0.get_mut(4..).unwrap_or_default().chunks_exact_mut(8);
        for entry in entries {
            let changed = permissions(tag(entry), u32::from(entry[2]) & 0o7);
            entry[2] = changed.to_le_bytes()[0];
        }
    }
}

fn tag(entry: &[u8]) -> u16 {
    u16::from_le_bytes([entry[0], entry[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(tag: u16, permissions: u8) -> [u8; 8] {
        let [low, high] = tag.to_le_bytes();
        [low, high, permissions, 0, 0xFF, 0xFF, 0xFF, 0xFF]
    }

    fn list(entries: &[[u8; 8]]) -> Acl {
        Acl([&[2, 0, 0, 0][..], &entries.concat()].concat())
    }

    #[test]
    fn a_mask_limits_what_a_list_allows_to_the_group() {
        let [owner, user, group] = [entry(OWNER, 6), entry(USER, 7), entry(GROUP, 6)];
        assert_eq!(list(&[owner, user, group]).group_permissions(), 6);
        let masked = list(&[owner, group, entry(MASK, 5), entry(OTHERS, 1)]);
        assert_eq!(masked.group_permissions(), 4);
        assert_eq!(masked.mode(), 0o651);
        for damaged in [vec![], vec![2, 0], list(&[owner]).0] {
            assert_eq!(Acl(damaged).group_permissions(), 0);
        }
    }

    #[test]
    fn the_entries_of_a_list_can_be_limited() {
        let mut acl = list(&[
            entry(OWNER, 6),
            entry(USER, 7),
            entry(GROUP, 6),
            entry(OTHERS, 4),
        ]);
        acl.set_classes([6, 4, 0]);
        acl.limit_named(6);
        assert_eq!(acl.classes(), [6, 4, 0]);
        assert_eq!(acl.permissions(USER), Some(6));
    }
}
