//! Writes the contents of a file to the device, without a flush: sync_file_range(2).

use std::fs::File;

use rustix::io::{Errno, Result};

/// Writes all contents out, and waits until the device has them. They may still be in its cache.
///
/// Fails with `ENOSYS` where there is no such call. Like fsync(2), fails with the error of an
/// earlier write.
pub(crate) fn write_out(file: &File) -> Result<()> {
    sync_file_range(file, Wait::UntilTaken)
}

/// Starts to write all contents out, as far as the device takes them without delay.
pub(crate) fn start_write_out(file: &File) {
    // [`write_out`] comes later, and reports any error.
    let _ = sync_file_range(file, Wait::No);
}

#[derive(Clone, Copy)]
#[cfg_attr(target_os = "android", allow(dead_code))]
enum Wait {
    No,
    UntilTaken,
}

/// Calls sync_file_range(2) for the whole file. rustix does not have it.
#[cfg(not(target_os = "android"))]
#[allow(unsafe_code)]
fn sync_file_range(file: &File, wait: Wait) -> Result<()> {
    use std::io;
    use std::os::unix::io::AsRawFd;
    use std::sync::atomic::{AtomicBool, Ordering};

    use libc::{SYNC_FILE_RANGE_WAIT_AFTER, SYNC_FILE_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WRITE};
    use rustix::io::retry_on_intr;

    /// Set once the kernel or a sandbox turned out not to have the call.
    static MISSING: AtomicBool = AtomicBool::new(false);

    if MISSING.load(Ordering::Relaxed) {
        return Err(Errno::NOSYS);
    }
    let flags = match wait {
        Wait::No => SYNC_FILE_RANGE_WRITE,
        Wait::UntilTaken => {
            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER
        }
    };
    let call = || {
        // SAFETY: the call takes a descriptor, which is open as long as `file` lives, and numbers.
        match unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, flags) } {
            0 => Ok(()),
            _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
        }
    };
    match retry_on_intr(call) {
        // ESPIPE and EINVAL: emulators, and other kernels with Linux's system calls. EPERM and
        // EACCES: sandboxes.
        Err(Errno::NOSYS | Errno::SPIPE | Errno::INVAL | Errno::PERM | Errno::ACCESS) => {
            MISSING.store(true, Ordering::Relaxed);
            Err(Errno::NOSYS)
        }
        outcome => outcome,
    }
}

/// The crate libc does not have the call for Android (0.2.191).
#[cfg(target_os = "android")]
fn sync_file_range(_: &File, _: Wait) -> Result<()> {
    Err(Errno::NOSYS)
}
