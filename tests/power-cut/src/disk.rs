//! Disks that remember: files served by FUSE, of which every write and every flush is logged.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyWrite, Request, WriteFlags,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::platter::Platter;

/// The inode of the first disk; the others follow.
const FIRST: u64 = 2;
const TTL: Duration = Duration::from_secs(59);

/// What happened to the disks, or around them, in order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event<N> {
    Write {
        disk: usize,
        offset: usize,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    /// All that was written to the disk before is on its platter.
    Flush { disk: usize },
    /// What the workload wants to be known at this point.
    Note(N),
}

struct State<N> {
    disks: Vec<Platter>,
    log: Option<Vec<Event<N>>>,
    /// How many more writes and flushes succeed; all of them, if `None`.
    sound: Option<u32>,
}

impl<N> State<N> {
    /// Whether the next write or flush succeeds.
    fn is_sound(&mut self) -> bool {
        match &mut self.sound {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// The log of all disks, for the disks themselves and for whoever works on them.
pub(crate) struct Log<N>(Arc<Mutex<State<N>>>);

impl<N> Clone for Log<N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<N> Log<N> {
    fn state(&self) -> MutexGuard<'_, State<N>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts logging, and returns what is on each disk now, see [`Platter::contents`].
    pub(crate) fn start(&self) -> Vec<Vec<(usize, ByteBuf)>> {
        let mut state = self.state();
        state.log = Some(Vec::new());
        state.disks.iter().map(Platter::contents).collect()
    }

    pub(crate) fn note(&self, note: N) {
        self.push(|| Event::Note(note));
    }

    /// Stops logging and returns the log.
    pub(crate) fn stop(&self) -> Vec<Event<N>> {
        self.state().log.take().unwrap_or_default()
    }

    /// From the `nth` write or flush on, counted from 0, all fail.
    pub(crate) fn fail_after(&self, nth: u32) {
        self.state().sound = Some(nth);
    }

    /// Ends that, and tells whether it has come to it.
    pub(crate) fn heal(&self) -> bool {
        self.state().sound.take() == Some(0)
    }

    fn push(&self, event: impl FnOnce() -> Event<N>) {
        if let Some(log) = &mut self.state().log {
            log.push(event());
        }
    }
}

/// The files, mounted until this is dropped.
pub(crate) struct Disks<N> {
    pub(crate) log: Log<N>,
    pub(crate) paths: Vec<PathBuf>,
    _session: BackgroundSession,
}

impl<N: Send + 'static> Disks<N> {
    /// Serves disks of these `sizes`, all zero, in the directory `at`.
    pub(crate) fn new(at: &Path, sizes: &[usize]) -> Self {
        let disks = sizes.iter().map(|&size| Platter::new(size)).collect();
        let log = Log(Arc::new(Mutex::new(State {
            disks,
            log: None,
            sound: None,
        })));
        let server = Server(log.clone());
        let session = fuser::spawn_mount(server, at, &fuser::Config::default()).expect("FUSE");
        Self {
            log,
            paths: (0..sizes.len())
                .map(|number| at.join(number.to_string()))
                .collect(),
            _session: session,
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("the disk is in memory")
}

/// Which disk has this inode.
fn disk(ino: INodeNo) -> Option<usize> {
    ino.0.checked_sub(FIRST).map(index)
}

struct Server<N>(Log<N>);

impl<N> Server<N> {
    fn attributes(&self, ino: INodeNo) -> FileAttr {
        let size =
            disk(ino).and_then(|disk| Some(self.0.state().disks.get(disk)?.bytes.len() as u64));
        let (kind, perm, size) = match size {
            Some(size) => (FileType::RegularFile, 0o600, size),
            None => (FileType::Directory, 0o700, 0),
        };
        FileAttr {
            ino,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl<N: Send + 'static> Filesystem for Server<N> {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let number = name.to_str().and_then(|name| name.parse::<u64>().ok());
        match number {
            Some(number) if index(number) < self.0.state().disks.len() => {
                let attributes = self.attributes(INodeNo(FIRST + number));
                reply.entry(&TTL, &attributes, Generation(0));
            }
            _ => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attributes(ino));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let state = self.0.state();
        let Some(platter) = disk(ino).and_then(|disk| state.disks.get(disk)) else {
            return reply.error(Errno::EISDIR);
        };
        let bytes = &platter.bytes;
        let start = bytes.len().min(index(offset));
        let end = bytes.len().min(start + size as usize);
        reply.data(&bytes[start..end]);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(disk) = disk(ino) else {
            return reply.error(Errno::EISDIR);
        };
        let offset = index(offset);
        let mut state = self.0.state();
        if !state.is_sound() {
            return reply.error(Errno::EIO);
        }
        if offset + data.len() > state.disks[disk].bytes.len() {
            return reply.error(Errno::ENOSPC);
        }
        state.disks[disk].write(offset, data);
        drop(state);
        self.0.push(|| Event::Write {
            disk,
            offset,
            data: data.to_vec(),
        });
        reply.written(u32::try_from(data.len()).expect("FUSE writes 1 MiB at most"));
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let Some(disk) = disk(ino) else {
            return reply.ok();
        };
        if !self.0.state().is_sound() {
            return reply.error(Errno::EIO);
        }
        self.0.push(|| Event::Flush { disk });
        reply.ok();
    }

    // A flush here is a close(2) of the file, which a disk does not know.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }
}
