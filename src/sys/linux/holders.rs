//! Who has a file open, as far as procfs shows it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, OFlags, CWD};

use super::procfs::{link_text, read_small, shows_unnamed};
use crate::sys::FileId;

/// Whether each of the files, which have these names, is open in a process.
///
/// procfs does not show the descriptors of other users' processes, nor any processes outside of its
/// own namespace.
pub(crate) fn are_held(files: &[(&OsStr, FileId)]) -> Vec<bool> {
    let mut held = vec![false; files.len()];
    let names: BTreeMap<_, _> = (0..).zip(files).map(|(i, (name, _))| (*name, i)).collect();
    let is_process = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_bytes().iter().all(u8::is_ascii_digit)
    };
    for process in entries(Path::new("/proc")).filter(is_process) {
        for (link, text) in descriptors(&process) {
            let name = text.file_name().unwrap_or_default();
            if let Some(&i) = names.get(name) {
                held[i] = true;
            } else if shows_unnamed(name.as_bytes()) {
                // Other files are not looked at: they may be on a server that does not answer.
                let open = FileId::at(CWD, &*link, AtFlags::empty());
                for (held, (_, id)) in held.iter_mut().zip(files) {
                    *held |= open == Ok(*id);
                }
            }
        }
    }
    held
}

/// Whether this process has the file open for writing, under the same name.
pub(crate) fn is_written_here(file: &File) -> bool {
    let (text, id) = match (link_text(file), FileId::of(file)) {
        (Some(text), Ok(id)) => (text, id),
        _ => return false,
    };
    descriptors(Path::new("/proc/self")).any(|(link, shown)| {
        shown.as_os_str().as_bytes() == text
            && is_writable(&link)
            && FileId::at(CWD, &*link, AtFlags::empty()) == Ok(id)
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
