//! Closes a descriptor for writing, and waits until no copy of it is left.
//!
//! A child that another thread has forked has a copy of every descriptor until it calls execve(2).
//! procfs does not list all copies: a child has them before it has a number, and a descriptor can
//! be on its way through a socket. But a lock of flock(2) lasts until the last copy is closed.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{fcntl_getfl, flock, FlockOperation, OFlags};
use rustix::io::Errno;

use super::{is_written_here, reopen, Access, Result};

/// How long a child may take from fork(2) to execve(2).
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) fn is_writable(file: &File) -> Result<bool> {
    Ok(fcntl_getfl(file)? & OFlags::RWMODE != OFlags::RDONLY)
}

/// Opens the file again, read-only and at the same offset, and closes `file`, which is open for
/// writing. If that fails, `file` is as it was.
pub(crate) fn close(file: &mut File) -> io::Result<()> {
    let mut reader = reopen(file, None, Access::Read)?;
    reader.seek(SeekFrom::Start(file.stream_position()?))?;
    // Not a shared lock here and an exclusive one later: NFS wants a descriptor for writing for
    // that.
    flock(&*file, FlockOperation::NonBlockingLockExclusive)?;
    *file = reader;
    Ok(())
}

/// Waits until no copy of the [closed](close) descriptor is left. Fails with `ETXTBSY` if one stays.
///
/// `lent` is whether this process may have opened the file for writing once more.
pub(crate) fn wait(reader: &File, lent: bool) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let mut waited = false;
    while are_left(reader, lent)? {
        if Instant::now() >= end {
            return Err(Errno::TXTBSY);
        }
        sleep(PAUSE);
        waited = true;
    }
    if waited {
        // The kernel releases the lock shortly before it counts one writer less.
        sleep(PAUSE);
    }
    Ok(())
}

fn are_left(reader: &File, lent: bool) -> Result<bool> {
    match flock(reader, FlockOperation::NonBlockingLockShared) {
        Ok(()) => flock(reader, FlockOperation::Unlock)?,
        Err(Errno::WOULDBLOCK) => return Ok(true),
        Err(errno) => return Err(errno),
    }
    Ok(lent && is_written_here(reader))
}
