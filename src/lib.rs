//! Files that get their name last.
#![forbid(unsafe_code)]

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("linkable needs Linux or Android: O_TMPFILE and linkat(2) with AT_EMPTY_PATH");

mod backend;
mod custom_flags;
mod durability;
mod error;
mod file_id;
mod linkable_file;
mod open_options;
mod procfs;
mod publish;
mod target;
mod write;

pub use durability::Durability;
pub use error::{PublishError, PublishErrorKind};
pub use linkable_file::LinkableFile;
pub use open_options::OpenOptionsAnonymousExt;
pub use publish::PublishOptions;
pub use write::write;
