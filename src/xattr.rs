//! Extended attributes, see xattr(7).

use std::fs::File;
use std::io;

use rustix::fs::{fgetxattr, flistxattr, fremovexattr, fsetxattr, XattrFlags};
use rustix::io::Errno;

const ACL: &[u8] = b"system.posix_acl_access";

/// Gives `copy` the attributes of `original`.
pub(crate) fn copy(original: &File, copy: &File) -> io::Result<()> {
    // No list and no value is longer, see xattr(7).
    let (mut list, mut value) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let length = match flistxattr(original, &mut list[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names = list[..length].split(|&byte| byte == 0);
    for name in names.filter(|name| !name.is_empty()) {
        let copied = fgetxattr(original, name, &mut value[..])
            .and_then(|length| fsetxattr(copy, name, &value[..length], XattrFlags::empty()));
        match copied {
            Err(errno) if belongs_to_the_file(name) => return Err(errno.into()),
            // A label, or a property that means something to one file system only.
            _ => {}
        }
    }
    if !list[..length]
        .split(|&byte| byte == 0)
        .any(|name| name == ACL)
    {
        // The one that the directory gives to what is made in it.
        if fgetxattr(copy, ACL, &mut value[..]).is_ok() {
            fremovexattr(copy, ACL)?;
        }
    }
    Ok(())
}

/// Whether a file without the attribute would be another one: what a user has set, and who may
/// open it.
fn belongs_to_the_file(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name == ACL
}
