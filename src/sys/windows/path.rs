//! Paths of Windows.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf, Prefix};

use camino::Utf8Path;

use super::{Errno, RawPath, RawPathBuf, Result};
use crate::sys::SpecialName;

const SLASH: u16 = b'/' as u16;
const BACKSLASH: u16 = b'\\' as u16;
const COLON: u16 = b':' as u16;

/// Calls `with` with the path as the system takes it; `None` if it contains a NUL.
pub(crate) fn with_raw_path<T>(path: &Path, with: impl FnOnce(&RawPath) -> T) -> Option<T> {
    let has_nul = path.as_os_str().encode_wide().any(|unit| unit == 0);
    (!has_nul).then(|| with(path))
}

pub(crate) fn raw_path(path: PathBuf) -> Result<RawPathBuf> {
    Ok(path)
}

pub(crate) fn path_from_raw(path: RawPathBuf) -> PathBuf {
    path
}

pub(crate) fn as_path(path: &RawPath) -> &Path {
    path
}

/// The directory of `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The last part of a path, if it can be a file's.
pub(crate) fn last_part(path: &RawPath) -> Option<&RawPath> {
    if must_be_directory(path) {
        return None;
    }
    path.file_name().map(Path::new)
}

/// Another file name in the directory of `path`.
pub(crate) fn sibling(path: &RawPath, name: &Utf8Path) -> PathBuf {
    path.with_file_name(name.as_str())
}

/// Whether the path can only lead to a directory: `x\`, `.` and `..`.
pub(crate) fn must_be_directory(path: &RawPath) -> bool {
    const DOT: u16 = b'.' as u16;
    let wide: Vec<u16> = path.as_os_str().encode_wide().collect();
    let is_verbatim = is_verbatim(path);
    let separates = |&unit: &u16| unit == BACKSLASH || !is_verbatim && unit == SLASH;
    let last = wide.rsplit(separates).next().unwrap_or_default();
    matches!(last, [] | [DOT] | [DOT, DOT]) || path.file_name().is_none()
}

/// What the last part of the path stands for, if that is not a file.
pub(crate) fn special_name(path: &RawPath) -> Option<(SpecialName, Errno)> {
    let name = path.file_name()?;
    // std takes the prefix `C:` off.
    if name.encode_wide().any(|unit| unit == COLON) {
        // `a:b` is a stream of `a`, which would lose its other contents.
        return Some((SpecialName::Stream, Errno::BAD_NAME));
    }
    if !is_verbatim(path) && is_device(name) {
        return Some((SpecialName::Device, Errno::INVAL));
    }
    None
}

/// `NUL`, `COM1` and their like, whatever the directory. With an extension they are devices before
/// Windows 11 only; there the rename fails.
fn is_device(name: &OsStr) -> bool {
    const NAMES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let name = name.to_string_lossy().to_ascii_uppercase();
    // Windows strips these.
    let name = name.trim_end_matches(|c| c == '.' || c == ' ');
    let is_numbered = || {
        let number = name
            .strip_prefix("COM")
            .or_else(|| name.strip_prefix("LPT"))
            .unwrap_or_default();
        let mut digits = number.chars();
        let first = digits.next();
        first.map_or(false, |digit| "123456789\u{b9}\u{b2}\u{b3}".contains(digit))
            && digits.next().is_none()
    };
    NAMES.contains(&name) || is_numbered()
}

/// Whether the path begins with `\\?\`, so that Windows takes it as it is.
fn is_verbatim(path: &Path) -> bool {
    match path.components().next() {
        Some(Component::Prefix(prefix)) => matches!(
            prefix.kind(),
            Prefix::Verbatim(_) | Prefix::VerbatimDisk(_) | Prefix::VerbatimUNC(..)
        ),
        _ => false,
    }
}

/// The same path from the root on, so that it stays the same when the current directory changes.
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let path_here = env::current_dir()?.join(path);
    if path_here.is_absolute() {
        return Ok(path_here);
    }
    // `C:x` is relative to the current directory of that drive.
    fs::canonicalize(path)
}
