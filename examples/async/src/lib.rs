//! Saves a stream with tokio. Whenever it is cancelled, the file is the old one or the new one.
//!
//! The future owns the file. So whoever drops the future drops the file, which leaves nothing. Only
//! the last step does not stop: once publishing has begun on another thread, it goes on to its end.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;

use linkable::{OpenOptionsAnonymousExt, PublishOptions};
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::task::spawn_blocking;

/// Publishes all of `contents` at `path` with these options, and returns the length.
///
/// If the future is dropped before it is ready, `path` is as it was or, once all contents are
/// written, the complete new file.
///
/// # Errors
///
/// Those of `contents`, of writing, and of publishing. `path` is then as it was, unless the error
/// says that the file is published, but not durable.
pub async fn save<R>(mut contents: R, path: PathBuf, how: &PublishOptions) -> io::Result<u64>
where
    R: AsyncRead + Unpin,
{
    let dir = path.parent().unwrap_or(&path).to_owned();
    // Opening can block, for example on a network file system. If nobody waits for the answer any
    // more, tokio drops the file.
    let file = spawn_blocking(move || OpenOptions::new().anonymous_in(dir)).await??;

    // Another descriptor of the same file, with the same position.
    let mut writer = tokio::fs::File::from_std(file.as_file().try_clone()?);
    let length = tokio::io::copy(&mut contents, &mut writer).await?;
    // Other threads may still write. This waits for them, and returns their error, if any. `copy`
    // has done so already; other ways to write do not.
    writer.flush().await?;
    drop(writer);

    let how = how.clone();
    // Syncing waits for the disk. A thread cannot be cancelled: the file is published even if
    // nobody waits for that any more.
    spawn_blocking(move || how.publish(file, path)).await??;
    Ok(length)
}
