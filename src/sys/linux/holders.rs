//! Who has a file open, as far as procfs shows it.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, OFlags, CWD};

use super::procfs::{link_text, read_small};
use crate::sys::FileId;

/// Whether this process has the file open for writing, under the same name.
pub(crate) fn is_written_here(file: &File) -> bool {
    let (text, id) = match (link_text(file), FileId::of(file)) {
        (Some(text), Ok(id)) => (text, id),
        _ => return false,
    };
    descriptors(Path::new("/proc/self")).any(|(link, shown)| {
        shown.as_os_str().as_bytes() == text && is_writable(&link) && is(&link, id)
    })
}

/// The descriptors of a process, each with what its link says. Threads can have their own.
fn descriptors(process: &Path) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    entries(&process.join("task"))
        .flat_map(|thread| entries(&thread.join("fd")))
        .filter_map(|link| {
            let text = fs::read_link(&link).ok()?;
            Some((link, text))
        })
}

/// What is in a directory of procfs, or nothing if that is gone or hidden.
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

fn is(link: &Path, id: FileId) -> bool {
    FileId::at(CWD, link, AtFlags::empty()) == Ok(id)
}

/// Whether `…/fd/N` is open for writing, as `…/fdinfo/N` says.
fn is_writable(link: &Path) -> bool {
    let flags = || {
        let thread = link.parent()?.parent()?;
        let text = read_small(&thread.join("fdinfo").join(link.file_name()?)).ok()?;
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
        u32::from_str_radix(flags.trim(), 8).ok()
    };
    let access = flags().map(|flags| OFlags::from_bits_retain(flags as _) & OFlags::RWMODE);
    access.map_or(false, |access| access != OFlags::RDONLY)
}
