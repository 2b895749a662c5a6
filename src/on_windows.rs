//! What only Windows has: handles.

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
use std::os::windows::io::{
    AsHandle, AsRawHandle, BorrowedHandle, IntoRawHandle, OwnedHandle, RawHandle,
};

use crate::linkable_file::LinkableFile;

impl From<LinkableFile> for OwnedHandle {
    fn from(linkable: LinkableFile) -> Self {
        File::from(linkable).into()
    }
}

impl AsHandle for LinkableFile {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.as_file().as_handle()
    }
}

impl AsRawHandle for LinkableFile {
    fn as_raw_handle(&self) -> RawHandle {
        self.as_file().as_raw_handle()
    }
}

impl IntoRawHandle for LinkableFile {
    fn into_raw_handle(self) -> RawHandle {
        File::from(self).into_raw_handle()
    }
}

impl FileExt for LinkableFile {
    fn seek_read(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner().seek_read(buf, offset)
    }

    fn seek_write(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.inner().seek_write(buf, offset)
    }
}
