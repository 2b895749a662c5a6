//! Which errors a system call can have, by its man page (Linux man-pages 6.03, section ERRORS).

use std::ffi::c_long;

/// An errno and its name.
pub(crate) type Errno = (&'static str, i32);

macro_rules! list {
    ($($errno:ident)*) => { [$((stringify!($errno), libc::$errno)),*] };
}

/// What is not in every man page and yet can come of every call: from sandboxes (`ENOSYS`,
/// `EPERM`), from disks (`EIO`), from signals (`EINTR`), from network file systems (`ESTALE`,
/// `EOPNOTSUPP`).
const EVERYWHERE: &[Errno] = &list![ENOSYS EPERM EIO EINTR ESTALE EOPNOTSUPP];

/// One man page, and the calls of it that the library makes, directly or by way of std.
struct Page {
    calls: &'static [(&'static str, c_long)],
    errnos: &'static [Errno],
}

macro_rules! pages {
    ($($($(#[$attribute:meta])* $call:ident)+: $($errno:ident)*;)*) => {
        &[$(Page {
            calls: &[$($(#[$attribute])* (stringify!($call), libc::$call)),+],
            errnos: &list![$($errno)*],
        }),*]
    };
}

const PAGES: &[Page] = pages! {
    // open(2)
    #[cfg(target_arch = "x86_64")] SYS_open
    SYS_openat: EACCES EBADF EBUSY EDQUOT EEXIST EFAULT EFBIG EINTR EINVAL EISDIR ELOOP EMFILE
        ENAMETOOLONG ENFILE ENODEV ENOENT ENOMEM ENOSPC ENOTDIR ENXIO EOPNOTSUPP EOVERFLOW EPERM
        EROFS ETXTBSY EWOULDBLOCK;
    // read(2)
    SYS_read: EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR;
    // write(2)
    SYS_write: EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE;
    // fsync(2)
    SYS_fsync SYS_fdatasync: EBADF EINTR EIO ENOSPC EROFS EINVAL EDQUOT;
    // sync(2)
    SYS_syncfs: EBADF EIO ENOSPC EDQUOT;
    // sync_file_range(2)
    SYS_sync_file_range: EBADF EINVAL EIO ENOMEM ENOSPC ESPIPE;
    // link(2)
    SYS_linkat: EACCES EDQUOT EEXIST EFAULT EIO ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC
        ENOTDIR EPERM EROFS EXDEV EBADF EINVAL;
    // rename(2)
    SYS_renameat SYS_renameat2: EACCES EBUSY EDQUOT EFAULT EINVAL EISDIR ELOOP EMLINK ENAMETOOLONG
        ENOENT ENOMEM ENOSPC ENOTDIR ENOTEMPTY EEXIST EPERM EROFS EXDEV EBADF;
    // unlink(2)
    SYS_unlinkat: EACCES EBUSY EFAULT EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM
        EROFS EBADF EINVAL;
    // stat(2)
    SYS_fstat SYS_newfstatat: EACCES EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR
        EOVERFLOW;
    // statx(2)
    SYS_statx: EACCES EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR;
    // statfs(2)
    SYS_fstatfs: EACCES EBADF EFAULT EINTR EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOSYS ENOTDIR
        EOVERFLOW;
    // readlink(2)
    #[cfg(target_arch = "x86_64")] SYS_readlink
    SYS_readlinkat: EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR;
    // listxattr(2)
    SYS_llistxattr: E2BIG ENOTSUP ERANGE EACCES EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR;
    // getxattr(2)
    SYS_fgetxattr SYS_lgetxattr: E2BIG ENODATA ENOTSUP ERANGE EBADF EFAULT;
    // setxattr(2) and removexattr(2)
    SYS_fsetxattr SYS_fremovexattr: EDQUOT EEXIST ENODATA ENOSPC ENOTSUP EPERM ERANGE EBADF EFAULT;
    // chmod(2)
    SYS_fchmod: EBADF EIO EPERM EROFS;
    // chown(2)
    SYS_fchown: EBADF EIO EPERM EROFS EINVAL;
    // access(2)
    SYS_faccessat SYS_faccessat2: EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM
        ENOTDIR EPERM EROFS ETXTBSY;
    // fcntl(2)
    SYS_fcntl: EACCES EAGAIN EBADF EBUSY EDEADLK EFAULT EINTR EINVAL EMFILE ENOLCK ENOTDIR EPERM;
    // lseek(2)
    SYS_lseek: EBADF EINVAL ENXIO EOVERFLOW ESPIPE;
    // close(2)
    SYS_close: EBADF EINTR EIO ENOSPC EDQUOT;
    // getrandom(2)
    SYS_getrandom: EAGAIN EFAULT EINTR EINVAL ENOSYS;
    // getuid(2) and getgid(2): always successful
    SYS_getuid SYS_geteuid SYS_getgid SYS_getegid: ;
    // getpid(2): always successful
    SYS_getpid: ;
    // getrlimit(2)
    SYS_prlimit64: EFAULT EINVAL EPERM ESRCH;
    // uname(2)
    SYS_uname: EFAULT;
};

/// The name of a system call, if the library is known to make it.
pub(crate) fn name(number: c_long) -> Option<&'static str> {
    let mut calls = PAGES.iter().flat_map(|page| page.calls);
    let (name, _) = calls.find(|call| call.1 == number)?;
    name.strip_prefix("SYS_")
}

/// Every error that the call of this name can have, each once.
pub(crate) fn errnos(name: &str) -> Vec<Errno> {
    if name == "getpid" {
        // libc would return the errno as if it were the number of another process. A sandbox would
        // always return the same one.
        return Vec::new();
    }
    let is_meant = |call: &&(&str, _)| call.0.strip_prefix("SYS_") == Some(name);
    let page = PAGES
        .iter()
        .find(|page| page.calls.iter().any(|call| is_meant(&call)))
        .unwrap_or_else(|| panic!("no man page tells what {name} can say"));
    let mut errnos = [page.errnos, EVERYWHERE].concat();
    errnos.sort_unstable();
    errnos.dedup();
    errnos
}

/// The number behind the name of an errno.
pub(crate) fn number(name: &str) -> Option<i32> {
    let mut errnos = PAGES
        .iter()
        .map(|page| page.errnos)
        .chain([EVERYWHERE])
        .flatten();
    errnos.find(|errno| errno.0 == name).map(|errno| errno.1)
}

/// The name of an errno, or its number.
pub(crate) fn errno_name(number: i32) -> String {
    let mut errnos = PAGES
        .iter()
        .map(|page| page.errnos)
        .chain([EVERYWHERE])
        .flatten();
    errnos
        .find(|errno| errno.1 == number)
        .map_or_else(|| format!("errno {number}"), |errno| errno.0.to_owned())
}
