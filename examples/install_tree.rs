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
use std::path::{Path, PathBuf};
use std::{env, process::ExitCode};

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
    let source_itself = source.canonicalize().map_err(at(source))?;
    let parent_itself = parent.canonicalize().map_err(at(&parent))?;
    if parent_itself.starts_with(source_itself) {
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
fn sync(dirs: &[PathBuf]) -> io::Result<()> {
    let sync = |dir: &PathBuf| File::open(dir).and_then(|dir| dir.sync_all());
    let mut dirs = dirs.iter().filter(|_| cfg!(unix));
    dirs.try_for_each(|dir| sync(dir).map_err(at(dir)))
}

/// Options for a new file with the mode of another one, where files have one.
#[cfg(unix)]
fn like(file: &File) -> io::Result<OpenOptions> {
    let mode = file.metadata()?.permissions().mode();
    let mut options = OpenOptions::new();
    options.mode(mode);
    Ok(options)
}

#[cfg(windows)]
fn like(_: &File) -> io::Result<OpenOptions> {
    Ok(OpenOptions::new())
}

/// Makes an error of std name the path, as those of linkable do.
fn at(path: &Path) -> impl Fn(Error) -> Error + '_ {
    move |error| Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Queues all below `source`, and notes each directory of the target.
fn queue_tree(
    source: &Path,
    target: &Path,
    batch: &mut PublishBatch,
    dirs: &mut Vec<PathBuf>,
) -> io::Result<()> {
    fs::create_dir(target)
        .or_else(|e| target.is_dir().then_some(()).ok_or_else(|| at(target)(e)))?;
    dirs.push(target.to_owned());
    for entry in fs::read_dir(source).map_err(at(source))? {
        let kind_of = |entry: fs::DirEntry| Ok((entry.path(), entry.file_type()?));
        let (from, kind) = entry.and_then(kind_of).map_err(at(source))?;
        let to = target.join(from.file_name().unwrap_or_default());
        if kind.is_dir() {
            queue_tree(&from, &to, batch, dirs)?;
        } else if kind.is_symlink() {
            let _ = fs::remove_file(&to);
            let text = fs::read_link(&from).map_err(at(&from))?;
            symlink(text, &to).map_err(at(&to))?;
        } else if kind.is_file() {
            let mut original = File::open(&from).map_err(at(&from))?;
            let options = like(&original).map_err(at(&from))?;
            let mut file = options.anonymous_in(target)?;
            io::copy(&mut original, file.as_file_mut()).map_err(at(&to))?;
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
