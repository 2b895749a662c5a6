//! Extended attributes, and the access control list, which is one of them: xattr(7), acl(5).

use std::fs::File;

use rustix::fs::{fgetxattr, flistxattr, fremovexattr, fsetxattr, XattrFlags};
use rustix::io::{Errno, Result};

const ACL: &str = "system.posix_acl_access";

/// No list and no value is longer, see xattr(7).
const LONGEST: usize = 1 << 16;

/// Copies the attributes of `original` that are `wanted`.
///
/// An attribute that a user has set must be copied, unless the file system of the copy has none at
/// all. Others are labels, or mean something to one file system only: they are copied where that is
/// allowed.
pub(crate) fn copy_xattrs(
    original: &File,
    copy: &File,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<()> {
    let (mut list, mut value) = (vec![0; LONGEST], vec![0; LONGEST]);
    let length = match flistxattr(original, &mut list[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names = list[..length].split(|&byte| byte == 0);
    for name in names.filter(|name| !name.is_empty() && *name != ACL.as_bytes() && wanted(name)) {
        let copied = fgetxattr(original, name, &mut value[..])
            .and_then(|length| fsetxattr(copy, name, &value[..length], XattrFlags::empty()));
        match copied {
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) if name.starts_with(b"user.") => return Err(errno),
            Err(_) => {}
        }
    }
    Ok(())
}

/// The access control list of a file, if it has more than a mode.
pub(crate) fn acl(file: &File) -> Result<Option<Vec<u8>>> {
    let mut value = vec![0; LONGEST];
    match fgetxattr(file, ACL, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Sets the access control list of a file. `None` removes the list that the file has inherited from
/// its directory.
///
/// Fails with `EOPNOTSUPP` if the file system has no lists.
pub(crate) fn set_acl(file: &File, acl: Option<&[u8]>) -> Result<()> {
    match acl {
        Some(acl) => fsetxattr(file, ACL, acl, XattrFlags::empty()),
        None => match fremovexattr(file, ACL) {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            removed => removed,
        },
    }
}

/// The permissions that a list gives to the owning group, as the last three bits of a mode.
///
/// The group bits in the mode of the file are not these: they are the mask of the list.
pub(crate) fn group_permissions(acl: &[u8]) -> u32 {
    // Four bytes of version, then entries of tag, permissions and id: linux/posix_acl_xattr.h.
    const GROUP: u16 = 0x04;
    const MASK: u16 = 0x10;
    let entries = acl.get(4..).unwrap_or_default().chunks_exact(8);
    let permissions = |wanted: u16| {
        let of_tag = |entry: &&[u8]| u16::from_le_bytes([entry[0], entry[1]]) == wanted;
        let entry = entries.clone().find(of_tag)?;
        Some(u32::from(u16::from_le_bytes([entry[2], entry[3]])) & 0o7)
    };
    permissions(GROUP).unwrap_or(0) & permissions(MASK).unwrap_or(0o7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_limits_what_a_list_allows_to_the_group() {
        let entry = |tag: u8, permissions: u8| [tag, 0, permissions, 0, 0xFF, 0xFF, 0xFF, 0xFF];
        let list = |entries: &[[u8; 8]]| [&[2, 0, 0, 0][..], &entries.concat()].concat();
        let [owner, user, group] = [entry(1, 6), entry(2, 7), entry(4, 6)];
        assert_eq!(group_permissions(&list(&[owner, user, group])), 6);
        assert_eq!(group_permissions(&list(&[owner, group, entry(16, 5)])), 4);
        for damaged in [&[][..], &[2, 0], &list(&[owner])] {
            assert_eq!(group_permissions(damaged), 0);
        }
    }
}
