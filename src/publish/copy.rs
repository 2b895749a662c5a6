//! A copy of a file that itself cannot be published.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{fcntl_getfl, fcntl_setfl, seek, tell, OFlags, SeekFrom};
use rustix::io::Errno;

use crate::backend::Backend;
use crate::metadata;
use crate::sys;
use crate::target::Target;

/// Why a file could not be copied.
pub(super) enum Error {
    /// The file itself cannot be read.
    Source,
    Copy(io::Error),
}

impl<E: Into<io::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Copy(error.into())
    }
}

/// Copies the file to a temporary name in the directory of `target`.
///
/// The copy is open as the original is, at the same position.
pub(super) fn beside(original: &File, target: &Target<'_>) -> Result<(File, Backend), Error> {
    let flags = fcntl_getfl(original)?;
    let source = open_source(original, flags).map_err(|_| Error::Source)?;
    let mut options = OpenOptions::new();
    // Others may open it only once it is complete.
    options.mode(0o600).read(flags.contains(OFlags::RDWR));
    // These flags cannot be set later.
    let sync = flags & (OFlags::SYNC | OFlags::DSYNC);
    options.custom_flags(sync.bits().try_into().unwrap_or_default());
    let (copy, backend) = Backend::open_named(&options, &target.whole_parent())?;

    copy_contents(original, &source, &copy)?;
    metadata::copy(original, &copy)?;
    // Not earlier: copy_file_range(2) fails with O_APPEND.
    fcntl_setfl(&copy, flags)?;
    Ok((copy, backend))
}

fn open_source(original: &File, flags: OFlags) -> io::Result<File> {
    match sys::reopen(original, OFlags::RDONLY) {
        Err(_) if flags.contains(OFlags::RDWR) => original.try_clone(),
        reopened => reopened,
    }
}

fn copy_contents(original: &File, source: &File, copy: &File) -> io::Result<()> {
    // A clone moves the position of the original.
    let position = tell(original)?;
    let copied = copy_data(source, copy);
    seek(original, SeekFrom::Start(position))?;
    copied?;
    seek(copy, SeekFrom::Start(position))?;
    Ok(())
}

/// Copies the data and leaves out the holes.
fn copy_data(source: &File, mut copy: &File) -> io::Result<()> {
    let length = source.metadata()?.len();
    let mut end = 0;
    while let Some(start) = next_data(source, end, length)? {
        end = seek(source, SeekFrom::Hole(start)).unwrap_or(length);
        seek(source, SeekFrom::Start(start))?;
        seek(copy, SeekFrom::Start(start))?;
        // std calls copy_file_range(2), which shares blocks where the file system can, and falls
        // back to other calls.
        io::copy(&mut source.take(end - start), &mut copy)?;
    }
    if copy.metadata()?.len() < length {
        copy.set_len(length)?;
    }
    Ok(())
}

/// Where the next data is, from `position` on.
fn next_data(source: &File, position: u64, length: u64) -> io::Result<Option<u64>> {
    if position >= length {
        return Ok(None);
    }
    match seek(source, SeekFrom::Data(position)) {
        Ok(start) => Ok(Some(start)),
        // Nothing but a hole is left.
        Err(Errno::NXIO) => Ok(None),
        // The file system has no holes, or does not report them.
        Err(Errno::INVAL) => Ok(Some(position)),
        Err(errno) => Err(errno.into()),
    }
}
