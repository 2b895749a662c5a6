//! A real disk that fails: what a failed sync means to the file.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;

use common::kernel;
use common::{contents, in_thread};
use linkable::{
    Durability, OpenOptionsAnonymousExt, PublishError, PublishErrorKind, PublishOptions,
};

/// The file system has promised room that the disk under it does not have: an image with holes, in
/// a full tmpfs. write(2) succeeds, and fsync(2) finds out.
#[test]
#[ignore = "needs root and mkfs.ext4, to mount"]
fn a_disk_that_is_full_only_at_the_sync_spoils_the_file() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().to_owned();
    in_thread(move || {
        kernel::own_mounts();
        let [small, mounted] = ["small", "mounted"].map(|name| path.join(name));
        fs::create_dir(&small).unwrap();
        fs::create_dir(&mounted).unwrap();
        kernel::mount_new("tmpfs", &small, "size=12m");
        kernel::mount_made("ext4", &[], &small.join("image"), 64 << 20, &mounted);
        linkable::write(mounted.join("file"), "old").unwrap();

        let mut file = OpenOptions::new()
            .read(true)
            .anonymous_in(&mounted)
            .unwrap();
        file.write_all(&vec![b'x'; 32 << 20]).unwrap();
        let error = file.replace(mounted.join("file")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::SyncFailed);
        let errno = error.io_error().raw_os_error();
        assert!(
            [Some(libc::ENOSPC), Some(libc::EIO)].contains(&errno),
            "{errno:?}"
        );
        let PublishError::NotPublished { file, .. } = error else {
            panic!("{error:?}")
        };

        // A second fsync(2) may well succeed: it has nothing left to write.
        let mut options = PublishOptions::new();
        let options = options.replace(true).durability(Durability::None);
        let error = options.publish(file, mounted.join("file")).unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::SyncFailed);
        assert_eq!(error.io_error().raw_os_error(), errno);
        drop(error);
        assert_eq!(
            contents(fs::File::open(mounted.join("file")).unwrap()),
            "old"
        );
        kernel::unmount_at(&mounted);
        kernel::unmount_at(&small);
    });
}
