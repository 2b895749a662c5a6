//! Extended attributes, see xattr(7).

use std::fs::File;
use std::io;

/// Gives `copy` the attributes of `original`.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn copy(original: &File, copy: &File) -> io::Result<()> {
    use rustix::fs::{fgetxattr, flistxattr, fremovexattr, fsetxattr, XattrFlags};
    use rustix::io::Errno;

    const ACL: &[u8] = b"system.posix_acl_access";
    // What users have set, and who may open the file, must not get lost.
    let belongs_to_the_file = |name: &[u8]| name.starts_with(b"user.") || name == ACL;

    // No list and no value is longer, see xattr(7).
    let (mut list, mut value) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let length = match flistxattr(original, &mut list[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names = || list[..length].split(|&byte| byte == 0);
    for name in names().filter(|name| !name.is_empty()) {
        let copied = fgetxattr(original, name, &mut value[..])
            .and_then(|length| fsetxattr(copy, name, &value[..length], XattrFlags::empty()));
        match copied {
            Err(errno) if belongs_to_the_file(name) => return Err(errno.into()),
            // Others may fail: labels, and properties that only one file system knows.
            _ => {}
        }
    }
    // A new file inherits the default access control list of its directory. The original may have
    // none.
    if !names().any(|name| name == ACL) && fgetxattr(copy, ACL, &mut value[..]).is_ok() {
        fremovexattr(copy, ACL)?;
    }
    Ok(())
}

/// rustix does not know the attributes of this system.
// The signature is the same everywhere.
#[allow(clippy::unnecessary_wraps)]
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn copy(_original: &File, _copy: &File) -> io::Result<()> {
    Ok(())
}
