//! A copy of a file that itself cannot be published.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use crate::backend::Backend;
use crate::linkable_file::LinkableFile;
use crate::metadata;
use crate::sys::{self, Access, OpenedAs};
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
pub(super) fn beside(
    original: &LinkableFile,
    target: &Target<'_>,
) -> Result<(File, Backend), Error> {
    let opened = OpenedAs::of(original.inner())?;
    let source = open_source(original, opened).map_err(|_| Error::Source)?;
    let original = original.inner();
    let mut options = opened.options();
    // Others may open it only once it is complete.
    sys::for_owner_only(&mut options);
    let (copy, backend) = Backend::open_named(&options, &target.whole_parent())?;

    copy_contents(original, &source, &copy)?;
    metadata::copy(original, &copy)?;
    // Not earlier: copy_file_range(2) fails with O_APPEND.
    opened.give_rest(&copy)?;
    Ok((copy, backend))
}

fn open_source(original: &LinkableFile, opened: OpenedAs) -> io::Result<File> {
    match original.open_again(Access::Read) {
        Err(_) if opened.can_read() => original.inner().try_clone(),
        reopened => reopened,
    }
}

fn copy_contents(mut original: &File, source: &File, mut copy: &File) -> io::Result<()> {
    // A clone moves the position of the original.
    let position = original.stream_position()?;
    let copied = sys::copy_data(source, copy);
    original.seek(SeekFrom::Start(position))?;
    copied?;
    copy.seek(SeekFrom::Start(position))?;
    Ok(())
}
