//! Atomic and durable file writes, as an extension of [`std::fs::OpenOptions`].
//!
//! linkable opens an *anonymous* file: a file without a name (`O_TMPFILE`). Nobody sees it while
//! you write it, and a crash leaves nothing behind. Publishing it gives it its path in one step
//! (linkat(2)): after a power cut the file is complete or not there. Where the system does not
//! support that, linkable uses a hidden temporary file: see [`platforms`].
//!
//! ```
//! use std::{fs::OpenOptions, io::Write};
//! use linkable::OpenOptionsAnonymousExt;
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let mut file = OpenOptions::new().anonymous_in(dir)?; // nobody sees it
//! writeln!(file, "colour = 'blue'")?;                   // a crash leaves nothing
//! file.replace(dir.join("config.toml"))?;               // appears complete, in one step
//! # assert_eq!(std::fs::read(dir.join("config.toml"))?, b"colour = 'blue'\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Where to start
//!
//! - The [`cookbook`] has recipes for common tasks.
//! - [`write()`] writes a whole file in one call.
//! - [`anonymous_in`](OpenOptionsAnonymousExt::anonymous_in) opens a [`LinkableFile`] to write to.
//! - [`anonymous_beside`](OpenOptionsAnonymousExt::anonymous_beside) opens one beside a path, and
//!   [`LinkableFile::new_at`] in a directory that is held open.
//! - [`LinkableFile::try_from`] takes over an unnamed file that was opened elsewhere.
//! - [`LinkableFile::publish`] never replaces a file; [`LinkableFile::replace`] does.
//! - [`PublishOptions`] chooses what the file survives ([`Durability`]), what it keeps of the file
//!   that it replaces ([`Preserve`]), what happens to a symlink ([`Symlinks`]), and more.
//! - [`PublishBatch`] publishes thousands of files with a few flushes.
//! - [`PublishError`] gives the file back, and [`PublishErrorKind`] is the cause.
//! - [`scratch_in`](OpenOptionsAnonymousExt::scratch_in) opens a file that never gets a name.
//! - [`remove_stale`] removes what killed processes have left, and [`is_temporary_name`] recognises
//!   it.
//! - [`platforms`] lists what differs between kernels, file systems and operating systems.
#![deny(unsafe_code)]

mod backend;
pub mod cookbook;
mod custom_flags;
mod error;
mod error_kind;
mod io_error;
mod linkable_file;
mod metadata;
#[cfg(unix)]
mod on_unix;
#[cfg(windows)]
mod on_windows;
mod open_options;
pub mod platforms;
mod publish;
mod stale;
mod sys;
mod target;
mod write;

pub use backend::is_temporary_name;
pub use error::PublishError;
pub use error_kind::PublishErrorKind;
pub use linkable_file::LinkableFile;
pub use metadata::Preserve;
pub use open_options::OpenOptionsAnonymousExt;
pub use publish::{
    BatchProgress, BatchReport, Durability, PublishBatch, PublishOptions, SyncMethod,
};
pub use stale::remove_stale;
pub use target::Symlinks;
pub use write::write;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
