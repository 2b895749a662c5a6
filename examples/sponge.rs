//! Soaks up standard input and puts it in the place of OUT in one step: `sort f | sponge f`.
//!
//!     sponge [--no-clobber] [--durability none|contents|full] [--mode OCTAL] OUT < IN
//!
//! OUT keeps its mode, owner and attributes, as far as the system allows, unless `--mode` sets
//! another mode, which Windows does not have. If OUT is a symlink, the file to which it leads is
//! replaced.
//!
//! System calls: statx(2) of OUT; open(2) of its directory with `O_TMPFILE`; read(2), write(2); if
//! OUT exists, those that give the new file its metadata; fsync(2); linkat(2), and if OUT exists
//! rename(2) over it; with `full`, fsync(2) of the directory.
use std::fs::OpenOptions;
use std::io::{self, prelude::*, BufWriter, IsTerminal};
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::{error::Error, path::Path, process::ExitCode};

use linkable::{
    Durability, LinkableFile, OpenOptionsAnonymousExt, Preserve, PublishOptions, Symlinks,
};

fn main() -> ExitCode {
    let outcome = sponge();
    if let Err(error) = &outcome {
        let _ = writeln!(io::stderr(), "sponge: {error}");
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

fn sponge() -> Result<(), Box<dyn Error>> {
    let mut args = pico_args::Arguments::from_env();
    let replace = !args.contains("--no-clobber");
    let level = args.opt_value_from_fn("--durability", |level| match level {
        "none" => Ok(Durability::None),
        "contents" => Ok(Durability::Contents),
        "full" => Ok(Durability::Full),
        _ => Err("it is none, contents or full"),
    })?;
    let mode = args.opt_value_from_fn("--mode", |octal| u32::from_str_radix(octal, 8))?;
    let rest = args.finish();
    let out = match &rest[..] {
        [out] if !out.to_string_lossy().starts_with('-') => Path::new(out),
        _ => return Err("usage: sponge [OPTIONS] OUT < IN".into()),
    };
    let mut how = PublishOptions::new();
    how.replace(replace)
        .durability(level.unwrap_or_default())
        .symlinks(Symlinks::Follow);
    if let Some(mode) = mode {
        if !cfg!(unix) {
            return Err("files have no mode here; leave --mode out".into());
        }
        let file = with_mode(mode).anonymous_beside(out)?;
        let mut file = BufWriter::new(file);
        soak_up(&mut file)?;
        // An io::Error prints its cause, too.
        how.publish(file.into_inner()?, out)
            .map_err(io::Error::from)?;
    } else {
        how.preserve(Preserve::ALL.where_possible());
        how.write_with(out, soak_up)?;
    }
    Ok(())
}

#[cfg(unix)]
fn with_mode(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(mode);
    options
}

#[cfg(not(unix))]
fn with_mode(_: u32) -> OpenOptions {
    OpenOptions::new()
}

fn soak_up(file: &mut BufWriter<LinkableFile>) -> io::Result<()> {
    let failed =
        |e: io::Error| io::Error::new(e.kind(), format!("cannot copy standard input: {e}"));
    let mut input = io::stdin().lock();
    while io::copy(&mut input.by_ref().take(256 << 20), file).map_err(failed)? == 256 << 20 {
        if io::stderr().is_terminal() {
            let _ = writeln!(io::stderr(), "{} MiB", file.stream_position()? >> 20);
        }
    }
    Ok(())
}
