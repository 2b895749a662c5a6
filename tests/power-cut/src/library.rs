//! Every call of the library that is judged here: the only file that knows its API.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, PublishBatch, PublishError, PublishOptions,
    SyncMethod,
};

/// The mode of every file.
pub(crate) const MODE: u32 = 0o640;

/// How the library is asked to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) level: Durability,
    /// Many files at once.
    pub(crate) batch: bool,
    pub(crate) method: SyncMethod,
}

impl Way {
    /// Every way, in the order of the table. A new option gets its rows here.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        use Durability::{Contents, Full, None};
        use SyncMethod::{Automatic, FileSystem, Fsync};
        let way = |level, batch, method| Self {
            level,
            batch,
            method,
        };
        let single = [None, Contents, Full].map(|level| way(level, false, Automatic));
        let batch = [Contents, Full].map(|level| way(level, true, Automatic));
        let by_method = [Fsync, FileSystem].map(|method| {
            [Contents, Full].map(|level| [false, true].map(|batch| way(level, batch, method)))
        });
        let by_method = by_method.into_iter().flatten().flatten();
        single.into_iter().chain(batch).chain(by_method)
    }

    /// Whether the library chooses how to sync.
    pub(crate) fn is_automatic(self) -> bool {
        self.method == SyncMethod::Automatic
    }

    pub(crate) fn name(self) -> String {
        let batch = if self.batch { " batch" } else { "" };
        let method = match self.method {
            SyncMethod::Automatic => String::new(),
            method => format!(" {method:?}"),
        };
        format!("{:?}{batch}{method}", self.level)
    }

    fn options(self) -> PublishOptions {
        let mut options = PublishOptions::new();
        options.durability(self.level).sync_method(self.method);
        options
    }

    /// Publishes one file, or replaces the one at `path`.
    pub(crate) fn publish(
        self,
        file: LinkableFile,
        path: &Path,
        replace: bool,
    ) -> Result<(), PublishError> {
        self.options().replace(replace).publish(file, path)?;
        Ok(())
    }
}

/// Opens a file without a name in `directory`, for reading and writing.
pub(crate) fn open(directory: &Path, flags: i32) -> io::Result<LinkableFile> {
    let mut options = OpenOptions::new();
    options.read(true).mode(MODE).custom_flags(flags);
    options.anonymous_in(directory)
}

/// Files to be published together.
pub(crate) struct Batch(PublishBatch);

impl Batch {
    pub(crate) fn new(way: Way) -> Self {
        Self(PublishBatch::with_options(&way.options()))
    }

    pub(crate) fn add(&mut self, file: LinkableFile, path: &Path, replace: bool) {
        if replace {
            self.0.add_replacing(file, path);
        } else {
            self.0.add(file, path);
        }
    }

    /// The failures, each with the number of its file.
    pub(crate) fn commit(self) -> Vec<(usize, PublishError)> {
        self.0.commit().into_failures()
    }
}
