//! Publishing many files: sync all contents, name all files, sync all directories.

use std::any::Any;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use super::steps::{self, with_target, Failure, Files, Plan, Seen};
use super::sync::{self, ContentSync, Errors, FileSystems, Look};
use super::PublishOptions;
use crate::error::PublishError;
use crate::error_kind::PublishErrorKind;
use crate::linkable_file::LinkableFile;
use crate::sys::{self, Errno, FileId, OpenDirectory, SyncRules, CURRENT};
use crate::target::{self, Target};
#[cfg(doc)]
use crate::Durability;

/// The usual limit of descriptors, where that of the process is unknown: getrlimit(2).
const USUAL_LIMIT: usize = 1024;

/// How many files are started to be written out at once. One by one, the device would be woken up
/// for each: that took up to 15 % more time (ext4 and xfs of Linux 6.18).
const WRITTEN_OUT_TOGETHER: usize = 64;

/// The most files in a chunk, whatever the limits of the process are.
const MOST_QUEUED: usize = 1 << 14;

/// Publishes thousands of files with a few flushes.
///
/// Queue files with [`add`](Self::add) and [`add_replacing`](Self::add_replacing), then call
/// [`commit`](Self::commit). Depending on the [`Durability`] in the options, it
///
/// 1. syncs the contents of all files,
/// 2. publishes each file at its path, each in one step,
/// 3. and syncs each directory once.
///
/// If a file fails, the others are still published, unless you set
/// [`stop_at_first_error`](Self::stop_at_first_error).
///
/// # Chunks
///
/// Every queued file is open, so the queue has a limit: half of the descriptors that the process
/// may have (`RLIMIT_NOFILE`; [`most_open`](Self::most_open) sets another number), and 16,384
/// files. A full queue is committed as a chunk before the next file is added. This has two
/// consequences:
///
/// - No file appears before the contents of all files *of its chunk* are on the disk.
/// - Dropping a batch publishes nothing more, but does not undo the chunks that are committed.
///
/// A queued file takes less than 300 bytes of memory besides its path, and a published one none. A
/// file that could not be published stays open, and counts towards the limit.
/// [`take_failures`](Self::take_failures) returns it before the commit.
///
/// # Platform-specific behavior
///
/// See [`SyncMethod`](crate::SyncMethod) for how the contents are synced.
///
/// [`Durability::Full`] syncs the directories that hold the files. If you have created directories
/// for them, sync the parents of these yourself.
///
/// # Examples
///
/// ```
/// use std::fs::OpenOptions;
/// use std::io::Write;
/// use linkable::{Durability, OpenOptionsAnonymousExt, PublishBatch, PublishOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let mut options = PublishOptions::new();
/// let mut batch = PublishBatch::with_options(options.durability(Durability::Full));
/// for name in ["one", "two", "three"] {
///     let mut file = OpenOptions::new().anonymous_in(dir)?;
///     writeln!(file, "I am {name}")?;
///     batch.add(file, dir.join(name));
/// }
/// assert!(!dir.join("one").exists());
///
/// let report = batch.commit();
/// assert_eq!(report.published(), 3);
/// assert_eq!(std::fs::read_to_string(dir.join("two"))?, "I am two\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a batch that is not committed publishes nothing"]
pub struct PublishBatch {
    plan: Plan,
    stop_at_first_error: bool,
    callback: Option<Box<dyn FnMut(BatchProgress) + Send>>,
    /// The most descriptors that may be open, and how many the queue and the failed files hold.
    most_open: usize,
    open: usize,
    open_failed: usize,
    queue: Vec<Queued>,
    /// How many of them are being written out.
    started: usize,
    /// What the file system of the last directory guarantees.
    rules: Option<SyncRules>,
    progress: BatchProgress,
    /// The panic of the callback, kept until no file can be lost by it.
    panic: Option<Box<dyn Any + Send>>,
    failures: Vec<(usize, PublishError)>,
    /// How many failures the caller has taken out of `failures`.
    taken: usize,
    /// The first error of each device.
    errors: Errors,
}

struct Queued {
    index: usize,
    file: LinkableFile,
    path: PathBuf,
    /// The path to which symlinks lead, if that is another one.
    followed: Option<PathBuf>,
    seen: Seen,
    plan: Plan,
    /// Whether only a copy of it can be published.
    must_copy: bool,
    /// What was seen of it before it is synced.
    look: Option<Look>,
}

impl Queued {
    /// The path at which the file appears.
    fn final_path(&self) -> &Path {
        self.followed.as_deref().unwrap_or(&self.path)
    }

    /// The file, and what was seen of it; `None` if nothing of it is to be synced.
    fn looked_at(&mut self) -> Option<(&mut LinkableFile, Look)> {
        Some((&mut self.file, self.look?))
    }
}

/// The progress of a [`PublishBatch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchProgress {
    /// The number of files that were queued.
    pub queued: usize,
    /// The number of bytes of contents that were synced or, with
    /// [`SyncMethod::WriteOut`](crate::SyncMethod::WriteOut), written out.
    pub synced_bytes: u64,
    /// The number of files that appeared at their paths.
    pub named: usize,
}

impl PublishBatch {
    /// Creates an empty batch with the [default options](PublishOptions::new).
    pub fn new() -> Self {
        Self::with_options(&PublishOptions::new())
    }

    /// Creates an empty batch with these options.
    ///
    /// [`PublishOptions::replace`] has no effect: choose [`add`](Self::add) or
    /// [`add_replacing`](Self::add_replacing) for each file.
    pub fn with_options(options: &PublishOptions) -> Self {
        Self {
            plan: options.plan,
            stop_at_first_error: false,
            callback: None,
            most_open: half_of_the_descriptors(),
            open: 0,
            open_failed: 0,
            queue: Vec::new(),
            started: 0,
            rules: None,
            progress: BatchProgress::default(),
            panic: None,
            failures: Vec::new(),
            taken: 0,
            errors: Errors::default(),
        }
    }

    /// Publishes nothing more once a file has failed. The default is `false`.
    ///
    /// If the contents of a file cannot be synced, no file of that chunk is published. Files that
    /// are published already stay so. The report returns all others, as
    /// [`Cancelled`](crate::PublishErrorKind::Cancelled). [`failed`](Self::failed) shows whether
    /// the batch has stopped.
    pub fn stop_at_first_error(&mut self, yes: bool) -> &mut Self {
        self.stop_at_first_error = yes;
        self
    }

    /// Sets how many descriptors the queue may hold open. The default is half of `RLIMIT_NOFILE`.
    ///
    /// An anonymous file takes one descriptor and a file with a temporary name takes two. With
    /// [`Durability::Full`] each directory also takes one. Where a file needs a name before it is
    /// synced (see [`Durability`]), it takes two during the commit. Larger chunks need fewer
    /// flushes.
    pub fn most_open(&mut self, descriptors: usize) -> &mut Self {
        self.most_open = descriptors;
        self
    }

    /// Calls `callback` each time the contents of a file are synced, and each time a file appears
    /// at its path.
    ///
    /// If it panics, the chunk is still finished before the panic goes on, and the callback is not
    /// called again.
    pub fn on_progress<F>(&mut self, callback: F) -> &mut Self
    where
        F: FnMut(BatchProgress) + Send + 'static,
    {
        self.callback = Some(Box::new(callback));
        self
    }

    /// Queues `file` to be published at `path`; the file fails if something exists there.
    ///
    /// See [`LinkableFile::publish`]. If the queue is full, it is committed first, see
    /// [Chunks](#chunks). A relative path is relative to the current directory at the commit.
    pub fn add<P: AsRef<Path>>(&mut self, file: LinkableFile, path: P) -> &mut Self {
        self.queue(file, path.as_ref().to_owned(), false);
        self
    }

    /// Queues `file` to be published at `path`, and replaces a file that exists there.
    ///
    /// See [`LinkableFile::replace`]. If the queue is full, it is committed first, see
    /// [Chunks](#chunks). A relative path is relative to the current directory at the commit.
    pub fn add_replacing<P: AsRef<Path>>(&mut self, file: LinkableFile, path: P) -> &mut Self {
        self.queue(file, path.as_ref().to_owned(), true);
        self
    }

    /// Returns the number of files that are queued and not committed yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Returns `true` if no file is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns the number of files that have failed so far, in the committed chunks.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.taken + self.failures.len()
    }

    /// Takes the failures so far out of the batch, each with the index of the file in the order of
    /// queueing, from 0.
    ///
    /// A file that could not be published stays open as long as the batch keeps its failure. With
    /// many failures, a long batch takes smaller chunks, and can run out of descriptors.
    #[must_use = "files that could not be published are in here"]
    pub fn take_failures(&mut self) -> Vec<(usize, PublishError)> {
        self.taken += self.failures.len();
        self.open_failed = 0;
        mem::take(&mut self.failures)
    }

    /// Publishes the queued files, and reports on all files of the batch.
    ///
    /// This does not stop at a file that fails; the [`BatchReport`] returns it. So check the
    /// report, or call [`into_result`](BatchReport::into_result) on it.
    #[doc(alias = "syncfs")]
    pub fn commit(mut self) -> BatchReport {
        self.commit_chunk();
        self.resume_panic();
        let mut failures = mem::take(&mut self.failures);
        failures.sort_by_key(|(index, _)| *index);
        BatchReport {
            published: self.progress.named,
            failures,
        }
    }

    fn queue(&mut self, file: LinkableFile, path: PathBuf, replace: bool) {
        let mut needed = self.descriptors_of(&file, &path);
        let open = self.open + self.open_failed + needed;
        if open > self.most_open || self.queue.len() >= MOST_QUEUED {
            self.commit_chunk();
            needed = self.descriptors_of(&file, &path);
        }
        self.open += needed;
        let index = self.progress.queued;
        self.progress.queued += 1;
        self.queue.push(Queued {
            index,
            file,
            path,
            followed: None,
            seen: Seen::NotYet,
            plan: Plan {
                replace,
                ..self.plan
            },
            must_copy: false,
            look: None,
        });
        if self.queue.len() % WRITTEN_OUT_TOGETHER == 0 {
            self.start_write_out();
        }
        self.resume_panic();
    }

    /// Starts to write out the files for which that was not done yet. By the time of the commit,
    /// most of it is on the device.
    fn start_write_out(&mut self) {
        let method = self.plan.sync_method;
        let is_written_out = |rules| method.contents(rules, 1) == ContentSync::WriteOut;
        if self.rules.map_or(false, is_written_out) {
            for queued in &self.queue[self.started..] {
                sys::start_write_out(queued.file.inner());
            }
        }
        self.started = self.queue.len();
    }

    fn descriptors_of(&mut self, file: &LinkableFile, path: &Path) -> usize {
        // Files are mostly queued directory by directory.
        let last = self.queue.last().and_then(|last| last.path.parent());
        let is_new = last != path.parent();
        if is_new {
            self.rules = self.plan.rules(file);
        }
        let forgets_unnamed = |rules: SyncRules| rules.forgets_unnamed != Some(false);
        let has_two = !file.is_anonymous() || self.rules.map_or(false, forgets_unnamed);
        1 + usize::from(has_two) + usize::from(is_new && self.plan.opens_directories())
    }

    fn is_stopped(&self) -> bool {
        self.stop_at_first_error && self.failed() > 0
    }

    /// A panic waits until the chunk is finished and the next file is queued, so that none is lost.
    fn tell_progress(&mut self) {
        if let Some(callback) = &mut self.callback {
            let progress = self.progress;
            let called = panic::catch_unwind(AssertUnwindSafe(|| callback(progress)));
            if let Err(panic) = called {
                self.panic = Some(panic);
                self.callback = None;
            }
        }
    }

    fn commit_chunk(&mut self) {
        self.start_write_out();
        (self.open, self.started) = (0, 0);
        let plan = self.plan;
        let mut chunk = Chunk {
            queue: mem::take(&mut self.queue),
            batch: self,
            directories: Directories::default(),
            synced: FileSystems::default(),
        };
        match steps::publish(plan, &mut chunk) {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    fn resume_panic(&mut self) {
        if let Some(panic) = self.panic.take() {
            panic::resume_unwind(panic);
        }
    }

    fn fail(&mut self, queued: Queued, failure: Failure) {
        self.open_failed += 1 + usize::from(!queued.file.is_anonymous());
        let error = failure.into_error(queued.file, queued.path);
        self.failures.push((queued.index, error));
    }
}

/// The files of a batch that are published together.
struct Chunk<'a> {
    batch: &'a mut PublishBatch,
    queue: Vec<Queued>,
    directories: Directories,
    synced: FileSystems,
}

impl Chunk<'_> {
    /// Takes a step with each file. A file that fails leaves the queue.
    fn each(&mut self, mut step: impl FnMut(&mut Self, &mut Queued) -> Result<(), Failure>) {
        let queue = mem::take(&mut self.queue);
        let mut rest = Vec::with_capacity(queue.len());
        for mut queued in queue {
            let outcome = if self.batch.is_stopped() {
                Err(Failure::cancelled())
            } else {
                step(self, &mut queued)
            };
            match outcome {
                Ok(()) => rest.push(queued),
                Err(failure) => self.batch.fail(queued, failure),
            }
        }
        self.queue = rest;
    }
}

impl Files for Chunk<'_> {
    type Failure = Infallible;

    fn check(&mut self) -> Result<(), Infallible> {
        self.each(|_, queued| {
            let (plan, file) = (queued.plan, &queued.file);
            let seen = &mut queued.seen;
            queued.followed =
                with_target(CURRENT, &queued.path, |target| plan.follow(target, seen))?;
            queued.must_copy = with_target(CURRENT, queued.final_path(), |target| {
                plan.check(file, target)?;
                Ok(plan.must_copy(file, target))
            })?;
            Ok(())
        });
        Ok(())
    }

    fn open_directories(&mut self) -> Result<(), Infallible> {
        self.each(|chunk, queued| {
            with_target(CURRENT, queued.final_path(), |target| {
                chunk.directories.open(queued.plan, &queued.file, target)
            })
        });
        Ok(())
    }

    fn preserve(&mut self) -> Result<(), Infallible> {
        if self.batch.plan.preserve.is_empty() {
            return Ok(());
        }
        self.each(|_, queued| {
            if queued.must_copy {
                // The copy takes it over.
                return Ok(());
            }
            let (plan, file, mut seen) = (queued.plan, &queued.file, queued.seen);
            let kept = with_target(CURRENT, queued.final_path(), |target| {
                plan.preserve(file, target, &mut seen)
            });
            queued.seen = seen;
            kept
        });
        Ok(())
    }

    fn name_before_sync(&mut self) -> Result<(), Infallible> {
        self.each(|chunk, queued| {
            if queued.must_copy {
                return Ok(());
            }
            let look = Look::at(&queued.file);
            let rules = look.rules;
            queued.look = Some(look);
            let (plan, path) = (
                queued.plan,
                queued.followed.as_ref().unwrap_or(&queued.path),
            );
            let file = &mut queued.file;
            let named = with_target(CURRENT, path, |target| {
                plan.name_before_sync(Some(rules), file, &chunk.directories.within(target))
            });
            match named {
                // The step `name` will fail in the same way, and publish a copy.
                Err(failure) if plan.copy_helps(file, &failure) => Ok(()),
                named => named,
            }
        });
        Ok(())
    }

    fn sync_contents(&mut self) -> Result<(), Infallible> {
        if self.batch.is_stopped() {
            return Ok(());
        }
        let mut files: Vec<_> = self
            .queue
            .iter_mut()
            .filter_map(Queued::looked_at)
            .collect();
        let method = self.batch.plan.sync_method;
        let contents = self.synced.sync_contents(&mut files, method);
        let mut contents = contents.into_iter();
        self.each(|chunk, queued| {
            if queued.look.is_none() {
                return Ok(());
            }
            let contents = contents.next().unwrap_or_default();
            let errors = &mut chunk.batch.errors;
            let on_error = |file: &File, errno| errors.note(file, errno);
            steps::sync_contents(&mut queued.file, contents.sync, on_error)?;
            let bytes = &mut chunk.batch.progress.synced_bytes;
            *bytes = bytes.saturating_add(contents.bytes);
            chunk.batch.tell_progress();
            Ok(())
        });
        Ok(())
    }

    fn name(&mut self) -> Result<(), Infallible> {
        self.each(|chunk, queued| {
            let (plan, path) = (
                queued.plan,
                queued.followed.as_ref().unwrap_or(&queued.path),
            );
            let (must_copy, file, seen) = (queued.must_copy, &mut queued.file, &mut queued.seen);
            let outcome = with_target(CURRENT, path, |target| {
                let named = if must_copy {
                    Err(Failure::crosses_devices(plan, file, target))
                } else {
                    plan.name(file, &chunk.directories.within(target), seen)
                };
                named.or_else(|failure| plan.publish_copy(file, target, failure))
            });
            if !matches!(outcome, Err(Failure::NotPublished(..))) {
                chunk.batch.progress.named += 1;
                chunk.batch.tell_progress();
            }
            outcome
        });
        Ok(())
    }

    /// Syncs each directory once. If one fails, no file on its file system is durable: ext4 reports
    /// a failed commit of its journal only to the first fsync(2), and the next one returns 0 (found
    /// on 6.18).
    fn sync_names(&mut self) -> Result<(), Infallible> {
        let Self {
            batch,
            queue,
            directories,
            synced,
        } = self;
        let outcomes = directories.sync(synced, &mut batch.errors);
        let mut named = Vec::with_capacity(queue.len());
        // All these files have their paths by now, so none of them is cancelled.
        for queued in mem::take(queue) {
            let by_directory = outcomes.get(target::parent(queued.final_path())).copied();
            // Without permission to read the directory, the file is synced again.
            let outcome = by_directory.unwrap_or_else(|| {
                let file = queued.file.inner();
                batch.errors.noting(file, synced.sync_name(file, None))
            });
            named.push((queued, outcome));
        }
        for (queued, outcome) in named {
            let error = batch.errors.of(queued.file.inner());
            if let Err(errno) = outcome.and_then(|()| error.map_or(Ok(()), Err)) {
                batch.fail(queued, Failure::NotDurable(errno.into()));
            }
        }
        Ok(())
    }
}

impl Default for PublishBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PublishBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishBatch")
            .field("len", &self.len())
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}

/// Half of the descriptors that the process may have. The rest is for its other work.
fn half_of_the_descriptors() -> usize {
    sys::most_descriptors().unwrap_or(USUAL_LIMIT) / 2
}

/// The directories of a chunk, opened before anything is flushed or named.
///
/// Not a `HashMap`, which can panic where a sandbox forbids getrandom(2).
#[derive(Default)]
struct Directories {
    /// By path; `None` without permission to read it.
    opened: BTreeMap<PathBuf, Option<OpenDirectory>>,
    /// The directories of temporary names; `None` if it is one of `opened`, or may not be read. The
    /// key is `None` if it cannot be identified.
    left: Vec<(Option<FileId>, Option<OpenDirectory>)>,
}

impl Directories {
    fn open(
        &mut self,
        plan: Plan,
        file: &LinkableFile,
        target: &Target<'_>,
    ) -> Result<(), Failure> {
        // Most files share their directory with another one. Then no path is allocated.
        if !self.opened.contains_key(target.parent()) {
            let directory = plan.open_directory(file, target)?;
            self.opened.insert(target.parent().to_owned(), directory);
        }
        self.open_left(plan, file, target)
    }

    fn open_left(
        &mut self,
        plan: Plan,
        file: &LinkableFile,
        target: &Target<'_>,
    ) -> Result<(), Failure> {
        if file.is_anonymous() {
            return Ok(());
        }
        let id = file.directory_id();
        let is_known = id.is_some() && self.left.iter().any(|(left, _)| *left == id);
        if !is_known {
            let directory = self.opened.get(target.parent()).and_then(Option::as_ref);
            let left = plan.open_left_directory(file, target, directory)?;
            self.left.push((id, left));
        }
        Ok(())
    }

    fn within<'a>(&'a self, target: &Target<'a>) -> Target<'a> {
        let directory = self.opened.get(target.parent());
        target.within(directory.and_then(Option::as_ref))
    }

    /// Syncs every directory that may be read, and returns the outcome by path.
    fn sync(
        &self,
        synced: &mut FileSystems,
        errors: &mut Errors,
    ) -> BTreeMap<&Path, Result<(), Errno>> {
        for left in self.left.iter().filter_map(|(_, left)| left.as_ref()) {
            let left = sys::as_file(left);
            // `errors` gives an error to all names on that file system.
            let _ = errors.noting(left, synced.sync(left));
        }
        let sync = |(path, directory): (_, &'_ Option<OpenDirectory>)| {
            let directory = sys::as_file(directory.as_ref()?);
            let outcome = synced.sync(directory);
            let outcome = outcome.and_then(|()| sync::check_shutdown(directory));
            let outcome = errors.noting(directory, outcome);
            Some((PathBuf::as_path(path), outcome))
        };
        self.opened.iter().filter_map(sync).collect()
    }
}

/// The outcome of a [`PublishBatch`]: how many files are published, and which failed.
#[derive(Debug)]
#[must_use = "files that could not be published are in here"]
pub struct BatchReport {
    published: usize,
    failures: Vec<(usize, PublishError)>,
}

impl BatchReport {
    /// Returns the number of published files, including those that are
    /// [`NotDurable`](PublishError::NotDurable).
    #[must_use]
    pub fn published(&self) -> usize {
        self.published
    }

    /// Returns the files that failed, each with its index in the order of queueing, from 0.
    ///
    /// All other files are published, with the durability that you chose. A file that is
    /// [`NotDurable`](PublishError::NotDurable) is also published, but a power cut may still undo
    /// it.
    #[must_use]
    pub fn failures(&self) -> &[(usize, PublishError)] {
        &self.failures
    }

    /// Returns the same as [`failures`](Self::failures), to take the files out of the errors.
    #[must_use]
    pub fn into_failures(self) -> Vec<(usize, PublishError)> {
        self.failures
    }

    /// Returns the number of published files if none failed, or else the first failure.
    ///
    /// # Errors
    ///
    /// Returns the error of the failed file that was queued first; cancelled files do not count.
    /// The files of the other errors are dropped.
    pub fn into_result(self) -> Result<usize, PublishError> {
        let mut failures = self.failures;
        if failures.is_empty() {
            return Ok(self.published);
        }
        // Cancelled files may come first, but are not the cause.
        let is_cause =
            |(_, error): &(usize, PublishError)| error.kind() != PublishErrorKind::Cancelled;
        let cause = failures.iter().position(is_cause).unwrap_or(0);
        Err(failures.swap_remove(cause).1)
    }
}
