//! Which devices an xfs is on.

use std::fs;

use rustix::fs::{major, minor};

/// Whether the file system on this block device uses no other device, according to mountinfo:
/// proc_pid_mountinfo(5).
pub(super) fn is_on_one_device(device: u64) -> bool {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    is_on_one_device_in(&mounts, &format!("{}:{}", major(device), minor(device)))
}

fn is_on_one_device_in(mounts: &str, number: &str) -> bool {
    let mut mounts = mounts.lines().filter_map(|line| {
        // ID, parent, number of the device, …, then a hyphen, the type, the source, the options.
        let (mount, file_system) = line.split_once(" - ")?;
        (mount.split(' ').nth(2)? == number).then(|| file_system.rsplit(' ').next())?
    });
    // All mounts of a file system show the same options here.
    mounts.next().map_or(false, |options| {
        let mut options = options.split(',');
        !options.any(|option| option.starts_with("rtdev=") || option.starts_with("logdev="))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_tells_of_other_devices() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n\
                      90 22 7:3 / /mnt rw - xfs /dev/loop3 rw,attr2,inode64,noquota\n\
                      91 22 7:4 / /rt rw - xfs /dev/loop4 rw,rtdev=/dev/loop5,noquota\n\
                      92 22 7:6 / /log rw - xfs /dev/loop6 rw,logdev=/dev/loop7\n";
        assert!(is_on_one_device_in(mounts, "7:3"));
        for number in ["7:4", "7:6", "7:9", ""] {
            assert!(!is_on_one_device_in(mounts, number), "{number}");
        }
    }
}
