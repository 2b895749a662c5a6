//! What is done to the library.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, PublishBatch, PublishError,
    PublishErrorKind, PublishOptions, SyncMethod,
};
use rustix::fs::{setxattr, XattrFlags};

use crate::directory::{State, LEFT};

/// The name that is to be published.
pub(crate) const TARGET: &str = "target";
/// What has the name before, if it is taken.
pub(crate) const OLD: &[u8] = b"old";
/// The mode of the new file, and all that this umask leaves of `0o666`.
pub(crate) const MODE: u32 = 0o640;
pub(crate) const UMASK: u32 = 0o026;

/// What is to be published, more than one block.
pub(crate) fn new_contents() -> Vec<u8> {
    b"new ".repeat(2500)
}

/// One operation; all that comes before it is done without harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `anonymous_in`.
    Open,
    /// Writing into an open file.
    Write,
    /// `scratch_in`.
    Scratch,
    /// Dropping a file that is not published.
    Drop,
    /// `linkable::write`, which is all of it in one.
    WriteFile {
        taken: bool,
        /// Whether the old file has attributes and an access control list.
        rich: bool,
    },
    /// Publishing a file that is open and written.
    Publish {
        /// In a `PublishBatch`, whose contents are to be synced so.
        batch: Option<SyncMethod>,
        /// Into another directory than the one it was opened in.
        elsewhere: bool,
        replace: bool,
        taken: bool,
        durability: Durability,
    },
}

/// What an operation has led to.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The file, if it can still be published.
    pub(crate) handle: Option<LinkableFile>,
    /// Whether the target is said to be there.
    pub(crate) published: bool,
    pub(crate) error: Option<io::Error>,
    pub(crate) kind: Option<PublishErrorKind>,
}

impl Operation {
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Open, Self::Write, Self::Scratch, Self::Drop];
        let write_file = |(taken, rich)| Self::WriteFile { taken, rich };
        all.extend([(false, false), (true, false), (true, true)].map(write_file));
        let mut publish = |batch, elsewhere, durability, replace, taken| {
            all.push(Self::Publish {
                batch,
                elsewhere,
                replace,
                taken,
                durability,
            });
        };
        for durability in [Durability::None, Durability::Contents, Durability::Full] {
            for (replace, taken) in [(false, false), (false, true), (true, true), (true, false)] {
                publish(None, false, durability, replace, taken);
            }
        }
        publish(None, true, Durability::Full, false, false);
        for method in [SyncMethod::FileSystem, SyncMethod::WriteOut] {
            publish(Some(method), false, Durability::Full, false, false);
            publish(Some(method), false, Durability::Full, true, true);
        }
        all
    }

    pub(crate) fn name(self) -> String {
        let state = |taken| if taken { "taken" } else { "absent" };
        match self {
            Self::Open => "open".to_owned(),
            Self::Write => "write".to_owned(),
            Self::Scratch => "scratch".to_owned(),
            Self::Drop => "drop".to_owned(),
            Self::WriteFile { rich: true, .. } => "write-file-rich".to_owned(),
            Self::WriteFile { taken, .. } => format!("write-file-{}", state(taken)),
            Self::Publish {
                batch,
                elsewhere,
                replace,
                taken,
                durability,
            } => {
                let how = match batch {
                    Some(SyncMethod::WriteOut) => "write-out-batch-",
                    Some(_) => "batch-",
                    None if elsewhere => "elsewhere-",
                    None => "",
                };
                let verb = if replace { "replace" } else { "publish" };
                let level = format!("{durability:?}").to_lowercase();
                format!("{how}{verb}-{}-{level}", state(taken))
            }
        }
    }

    /// Whether the target is there before.
    pub(crate) fn target_is_taken(self) -> bool {
        match self {
            Self::WriteFile { taken, .. } | Self::Publish { taken, .. } => taken,
            _ => false,
        }
    }

    /// Whether it is `linkable::write`.
    pub(crate) fn writes_file(self) -> bool {
        matches!(self, Self::WriteFile { .. })
    }

    /// Whether it keeps what the replaced file has.
    pub(crate) fn keeps(self) -> bool {
        matches!(self, Self::WriteFile { taken: true, .. })
    }

    /// What the published file is to survive, if one is published.
    pub(crate) fn durability(self) -> Option<Durability> {
        match self {
            Self::WriteFile { .. } => Some(Durability::Contents),
            Self::Publish { durability, .. } => Some(durability),
            _ => None,
        }
    }

    /// The state of the target before.
    pub(crate) fn target_before(self) -> State {
        if self.target_is_taken() {
            State::Old
        } else {
            State::Absent
        }
    }

    /// Whether it opens the file itself.
    pub(crate) fn opens(self) -> bool {
        matches!(self, Self::Open | Self::Scratch | Self::WriteFile { .. })
    }

    /// Whether it takes a name that is taken.
    pub(crate) fn replaces(self) -> bool {
        match self {
            Self::Publish { replace, .. } => replace,
            _ => matches!(self, Self::WriteFile { .. }),
        }
    }

    /// Whether the file is opened in another directory than that of the target.
    pub(crate) fn is_from_elsewhere(self) -> bool {
        matches!(
            self,
            Self::Publish {
                elsewhere: true,
                ..
            }
        )
    }

    fn batch(self) -> Option<SyncMethod> {
        match self {
            Self::Publish { batch, .. } => batch,
            _ => None,
        }
    }

    pub(crate) fn writes_batch_out(self) -> bool {
        self.batch() == Some(SyncMethod::WriteOut)
    }

    /// Whether syncfs(2) is to sync the contents.
    pub(crate) fn syncs_file_system(self) -> bool {
        self.batch() == Some(SyncMethod::FileSystem)
    }

    pub(crate) fn never_replaces(self) -> bool {
        matches!(self, Self::Publish { replace: false, .. })
    }

    /// Whether it cannot but fail.
    pub(crate) fn is_refused(self) -> bool {
        self.never_replaces() && self.target_is_taken()
    }

    /// Makes what has to be there before: the directory's contents, and the file.
    pub(crate) fn prepare(self, dir: &Path) -> io::Result<Option<LinkableFile>> {
        if self.target_is_taken() {
            fs::write(dir.join(TARGET), OLD)?;
        }
        if let Self::WriteFile { rich: true, .. } = self {
            let set =
                |name, value: &_| setxattr(dir.join(TARGET), name, value, XattrFlags::empty());
            set("user.origin", b"here")?;
            set("system.posix_acl_access", &access_control_list())?;
        }
        match self {
            Self::Open | Self::Scratch | Self::WriteFile { .. } => Ok(None),
            Self::Write => Ok(Some(options().anonymous_in(dir)?)),
            Self::Drop | Self::Publish { .. } => {
                let left = dir.join(LEFT);
                let mut file = if self.is_from_elsewhere() {
                    fs::create_dir(&left)?;
                    options().anonymous_in(left)?
                } else {
                    options().anonymous_in(dir)?
                };
                file.write_all(&new_contents())?;
                Ok(Some(file))
            }
        }
    }

    /// Does it, to the file that was prepared.
    pub(crate) fn perform(self, dir: &Path, file: Option<LinkableFile>) -> Outcome {
        let target = dir.join(TARGET);
        match (self, file) {
            (Self::Open, None) => match options().anonymous_in(dir) {
                Ok(file) => Outcome::left(file),
                Err(error) => Outcome::failed(error),
            },
            (Self::Scratch, None) => match options().scratch_in(dir) {
                Ok(_) => Outcome::default(),
                Err(error) => Outcome::failed(error),
            },
            (Self::WriteFile { .. }, None) => match linkable::write(target, new_contents()) {
                Ok(()) => Outcome::published(),
                Err(error) => Outcome::failed(error),
            },
            (Self::Write, Some(mut file)) => {
                let written = file.write_all(&new_contents());
                Outcome {
                    error: written.err(),
                    ..Outcome::left(file)
                }
            }
            (Self::Publish { .. }, Some(file)) => self.publish(file, &target),
            (_, file) => {
                drop(file);
                Outcome::default()
            }
        }
    }

    /// Publishes `file` as the operation does, or tries to.
    pub(crate) fn publish(self, file: LinkableFile, target: &Path) -> Outcome {
        let mut how = PublishOptions::new();
        how.replace(self.replaces());
        if let Self::Publish { durability, .. } = self {
            how.durability(durability);
        }
        let published = match self.batch() {
            Some(method) => self.publish_in_batch(how.sync_method(method), file, target),
            None => how.publish(file, target).map(drop),
        };
        match published {
            Ok(()) => Outcome::published(),
            Err(error) => Outcome::refused(error),
        }
    }

    fn publish_in_batch(
        self,
        how: &PublishOptions,
        file: LinkableFile,
        target: &Path,
    ) -> Result<(), PublishError> {
        let mut batch = PublishBatch::with_options(how);
        if self.replaces() {
            batch.add_replacing(file, target);
        } else {
            batch.add(file, target);
        }
        batch.commit().into_result().map(drop)
    }
}

/// rw- for the owner, r-- for user 1234 and for the group, nothing for others: the mode is [`MODE`].
fn access_control_list() -> Vec<u8> {
    const EVERYBODY: u32 = !0;
    let entries: [(u16, u16, u32); 5] = [
        (1, 6, EVERYBODY),
        (2, 4, 1234),
        (4, 4, EVERYBODY),
        (16, 4, EVERYBODY),
        (32, 0, EVERYBODY),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).mode(MODE);
    options
}

impl Outcome {
    fn left(file: LinkableFile) -> Self {
        Self {
            handle: Some(file),
            ..Self::default()
        }
    }

    fn failed(error: io::Error) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }

    fn published() -> Self {
        Self {
            published: true,
            ..Self::default()
        }
    }

    fn refused(error: PublishError) -> Self {
        let kind = Some(error.kind());
        let (handle, published, source) = match error {
            PublishError::NotPublished { file, source, .. } => (Some(file), false, source),
            PublishError::NotDurable { source, .. } => (None, true, source),
            other => panic!("a new kind of error: {other}"),
        };
        Self {
            handle,
            published,
            error: Some(source),
            kind,
        }
    }

    /// The errno of the error, if it has one.
    pub(crate) fn errno(&self) -> Option<i32> {
        testbed::errno(self.error.as_ref()?)
    }
}
