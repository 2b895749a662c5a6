//! The errors of Windows, under the names that the rest of the crate knows.

use std::io;

/// A system error code: see the page "System Error Codes" of Microsoft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(i32);

/// The result of a call.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

impl Errno {
    /// `ERROR_INVALID_FUNCTION`: FAT, for a hard link.
    pub(crate) const NOSYS: Self = Self(1);
    /// `ERROR_FILE_NOT_FOUND`, and `ERROR_PATH_NOT_FOUND` of a directory.
    pub(crate) const NOENT: Self = Self(2);
    /// `ERROR_TOO_MANY_OPEN_FILES`
    pub(crate) const MFILE: Self = Self(4);
    /// `ERROR_ACCESS_DENIED`: a permission, a file that is open, read-only or about to be deleted,
    /// or a directory.
    pub(crate) const ACCESS: Self = Self(5);
    /// `ERROR_NOT_SAME_DEVICE`
    pub(crate) const XDEV: Self = Self(17);
    /// `ERROR_WRITE_PROTECT`
    pub(crate) const ROFS: Self = Self(19);
    /// `ERROR_SHARING_VIOLATION`, and `ERROR_LOCK_VIOLATION`.
    pub(crate) const IN_USE: Self = Self(32);
    /// `ERROR_NOT_SUPPORTED`
    pub(crate) const OPNOTSUPP: Self = Self(50);
    /// `ERROR_INVALID_PARAMETER`
    pub(crate) const INVAL: Self = Self(87);
    /// `ERROR_DISK_FULL`, and `ERROR_HANDLE_DISK_FULL`.
    pub(crate) const NOSPC: Self = Self(112);
    /// `ERROR_INVALID_NAME`, and `ERROR_BAD_PATHNAME`.
    pub(crate) const BAD_NAME: Self = Self(123);
    /// `ERROR_DIR_NOT_EMPTY`
    pub(crate) const NOTEMPTY: Self = Self(145);
    /// `ERROR_BUSY`
    pub(crate) const BUSY: Self = Self(170);
    /// `ERROR_ALREADY_EXISTS`, and `ERROR_FILE_EXISTS`.
    pub(crate) const EXIST: Self = Self(183);
    /// `ERROR_FILENAME_EXCED_RANGE`
    pub(crate) const NAMETOOLONG: Self = Self(206);
    /// `ERROR_FILE_TOO_LARGE`
    pub(crate) const FBIG: Self = Self(223);
    /// `ERROR_DIRECTORY`
    pub(crate) const NOTDIR: Self = Self(267);
    /// `ERROR_DELETE_PENDING`
    pub(crate) const DELETE_PENDING: Self = Self(303);
    /// `ERROR_DIRECTORY_NOT_SUPPORTED`
    pub(crate) const ISDIR: Self = Self(336);
    /// `ERROR_IO_DEVICE`
    pub(crate) const IO: Self = Self(1117);
    /// `ERROR_CANCELLED`
    pub(crate) const CANCELED: Self = Self(1223);
    /// `ERROR_USER_MAPPED_FILE`: a program has mapped the file into its memory.
    pub(crate) const MAPPED: Self = Self(1224);
    /// `ERROR_DISK_QUOTA_EXCEEDED`
    pub(crate) const DQUOT: Self = Self(1295);
    /// `ERROR_PRIVILEGE_NOT_HELD`
    pub(crate) const PERM: Self = Self(1314);
    /// `ERROR_NO_SYSTEM_RESOURCES`
    pub(crate) const NFILE: Self = Self(1450);
    /// `ERROR_CANT_RESOLVE_FILENAME`
    pub(crate) const LOOP: Self = Self(1921);

    /// The code of an error; codes with one meaning become one.
    pub(crate) fn from_io_error(error: &io::Error) -> Option<Self> {
        Some(match error.raw_os_error()? {
            3 => Self::NOENT,
            33 => Self::IN_USE,
            39 => Self::NOSPC,
            80 => Self::EXIST,
            161 => Self::BAD_NAME,
            code => Self(code),
        })
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

/// For calls whose errors are told apart by their codes.
impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        Self::from_io_error(&error).unwrap_or(Self::INVAL)
    }
}
