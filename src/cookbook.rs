//! Recipes for common tasks (documentation only).
//!
//! Copy a recipe and change the names. The errors of this crate name the path and say what can be
//! done, so `?` is enough in most programs. If you still need the file after an error, take it out
//! of the [`PublishError`].
//!
//! # Change a configuration file
//!
//! [`write()`](crate::write()) follows a symlink, and keeps the mode, the owner and the attributes.
//! So a configuration in a repository of dotfiles stays there, and stays as private as it was. To
//! keep the comments of the user, change only the lines that you mean; `toml_edit` and similar
//! crates do that for their formats.
//!
//! ```
//! use std::{fs, io, path::Path};
//!
//! /// Sets one key of a file of `key = value` lines, and keeps all other lines.
//! fn set(path: &Path, key: &str, value: &str) -> io::Result<()> {
//!     let old = match fs::read_to_string(path) {
//!         Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
//!         old => old?,
//!     };
//!     let new = format!("{key} = {value}");
//!     let is_key = |line: &&str| line.split('=').next().map(str::trim) == Some(key);
//!     let mut lines: Vec<&str> = old.lines().collect();
//!     match lines.iter().position(is_key) {
//!         Some(number) => lines[number] = &new,
//!         None => lines.push(&new),
//!     }
//!     linkable::write(path, lines.join("\n") + "\n")
//! }
//! # let dir = tempfile::tempdir()?;
//! # let (path, real) = (dir.path().join("config"), dir.path().join("dotfile"));
//! # std::os::unix::fs::symlink("dotfile", &path)?;
//! # set(&path, "colour", "red")?;
//! # assert_eq!(fs::read_to_string(&real)?, "colour = red\n");
//! # fs::write(&real, "# Mine.\ncolour = red\n\n# In points.\nsize = 9\n")?;
//! # set(&path, "colour", "blue")?;
//! # set(&path, "sound", "off")?;
//! # let expected = "# Mine.\ncolour = blue\n\n# In points.\nsize = 9\nsound = off\n";
//! # assert_eq!(fs::read_to_string(&real)?, expected);
//! # assert!(path.is_symlink());
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Save a secret
//!
//! Open the file with mode 0600, so that only its owner can read it from the first moment on. A
//! chmod(2) after the write comes too late for a file that has a temporary name: whoever opened it
//! before can read on. The new file does not take over the mode of the old one, which may be wrong.
//!
//! ```
//! use std::fs::OpenOptions;
//! use std::io::{self, Write};
//! use std::os::unix::fs::OpenOptionsExt;
//! use std::path::Path;
//! use linkable::{Durability, OpenOptionsAnonymousExt, PublishOptions};
//!
//! fn save_key(path: &Path, key: &[u8]) -> io::Result<()> {
//!     let mut file = OpenOptions::new().mode(0o600).anonymous_beside(path)?;
//!     file.write_all(key)?;
//!     PublishOptions::new()
//!         .replace(true)
//!         .durability(Durability::Full) // a lost key cannot be made again
//!         .publish(file, path)?;
//!     Ok(())
//! }
//! # use std::os::unix::fs::PermissionsExt;
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("key");
//! # std::fs::write(&path, "old, and everybody can read it")?;
//! # save_key(&path, b"secret")?;
//! # assert_eq!(std::fs::read(&path)?, b"secret");
//! # assert_eq!(path.metadata()?.permissions().mode() & 0o777, 0o600);
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Keep a cache
//!
//! A cache can be made again, so do not wait for the disk:
//! [`unsynced`](crate::PublishOptions::unsynced) takes no sync at all. A killed process still
//! leaves no half file, but a power cut can. So put a checksum before the contents, and treat a
//! wrong one like a missing file.
//!
//! ```
//! use std::{fs, io, path::Path};
//! use linkable::PublishOptions;
//! use sha2::{Digest, Sha256};
//!
//! fn cached(path: &Path, make: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
//!     let found = fs::read(path).unwrap_or_default();
//!     if let (Some(digest), Some(contents)) = (found.get(..32), found.get(32..)) {
//!         if digest == &Sha256::digest(contents)[..] {
//!             return Ok(contents.to_vec());
//!         }
//!     }
//!     let contents = make();
//!     let sealed = [&Sha256::digest(&contents)[..], &contents].concat();
//!     PublishOptions::unsynced().replace(true).write(path, sealed)?;
//!     Ok(contents)
//! }
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("thumbnail");
//! # assert_eq!(cached(&path, || b"made".to_vec())?, b"made");
//! # assert_eq!(cached(&path, || unreachable!())?, b"made");
//! # fs::write(&path, [0; 40])?;
//! # assert_eq!(cached(&path, || b"again".to_vec())?, b"again");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Download a file
//!
//! Reserve the space first, so that a full disk is an error before the download and not near its
//! end. Then write, read the file back to verify it, and publish it. If anything fails, the file is
//! dropped, and nobody has seen it. Here `body` is what the server sends.
//!
//! ```
//! use std::fs::OpenOptions;
//! use std::io::{copy, Error, ErrorKind, Read, Seek};
//! use linkable::OpenOptionsAnonymousExt;
//! use sha2::{Digest, Sha256};
//! # use std::{io::Result, path::Path};
//! # fn download(mut body: impl Read, size: u64, digest: &str, path: &Path) -> Result<()> {
//! let mut file = OpenOptions::new().read(true).anonymous_beside(path)?;
//! match file.allocate(size) {
//!     Err(error) if error.kind() == ErrorKind::Unsupported => {} // go on without
//!     reserved => reserved?,
//! }
//! while copy(&mut body.by_ref().take(1 << 20), &mut file)? > 0 {
//!     eprint!("\r{} of {size} bytes", file.stream_position()?);
//! }
//! file.rewind()?;
//! let mut hash = Sha256::new();
//! copy(&mut file, &mut hash)?;
//! if format!("{:x}", hash.finalize()) != digest {
//!     return Err(Error::new(ErrorKind::InvalidData, "the checksum is wrong"));
//! }
//! file.replace(path)?;
//! # Ok(())
//! # }
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("file");
//! # let digest = format!("{:x}", Sha256::digest(b"contents"));
//! # assert!(download(&b"content"[..], 8, &digest, &path).is_err());
//! # assert_eq!(dir.path().read_dir()?.count(), 0);
//! # download(&b"contents"[..], 8, &digest, &path)?;
//! # assert_eq!(std::fs::read(&path)?, b"contents");
//! # Ok::<(), Error>(())
//! ```
//!
//! # Store files under their hashes
//!
//! Hash what you write, then publish it at its hash. [`publish`](crate::LinkableFile::publish)
//! never replaces, so of two processes with the same contents one gets
//! [`AlreadyExists`](crate::PublishErrorKind::AlreadyExists). That is a success: the contents are
//! there, and were complete when they appeared. The example `content_store` is a whole program.
//!
//! ```
//! use std::fs::OpenOptions;
//! use std::io::{self, Write};
//! use std::path::Path;
//! use linkable::{OpenOptionsAnonymousExt, PublishErrorKind};
//! use sha2::{Digest, Sha256};
//!
//! fn store(dir: &Path, contents: &[u8]) -> io::Result<String> {
//!     let digest = format!("{:x}", Sha256::digest(contents));
//!     let mut object = OpenOptions::new().anonymous_in(dir)?;
//!     object.write_all(contents)?;
//!     match object.publish(dir.join(&digest)) {
//!         Err(error) if error.kind() == PublishErrorKind::AlreadyExists => {}
//!         published => drop(published?),
//!     }
//!     Ok(digest)
//! }
//! # let dir = tempfile::tempdir()?;
//! # assert_eq!(store(dir.path(), b"same")?, store(dir.path(), b"same")?);
//! # assert_eq!(dir.path().read_dir()?.count(), 1);
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Hand a file over to a watcher
//!
//! A mail server or a print spooler watches a directory with inotify(7), and many of them wait for
//! `IN_MOVED_TO`. [`by_rename`](crate::PublishOptions::by_rename) makes the kernel report that. The
//! watcher may take the file away at once, so do not look for it after it is published. It must
//! skip names that begin with a dot, because the file has a temporary name for a moment.
//!
//! ```
//! use std::io::{self, Write};
//! use std::path::Path;
//! use linkable::{Durability, PublishOptions};
//!
//! fn hand_over(inbox: &Path, id: &str, lines: &[&str]) -> io::Result<()> {
//!     PublishOptions::new()
//!         .by_rename(true)
//!         .durability(Durability::Full) // once this returns, the job is accepted
//!         .write_with(inbox.join(id), |job| {
//!             lines.iter().try_for_each(|line| writeln!(job, "{line}"))
//!         })
//! }
//! # let dir = tempfile::tempdir()?;
//! # hand_over(dir.path(), "1", &["print", "this"])?;
//! # assert_eq!(std::fs::read_to_string(dir.path().join("1"))?, "print\nthis\n");
//! # assert!(hand_over(dir.path(), "1", &[]).is_err());
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Install a program
//!
//! The kernel does not execute a file that anybody has open for writing (`ETXTBSY`).
//! [`into_read_only`](crate::LinkableFile::into_read_only) closes the descriptor, and waits for its
//! copies in children that other threads are just starting. So the program can be run as soon as it
//! is there. Processes that run the old program go on with the old file.
//!
//! ```
//! use std::fs::OpenOptions;
//! use std::io::{self, Write};
//! use std::os::unix::fs::OpenOptionsExt;
//! use std::path::Path;
//! use std::process::Command;
//! use linkable::OpenOptionsAnonymousExt;
//!
//! fn install(path: &Path, program: &[u8]) -> io::Result<()> {
//!     let mut file = OpenOptions::new().mode(0o755).anonymous_beside(path)?;
//!     file.write_all(program)?;
//!     let file = file.into_read_only().map_err(|(_file, error)| error)?;
//!     file.replace(path)?;
//!     Ok(())
//! }
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("hello");
//! install(&path, b"#!/bin/sh\necho hello\n")?;
//! assert_eq!(Command::new(&path).output()?.stdout, b"hello\n");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Save many files at once
//!
//! Each flush of the disk takes milliseconds. A [`PublishBatch`](crate::PublishBatch) shares a few
//! flushes among all files. It goes on after an error, so look at the report: each failure has the
//! number of its file, and gives the file back.
//!
//! ```
//! use std::fs::OpenOptions;
//! use std::io::{self, Write};
//! use std::path::Path;
//! use linkable::{OpenOptionsAnonymousExt, PublishBatch};
//!
//! fn save_pages(dir: &Path, pages: &[(&str, &str)]) -> io::Result<usize> {
//!     let mut batch = PublishBatch::new();
//!     for (name, text) in pages {
//!         let mut file = OpenOptions::new().anonymous_in(dir)?;
//!         file.write_all(text.as_bytes())?;
//!         batch.add_replacing(file, dir.join(name));
//!     }
//!     let report = batch.commit();
//!     for (number, error) in report.failures() {
//!         eprintln!("page {number}: {error}: {}", error.io_error());
//!     }
//!     Ok(report.into_result()?) // the first error, if there is one
//! }
//! # let dir = tempfile::tempdir()?;
//! # assert_eq!(save_pages(dir.path(), &[("one", "1"), ("two", "2")])?, 2);
//! # assert!(save_pages(dir.path(), &[("one", "1"), ("missing/two", "2")]).is_err());
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Save the state of a service
//!
//! Every second, save without a sync: that survives a crash of the service, and does not wake the
//! disk. At shutdown, save with [`Durability::Full`](crate::Durability::Full). A power cut in
//! between can leave an unsynced file empty, even though an older one was synced. If that must not
//! happen, save with [`Durability::Contents`](crate::Durability::Contents) each time.
//!
//! ```
//! use std::io;
//! use std::path::Path;
//! use linkable::{Durability, PublishOptions};
//!
//! fn save_state(path: &Path, state: &str, is_shutdown: bool) -> io::Result<()> {
//!     let mut options = PublishOptions::unsynced();
//!     if is_shutdown {
//!         options.durability(Durability::Full);
//!     }
//!     options.replace(true).write(path, state)
//! }
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("state");
//! # save_state(&path, "running", false)?;
//! # save_state(&path, "stopped", true)?;
//! # assert_eq!(std::fs::read_to_string(&path)?, "stopped");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Save in a directory that is held open
//!
//! If somebody else may rename the directory or mount something over it, open it once. Then no path
//! of it is looked up again: the file is created and published in that very directory. A `Dir` of
//! cap-std and a descriptor of rustix do as well as a [`File`](std::fs::File).
//!
//! ```
//! use std::fs::File;
//! use std::io::{self, Write};
//! use linkable::{LinkableFile, PublishOptions};
//!
//! fn save_in(dir: &File, name: &str, contents: &[u8]) -> io::Result<()> {
//!     let mut file = LinkableFile::new_at(dir)?;
//!     file.write_all(contents)?;
//!     PublishOptions::new().replace(true).publish_at(file, dir, name)?;
//!     Ok(())
//! }
//! # let temp = tempfile::tempdir()?;
//! # let [here, there] = ["here", "there"].map(|name| temp.path().join(name));
//! # std::fs::create_dir(&here)?;
//! # let dir = File::open(&here)?;
//! # std::fs::rename(&here, &there)?;
//! # save_in(&dir, "file", b"contents")?;
//! # assert_eq!(std::fs::read(there.join("file"))?, b"contents");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Clean up at the start
//!
//! A killed process can leave a [temporary name](crate::platforms#temporary-names) behind.
//! [`remove_stale`](crate::remove_stale) removes those that nobody holds. It cannot see the
//! processes of other users, other containers or other machines. For their files the age alone
//! decides, so choose one that no save ever takes.
//!
//! ```
//! use std::io;
//! use std::path::Path;
//! use std::time::Duration;
//! use linkable::is_temporary_name;
//!
//! fn start(dir: &Path) -> io::Result<usize> {
//!     for path in linkable::remove_stale(dir, Duration::from_secs(24 * 60 * 60))? {
//!         eprintln!("removed {}, which a killed process has left", path.display());
//!     }
//!     // Skip those that are in use.
//!     let names = dir.read_dir()?.map(|entry| Ok(entry?.file_name()));
//!     let names: Vec<_> = names.collect::<io::Result<_>>()?;
//!     Ok(names.iter().filter(|name| !is_temporary_name(name)).count())
//! }
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join(".linkable-0123456789abcdef.tmp"), "in use")?;
//! # std::fs::write(dir.path().join("job"), "")?;
//! # assert_eq!(start(dir.path())?, 1);
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Change a file from two programs
//!
//! Each save is one step, but load, change and save together are not: of two programs that do this
//! at the same time, the later one undoes the change of the other. To compare the file with what
//! you loaded, just before you replace it, makes that rare. It does not prevent it, because the
//! other program can save between the two. Only a lock that both take prevents it.
//!
//! Lock a second file that is never replaced. A lock on the file itself would stay on the old file.
//! [`File::lock`](std::fs::File::lock) needs Rust 1.89; before, use flock(2) of rustix.
//!
//! ```
//! use std::fs::{self, File};
//! use std::{io, path::Path};
//!
//! fn count(path: &Path) -> io::Result<u64> {
//!     let lock = File::create(path.with_extension("lock"))?;
//!     lock.lock()?; // until `lock` is dropped
//!     let old = match fs::read_to_string(path) {
//!         Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
//!         text => text?.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?,
//!     };
//!     linkable::write(path, format!("{}\n", old + 1))?;
//!     Ok(old + 1)
//! }
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("runs");
//! # std::thread::scope(|scope| {
//! #     for _ in 0..8 {
//! #         scope.spawn(|| count(&path).unwrap());
//! #     }
//! # });
//! # assert_eq!(count(&path)?, 9);
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Publish elsewhere if that fails
//!
//! [`PublishError::into_file`] gives the file back, so nothing has to be written twice. It returns
//! `None` if the file is already published, and only its durability is in doubt. Then do not
//! publish it again.
//!
//! ```
//! use std::io;
//! use std::path::Path;
//! use linkable::LinkableFile;
//!
//! fn publish_or_rescue(file: LinkableFile, path: &Path, rescue: &Path) -> io::Result<()> {
//!     if let Err(error) = file.replace(path) {
//!         eprintln!("{error}: {}", error.io_error());
//!         if let Some(file) = error.into_file() {
//!             file.publish(rescue)?;
//!         }
//!     }
//!     Ok(())
//! }
//! # use linkable::OpenOptionsAnonymousExt;
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! # let file = std::fs::OpenOptions::new().anonymous_in(dir)?;
//! # publish_or_rescue(file, &dir.join("missing/report"), &dir.join("report"))?;
//! # assert!(dir.join("report").exists());
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Save in an async program
//!
//! Write and sync on the threads for blocking work, and let the future own the file. If the future
//! is dropped, the file is dropped, too, and leaves nothing. The example `async` in the repository
//! does this with tokio, and is tested with a cancellation at every await.
//!
//! [`PublishError`]: crate::PublishError
//! [`PublishError::into_file`]: crate::PublishError::into_file
