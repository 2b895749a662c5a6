//! Copies the directory tree SRC to DST, which may be there already: no file is ever half there,
//! and when it is done, all of it is on the disk.
//!
//!     cargo run --release --example install_tree -- SRC DST
//!
//! System calls, for each file: open(2) of it, and of its new directory with `O_TMPFILE`;
//! copy_file_range(2). For each chunk of files: syncfs(2); linkat(2) for each, linkat(2) beside it
//! and rename(2) where it exists; fsync(2) of each directory.
use linkable::{Durability, OpenOptionsAnonymousExt, PublishBatch, PublishOptions};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Error, ErrorKind, IsTerminal, Write};
#[cfg(unix)]
use std::os::unix::fs::{symlink, OpenOptionsExt, PermissionsExt};
#[cfg(windows)]
use std::os::windows::fs::symlink_file as symlink;
use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let outcome = match &args[..] {
        [source, target] => install_tree(source.as_ref(), target.as_ref()),
        _ => Err(Error::new(
            ErrorKind::InvalidInput,
            "usage: install_tree SRC DST",
        )),
    };
    if let Err(error) = &outcome {
        let _ = writeln!(io::stderr(), "install_tree: {error}");
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

fn install_tree(source: &Path, target: &Path) -> io::Result<()> {
    let parent = Path::new(".").join(target.parent().unwrap_or(target));
    if parent.canonicalize()?.starts_with(source.canonicalize()?) {
        return Err(Error::new(ErrorKind::InvalidInput, "DST is in SRC"));
    }
    let mut options = PublishOptions::new();
    let mut batch = PublishBatch::with_options(options.durability(Durability::Full));
    batch.stop_at_first_error(true);
    if io::stderr().is_terminal() {
        batch.on_progress(|p| {
            let mib = p.synced_bytes >> 20;
            let _ = write!(
                io::stderr(),
                "\r{} of {} files, {mib} MiB ",
                p.named,
                p.queued
            );
        });
    }
    let mut dirs = vec![parent];
    queue_tree(source, target, &mut batch, &mut dirs)?;
    let files = batch.commit().into_result()?;
    // The batch has synced the directories that hold files; the names of directories are ours.
    sync(&dirs)?;
    writeln!(
        io::stdout(),
        "{files} files in {} directories",
        dirs.len() - 1
    )
}

/// NTFS writes the name of a directory with the files in it.
fn sync(dirs: &[std::path::PathBuf]) -> io::Result<()> {
    let mut dirs = dirs.iter().filter(|_| cfg!(unix));
    dirs.try_for_each(|dir| File::open(dir)?.sync_all())
}

/// Options for a new file with the mode of another one.
#[cfg(unix)]
fn like(file: &Path) -> io::Result<OpenOptions> {
    let mode = file.metadata()?.permissions().mode();
    let mut options = OpenOptions::new();
    options.mode(mode);
    Ok(options)
}

#[cfg(windows)]
fn like(_: &Path) -> io::Result<OpenOptions> {
    Ok(OpenOptions::new())
}

/// Queues all below `source`, and notes each directory of the target.
fn queue_tree(
    source: &Path,
    target: &Path,
    batch: &mut PublishBatch,
    dirs: &mut Vec<std::path::PathBuf>,
) -> io::Result<()> {
    fs::create_dir(target).or_else(|e| target.is_dir().then_some(()).ok_or(e))?;
    dirs.push(target.to_owned());
    for entry in fs::read_dir(source)? {
        let (from, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let to = target.join(from.file_name().unwrap_or_default());
        if kind.is_dir() {
            queue_tree(&from, &to, batch, dirs)?;
        } else if kind.is_symlink() {
            let _ = fs::remove_file(&to);
            symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_file() {
            let mut file = like(&from)?.anonymous_in(target)?;
            io::copy(&mut File::open(&from)?, file.as_file_mut())?;
            batch.add_replacing(file, to);
        } else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{from:?} is no file"),
            ));
        }
    }
    Ok(())
}
